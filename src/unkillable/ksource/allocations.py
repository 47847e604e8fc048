"""Memory that a call asks for, itself or by what it calls."""

from __future__ import annotations

import re
from collections import deque
from functools import lru_cache

from unkillable.ksource.audit_types import Allocation, Step
from unkillable.ksource.calls import Call
from unkillable.ksource.gfp import PASSED, Flags
from unkillable.ksource.graph import Graph
from unkillable.ksource.sources import Sources

_DEEPEST = 5
"""Calls that are followed below the holder's own."""
_MOST = 4
"""Allocations that are told of one call, the nearest."""
_LIBRARIES = ("lib", "mm", "block", "fs")
"""What every directory calls to get memory: these files themselves, not the directories below."""


class Allocations:
    def __init__(self, graph: Graph, sources: Sources, flags: Flags) -> None:
        self.graph = graph
        self.index = graph.index
        self.sources = sources
        self.flags = flags
        self.own = lru_cache(maxsize=50_000)(self._own)
        self.below = lru_cache(maxsize=50_000)(self._below)

    def of(self, function: int, call: Call) -> tuple[Allocation, ...]:
        """What one call in a function asks for: by its own flags, else by what it leads to."""
        if _FREES.search(call.name):
            return ()
        direct = self._flagged(function, call)
        if direct is not None:
            return (direct,)
        found: list[Allocation] = []
        for target in self._targets(function, call):
            found += self.below(target, self._area(function))
        return tuple(found[:_MOST])

    def _targets(self, function: int, call: Call) -> list[int]:
        """Functions that this call may mean, of those that its function can call at all."""
        area = self._area(function)
        found = []
        for node in self.graph.callees(function).tolist():
            name = self.graph.name(node)
            if not self.graph.is_slot(node):
                if call.through is None and name == call.name:
                    found.append(node)
            elif call.through is not None and name.partition(".")[2] == call.name:
                found += [one for one in self.graph.callees(node).tolist() if self._near(one, area)]
        return found

    def _below(self, start: int, area: str) -> tuple[Allocation, ...]:
        """Breadth first from a function, within its directory, headers and what lies below all directories."""
        if not self._near(start, area):
            return ()
        found: list[Allocation] = []
        seen = {start}
        queue: deque[tuple[int, tuple[Step, ...]]] = deque([(start, (self._step(start),))])
        while queue and len(found) < _MOST:
            node, path = queue.popleft()
            if self.graph.is_slot(node):
                own: tuple[Allocation, ...] = ()
            else:
                own = self.own(node)
                found += [_under(one, path) for one in own]
            if own or len(path) > _DEEPEST:
                continue
            for target in self.graph.callees(node).tolist():
                if target in seen or _FREES.search(self.graph.name(target)):
                    continue
                if self.graph.is_slot(target) or self._near(target, area):
                    seen.add(target)
                    queue.append(
                        (target, path if self.graph.is_slot(target) else (*path, self._step(target)))
                    )
        return tuple(found[:_MOST])

    def _near(self, node: int, area: str) -> bool:
        path = self.index.path(node)
        folder = path.rpartition("/")[0]
        return (
            folder == area or path.startswith("include/") or folder in _LIBRARIES or folder.startswith("lib/")
        )

    def _own(self, node: int) -> tuple[Allocation, ...]:
        """Allocations with flags of its own in a function."""
        found = [self._flagged(node, call) for call in self.sources.calls(node)]
        return tuple(one for one in found if one is not None)

    def _flagged(self, function: int, call: Call) -> Allocation | None:
        """A call that hands on flags which are decided here: a caller's flags handed on are the caller's."""
        flags = next((one for one in reversed(call.arguments) if PASSED.search(one)), None)
        if flags is None or not _DECIDED.search(flags) or _MASK.search(call.name):
            return None
        meaning = self.flags.meaning(flags)
        if meaning.waits is False:
            return None
        text = self.sources.text(self.index.path(function))
        if self.index.is_macro(function):
            written = f"{call.name}({', '.join(call.arguments)})"
        else:
            written = text.source[call.at : call.end].decode("latin-1")
        return Allocation(
            function=self.index.name(function),
            file=self.index.path(function),
            line=self.sources.line(function, call.at),
            call=" ".join(written.split())[:120],
            waits=meaning.waits,
            kills=meaning.kills,
        )

    def _area(self, function: int) -> str:
        return self.index.path(function).rpartition("/")[0]

    def _step(self, node: int) -> Step:
        return Step(self.index.name(node), self.index.path(node), self.index.line(node))


_DECIDED = re.compile(r"GFP_|_gfp_mask\s*\(|mapping_gfp|_gfp\s*\(")
_FREES = re.compile(r"(?:^|_|[a-z])free(?:_|$|d$)|^kfree|^vfree")
"""What gives memory back; that it may ask for a little to do so (7.3's slab_free_hook) is not what a holder waits for."""
_MASK = re.compile(
    r"(?:^|_)(?:gfp|mask|set_gfp|might|readahead_gfp|gfpflags|gfp_allowed)(?:_|$)|^fs_reclaim|^ALLOC_"
)
"""Calls that reckon with flags, or test them."""


def _under(one: Allocation, path: tuple[Step, ...]) -> Allocation:
    return Allocation(one.function, one.file, one.line, one.call, one.waits, one.kills, path)

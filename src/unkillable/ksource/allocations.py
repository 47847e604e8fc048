"""Memory that a call asks for, itself or by what it calls."""

from __future__ import annotations

import re
from collections import defaultdict, deque
from collections.abc import Mapping, Sequence
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray

from unkillable.ksource.audit_types import Allocation, Step
from unkillable.ksource.calls import Call
from unkillable.ksource.facts import ASKS
from unkillable.ksource.gfp import PASSED, Flags
from unkillable.ksource.graph import Graph
from unkillable.ksource.sources import Sources

_DEEPEST = 6
"""Calls that are followed below the holder's own."""
_MOST = 4
"""Allocations that are told of one call, the nearest."""
_POOLED = 4
"""Calls between a caller and mempool_alloc(), at most."""
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
        self.targets = lru_cache(maxsize=20_000)(self._targets)
        self._folders: dict[str, int] = {}
        folders = (path.rpartition("/")[0] for path in self.index.paths)
        numbers = [self._folders.setdefault(one, len(self._folders)) for one in folders]
        self._folder = np.array(numbers, np.int32)[self.index.functions[:, 5]]
        """The number of each function's directory."""
        self._open = lru_cache(maxsize=256)(self._open_to)

    def of(self, function: int, call: Call) -> tuple[Allocation, ...]:
        """What one call in a function asks for: by its own flags, else by what it leads to."""
        if _FREES.search(call.name):
            return ()
        if self._decided(call) is not None:
            direct = self._flagged(function, call)
            return (direct,) if direct is not None else ()
        found: list[Allocation] = []
        targets = self.targets(function)
        meant = [*targets.get((call.name, call.through is not None), ())]
        for one in call.arguments:  # a function that the called one calls
            meant += targets.get((one, False), ())
        for target in meant:
            found += self.below(target, self._area(function))
        return tuple(found[:_MOST])

    def _targets(self, function: int) -> Mapping[tuple[str, bool], Sequence[int]]:
        """Functions that its calls may mean, by the name called and whether that is a structure's member."""
        found: defaultdict[tuple[str, bool], list[int]] = defaultdict(list)
        for node in self.graph.callees(function).tolist():
            name = self.graph.name(node)
            if self.graph.is_slot(node):
                found[name.partition(".")[2], True] += self._stored(node, self._area(function))
            else:
                found[name, False].append(node)
        return found

    def _stored(self, slot: int, area: str) -> list[int]:
        """What a directory's own objects have in a member: what the others have is called with others' objects."""
        return [one for one in self.graph.callees(slot).tolist() if self._area(one) == area]

    def _below(self, start: int, area: str) -> tuple[Allocation, ...]:
        """Breadth first from a function, within its directory, headers and what lies below all directories."""
        allowed = self._open(area)
        if not allowed[start]:
            return ()
        found: list[Allocation] = []
        seen = {start}
        queue: deque[tuple[int, tuple[int, ...]]] = deque([(start, (start,))])
        while queue and len(found) < _MOST:
            node, path = queue.popleft()
            own = () if self.graph.is_slot(node) else self.own(node)
            if own:
                steps = tuple(self._step(one) for one in path)
                found += [_under(one, steps) for one in own]
                continue
            if len(path) > _DEEPEST:
                continue
            if self.graph.is_slot(node):
                following = self._stored(node, area)
            else:
                callees = self.graph.callees(node)
                following = callees[allowed[callees]].tolist()
            for target in following:
                if target not in seen:
                    seen.add(target)
                    queue.append((target, path if self.graph.is_slot(target) else (*path, target)))
        return tuple(found[:_MOST])

    def _open_to(self, area: str) -> NDArray[np.bool_]:
        """Nodes that a walk from a directory may enter."""
        near = np.isin(
            self._folder, [number for folder, number in self._folders.items() if _is_near(folder, area)]
        )
        nodes = np.ones(len(self.graph.begin) - 1, np.bool_)
        nodes[: self.graph.count] = near
        return nodes & ~self._frees

    @cached_property
    def _frees(self) -> NDArray[np.bool_]:
        """Nodes whose name says that they give memory back."""
        names = np.array([_FREES.search(name) is not None for name in self.index.names])
        members = self.graph.slots % len(self.index.names)
        return np.concatenate([names[self.index.functions[:, 0]], names[members]])

    @cached_property
    def _pools(self) -> frozenset[str]:
        """mempool_alloc() and what hands its own flags on to it, such as bio_alloc(): they fall back on a reserve, and wait for what
        comes back to that."""
        names = frozenset(("mempool_alloc",))
        for _ in range(_POOLED):
            callers = self.index.callers(names).tolist()
            names |= {self.index.name(one) for one in callers if self._hands_on(one, names)}
        return names

    def _hands_on(self, function: int, names: frozenset[str]) -> bool:
        parameters = self.sources.parameters(function)
        return any(
            # bio_kmalloc() of 5.10 has no pool: bio_alloc_bioset(flags, vectors, NULL).
            call.name in names
            and call.arguments[-1:] != ("NULL",)
            and any(PASSED.search(one) and one in parameters for one in call.arguments)
            for call in self.sources.calls(function)
        )

    def _own(self, node: int) -> tuple[Allocation, ...]:
        """Allocations with flags of its own in a function."""
        if not self.index.functions[node, 4] & ASKS:
            return ()
        found = [self._flagged(node, call) for call in self.sources.calls(node)]
        return tuple(one for one in found if one is not None)

    @staticmethod
    def _decided(call: Call) -> str | None:
        """The flags that a call hands on, if they are decided here: a caller's flags handed on are the caller's."""
        flags = next((one for one in reversed(call.arguments) if PASSED.search(one)), None)
        return None if flags is None or not _DECIDED.search(flags) or _MASK.search(call.name) else flags

    def _flagged(self, function: int, call: Call) -> Allocation | None:
        """A call that hands on flags which are decided here, and may wait."""
        flags = self._decided(call)
        if flags is None or call.name in self._pools:
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
_FREES = re.compile(r"(?:^|_|[a-z])free(?:_|$|d$)|^kfree|^vfree|release_(?:folio|page)")
"""What gives memory back; that it may ask for a little to do so (7.3's slab_free_hook) is not what a holder waits for."""
_MASK = re.compile(
    r"(?:^|_)(?:gfp|mask|set_gfp|might|readahead_gfp|gfpflags|gfp_allowed)(?:_|$)|^fs_reclaim|^ALLOC_"
)
"""Calls that reckon with flags, or test them."""


def _is_near(folder: str, area: str) -> bool:
    return folder == area or folder in _LIBRARIES or folder.startswith(("include/", "lib/"))


def _under(one: Allocation, path: tuple[Step, ...]) -> Allocation:
    return Allocation(one.function, one.file, one.line, one.call, one.waits, one.kills, path)

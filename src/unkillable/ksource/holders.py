"""Who has what a task sleeps for, and may have to wait for memory before giving it back.

A holder is code between an acquiring and a releasing call in one function: of a lock, its lock and unlock; of anything
else, the function that sleeps for it and one that wakes its queue, or callers of these.  It is looked for in the directory of the
sleeper, by the order of lines: a branch that is not taken on the way counts.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

from unkillable.ksource import releases
from unkillable.ksource.allocations import Allocations
from unkillable.ksource.audit_types import Allocation, Holder
from unkillable.ksource.calls import Call
from unkillable.ksource.graph import Graph
from unkillable.ksource.resources import Resources
from unkillable.ksource.sources import Sources

_WRAPPERS = 3
"""Calls between a caller and the function that takes for it, at most."""
_MOST = 12
"""Holders of one resource that are told."""


class Event(NamedTuple):
    """A call that takes or gives back."""

    at: int
    name: str


class Taken(NamedTuple):
    """A resource, and where it is taken: function and place of each sleep for it."""

    key: str
    area: str
    sleeps: tuple[tuple[int, int, str], ...]
    """Function, offset, name of the primitive ("" if open-coded)."""


class Holders:
    def __init__(
        self, graph: Graph, sources: Sources, resources: Resources, allocations: Allocations
    ) -> None:
        self.graph = graph
        self.index = graph.index
        self.sources = sources
        self.resources = resources
        self.allocations = allocations
        self.functions = lru_cache(maxsize=256)(self._functions)

    def find(self, taken: Taken) -> tuple[Holder, ...]:
        """Holders that allocate, those whose allocations certainly wait first."""
        functions = self.functions(taken.area)
        gives = self._gives(taken, functions)
        if not gives:
            return ()
        takes = self._takes(taken, functions, gives)
        found = []
        for function in functions:
            holder = self._holder(function, takes.get(function, []), gives.get(function, []))
            if holder is not None:
                found.append(holder)
        found.sort(key=lambda one: (not any(each.waits for each in one.allocations), one.file, one.acquired))
        return tuple(found[:_MOST])

    def _functions(self, area: str) -> tuple[int, ...]:
        """Functions of a directory; macros have no order of lines."""
        index = self.index
        files = {number for number, path in enumerate(index.paths) if path.rpartition("/")[0] == area}
        return tuple(
            number
            for number, row in enumerate(index.functions[:, 5].tolist())
            if row in files and not index.is_macro(number)
        )

    def _gives(self, taken: Taken, functions: Iterable[int]) -> dict[int, list[Event]]:
        """Releases in each function, and calls of functions that release what they are given."""
        unlocks = {name for _, _, primitive in taken.sleeps if (name := releases.release(primitive))}
        direct: defaultdict[int, list[Event]] = defaultdict(list)
        for function in functions:
            for call in self.sources.calls(function):
                if (call.name in unlocks or (not unlocks and releases.wakes(call.name))) and self._about(
                    function, call, taken.key
                ):
                    direct[function].append(Event(call.at, call.name))
        sleepers = {function for function, _, _ in taken.sleeps}
        givers = {self.index.name(one) for one in direct if one not in sleepers and not unlocks}
        for function in functions:
            for call in self.sources.calls(function):
                if call.through is None and call.name in givers:
                    direct[function].append(Event(call.at, call.name))
        return direct

    def _about(self, function: int, call: Call, key: str) -> bool:
        return any(self.resources.of(function, one).key == key for one in call.arguments[:2])

    def _takes(
        self, taken: Taken, functions: Iterable[int], gives: dict[int, list[Event]]
    ) -> dict[int, list[Event]]:
        found: defaultdict[int, list[Event]] = defaultdict(list)
        for function, at, primitive in taken.sleeps:
            found[function].append(Event(at, primitive))
        # A function that takes and does not give back takes for its caller.
        names = {
            self.index.name(one)
            for one in found
            if one not in gives or not self._unlocked_in(one, found, gives)
        }
        for _ in range(_WRAPPERS):
            more: set[str] = set()
            for function in functions:
                name = self.index.name(function)
                if name in names:
                    continue
                events = [
                    Event(call.at, call.name)
                    for call in self.sources.calls(function)
                    if call.through is None and call.name in names
                ]
                if events:
                    known = {event.at for event in found[function]}
                    found[function] += [event for event in events if event.at not in known]
                    if function not in gives:
                        more.add(name)
            if not more - names:
                break
            names = more
        return {function: events for function, events in found.items() if events}

    @staticmethod
    def _unlocked_in(function: int, takes: dict[int, list[Event]], gives: dict[int, list[Event]]) -> bool:
        """Whether a function gives back all that it takes: its last release is behind its last taking, and it is a lock."""
        last = max(event.at for event in gives[function])
        return all(releases.release(event.name) is not None and event.at < last for event in takes[function])

    def _holder(self, function: int, takes: list[Event], gives: list[Event]) -> Holder | None:
        if not gives:
            return None
        end = max(event.at for event in gives)
        before = [event.at for event in takes if event.at < end]
        own = any(releases.wakes(event.name) for event in gives)
        if not before and not own:
            return None
        # Who wakes has it from the beginning; who also sleeps for it can come round to the waking again.
        begin = self.sources.span(function)[0] if own else min(before)
        skipped = {event.at for event in (*takes, *gives)}
        allocations: list[Allocation] = []
        for call in self.sources.calls(function):
            if begin < call.at < end and call.at not in skipped:
                allocations += self.allocations.of(function, call)
        if not allocations:
            return None
        return Holder(
            function=self.index.name(function),
            file=self.index.path(function),
            acquired=self.sources.line(function, begin if not own else min(before, default=begin)),
            released=self.sources.line(function, end),
            allocations=tuple(dict.fromkeys(allocations)),
        )

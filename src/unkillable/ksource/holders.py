"""Who has what a task sleeps for, and may have to wait for memory before giving it back.

A holder is code between an acquiring and a releasing call in one function: of a lock, its lock and unlock; of anything
else, the function that sleeps for it and one that wakes its queue, or callers of these.  The order of lines decides: a branch
that is not taken on the way counts.  What is of a structure that everybody can use is looked for in all code that may have
the sleeper's own: not in another file system's; all else in the directory of the sleeper.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import cached_property, lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from unkillable.ksource import releases
from unkillable.ksource.allocations import Allocations
from unkillable.ksource.areas import Areas
from unkillable.ksource.audit_types import Allocation, Holder
from unkillable.ksource.facts import MACRO
from unkillable.ksource.graph import Graph
from unkillable.ksource.resources import Resources
from unkillable.ksource.sources import Sources

_WRAPPERS = 3
"""Calls between a caller and the function that takes for it, at most."""
_MOST = 12
"""Holders of one resource that are told."""
_ASKED = 8
"""Allocations of one holder that are told, those that certainly wait first."""


class Event(NamedTuple):
    """A call that takes or gives back."""

    at: int
    name: str


class Mark(NamedTuple):
    """A call that takes, gives back or wakes, and what it may be about."""

    at: int
    name: str
    keys: tuple[str, ...]


class Taken(NamedTuple):
    """A resource, and where it is taken: function and place of each sleep for it."""

    key: str
    area: str | int
    """The directory whose functions can hold it, or the number of the area (areas.Areas) that can with what all share."""
    sleeps: tuple[tuple[int, int, str], ...]
    """Function, offset, name of the primitive ("" if open-coded)."""


class Holders:
    def __init__(
        self,
        graph: Graph,
        areas: Areas,
        sources: Sources,
        resources: Resources,
        allocations: Allocations,
    ) -> None:
        self.graph = graph
        self.areas = areas
        self.index = graph.index
        self.sources = sources
        self.resources = resources
        self.allocations = allocations
        self.marks = lru_cache(maxsize=50_000)(self._marks)
        self._in_area = lru_cache(maxsize=256)(self._functions_in)

    def find(self, taken: Taken) -> tuple[Holder, ...]:
        """Holders that allocate: those whose allocations certainly wait first, of these the ones near a sleeper."""
        unlocks = {name for _, _, primitive in taken.sleeps if (name := releases.release(primitive))}
        unlocks = {one for name in unlocks for one in (name, *self._families.get(releases.family(name), ()))}
        gives = self._gives(taken, unlocks)
        if not gives:
            return ()
        takes = self._takes(taken, unlocks, gives)
        made = [
            *(self._holder(one, takes.get(one, []), gives[one]) for one in sorted(gives)),
            *(self._taker(one, takes[one]) for one in self._for_callers(takes, gives)),
        ]
        found = [one for one in made if one is not None]
        folders = {self.index.path(function).rpartition("/")[0] for function, _, _ in taken.sleeps}
        found.sort(key=lambda one: self._order(one, folders))
        return tuple(found[:_MOST])

    @staticmethod
    def _order(one: Holder, folders: Collection[str]) -> tuple[bool, bool, bool, str, int]:
        folder = one.file.rpartition("/")[0]
        return not waits(one), one.shared, folder not in folders, one.file, one.acquired

    def _functions_in(self, area: str | int) -> NDArray[np.bool_]:
        """Functions that can hold; macros have no order of lines."""
        index = self.index
        mask: NDArray[np.bool_] = (index.functions[:, 4] & MACRO) == 0
        if isinstance(area, str):
            files = np.array([path.rpartition("/")[0] == area for path in index.paths] or [False])
            mask &= files[index.functions[:, 5]]
        elif area:
            mask &= self.areas.allowed(area)[: self.graph.count]
        return mask

    @cached_property
    def _takers(self) -> Mapping[str, Collection[str]]:
        """Name of a call that gives back to the names of those that take."""
        found: defaultdict[str, list[str]] = defaultdict(list)
        for number in np.unique(self.index.calls[:, 1]).tolist():
            name = self.index.names[number]
            release = releases.release(name)
            if release is not None:
                found[release].append(name)
        return found

    @cached_property
    def _families(self) -> Mapping[str, Collection[str]]:
        """Calls that give back the same, shared or not."""
        found: defaultdict[str, list[str]] = defaultdict(list)
        for name in self._takers:
            found[releases.family(name)].append(name)
        return found

    @cached_property
    def _wakers(self) -> Collection[str]:
        called = np.unique(self.index.calls[:, 1]).tolist()
        return [name for number in called if releases.wakes(name := self.index.names[number])]

    def _marks(self, function: int) -> tuple[Mark, ...]:
        """Calls of a function that take, give back or wake."""
        return tuple(
            Mark(
                call.at,
                call.name,
                tuple(self.resources.of(function, one).key for one in call.arguments[:2]),
            )
            for call in self.sources.calls(function)
            if call.name in self._takers or releases.release(call.name) or releases.wakes(call.name)
        )

    def _marked(self, taken: Taken, names: Collection[str]) -> dict[int, list[Event]]:
        """Calls of these names that are about what is taken, by the functions of its area."""
        found = {}
        wanted = frozenset(names)
        for function in self._those(self.index.callers(wanted), taken.area):
            events = [
                Event(one.at, one.name)
                for one in self.marks(function)
                if one.name in wanted and taken.key in one.keys
            ]
            if events:
                found[function] = events
        return found

    def _those(self, functions: NDArray[np.int32], area: str | int) -> list[int]:
        those: list[int] = functions[self._in_area(area)[functions]].tolist()
        return those

    def _calls_of(self, functions: Collection[int], area: str | int) -> Iterator[tuple[int, list[Event]]]:
        """Who calls these functions of its own file or of others, and where."""
        callers: defaultdict[int, set[str]] = defaultdict(set)
        for one in functions:
            for caller in self.graph.callers(one).tolist():
                if not self.graph.is_slot(caller) and self._in_area(area)[caller]:
                    callers[caller].add(self.index.name(one))
        for caller in sorted(callers):
            events = [
                Event(call.at, call.name)
                for call in self.sources.calls(caller)
                if call.through is None and call.name in callers[caller]
            ]
            if events:  # else it hands one of them on
                yield caller, events

    def _gives(self, taken: Taken, unlocks: Collection[str]) -> dict[int, list[Event]]:
        """Releases in each function, and calls of functions that wake who waits for what they are given."""
        found = self._marked(taken, unlocks or self._wakers)
        if not unlocks:
            sleepers = {function for function, _, _ in taken.sleeps}
            for function, events in self._calls_of([one for one in found if one not in sleepers], taken.area):
                found[function] = [*found.get(function, []), *events]
        return found

    def _takes(
        self, taken: Taken, unlocks: Iterable[str], gives: Mapping[int, list[Event]]
    ) -> dict[int, list[Event]]:
        locks = [name for unlock in unlocks for name in self._takers.get(unlock, ())]
        found = self._marked(taken, locks)
        for function, at, primitive in taken.sleeps:
            _add(found, function, [Event(at, primitive)])
        # A function that takes and does not give back takes for its caller.
        takers = {
            one for one in found if one not in gives or not self._gives_all_back(found[one], gives[one])
        }
        for _ in range(_WRAPPERS):
            more: set[int] = set()
            for function, events in self._calls_of(takers, taken.area):
                if function not in takers:
                    _add(found, function, events)
                    if function not in gives:
                        more.add(function)
            if not more:
                break
            takers = more
        return found

    @staticmethod
    def _gives_all_back(takes: Iterable[Event], gives: Iterable[Event]) -> bool:
        """Whether a function gives back all that it takes: its last release is behind its last taking, and it is a lock."""
        last = max(event.at for event in gives)
        return all(releases.release(event.name) is not None and event.at < last for event in takes)

    def _holder(self, function: int, takes: list[Event], gives: list[Event]) -> Holder | None:
        end = max(event.at for event in gives)
        before = [event.at for event in takes if event.at < end]
        own = any(releases.wakes(event.name) for event in gives)
        if not before and not own:
            return None
        # Who wakes has it from the beginning; who also sleeps for it can come round to the waking again.
        begin = self.sources.span(function)[0] if own else min(before)
        first = begin if not own else min(before, default=begin)
        shared = not own and all(releases.shares(event.name) for event in takes if event.at < end)
        return self._between(function, begin, end, (*takes, *gives), (first, end), shared)

    def _for_callers(self, takes: Mapping[int, list[Event]], gives: Collection[int]) -> list[int]:
        """Functions that take for a caller that gives back, or for one that takes for such a caller."""
        found: set[int] = set()
        for _ in range(_WRAPPERS):
            found |= {
                one
                for one in takes
                if one not in gives
                and any(caller in gives or caller in found for caller in self.graph.callers(one).tolist())
            }
        return sorted(found)

    def _taker(self, function: int, takes: list[Event]) -> Holder | None:
        """Who takes for a caller has it to its own end: squashfs_cache_get() fills what it waited for."""
        begin, end = min(event.at for event in takes), self.sources.span(function)[1]
        shared = all(releases.shares(event.name) for event in takes)
        return self._between(function, begin, end, takes, (begin, end - 1), shared)

    def _between(
        self,
        function: int,
        begin: int,
        end: int,
        events: Iterable[Event],
        told: tuple[int, int],
        shared: bool,
    ) -> Holder | None:
        """What a function asks for between two offsets, if it does; `told` are those that are told."""
        skipped = {event.at for event in events}
        allocations: list[Allocation] = []
        for call in self.sources.calls(function):
            if begin < call.at < end and call.at not in skipped:
                allocations += self.allocations.of(function, call)
        if not allocations:
            return None
        return Holder(
            function=self.index.name(function),
            file=self.index.path(function),
            acquired=self.sources.line(function, told[0]),
            released=self.sources.line(function, told[1]),
            allocations=tuple(sorted(dict.fromkeys(allocations), key=lambda one: not one.waits))[:_ASKED],
            shared=shared,
        )


def waits(holder: Holder) -> bool:
    """Whether it is certain that something it asks for may wait for memory."""
    return any(one.waits for one in holder.allocations)


def _add(found: dict[int, list[Event]], function: int, events: Iterable[Event]) -> None:
    known = {event.at for event in found.get(function, ())}
    found[function] = [*found.get(function, []), *(one for one in events if one.at not in known)]

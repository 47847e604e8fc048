"""How a task gets from an entry to a function: by what belongs to it and what all share, and only if there is no such
way by others' code (a stacked file system on a network file system on ...)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from unkillable.ksource.areas import Areas
from unkillable.ksource.entries import RECLAIM, Entry, nodes
from unkillable.ksource.graph import Graph, Reach

_LONGEST = 20
"""Steps of a path that is believed.  Every step is a call that can be made; that all of one chain are made by the same task is
less likely with each, and a walk that ends in the lookup of a path by an audit rule is no page fault any more."""


class Way(NamedTuple):
    led: tuple[Entry, ...]
    """Entries that lead there, in their order."""
    reach: Reach | None
    """Holds the path from the first of them."""
    detour: bool
    """Others' code is on it."""


class Ways:
    def __init__(self, graph: Graph, areas: Areas, entries: Sequence[Entry]) -> None:
        self.graph = graph
        self.areas = areas
        self.entries = entries
        index = graph.index
        self._begin = {one.key: nodes(one.functions, index) for one in entries}
        reclaim = set(nodes(RECLAIM, index))
        self._closed = {key: reclaim - set(begin) for key, begin in self._begin.items()}
        self._walks: dict[tuple[str, int | None], Reach] = {}

    def walk(self, entry: Entry, area: int | None) -> Reach:
        """Everything that an entry leads to; with an area, only by it and what all share."""
        key = (entry.key, area)
        if key not in self._walks:
            allowed = None if area is None else self.areas.allowed(area)
            self._walks[key] = self.graph.reach(self._begin[entry.key], self._closed[entry.key], allowed)
        return self._walks[key]

    def to(self, function: int) -> Way:
        area = int(self.areas.of[function])
        for where in (area, None):
            led = tuple(one for one in self.entries if 0 <= self.walk(one, where).depth[function] < _LONGEST)
            if led:
                return Way(led, self.walk(led[0], where), where is None)
        return Way((), None, False)

"""Where the arrows run: down at the right of the boxes, up at the left, so that a circle is seen as one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from unkillable.model.types import Arrow

__all__ = ["PORTS", "Path", "circle", "paths"]

PORTS, LANES = 5, 4
"""Ends of arrows at one side of a box, and arrows beside each other, that the style sheet has room for."""


class Path(NamedTuple):
    """An arrow on the page: a bracket at one side of the boxes."""

    side: str
    """down or up."""
    top: int
    """Row of the upper box, from 1."""
    bottom: int
    top_port: int
    """Which place of the upper box's side, from the top, from 0."""
    bottom_port: int
    lane: int
    """Distance from the boxes, from 0."""
    circle: bool
    """It belongs to a circle of waiting."""
    said: str


def circle(arrows: Iterable[Arrow]) -> frozenset[tuple[str, str]]:
    """The arrows (source, target) from whose target the source can be reached."""
    ways: dict[str, set[str]] = defaultdict(set)
    for one in arrows:
        ways[one.source].add(one.target)
    return frozenset((a, b) for a in ways for b in ways[a] if a in _reached(ways, b))


def _reached(ways: Mapping[str, set[str]], begin: str) -> set[str]:
    found, todo = {begin}, [begin]
    while todo:
        new = ways.get(todo.pop(), set()) - found
        found |= new
        todo += new
    return found


def paths(arrows: Iterable[Arrow], rows: Mapping[str, int], closed: bool) -> list[Path]:
    """All arrows between boxes that are on the page (`rows`: name to row); `closed`: circles are marked."""
    whys: dict[tuple[str, str], list[str]] = defaultdict(list)
    for one in arrows:
        if one.source in rows and one.target in rows and one.source != one.target:
            whys[one.source, one.target].append(one.why)
    marked = circle(arrows) if closed else frozenset()
    found = []
    for side in ("down", "up"):
        ends = [
            _End(rows[a], rows[b], (a, b) in marked, f"{a} to {b}: {', '.join(why)}")
            for (a, b), why in whys.items()
            if (rows[a] < rows[b]) == (side == "down")
        ]
        found += _side(side, ends)
    return found


class _End(NamedTuple):
    source: int
    target: int
    circle: bool
    said: str

    @property
    def rows(self) -> tuple[int, int]:
        return min(self.source, self.target), max(self.source, self.target)

    @property
    def span(self) -> int:
        return abs(self.source - self.target)


def _side(side: str, arrows: Sequence[_End]) -> list[Path]:
    ports = _ports(arrows)
    taken: list[list[tuple[int, int]]] = [[] for _ in range(LANES)]
    found = []
    for number, one in sorted(enumerate(arrows), key=lambda item: (item[1].span, item[1].rows)):
        top, bottom = one.rows
        a, b = ports[number, top], ports[number, bottom]
        stretch = (top * PORTS + a, bottom * PORTS + b)
        free = (
            n
            for n, used in enumerate(taken)
            if all(stretch[1] < begin or end < stretch[0] for begin, end in used)
        )
        lane = next(free, LANES - 1)
        taken[lane].append(stretch)
        found.append(Path(side, top, bottom, a, b, lane, one.circle, one.said))
    return found


def _ports(arrows: Sequence[_End]) -> dict[tuple[int, int], int]:
    """Ends at a box from above come first, the shortest on top; then those that go on below, the longest on top: so none cross."""
    at: dict[int, list[tuple[int, int, int]]] = defaultdict(list)
    for number, one in enumerate(arrows):
        top, bottom = one.rows
        at[top].append((1, -one.span, number))
        at[bottom].append((0, one.span, number))
    return {
        (number, row): min(place, PORTS - 1)
        for row, ends in at.items()
        for place, (_, _, number) in enumerate(sorted(ends))
    }

"""Where the boxes of a picture go: igraph's layered layout, turned to run from left to right."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

import msgspec

from unkillable.report.pictures import Box, Link, Picture

__all__ = ["Arrow", "Drawing", "Shape", "place"]

WIDTH = 196
"""Pixels, as all lengths here."""
_GAP_X, _GAP_Y, _MARGIN = 84, 20, 8
_LINE = {"title": 17, "detail": 15, "tag": 15}
_PADDING = {"task": 18, "resource": 30}
_COLUMNS = {
    "task": {"title": 23, "detail": 28, "tag": 26},
    "resource": {"title": 20, "detail": 23, "tag": 23},
}
_LINES = {"title": 4, "detail": 3, "tag": 2}
_APART = 9
"""From the middle of a side, where arrows both leave and arrive."""

Point = tuple[float, float]


class Text(msgspec.Struct, frozen=True):
    role: str
    """title, detail, tag."""
    text: str
    x: float
    y: float


class Shape(msgspec.Struct, frozen=True):
    box: Box
    x: float
    """Left edge."""
    y: float
    """Top edge."""
    width: float
    height: float
    texts: tuple[Text, ...]

    @property
    def middle(self) -> float:
        return self.y + self.height / 2


class Arrow(msgspec.Struct, frozen=True):
    link: Link
    path: str
    """SVG path data."""
    x: float
    y: float
    anchor: str
    """Place of its words; the words start or end there."""


class Drawing(msgspec.Struct, frozen=True):
    width: float
    height: float
    shapes: tuple[Shape, ...]
    arrows: tuple[Arrow, ...]


def place(picture: Picture) -> Drawing:
    """Lays out a picture of at least one box; its size is bounded by `fold`, so this ends soon."""
    points, bends = _layered(len(picture.boxes), [(link.source, link.target) for link in picture.links])
    wrapped = [_wrapped(box) for box in picture.boxes]
    heights = [_height(box, lines) for box, lines in zip(picture.boxes, wrapped, strict=True)]
    row = max(heights, default=0) + _GAP_Y
    extents = [(y * row, height / 2) for (_, y), height in zip(points, heights, strict=True)]
    extents += [(y * row, 0.0) for bend in bends for _, y in bend]
    lift = _MARGIN - min(y - half for y, half in extents)

    def at(point: Point) -> Point:
        """Left edge of the column and middle of the row."""
        return _MARGIN + point[0] * (WIDTH + _GAP_X), lift + point[1] * row

    shapes = tuple(
        _shape(box, lines, height, at(point))
        for box, lines, height, point in zip(picture.boxes, wrapped, heights, points, strict=True)
    )
    busy = _busy(picture.links, shapes)
    arrows = tuple(
        _arrow(link, shapes, [at(point) for point in bend], busy)
        for link, bend in zip(picture.links, bends, strict=True)
    )
    width = max(shape.x for shape in shapes) + WIDTH + _MARGIN
    height = max(y + half for y, half in extents) + lift + _MARGIN
    return Drawing(width, height, shapes, arrows)


def _layered(count: int, edges: Sequence[tuple[int, int]]) -> tuple[list[Point], list[list[Point]]]:
    """Column and row of each box, and of each bend of an edge that passes other columns.

    igraph finds the layers; the bends are vertices that we add, one in each layer that an edge passes, before
    the layers are ordered.  igraph 1.0 adds and returns such bends too, but under the number of another
    edge as soon as a short edge comes before a long one.
    """
    import igraph  # takes a moment to load, and only pictures need it

    layers = [round(y) for _, y in igraph.Graph(n=count, edges=edges, directed=True).layout_sugiyama().coords]
    steps: list[tuple[int, int]] = []
    passed: list[list[int]] = []
    for source, target in edges:
        first, last = sorted((source, target), key=lambda vertex: layers[vertex])
        between = list(range(len(layers), len(layers) + layers[last] - layers[first] - 1))
        layers += range(layers[first] + 1, layers[last])
        steps += pairwise((first, *between, last))
        passed.append(between if first == source else between[::-1])
    graph = igraph.Graph(n=len(layers), edges=steps, directed=True)
    points = [(float(y), float(x)) for x, y in graph.layout_sugiyama(layers=layers).coords]
    return points[:count], [[points[vertex] for vertex in between] for between in passed]


def _wrapped(box: Box) -> list[tuple[str, str]]:
    """Role and text of each line."""
    found: list[tuple[str, str]] = []
    for role, text in (("title", box.title), ("detail", box.detail), ("tag", box.tag)):
        lines = _lines(text, _COLUMNS[box.kind][role])
        if len(lines) > _LINES[role]:
            lines = [*lines[: _LINES[role] - 1], lines[_LINES[role] - 1] + " …"]
        found += [(role, line) for line in lines]
    return found


def _lines(text: str, columns: int) -> list[str]:
    """Wraps at spaces, and after the underscores of names."""
    lines = [""]
    for piece in re.findall(r"[^\s_]*(?:_+|\s+|$)", text):
        if len(lines[-1]) + len(piece.rstrip()) > columns and lines[-1]:
            lines.append("")
        while len(piece.rstrip()) > columns:
            lines[-1], piece = piece[:columns], piece[columns:]
            lines.append("")
        lines[-1] += piece if lines[-1] else piece.lstrip()
    return [line.strip() for line in lines if line.strip()]


def _height(box: Box, lines: Sequence[tuple[str, str]]) -> float:
    return _PADDING[box.kind] + sum(_LINE[role] for role, _ in lines)


def _shape(box: Box, lines: Sequence[tuple[str, str]], height: float, at: Point) -> Shape:
    left, middle = at
    top = middle - height / 2
    texts = []
    base = top + _PADDING[box.kind] / 2
    for role, line in lines:
        base += _LINE[role]
        texts.append(Text(role, line, left + WIDTH / 2, round(base - 4, 1)))
    return Shape(box, left, round(top, 1), WIDTH, height, tuple(texts))


def _forward(link: Link, shapes: Sequence[Shape]) -> bool:
    return shapes[link.target].x > shapes[link.source].x


def _busy(links: Sequence[Link], shapes: Sequence[Shape]) -> set[tuple[int, bool]]:
    """Sides (box, right?) at which arrows both leave and arrive."""
    leave = {(link.source, _forward(link, shapes)) for link in links}
    arrive = {(link.target, not _forward(link, shapes)) for link in links}
    return leave & arrive


def _end(shape: Shape, right: bool, shift: float) -> Point:
    """A point on the border."""
    inset = 0.0
    if shape.box.kind == "resource" and shape.height:
        inset = shape.width / 2 * (1 - max(1 - (2 * shift / shape.height) ** 2, 0.0) ** 0.5)
    return (shape.x + shape.width - inset if right else shape.x + inset, shape.middle + shift)


def _arrow(link: Link, shapes: Sequence[Shape], bends: Sequence[Point], busy: set[tuple[int, bool]]) -> Arrow:
    forward = _forward(link, shapes)
    # Arrows to the right run above those to the left, so that a pair of them does not become one line.
    shift = -_APART if forward else _APART
    start = _end(shapes[link.source], forward, shift if (link.source, forward) in busy else 0.0)
    end = _end(shapes[link.target], not forward, shift if (link.target, not forward) in busy else 0.0)
    points: list[Point] = [start]
    for x, y in bends:
        # Straight through the column of a layer it passes, so that it does not cut the boxes there.
        points += [(x, y), (x + WIDTH, y)] if forward else [(x + WIDTH, y), (x, y)]
    points.append(end)
    path = f"M{_number(start[0])} {_number(start[1])}"
    for (x1, y1), (x2, y2) in pairwise(points):
        half = (x1 + x2) / 2
        path += f" C{_number(half)} {_number(y1)} {_number(half)} {_number(y2)} {_number(x2)} {_number(y2)}"
    # Beside the curve, not on it; at a side with arrows in both directions each keeps to its own half.
    down = points[1][1] - start[1]
    above = forward if start[1] != shapes[link.source].middle or abs(down) < _APART else down > 0
    return Arrow(
        link,
        path,
        start[0] + (8 if forward else -8),
        start[1] + (-6 if above else 15),
        "start" if forward else "end",
    )


def _number(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")

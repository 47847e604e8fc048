"""Where the boxes of a picture go: igraph's layered layout, turned to run from left to right."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

import msgspec

from unkillable.report.pictures import Box, Link, Picture

__all__ = ["Arrow", "Drawing", "Shape", "place"]

WIDTH = 210
"""Pixels, as all lengths here."""
_GAP_X, _GAP_Y, _MARGIN = 96, 22, 14
_LINE = {"title": 17, "detail": 15, "tag": 15}
_PADDING = {"task": 18, "resource": 30}
_COLUMNS = {"task": {"title": 25, "detail": 30, "tag": 30}, "resource": {"title": 21, "detail": 25, "tag": 25}}
_LINES = {"title": 4, "detail": 3, "tag": 2}
_APART = 9
"""Between two arrows that join the same boxes in opposite directions."""

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
    """Lays a picture out; its size is bounded by `fold`, so this ends soon."""
    import igraph  # takes a moment to load, and only pictures need it

    graph = igraph.Graph(
        n=len(picture.boxes), edges=[(link.source, link.target) for link in picture.links], directed=True
    )
    layout = graph.layout_sugiyama(hgap=1, vgap=1)
    wrapped = [_wrapped(box) for box in picture.boxes]
    heights = [_height(box, lines) for box, lines in zip(picture.boxes, wrapped, strict=True)]
    row = max(heights, default=0) + _GAP_Y
    points: list[Point] = [(float(x), float(y)) for x, y in layout.coords]
    bends: list[list[Point]] = [[(float(x), float(y)) for x, y in bend] for bend in layout.edge_routing]
    everywhere = [*points, *(point for bend in bends for point in bend)]
    top = min((point[0] for point in everywhere), default=0.0)

    def at(point: Point) -> Point:
        """Left edge of the column and middle of the row; the layout's layers are our columns."""
        return _MARGIN + point[1] * (WIDTH + _GAP_X), _MARGIN + row / 2 + (point[0] - top) * row

    shapes = tuple(
        _shape(box, lines, height, at(point))
        for box, lines, height, point in zip(picture.boxes, wrapped, heights, points, strict=True)
    )
    pairs = {(link.source, link.target) for link in picture.links}
    arrows = tuple(
        _arrow(link, shapes, [at(point) for point in bend], (link.target, link.source) in pairs)
        for link, bend in zip(picture.links, bends, strict=True)
    )
    far = [at(point) for point in everywhere]
    width = max((x for x, _ in far), default=0.0) + WIDTH + _MARGIN
    height = max((y for _, y in far), default=0.0) + row / 2 + _MARGIN
    return Drawing(width, height, shapes, arrows)


def _wrapped(box: Box) -> list[tuple[str, str]]:
    """Role and text of each line."""
    found: list[tuple[str, str]] = []
    for role, text in (("title", box.title), ("detail", box.detail), ("tag", box.tag)):
        lines = textwrap.wrap(text, _COLUMNS[box.kind][role], max_lines=_LINES[role], placeholder=" …")
        found += [(role, line) for line in lines]
    return found


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


def _arrow(link: Link, shapes: Sequence[Shape], bends: Sequence[Point], paired: bool) -> Arrow:
    source, target = shapes[link.source], shapes[link.target]
    forward = target.x > source.x
    shift = (-_APART if forward else _APART) if paired else 0.0
    start = (source.x + WIDTH if forward else source.x, source.middle + shift)
    end = (target.x if forward else target.x + WIDTH, target.middle + shift)
    points: list[Point] = [start]
    for x, y in bends:
        # Straight through the column of a layer it passes, so that it does not cut the boxes there.
        points += [(x, y), (x + WIDTH, y)] if forward else [(x + WIDTH, y), (x, y)]
    points.append(end)
    path = f"M{_number(start[0])} {_number(start[1])}"
    for (x1, y1), (x2, y2) in zip(points, points[1:], strict=False):
        half = (x1 + x2) / 2
        path += f" C{_number(half)} {_number(y1)} {_number(half)} {_number(y2)} {_number(x2)} {_number(y2)}"
    words_y = start[1] + (-6 if forward or not paired else 15)
    return Arrow(link, path, start[0] + (8 if forward else -8), words_y, "start" if forward else "end")


def _number(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")

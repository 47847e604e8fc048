"""The wait-for graph as SVG."""

from __future__ import annotations

from collections.abc import Sequence

from unkillable.report.html import layout
from unkillable.report.html.templates import fill, style
from unkillable.report.pictures import Picture, sentence

__all__ = ["draw"]

_WORDS_LIMIT = 60
"""Arrows up to which they have words beside them; with more the words would cover the picture."""


def draw(picture: Picture, standalone: bool = True) -> str:
    """SVG text, or nothing for an empty picture."""
    if not picture.boxes:
        return ""
    drawing = layout.place(picture)
    return fill(
        "graph.svg.html",
        drawing=drawing,
        worded=_worded(drawing.arrows),
        sentences=[sentence(picture, link) for link in picture.links],
        tasks=sum(len(box.members) for box in picture.boxes if box.kind == "task"),
        resources=sum(len(box.members) for box in picture.boxes if box.kind == "resource"),
        css=style("picture.css") if standalone else None,
    )


def _worded(arrows: Sequence[layout.Arrow]) -> list[bool]:
    """Which have their words beside them: of several alike that leave one side of a box the first is enough."""
    seen: set[tuple[int, str, bool, str]] = set()
    found = []
    for arrow in arrows:
        key = (arrow.link.source, arrow.link.kind, arrow.link.inferred, arrow.anchor)
        found.append(key not in seen and len(arrows) <= _WORDS_LIMIT)
        seen.add(key)
    return found

"""The wait-for graph as SVG."""

from __future__ import annotations

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
        worded=_worded(picture),
        sentences=[sentence(picture, link) for link in picture.links],
        tasks=sum(len(box.members) for box in picture.boxes if box.kind == "task"),
        resources=sum(len(box.members) for box in picture.boxes if box.kind == "resource"),
        css=style("picture.css") if standalone else None,
    )


def _worded(picture: Picture) -> list[bool]:
    """Which arrows have their words beside them: of several alike that leave one box the first is enough."""
    seen: set[tuple[int, str, bool]] = set()
    found = []
    for link in picture.links:
        key = (link.source, link.kind, link.inferred)
        found.append(key not in seen and len(picture.links) <= _WORDS_LIMIT)
        seen.add(key)
    return found

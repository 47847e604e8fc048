"""The wait-for graph as SVG."""

from __future__ import annotations

from unkillable.report.html import layout
from unkillable.report.html.templates import fill, style
from unkillable.report.pictures import Picture, sentence

__all__ = ["draw"]

_WORDS_LIMIT = 40
"""Arrows up to which each has its words beside it; with more the words would cover the picture."""


def draw(picture: Picture, standalone: bool = True) -> str:
    """SVG text, or nothing for an empty picture."""
    if not picture.boxes:
        return ""
    drawing = layout.place(picture)
    return fill(
        "graph.svg.html",
        drawing=drawing,
        words=len(picture.links) <= _WORDS_LIMIT,
        sentences=[sentence(picture, link) for link in picture.links],
        tasks=sum(len(box.members) for box in picture.boxes if box.kind == "task"),
        resources=sum(len(box.members) for box in picture.boxes if box.kind == "resource"),
        css=style("picture.css") if standalone else None,
    )

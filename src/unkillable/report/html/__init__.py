"""A diagnosis as one HTML file that can be mailed and read anywhere: no network, no script.

The order is that of a person with a frozen device: what it is, why we say so, who waits for whom, what
happened when, the tasks, the memory, what to capture next time, what to do.  Lists are bounded; where
something is left out the page says how much, and that the JSON document has it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Generic, TypeVar

import msgspec
from markupsafe import Markup

from unkillable.diagnosis.types import Diagnosis, Memory
from unkillable.evidence.types import OomReport, OomTask
from unkillable.report import pictures
from unkillable.report.html import chart, graph, words
from unkillable.report.html.templates import document, fill, style

__all__ = ["body", "render", "style_sheet", "title"]

_QUOTES, _TASKS, _VICTIMS, _EVENTS, _REPORTS, _OTHERS, _STACK = 8, 60, 100, 200, 20, 50, 40
"""Rows of each kind on the page."""
_LARGEST = 10
"""Tasks of an OOM report's table."""

_SMALL = 0.6
"""Per cent of a bar that can still be seen."""

Item = TypeVar("Item")


class Part(msgspec.Struct, Generic[Item], frozen=True):
    """The rows shown of a list."""

    rows: tuple[Item, ...]
    more: int = 0
    """Rows left out."""
    gap: int = 0
    """Number of the row (from 1) after which they are left out."""


class Bar(msgspec.Struct, frozen=True):
    """One bar of the memory picture."""

    name: str
    kib: int
    share: float
    """0..100, of the longest."""


class Row(msgspec.Struct, frozen=True):
    """One row of an OOM report's task table."""

    task: OomTask
    rss_kib: int | None
    killed: bool


def render(diagnosis: Diagnosis) -> str:
    """The page."""
    return document("page.html", css=style_sheet(), tool=diagnosis.tool, **_shown(diagnosis))


def body(diagnosis: Diagnosis) -> Markup:
    """The page without its head, for a page around it that has the style sheet: landmarks `header`, `nav` and `main`."""
    return Markup(fill("body.html", **_shown(diagnosis)))  # noqa: S704  made by our own template


def style_sheet() -> Markup:
    """What the page looks like."""
    return style("page.css", "picture.css")


def title(kind: str) -> str:
    """A verdict's name for people."""
    return words.KINDS.get(kind, (kind, ""))[0]


def _shown(diagnosis: Diagnosis) -> dict[str, object]:
    """What the templates are filled with."""
    picture = pictures.fold(diagnosis)
    kind = diagnosis.verdict.kind
    return {
        "d": diagnosis,
        "title": title(kind),
        "meaning": words.KINDS.get(kind, ("", ""))[1],
        "tone": words.TONE.get(kind, "bad"),
        "words": words,
        "quotes": _QUOTES,
        "stack": _STACK,
        "picture": picture,
        "sentences": [pictures.sentence(picture, link) for link in picture.links],
        "graph": Markup(graph.draw(picture, standalone=False)),  # noqa: S704  made by our own template
        "timeline": Markup(chart.draw(diagnosis, standalone=False)),  # noqa: S704
        "events": _ends(diagnosis.timeline, _EVENTS),
        "tasks": _first(diagnosis.waiters, _TASKS),
        "victims": _ends(diagnosis.victims, _VICTIMS),
        "bars": _bars(diagnosis.memory),
        "reports": _ends(diagnosis.ooms, _REPORTS),
        "largest": _largest,
        "others": _first(diagnosis.others, _OTHERS),
        "unread": _first([one for one in diagnosis.problems if not one.note], _OTHERS),
        "notes": _first([one for one in diagnosis.problems if one.note], _OTHERS),
    }


def _first(items: Sequence[Item], limit: int) -> Part[Item]:
    return Part(tuple(items[:limit]), max(len(items) - limit, 0), limit)


def _ends(items: Sequence[Item], limit: int) -> Part[Item]:
    """The first and the last; the middle of a long story is much the same."""
    if len(items) <= limit:
        return Part(tuple(items))
    head = limit // 2
    return Part((*items[:head], *items[-(limit - head) :]), len(items) - limit, head)


def _bars(memory: Memory) -> list[Bar]:
    """What the memory went to, as shares of all of it (without a total: of the largest figure)."""
    swap = memory.swap_total_kib
    used = swap - memory.swap_free_kib if swap and memory.swap_free_kib is not None else None
    figures = [
        ("All memory", memory.total_kib),
        ("Anonymous (programs' own)", memory.anon_kib),
        ("File pages (page cache)", memory.file_kib),
        ("Free", memory.free_kib),
        ("Reserve (min watermarks)", memory.min_kib),
        ("Swap", swap or None),
        ("Swap used", used),
    ]
    known = [(name, kib) for name, kib in figures if kib is not None]
    longest = max((kib for _, kib in known), default=0)
    if longest <= 0:
        return []
    return [
        Bar(name, kib, round(max(100 * kib / longest, _SMALL if kib > 0 else 0), 2)) for name, kib in known
    ]


def _largest(report: OomReport) -> list[Row]:
    """The tasks with the most memory in RAM."""
    page = report.meminfo.page_size if report.meminfo is not None else None
    killed = {kill.pid for kill in report.kills}
    tasks = sorted(report.tasks, key=lambda task: -(task.rss or 0))[:_LARGEST]
    return [
        Row(task, task.rss * page if task.rss is not None and page else None, task.pid in killed)
        for task in tasks
    ]

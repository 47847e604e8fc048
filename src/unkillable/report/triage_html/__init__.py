"""A triage as one HTML file: no network, no script."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from markupsafe import Markup

from unkillable.fleet.triage_types import Triage
from unkillable.report import triage_words as words
from unkillable.report.html.templates import document, style

__all__ = ["render"]

_FOLDER = "triage_html"
_CAUSES, _CHANGES, _REASONS = 500, 100, 50
"""Of each on the page; the JSON document has all."""
_WIDTH, _HEIGHT, _GAP, _TICKS = 960.0, 170.0, 3.0, 5
"""Of the picture of the trend, in pixels, and dates below it."""
_SMALL_WIDTH, _SMALL_HEIGHT = 120.0, 24.0
"""Of a cause's."""


class Bar(msgspec.Struct, frozen=True):
    """One column of a picture."""

    x: float
    width: float
    y: float
    height: float
    inner_y: float
    inner: float
    """The part of it that hangs."""
    text: str = ""


class Tick(msgspec.Struct, frozen=True):
    x: float
    text: str
    anchor: str


def render(triage: Triage) -> str:
    """The page."""
    css = Markup("\n").join([style("page.css", "picture.css"), style("triage.css", folder=_FOLDER)])
    return document(
        "page.html",
        _FOLDER,
        t=triage,
        css=css,
        tool=triage.tool,
        words=words,
        tone=words.tone(triage),
        bars=trend(triage),
        ticks=ticks(triage),
        size=(_WIDTH, _HEIGHT),
        small=spark,
        small_size=(_SMALL_WIDTH, _SMALL_HEIGHT),
        most={"causes": _CAUSES, "changes": _CHANGES, "reasons": _REASONS},
    )


def trend(triage: Triage) -> list[Bar]:
    """All logs over time, and those that hang; none where all are of one day."""
    bins = triage.trend
    most = max((one.logs for one in bins), default=0)
    if not most or not words.spans_days(triage):
        return []
    step = _WIDTH / len(bins)
    found = []
    for at, one in enumerate(bins):
        height, inner = (_HEIGHT * count / most for count in (one.logs, one.hung))
        text = f"{words.day(one.start)}: {one.hung:,} of {one.logs:,} logs hang"
        x, width = _round(at * step), _round(step - _GAP)
        y, inner_y = _round(_HEIGHT - height), _round(_HEIGHT - inner)
        found.append(Bar(x, width, y, _round(height), inner_y, _round(inner), text))
    return found


def ticks(triage: Triage) -> list[Tick]:
    """Dates below the trend."""
    if not triage.trend:
        return []
    first, last = triage.trend[0].start, triage.trend[-1].end
    found = []
    for at in range(_TICKS):
        share = at / (_TICKS - 1)
        anchor = "start" if at == 0 else "end" if at == _TICKS - 1 else "middle"
        found.append(Tick(_round(_WIDTH * share), words.day(first + share * (last - first)), anchor))
    return found


def spark(counts: Sequence[int]) -> list[Bar]:
    """A cause's logs over time."""
    most = max(counts, default=0)
    step = _SMALL_WIDTH / max(len(counts), 1)
    found = []
    for at, one in enumerate(counts):
        height = _SMALL_HEIGHT * one / most if one else 0
        if height:
            y, width = _round(_SMALL_HEIGHT - height), _round(max(step - 1, 1))
            found.append(Bar(_round(at * step), width, 0, 0, y, _round(height)))
    return found


def _round(value: float) -> float:
    return round(value, 1)

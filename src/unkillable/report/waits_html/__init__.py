"""The ways to sleep of a tree as one HTML file: no network, no script."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from markupsafe import Markup

from unkillable.ksource.waits_types import Wait, Waits
from unkillable.report import waits_words as words
from unkillable.report.html.templates import document, style

__all__ = ["render"]

_FOLDER = "waits_html"
_ROWS, _CHANGES = 2000, 500
"""Of each on the page; the largest kernel read has 500 rows."""


def render(found: Waits, families: tuple[str, ...] = ()) -> str:
    """The page."""
    css = Markup("\n").join([style("page.css"), style("waits.css", folder=_FOLDER)])
    rows = words.families(found, families, everything=True)
    shown = _bounded(rows)
    return document(
        "page.html",
        _FOLDER,
        w=found,
        css=css,
        tool=found.tool,
        answer=words.headline(found, families),
        families=shown,
        more=sum(map(len, rows.values())) - sum(map(len, shown.values())),
        most=_CHANGES,
        words=words,
    )


def _bounded(rows: Mapping[str, Sequence[Wait]]) -> dict[str, Sequence[Wait]]:
    left, found = _ROWS, {}
    for name, ones in rows.items():
        if left > 0:
            found[name] = ones[:left]
            left -= len(ones)
    return found

"""An audit as one HTML file that can be mailed and read anywhere: no network, no script.

First the answer, then what has changed, then the findings, the worst first, each with its path and the lines of source
that it is about.  What is shown is chosen with check boxes and a style sheet.  Lists are bounded; where something is left
out the page says how much.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
from markupsafe import Markup

from unkillable.ksource.audit_types import FINDINGS, RANKS, Audit, Site
from unkillable.ksource.compare_audits import worse
from unkillable.report import audit_words as words
from unkillable.report.audit_html.excerpts import BEFORE, Excerpts, excerpts
from unkillable.report.html.templates import document, style

__all__ = ["excerpts", "render"]

_FOLDER = "audit_html"
_FINDINGS, _OTHERS, _CHANGES, _HOLDERS, _ALLOCATIONS, _STEPS, _SKIPPED = 200, 500, 300, 6, 6, 40, 50
"""Of each on the page."""


class Line(msgspec.Struct, frozen=True):
    """A line of source."""

    number: int
    text: str
    here: bool
    """The one that it is about."""


class Call(msgspec.Struct, frozen=True):
    """A step of a path, with the place where the call is made."""

    name: str
    place: str
    through: str | None


def render(audit: Audit, sources: Excerpts | None = None) -> str:
    """The page; `sources` are lines of source around places, as `excerpts` reads them."""
    css = Markup("\n").join([style("page.css"), style("audit.css", folder=_FOLDER)])
    found = [site for site in audit.sites if site.rank in FINDINGS]
    rest = [site for site in audit.sites if site.rank not in FINDINGS]
    shown = found[:_FINDINGS]
    place = f"{words.where(audit)}: "
    return document(
        "page.html",
        _FOLDER,
        a=audit,
        css=css,
        tool=audit.tool,
        words=words,
        answer=words.headline(audit),
        # The heading says where.
        summaries=[
            one.removeprefix(place)
            for one in ((words.against(audit),) if audit.against is not None else ())
            + (words.headline(audit),)
        ],
        tone=words.tone(audit),
        ranks=[(rank, number) for rank, number in words.rest(audit).items() if number],
        kinds=[kind for kind in words.KIND if any(site.kind == kind for site in shown)],
        known=RANKS,
        findings=shown,
        more=len(found) - len(shown),
        others=rest[:_OTHERS],
        more_others=max(len(rest) - _OTHERS, 0),
        changes=audit.changes[:_CHANGES],
        more_changes=max(len(audit.changes) - _CHANGES, 0),
        worse=worse,
        calls=_calls,
        lines=_Lines(sources or {}),
        most={"holders": _HOLDERS, "allocations": _ALLOCATIONS, "skipped": _SKIPPED},
    )


class _Lines:
    def __init__(self, sources: Mapping[tuple[str, int], Sequence[str]]) -> None:
        self.sources = sources

    def __call__(self, file: str, line: int) -> list[Line]:
        """Numbered lines around a place; none where they could not be read."""
        first = max(line - BEFORE, 1)
        return [
            Line(number, text, number == line)
            for number, text in enumerate(self.sources.get((file, line), ()), first)
        ]


def _calls(site: Site) -> list[Call]:
    found = []
    file = ""
    for number, step in enumerate(site.path[:_STEPS]):
        found.append(Call(step.function, f"{file if number else step.file}:{step.line}", step.through))
        file = step.file
    return found

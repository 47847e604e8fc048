"""How a hang comes about, as one HTML file that one can step through: no network, and a script that makes nothing of text.

Every scene of every story is in the page, drawn when the page is made.  The script only chooses which of them is seen, so
that names from somebody's log never pass through it, and that without it the steps and the first and last scene can be read.
"""

from __future__ import annotations

import msgspec
from markupsafe import Markup

from unkillable.model.types import Answer, Explanation, Story
from unkillable.report.explain_html import words
from unkillable.report.explain_html.stage import Shot, shots
from unkillable.report.html.templates import document, fill, style

__all__ = ["page", "picture"]

_FOLDER = "explain_html"


class Told(msgspec.Struct, frozen=True):
    """A story on the page."""

    ident: str
    story: Story
    shots: list[Shot]

    @property
    def stem(self) -> list[Shot]:
        return [one for one in self.shots if not one.again]

    @property
    def cycle(self) -> list[Shot]:
        return [one for one in self.shots if one.again]


def page(explanation: Explanation) -> str:
    """The page of `unkillable explain`."""
    rows = [(verdict, _told(verdict, number)) for number, verdict in enumerate(explanation.verdicts, 1)]
    stories = [told for _, told in rows if told is not None]
    first = stories[0] if stories else None
    results = {verdict.result for verdict in explanation.verdicts}
    return document(
        "page.html",
        _FOLDER,
        css=_css(),
        tool=explanation.tool or "unkillable",
        script=style("player.js", folder=_FOLDER),
        e=explanation,
        rows=rows,
        stories=stories,
        first=first,
        tone="bad" if "violated" in results else "good" if results == {"holds"} else "unsure",
        headline=_headline(first, results),
        answer=_answer(explanation, first, results),
        words=words,
    )


def picture(story: Story, step: int) -> str:
    """A page with nothing but one scene: for pictures in documents."""
    return fill("picture.html", _FOLDER, css=_css(), tool="unkillable", shot=shots(story)[step], words=words)


def _told(verdict: Answer, number: int) -> Told | None:
    return Told(f"s{number}", verdict.story, shots(verdict.story)) if verdict.story is not None else None


def _css() -> Markup:
    return Markup("\n").join([style("page.css"), style("explain.css", "stage.css", folder=_FOLDER)])


def _headline(first: Told | None, results: set[str]) -> str:
    if first is not None:
        return words.HEADLINE.get(first.story.kind, first.story.kind)
    return "No hang in the model" if results == {"holds"} else "Not decided"


def _answer(explanation: Explanation, first: Told | None, results: set[str]) -> str:
    if first is not None:
        return first.story.title
    if results == {"holds"}:
        states = max((one.states for one in explanation.verdicts), default=0)
        return f"Everything that was asked holds, in all of the states that the model can be in (up to {states:,})"
    return "Not every state could be looked at; in those that were, nothing was wrong"

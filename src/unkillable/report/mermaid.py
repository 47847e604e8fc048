"""The folded wait-for graph in Mermaid's language, for issues and wikis that draw it."""

from __future__ import annotations

from unkillable.diagnosis.types import Diagnosis
from unkillable.report.pictures import fold

__all__ = ["render"]

_PLAIN = frozenset(" .,:/_-+=()…→'?!*")


def render(diagnosis: Diagnosis) -> str:
    """A flowchart; ids are ours, every text from the log stands in a quoted label."""
    picture = fold(diagnosis)
    lines = ["flowchart LR"]
    for number, box in enumerate(picture.boxes):
        label = "<br/>".join(_escaped(text) for text in box.texts)
        lines.append(f'  n{number}("{label}")' if box.kind == "task" else f'  n{number}(["{label}"])')
    for link in picture.links:
        words = link.words + (" (inferred)" if link.inferred else "")
        lines.append(
            f'  n{link.source} {"-.->" if link.inferred else "-->"}|"{_escaped(words)}"| n{link.target}'
        )
    if marked := [f"n{number}" for number, box in enumerate(picture.boxes) if box.critical]:
        lines.append("  classDef critical stroke:#b3261e,stroke-width:3px")
        lines.append(f"  class {','.join(marked)} critical")
    if red := [str(number) for number, link in enumerate(picture.links) if link.critical]:
        lines.append(f"  linkStyle {','.join(red)} stroke:#b3261e,stroke-width:3px")
    return "\n".join(lines) + "\n"


def _escaped(text: str) -> str:
    """Entity codes for all that Mermaid, Markdown or HTML could take for more than text."""
    return "".join(char if char.isalnum() or char in _PLAIN else f"#{ord(char)};" for char in text)

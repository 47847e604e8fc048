"""The folded wait-for graph in Graphviz' language."""

from __future__ import annotations

from unkillable.diagnosis.types import Diagnosis
from unkillable.report.pictures import fold

__all__ = ["render"]


def render(diagnosis: Diagnosis) -> str:
    """A digraph; ids are ours, every text from the log stands in a quoted label."""
    picture = fold(diagnosis)
    lines = [
        "digraph wait_for {",
        "  rankdir=LR;",
        '  node [fontname="sans-serif", fontsize=11];',
        '  edge [fontname="sans-serif", fontsize=9];',
    ]
    for number, box in enumerate(picture.boxes):
        shape = 'shape=box, style="rounded"' if box.kind == "task" else "shape=ellipse"
        stands_out = ', color="#b3261e", penwidth=2' if box.critical else ""
        lines.append(f"  n{number} [label={_quoted(box.texts)}, {shape}{stands_out}];")
    for link in picture.links:
        style = ", style=dashed" if link.inferred else ""
        stands_out = ', color="#b3261e", penwidth=2' if link.critical else ""
        words = link.words + (" (inferred)" if link.inferred else "")
        lines.append(f"  n{link.source} -> n{link.target} [label={_quoted((words,))}{style}{stands_out}];")
    return "\n".join([*lines, "}"]) + "\n"


def _quoted(lines: tuple[str, ...]) -> str:
    """Backslashes and quotes end or change a string, `&` begins an entity."""
    text = "\\n".join(line.replace("\\", "\\\\").replace('"', '\\"').replace("&", "&amp;") for line in lines)
    return f'"{text}"'

"""Coccinelle's spatch: changes C files by a semantic patch, or finds the lines that a semantic match stars."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Sequence
from pathlib import Path

from unkillable import commands
from unkillable.remedies.types import Place

_SECONDS = 120.0
_MEMORY = 2048
"""MiB.  The largest recipe takes 0.1 on squashfs."""
_HUNK = re.compile(r"^@@ -(\d+)")
_OPTIONS = (
    "--very-quiet",
    # What a header says of a type makes no difference to these recipes, and reading headers takes minutes.
    "--no-includes",
    "--timeout",
    "60",
)


def apply(patch: str, folder: Path, names: Sequence[str]) -> None:
    """Changes the files below `folder` that the semantic patch fits.

    One at a time: rules of a patch depend on others, and spatch takes the files of a call for one.
    """
    for name in names:
        _run(patch, folder, [name], "--in-place")


def find(match: str, folder: Path, names: Sequence[str], prefix: str = "") -> tuple[Place, ...]:
    """The lines that a semantic match stars; of a statement of several lines the first."""
    return _places(_run(match, folder, names), prefix)


def _run(text: str, folder: Path, names: Sequence[str], *options: str) -> str:
    with tempfile.NamedTemporaryFile("w", suffix=".cocci") as file:
        file.write(text)
        file.flush()
        argv = [
            "spatch",
            *_OPTIONS,
            *options,
            "--sp-file",
            file.name,
            *(str(folder / name) for name in names),
        ]
        return commands.run(argv, "coccinelle", seconds=_SECONDS, memory_mib=_MEMORY)


def _places(diff: str, prefix: str) -> tuple[Place, ...]:
    """spatch shows starred lines as removed ones of a diff."""
    found: list[Place] = []
    name, line, inside = "", 0, False
    for row in diff.splitlines():
        if row.startswith("--- "):
            name, inside = prefix + Path(row[4:].split("\t")[0]).name, False
        elif (hunk := _HUNK.match(row)) is not None:
            line, inside = int(hunk[1]), False
        elif row.startswith("-"):
            if not inside:
                found.append(Place(name, line, row[1:].strip()))
            line, inside = line + 1, True
        elif not row.startswith("+"):
            line, inside = line + 1, False
    return tuple(sorted(found))

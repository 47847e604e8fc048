"""The lines of source around the places of an audit."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from unkillable.ksource.audit_types import Audit
from unkillable.ksource.compare_audits import findings
from unkillable.ksource.tree import LARGEST

__all__ = ["BEFORE", "Excerpts", "excerpts"]

Excerpts = Mapping[tuple[str, int], Sequence[str]]
"""Path in the tree and line, to the lines from BEFORE lines above it (or the first of the file) on."""

BEFORE, AFTER = 4, 3
"""Lines above and below."""
_MOST, _LONGEST = 3000, 200
"""Places, and characters of a line."""


def excerpts(root: Path, audit: Audit) -> Excerpts:
    """Reads them again; a file that is gone, or that leads out of the tree, gives none."""
    wanted: defaultdict[str, set[int]] = defaultdict(set)
    for number, (file, line) in enumerate(dict.fromkeys(_places(audit))):
        if number >= _MOST:
            break
        wanted[file].add(line)
    return {(file, line): found for file, lines in wanted.items() for line, found in _read(root, file, lines)}


def _places(audit: Audit) -> Iterator[tuple[str, int]]:
    for site in findings(audit):
        yield site.file, site.line
        for holder in site.holders:
            yield holder.file, holder.acquired
            for allocation in holder.allocations:
                yield allocation.file, allocation.line
        if site.convention is not None and site.convention.file:
            yield site.convention.file, site.convention.line


def _read(root: Path, file: str, lines: set[int]) -> Iterator[tuple[int, list[str]]]:
    try:
        path = (root / file).resolve()
        if not path.is_relative_to(root.resolve()) or not path.is_file():
            return
        with path.open("rb") as stream:
            source = stream.read(LARGEST).decode("utf-8", "replace").split("\n")
    except (OSError, ValueError):
        return
    for line in sorted(lines):
        if 0 < line <= len(source):
            first, last = max(line - BEFORE, 1), line + AFTER
            yield line, [text.rstrip("\r")[:_LONGEST].expandtabs(8) for text in source[first - 1 : last]]

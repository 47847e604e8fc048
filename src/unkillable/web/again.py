"""A log that a store knows, read once more where it lies, if it is still what it was."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

from unkillable.diagnosis import Diagnosis, diagnose
from unkillable.errors import UserError
from unkillable.fleet.name_fields import printable
from unkillable.fleet.opened import Content
from unkillable.klog import find_sources
from unkillable.pipeline import best

__all__ = ["read_again"]

_SIBLINGS = 4096
"""Files beside a log that may be older parts of it."""


def read_again(names: Sequence[str], content: str) -> Diagnosis:
    """The diagnosis of the log with this hash, from the first of the names under which it still is.

    Raises UserError that says what is there instead.
    """
    there = False
    for name in names:
        path = _file(name)
        if path is None:
            continue
        there = True
        for paths in _ways(path):
            found = _with_hash(paths, name, content)
            if found is not None:
                return found
    if there:
        raise UserError("the file has changed since it was read; only what the store kept of it can be shown")
    raise UserError(
        "the file is not there any more, or not on this machine; only what the store kept of it can be shown"
    )


def _with_hash(paths: Sequence[str], name: str, content: str) -> Diagnosis | None:
    """Read and hashed as `triage` does it.  Raises UserError if it is the log, and cannot be read."""
    for source in find_sources(paths):
        if printable(source.name) != name:
            continue
        one = Content(source)
        found = best([diagnose(evidence) for evidence in one.evidence()])
        if one.digest() == content:
            if found is None:
                raise UserError("; ".join(one.problems) or "no kernel text in it")
            return found
    return None


def _file(name: str) -> str | None:
    """The file that a log's name means: the archive, of `archive!member`.  Nothing but a file is opened."""
    for end in [len(name), *(at for at, char in enumerate(name) if char == "!")]:
        try:
            if stat.S_ISREG(os.stat(name[:end]).st_mode):  # noqa: PTH116  a name may hold what Path would change
                return name[:end]
        except (OSError, ValueError):
            continue
    return None


def _ways(path: str) -> Iterator[list[str]]:
    """The file alone, and with what lies beside it and may be rotated from it."""
    yield [path]
    begin = Path(path).name.partition(".")[0]
    with os.scandir(Path(path).parent) as entries:
        beside = sorted(one.path for one in entries if one.name.startswith(begin) and one.is_file())
    if len(beside) > 1:
        yield beside[:_SIBLINGS]

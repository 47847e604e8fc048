"""`import unkillable`: a log in, a diagnosis out.  What stands in `__all__` is public (docs/library.md); nothing else is."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import BinaryIO

import msgspec

from unkillable.diagnosis import KINDS
from unkillable.diagnosis import diagnose as judge
from unkillable.diagnosis.types import (
    Advice,
    BootSummary,
    Diagnosis,
    Edge,
    Event,
    Graph,
    Memory,
    Missing,
    Node,
    Problem,
    Quote,
    Statement,
    Verdict,
    Victim,
    Waiter,
)
from unkillable.errors import UserError
from unkillable.evidence.types import (
    AllocProblem,
    Coverage,
    Crash,
    Evidence,
    Fact,
    Frame,
    FsError,
    HungTask,
    KernelInfo,
    Lockup,
    MemInfo,
    OomKill,
    OomReport,
    OomTask,
    Stack,
    Zone,
)
from unkillable.klog import Bundle, Source, find_sources
from unkillable.klog import Problem as InputProblem
from unkillable.klog.sources import find_in_stream
from unkillable.pipeline import choose, every, nothing
from unkillable.waits.generated import read as read_catalogue

__all__ = [
    "KINDS", "Advice", "AllocProblem", "BootSummary", "Coverage", "Crash", "Diagnosis", "Edge", "Event", "Fact", "Frame",
    "FsError", "Graph", "HungTask", "KernelInfo", "Lockup", "Log", "MemInfo", "Memory", "Missing", "Node",
    "OomKill", "OomReport", "OomTask", "Problem", "Quote", "Stack", "Statement", "UserError", "Verdict",
    "Victim", "Waiter", "Zone", "diagnose", "diagnose_all",
]  # fmt: skip

Log = str | os.PathLike[str] | bytes | bytearray | memoryview | BinaryIO
"""A path (of a file, a directory, an archive), the content itself, or a file that is open for reading bytes."""

_BYTES = "<bytes>"


def diagnose(
    log: Log, *, boot: int | None = None, catalogue: str | os.PathLike[str] | None = None
) -> Diagnosis:
    """Why did it hang?  What `unkillable diagnose` prints with --format json.

    A log may hold several boots, and a boot several incidents: the worst is returned, the others are summed up in
    `Diagnosis.others`.  `boot` asks for one boot, counted from 0 as `Diagnosis.boot` is.  `catalogue` is a file that
    `unkillable catalogue build` made of this kernel's source.

    Nothing is written, nothing is sent.  Inputs that could not be read beside one that could are in `Diagnosis.problems`.
    Raises UserError, whose text is one line for the user, where there is no kernel log at all, or no such boot.
    """
    sources, name = _sources(log)
    return choose(sources, [name], boot=boot, judge=_judge(catalogue))


def diagnose_all(log: Log, *, catalogue: str | os.PathLike[str] | None = None) -> tuple[Diagnosis, ...]:
    """The same for every incident of every boot of every log, in the order in which they were found.

    `Diagnosis.problems` of each are those of its source.  Raises UserError as `diagnose` does.
    """
    sources, name = _sources(log)
    problems: list[Problem] = []
    found = tuple(every(sources, [name], problems, judge=_judge(catalogue)))
    if not found:
        raise UserError(nothing([name], problems, None))
    return tuple(
        msgspec.structs.replace(one, problems=tuple(two for two in problems if two.name == one.source))
        for one in found
    )


def _sources(log: Log) -> tuple[Iterable[Source | Bundle | InputProblem], str]:
    """The logs, and the name of what was given."""
    if isinstance(log, str | os.PathLike):
        path = os.fspath(log)
        # `-` is a file here, not standard input: that is sys.stdin.buffer.
        path = str(Path.cwd() / path) if path == "-" else path
        return find_sources([path]), path
    if isinstance(log, bytes | bytearray | memoryview):
        return find_in_stream(_BYTES, io.BytesIO(log)), _BYTES
    if isinstance(log.read(0), str):
        raise TypeError("the file is open for text; open it with mode 'rb'")
    name = getattr(log, "name", None)
    name = name if isinstance(name, str) else "<stream>"
    return find_in_stream(name, log), name


def _judge(catalogue: str | os.PathLike[str] | None) -> Callable[[Evidence], Diagnosis]:
    return judge if catalogue is None else partial(judge, catalogue=read_catalogue(Path(catalogue)))

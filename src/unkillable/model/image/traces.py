"""Traces of file accesses, as people can get them from a device: which format one has, and what it asks for.

| format | from | a line |
|---|---|---|
| ftrace | `trace` or `trace_pipe` of the events `filemap:*` | `sh-81 [000] .... 5.28: mm_filemap_fault: dev=254:0 ino=2e ofs=4096` |
| strace | `strace -f -e trace=openat,read,pread64,mmap,close` | `81 pread64(3, "..."..., 784, 64) = 784` |
| list | by hand, or from another tool | `/usr/lib/libc.so.6 4096` |
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, islice
from pathlib import Path
from typing import BinaryIO

from unkillable.errors import UserError
from unkillable.model.image import trace_ftrace, trace_list, trace_strace
from unkillable.model.image.accesses import READ, Access, Trace

EVERY = "every"
MOST = 1_000_000
"""Accesses of a trace that are replayed."""
_LINE = 1 << 12
"""Bytes of a line that are looked at: a path and a few numbers."""
_SNIFFED = 500
"""Lines by which a format is told; ftrace and strace have heads, and lines of other calls."""

_PARSERS: tuple[
    tuple[str, Callable[[str], bool], Callable[[Iterable[str], Trace], Iterator[Access]]], ...
] = (
    ("ftrace", trace_ftrace.looks_like, trace_ftrace.parse),
    ("strace", trace_strace.looks_like, trace_strace.parse),
    ("list", lambda _: True, trace_list.parse),
)


def load(source: str, device: str | None = None) -> Trace:
    """The accesses of a file, or of standard input for `-`; `device` (MAJOR:MINOR) picks one of a trace of several."""
    if source == "-":
        return parse(_lines(sys.stdin.buffer), source, device)
    path = Path(source)
    if not path.is_file():
        raise UserError(f"{source}: no such trace; give a file, - for standard input, or `{EVERY}`")
    try:
        with path.open("rb") as file:
            return parse(_lines(file), source, device)
    except OSError as error:
        raise UserError(f"{source}: {error.strerror}") from None


def _lines(file: BinaryIO) -> Iterator[str]:
    return (line[:_LINE].decode("utf-8", "surrogateescape").rstrip("\r\n") for line in _bounded(file))


def _bounded(file: BinaryIO) -> Iterator[bytes]:
    """Lines, of a stream whose lines may have no end."""
    while line := file.readline(_LINE):
        yield line
        while not line.endswith(b"\n") and (line := file.readline(_LINE)):
            pass


def parse(lines: Iterable[str], source: str, device: str | None = None) -> Trace:
    """The accesses of a trace's lines."""
    lines = iter(lines)
    head = list(islice(lines, _SNIFFED))
    name, _, reader = next(row for row in _PARSERS if row[0] == "list" or any(map(row[1], head)))
    trace = Trace(source, name, device)
    for access in reader(chain(head, lines), trace):
        if len(trace.accesses) == MOST:
            trace.whole = False
            break
        trace.accesses.append(access)
    if not trace.accesses:
        raise UserError(
            f"{source}: no access in it ({trace.skipped} lines); see docs/explain-image.md for what a trace may be"
        )
    return trace


def every(paths: Iterable[str]) -> Trace:
    """Every file read once, from its beginning to its end."""
    accesses = [Access("", READ, path, length=None) for path in islice(paths, MOST)]
    return Trace(EVERY, EVERY, accesses=accesses)

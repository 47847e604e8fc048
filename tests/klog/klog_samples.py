"""Reading samples in tests, and the excerpt all of them hold."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.klog.make_samples import FOLDER, LINES
from unkillable.klog import Reader, Record, Source, find_sources
from unkillable.klog.streams import Part

__all__ = ["FOLDER", "LINES", "Chunks", "read", "read_bytes", "read_source", "sources"]


class Chunks:
    """A stream that gives the pieces it was made with."""

    def __init__(self, pieces: Sequence[bytes]) -> None:
        self._pieces = [piece for piece in pieces if piece]

    def read(self, size: int, /) -> bytes:
        if not self._pieces:
            return b""
        piece = self._pieces.pop(0)
        if len(piece) > size:
            self._pieces.insert(0, piece[size:])
        return piece[:size]


def sources(*paths: Path) -> list[Source]:
    """The sources in `paths`; a problem is a failure."""
    found = list(find_sources([str(path) for path in paths]))
    assert all(isinstance(source, Source) for source in found), found
    return [source for source in found if isinstance(source, Source)]


def read_source(
    source: Source, literals: Sequence[bytes] = (b"invoked oom-killer",), want: bool = True
) -> tuple[Reader, list[Record]]:
    reader = Reader(source, literals)
    reader.want = want
    return reader, list(reader)


def read(
    path: Path, literals: Sequence[bytes] = (b"invoked oom-killer",), want: bool = True
) -> tuple[Reader, list[Record]]:
    (source,) = sources(path)
    return read_source(source, literals, want)


def read_bytes(
    *pieces: bytes, literals: Sequence[bytes] = (b"invoked oom-killer",), want: bool = True
) -> tuple[Reader, list[Record]]:
    """Read bytes that arrive in the given pieces."""
    return read_source(Source("test", [Part("test", lambda: Chunks(pieces))]), literals, want)


def write(content: bytes) -> Path:
    """A temporary file with this content."""
    with tempfile.NamedTemporaryFile(delete=False) as file:
        file.write(content)
    return Path(file.name)

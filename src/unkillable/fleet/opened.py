"""The logs in what is given, opened: each one's bytes, decompressed, and hashed as they are read."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from functools import partial
from hashlib import blake2b
from typing import IO

import msgspec

from unkillable.errors import UserError
from unkillable.evidence.bundle import read_bundle
from unkillable.evidence.episodes import split
from unkillable.evidence.reader import EvidenceReader
from unkillable.evidence.types import Evidence
from unkillable.fleet.given import Given
from unkillable.fleet.inputs import is_url
from unkillable.klog import Bundle, Problem, Source, sources_in
from unkillable.klog.archive import Member
from unkillable.klog.compression import ByteStream, Damaged, Unreachable
from unkillable.klog.groups import is_pstore, join_pstore
from unkillable.klog.sources import unreachable
from unkillable.klog.streams import File, Part
from unkillable.pipeline import is_kernel_log

SMALL = 8 << 20
"""Bytes of a log that are held in memory, so that it is hashed before it is diagnosed; a larger one is hashed on the way."""


class Content:
    """One log's bytes, decompressed: in memory where they are few, otherwise as they are read.  Hashed on the way."""

    def __init__(self, source: Source | Bundle | Problem, mark: int | None = None) -> None:
        self.name = source.name
        self.reason = source.reason if isinstance(source, Problem) else None
        self.problems: list[str] = []
        self.whole = False
        """All of it has been read already."""
        self.begins_with: str | None = None
        """The hash of the bytes before the mark, once they were read."""
        self._mark = mark
        self._size = 0
        self._hash = blake2b(digest_size=16)
        self._damage: list[Damaged] = []
        self._head: list[bytes] = []
        self._rest: Iterator[bytes] = iter(())
        self._source = source
        if isinstance(source, Source):
            self._rest = self._blocks(source)
            self._fill()

    @property
    def size(self) -> int:
        """Bytes on disk where known, otherwise those that were read."""
        known = self._source.size if isinstance(self._source, Source) else None
        return self._size if known is None else known

    @property
    def unreachable(self) -> bool:
        """Its surroundings kept it from being read, or all of it."""
        if isinstance(self._source, Problem):
            return self._source.unreachable
        return any(isinstance(error, Unreachable) for error in self._damage)

    def digest(self) -> str:
        """The hash of what was read so far."""
        return self._hash.hexdigest()

    def evidence(self) -> Iterator[Evidence]:
        """The episodes of kernel text in it; what is wrong with it is left in `problems`."""
        if isinstance(self._source, Bundle):
            yield from self._collected(self._source)
        elif isinstance(self._source, Source):
            reader = EvidenceReader(_Relayed(self._source, self._pieces(), self._damage, self.whole))
            useful = False
            for evidence in reader.boots():
                if is_kernel_log(evidence):
                    useful = True
                    yield from split(evidence)
            self.problems += reader.reader.problems
            if not useful:
                found = reader.reader.summary
                self.problems.append(found or "text without a single kernel message")

    def _collected(self, bundle: Bundle) -> Iterator[Evidence]:
        members = (
            msgspec.structs.replace(member, open=partial(self._tapped, member)) for member in bundle.members
        )
        try:
            found = read_bundle(Bundle(bundle.name, members))
        except UserError as error:
            self.problems.append(str(error))
            return
        self.problems += found.unread
        yield found.evidence

    def _tapped(self, member: Member) -> ByteStream:
        return _Tapped(member.open(), self._took, self._damage.append)

    def _took(self, data: bytes) -> None:
        if self._mark is not None and self._size + len(data) >= self._mark:
            begun = self._hash.copy()
            begun.update(data[: self._mark - self._size])
            self.begins_with, self._mark = begun.hexdigest(), None
        self._hash.update(data)
        self._size += len(data)

    def _blocks(self, source: Source) -> Iterator[bytes]:
        for data in source.blocks(self._damage.append):
            self._took(data)
            yield data

    def _fill(self) -> None:
        for data in self._rest:
            self._head.append(data)
            if self._size > SMALL:
                return
        self.whole = True

    def _pieces(self) -> Iterator[bytes]:
        while self._head:
            yield self._head.pop(0)
        yield from self._rest


class _Relayed(Source):
    """A log whose beginning has been read already."""

    def __init__(self, source: Source, pieces: Iterator[bytes], damage: list[Damaged], whole: bool) -> None:
        # Every line of a log that is small on disk is examined; that it is small only there must not take hours.
        super().__init__(source.name, (), source.size if whole else None)
        self.parts = source.parts
        self._pieces, self._damage = pieces, damage

    def blocks(self, damaged: Callable[[Damaged], None] | None = None) -> Iterator[bytes]:
        yield from self._pieces
        for error in self._damage:
            if damaged is not None:
                damaged(error)


class _Tapped:
    """A stream whose bytes, and whose end where it breaks off, somebody else is told of too."""

    def __init__(
        self, stream: ByteStream, tell: Callable[[bytes], None], damaged: Callable[[Damaged], None]
    ) -> None:
        self._stream, self._tell, self._damaged = stream, tell, damaged

    def read(self, size: int, /) -> bytes:
        try:
            data = self._stream.read(size)
        except Damaged as error:
            self._damaged(error)
            raise
        self._tell(data)
        return data


def contents(given: Given) -> Iterator[Content]:
    """The logs in it, each to be read before the next is asked for."""
    mark = given.earlier.size if given.earlier is not None else None
    yield from (Content(source, mark) for source in _sources(given))


def _sources(given: Given) -> Iterator[Source | Bundle | Problem]:
    name, path, size = given.inputs[0].name, given.paths[0], given.size
    if len(given.inputs) > 1:
        parts = [
            Part(one.name, partial(_open, path), one.name.endswith(".z"), one.size)
            for one, path in zip(given.inputs, given.paths, strict=True)
        ]
        yield from join_pstore(parts) if is_pstore(name) else (Source(given.name, parts, size),)
        return
    try:
        if size <= SMALL:
            data = _read(path)
            yield from sources_in(name, partial(io.BytesIO, data), len(data), partial(io.BytesIO, data))
        else:
            yield from sources_in(name, partial(_open, path), size, partial(_seekable, path))
    except OSError as error:
        yield unreachable(name, "opened", error)


def _read(path: str) -> bytes:
    """A small file.  Not more of it than it had when it was listed, if it grows without end."""
    if is_url(path):
        from unkillable.fleet.remote import whole

        return whole(path)
    with open(path, "rb", buffering=0) as file:  # noqa: PTH123  a million times
        return file.read(2 * SMALL)


def _open(path: str) -> ByteStream:
    if is_url(path):
        from unkillable.fleet.remote import Remote

        return Remote(path)
    return File(path)


def _seekable(path: str) -> str | IO[bytes]:
    if is_url(path):
        from unkillable.fleet.remote import seekable

        return seekable(path)
    return path

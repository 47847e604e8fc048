"""The work on each log: read it, diagnose it, keep its findings.  Runs in whatever process an engine chooses."""

from __future__ import annotations

import io
from collections.abc import Callable, Collection, Iterator
from functools import lru_cache, partial
from hashlib import blake2b
from typing import IO

import msgspec

from unkillable.diagnosis import Diagnosis, judge
from unkillable.errors import UserError
from unkillable.evidence.bundle import read_bundle
from unkillable.evidence.episodes import split
from unkillable.evidence.reader import EvidenceReader
from unkillable.evidence.types import Evidence
from unkillable.fleet.given import Given, broken
from unkillable.fleet.inputs import is_url
from unkillable.fleet.name_fields import NameFields, printable, sane
from unkillable.fleet.signature import signature
from unkillable.fleet.types import Earlier, Finding, Log
from unkillable.klog import Bundle, Problem, Source, sources_in
from unkillable.klog.archive import Member
from unkillable.klog.compression import ByteStream, Damaged, Unreachable
from unkillable.klog.groups import is_pstore, join_pstore
from unkillable.klog.streams import File, Part
from unkillable.pipeline import is_kernel_log

SMALL = 8 << 20
"""Bytes of a log that are held in memory, so that it is hashed before it is diagnosed; a larger one is hashed on the way."""
_QUOTE = 300
_EPISODES = 1000
"""Of one log; there are more only in one that was made to have them."""


class Batch(msgspec.Struct, frozen=True):
    """What one task reads."""

    given: tuple[Given, ...]
    name_fields: str | None = None
    known: frozenset[str] = frozenset()
    """Contents of which the findings are in the store."""

    @property
    def size(self) -> int:
        return sum(one.size for one in self.given)


def read_batch(batch: Batch) -> bytes:
    """The task: the logs of each Given, encoded, as that takes less time than to pickle them."""
    return _encoder.encode([list(read_logs(one, batch.name_fields, batch.known)) for one in batch.given])


def hash_batch(batch: Batch) -> bytes:
    """The task before it, where the store has contents: their hashes, encoded."""
    return _encoder.encode([one.digest() for given in batch.given for one in _contents(given) if one.whole])


def decode_logs(result: bytes) -> list[list[Log]]:
    """What `read_batch` returned."""
    return _logs.decode(result)


def decode_hashes(result: bytes) -> list[str]:
    """What `hash_batch` returned."""
    return _hashes.decode(result)


_encoder = msgspec.msgpack.Encoder()
_logs = msgspec.msgpack.Decoder(list[list[Log]])
_hashes = msgspec.msgpack.Decoder(list[str])


def read_logs(
    given: Given, name_fields: str | None = None, known: Collection[str] = frozenset()
) -> Iterator[Log]:
    """The logs in what is given: one, or those of an archive, each with its findings.

    Nothing in it raises: a log that cannot be read, or that the program fails on, has a `problem` instead.  Of one whose
    content is among `known` there are no findings.
    """
    fields = _fields(name_fields)
    contents = iter(_contents(given))
    while True:
        try:
            one = next(contents, None)
            if one is None:
                return
        except Exception as error:  # noqa: BLE001  one log must not end the run, whatever is wrong with it
            yield _dated(broken(given.inputs[0].name, _failure(error)), fields, given.changed)
            return
        log = _log(one, known)
        if given.earlier is not None and log.name == printable(given.name):
            log = _following(log, given.earlier, one.begins_with)
        yield _dated(log, fields, given.changed)


def _log(one: Content, known: Collection[str]) -> Log:
    try:
        if one.reason is not None:
            return broken(printable(one.name), one.reason, again=one.unreachable)
        if one.whole and one.digest() in known:
            return Log(printable(one.name), one.digest(), one.size)
        findings, seen = _findings(one)
    except Exception as error:  # noqa: BLE001  as above
        return broken(printable(one.name), _failure(error))
    problem = "; ".join(one.problems)[:_QUOTE] or None
    if not findings:
        log = broken(printable(one.name), problem or "no kernel text in it", again=one.unreachable)
        return msgspec.structs.replace(log, size=one.size)
    return Log(
        printable(one.name),
        one.digest(),
        one.size,
        seen=seen,
        findings=tuple(findings),
        problem=problem,
        again=one.unreachable,
    )


def _following(log: Log, earlier: Earlier, begins_with: str | None) -> Log:
    """With what it has outgrown of what its name had before."""
    if log.content != earlier.content and (earlier.unread or begins_with == earlier.content):
        return msgspec.structs.replace(log, outgrown=earlier.content)
    return log


def _findings(one: Content) -> tuple[list[Finding], float]:
    """What the episodes of a log lead to, and when it was seen by its own clock: at its last hang, or its end."""
    findings: list[Finding] = []
    seen = {True: 0.0, False: 0.0}
    for evidence in one.evidence():
        if len(findings) == _EPISODES:
            one.problems.append(f"more than {_EPISODES} episodes: the rest is left out")
            break
        finding = _finding(judge(evidence), len(findings))
        findings.append(finding)
        if evidence.wall is not None and (
            date := sane(evidence.wall + (evidence.last_time or evidence.first_time or 0.0))
        ):
            seen[finding.signature is not None] = date
    return findings, seen[True] or seen[False]


def _finding(found: Diagnosis, episode: int) -> Finding:
    quote = next((line for why in found.verdict.because for line in why.lines), None)
    return Finding(
        episode,
        signature(found),
        found.verdict.kind,
        found.verdict.confidence,
        found.verdict.summary[:_QUOTE],
        found.kernel.release,
        found.kernel.arch,
        found.first_line,
        found.last_line,
        quote.line if quote is not None else 0,
        _plain(quote.text) if quote is not None else "",
    )


def _plain(text: str) -> str:
    text = text[:_QUOTE]
    return text if text.isprintable() else "".join(char if char.isprintable() else " " for char in text)


def _dated(log: Log, fields: NameFields, changed: float) -> Log:
    """With what its name tells, and otherwise what is known."""
    told = fields.of(log.name)
    kernel = next((one.kernel for one in log.findings if one.kernel), None)
    return msgspec.structs.replace(
        log,
        device=told.device,
        release=told.release or kernel or "",
        seen=log.seen or told.date or changed,
    )


@lru_cache(maxsize=8)
def _fields(pattern: str | None) -> NameFields:
    return NameFields(pattern)


def _failure(error: Exception) -> str:
    if isinstance(error, MemoryError):
        return "out of memory while reading it"
    return f"the program failed on it ({type(error).__name__}): please report this"


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
        return Tapped(member.open(), self._took, self._damage.append)

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


class Tapped:
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


def _contents(given: Given) -> Iterator[Content]:
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
        yield Problem(name, f"cannot be opened: {error.strerror or error}", unreachable=True)


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

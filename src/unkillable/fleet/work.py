"""The work on each log: read it, diagnose it, keep its findings.  Runs in whatever process an engine chooses."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from functools import lru_cache

import msgspec

from unkillable.diagnosis import Diagnosis, judge
from unkillable.fleet.given import Given, broken
from unkillable.fleet.name_fields import NameFields, printable, sane
from unkillable.fleet.opened import Content, contents
from unkillable.fleet.signature import signature
from unkillable.fleet.types import Earlier, Finding, Log

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
    return _encoder.encode([one.digest() for given in batch.given for one in contents(given) if one.whole])


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
    logs = contents(given)
    while True:
        try:
            one = next(logs, None)
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
        if one.whole and not one.unreachable and one.digest() in known:
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

"""From names to a store: what has changed is read, by whatever engine, and each result is added once."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from itertools import chain, islice

import msgspec

from unkillable.fleet import layout
from unkillable.fleet.engine import Engine
from unkillable.fleet.given import Given, broken
from unkillable.fleet.store import Store
from unkillable.fleet.types import Log
from unkillable.fleet.work import Batch, decode_hashes, decode_logs, hash_batch, read_batch
from unkillable.fleet.writer import Writer

LOGS_PER_TASK, BYTES_PER_TASK = 500, 4 << 20
"""A task takes about a second at most, on a slow machine."""
FEW, FEW_BYTES = 2000, 16 << 20
"""Up to here starting workers takes longer than reading in this process."""
_COMMIT = 15.0
"""Seconds of work that are lost at most when this process is killed, and done again by the next run."""
_ASKED = (1000, 10_000, 100_000)
"""Inputs that the store is asked about at a time: few at first, so that work begins soon."""
_REASONS = 1000
_LOST = "ends the process that reads it, each time it is tried: too much memory?"


class Tally(msgspec.Struct):
    """How far it is."""

    inputs: int = 0
    """Files that were looked at."""
    unchanged: int = 0
    """Of them those that the store knows as they are: not read."""
    logs: int = 0
    """Logs read by now."""
    copies: int = 0
    """Of them those whose content the store knew: not diagnosed."""
    broken: int = 0
    files: int = 0
    """Files read by now."""
    bytes: int = 0
    """Of them, on disk."""
    again: dict[str, tuple[int, str]] = {}
    """What the surroundings kept from being read, so that the next run tries it again: reason to how often, and an example."""


def read_into(
    store: Store,
    found: Iterable[Given | Log],
    engine: Callable[[bool], AbstractContextManager[Engine]],
    name_fields: str | None = None,
    progress: Callable[[Tally], None] = lambda tally: None,
) -> Tally:
    """Reads what was found and adds it to the store.  `engine` opens one; it is told whether there is but little to do.

    Whatever stops it: what was committed is in the store, and a second run does the rest.
    """
    tally = Tally()
    knows = any(one.findings for one in layout.commits(store.root))
    with store.writer() as writer:
        todo = _changed(store, found, writer, tally, progress)
        first, size = [], 0
        for given in todo:
            first.append(given)
            size += given.size
            if len(first) >= FEW or size >= FEW_BYTES:
                break
        little = len(first) < FEW and size < FEW_BYTES
        if not first:
            return tally
        committed = time.monotonic()
        with engine(little) as running:
            batches = _batches(chain(first, todo), name_fields)
            if knows:
                batches = _with_known(store, running, batches)
            for batch, result in running.run(read_batch, batches):
                _add(writer, tally, batch, result)
                progress(tally)
                if time.monotonic() - committed > _COMMIT:
                    writer.commit()
                    committed = time.monotonic()
    return tally


def _changed(
    store: Store,
    found: Iterable[Given | Log],
    writer: Writer,
    tally: Tally,
    progress: Callable[[Tally], None],
) -> Iterator[Given]:
    """What has to be read; what could not even be found is added as it is."""
    some = iter(found)
    sizes = chain(_ASKED, iter(lambda: _ASKED[-1], 0))
    while chunk := list(islice(some, next(sizes))):
        given = [one for one in chunk if isinstance(one, Given)]
        known = store.unchanged([one for each in given for one in each.inputs])
        changed = [each for each in given if any(one.name not in known for one in each.inputs)]
        earlier = store.earlier([each.name for each in changed])
        tally.inputs += len(chunk)
        for log in chunk:
            if isinstance(log, Log):
                _note(writer, tally, log)
        tally.unchanged += len(given) - len(changed)
        for each in changed:
            past = earlier.get(each.name)
            yield msgspec.structs.replace(each, earlier=past) if past is not None else each
        progress(tally)


def _batches(given: Iterable[Given], name_fields: str | None) -> Iterator[Batch]:
    batch: list[Given] = []
    size = 0
    for one in given:
        batch.append(one)
        size += one.size
        if len(batch) >= LOGS_PER_TASK or size >= BYTES_PER_TASK:
            yield Batch(tuple(batch), name_fields)
            batch, size = [], 0
    if batch:
        yield Batch(tuple(batch), name_fields)


def _with_known(store: Store, engine: Engine, batches: Iterator[Batch]) -> Iterator[Batch]:
    """The batches, with those of their contents that the store has: hashed first, diagnosed only where new."""
    for batch, hashes in engine.run(hash_batch, batches):
        known = store.known(decode_hashes(hashes)) if hashes is not None else ()
        yield msgspec.structs.replace(batch, known=frozenset(known))


def _add(writer: Writer, tally: Tally, batch: Batch, result: bytes | None) -> None:
    found = _lost(batch) if result is None else decode_logs(result)
    for given, logs in zip(batch.given, found, strict=True):
        for log in logs:
            _note(writer, tally, log)
        tally.copies += sum(log.content in batch.known for log in logs)
        tally.files += len(given.inputs)
        tally.bytes += given.size
        if any(log.again for log in logs):
            continue
        for one in given.inputs:
            writer.done(one)


def _note(writer: Writer, tally: Tally, log: Log) -> None:
    tally.logs += 1
    tally.broken += log.problem is not None
    if log.again and log.problem is not None:
        count, example = tally.again.get(log.problem, (0, log.name))
        if count or len(tally.again) < _REASONS:
            tally.again[log.problem] = count + 1, example
    else:
        writer.add(log)


def _lost(batch: Batch) -> list[list[Log]]:
    return [[broken(one.inputs[0].name, _LOST, one.changed)] for one in batch.given]

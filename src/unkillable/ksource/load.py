"""A tree's facts: out of the store where the file did not change, extracted by all processors where it did."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from unkillable.ksource.extract import extract
from unkillable.ksource.facts import OPEN, Facts
from unkillable.ksource.index import Index
from unkillable.ksource.parts import Part, part
from unkillable.ksource.store import Known, Shard, Store, digest, shard_of
from unkillable.ksource.tree import LARGEST, File, Tree

Progress = Callable[[float], None]
"""Called with the share (0..1) of the bytes that are read."""

_PORTION = 4 << 20
"""Bytes that a process is given at a time."""
_ALONE = 1 << 20
"""Bytes below which starting other processes takes longer than it saves."""

_SETTLED = 2_000_000_000
"""Nanoseconds after which a write is seen by the file's times: the coarsest file system (FAT) counts in twos of seconds."""

Read = tuple[str, bytes, Facts | None]
"""Path, digest, and facts if nobody had them."""


def load(
    tree: Tree, within: Sequence[str], store: Store | None = None, progress: Progress | None = None
) -> Index:
    """The index of the files below these directories."""
    store = store or Store(tree)
    known = store.known()
    began = time.time_ns()
    groups: defaultdict[str, list[File]] = defaultdict(list)
    for one in {one.path: one for one in tree.files(within)}.values():
        groups[shard_of(one.path)].append(one)
    parts = {name: _kept(store, name, files, known) for name, files in groups.items()}
    missing = {name: groups[name] for name, found in parts.items() if found is None}
    shards = {name: store.shard(name) for name in missing}
    stale = [
        one
        for name, files in missing.items()
        for one in files
        # The facts of a file that did not change may be gone all the same.
        if one.path not in known or known[one.path][0] != one or known[one.path][1] not in shards[name]
    ]
    _read(tree, stale, shards, known, progress or (lambda _share: None))
    for name, files in missing.items():
        there = [one.path for one in files if one.path in known]
        key = _key(there, known)
        found = store.part(name, key)
        if found is None:
            found = part([(path, shards[name][known[path][1]]) for path in there], key)
            store.keep_part(name, found)
        parts[name] = found
    if stale:
        _keep(store, known, shards, {shard_of(one.path) for one in stale}, began)
    index = Index(found for found in parts.values() if found is not None)
    tree.skipped += _left_open(index)
    return index


def _left_open(index: Index) -> Iterator[str]:
    """Functions that no brace closes: the rest of their file was not told from them."""
    for function in np.flatnonzero(index.functions[:, 4] & OPEN).tolist():
        name = index.name(function)
        yield f"{index.path(function)}:{index.line(function)}: no brace closes {name}(): what follows it was not told from it"


def _kept(store: Store, name: str, files: Sequence[File], known: Known) -> Part | None:
    """The part that was made of these files as they are."""
    if any(one.path not in known or known[one.path][0] != one for one in files):
        return None
    return store.part(name, _key([one.path for one in files], known))


def _key(paths: Sequence[str], known: Known) -> bytes:
    made = hashlib.blake2b(digest_size=16)
    for path in paths:
        made.update(os.fsencode(path) + b"\0" + known[path][1])
    return made.digest()


def _read(
    tree: Tree, files: Sequence[File], shards: dict[str, Shard], known: Known, progress: Progress
) -> None:
    times = {one.path: one for one in files}
    total, done = max(sum(one.size for one in files), 1), 0
    with _processes(total) as executor:
        jobs = [
            executor.submit(_portion, tree.root, [one.path for one in part], _digests(shards, part)) if executor
            else part
            for part in _portions(files)
        ]  # fmt: skip
        for job in jobs:
            found, failed = (
                _portion(tree.root, [one.path for one in job], _digests(shards, job))
                if isinstance(job, list)
                else job.result()
            )
            for path, name, facts in found:
                one = times[path]
                known[path] = (one, name)
                if facts is not None:
                    shards[shard_of(path)][name] = facts
                done += one.size
            for path, why in failed:
                known.pop(path, None)
                tree.skipped.append(f"{path}: {why}")
            progress(min(done / total, 1.0))


def _portions(files: Sequence[File]) -> Iterator[list[File]]:
    """Of one shard each, and of a size that keeps all processes busy to the end."""
    by_shard: defaultdict[str, list[File]] = defaultdict(list)
    for one in files:
        by_shard[shard_of(one.path)].append(one)
    for group in by_shard.values():
        part: list[File] = []
        size = 0
        for one in group:
            part.append(one)
            size += one.size
            if size >= _PORTION:
                yield part
                part, size = [], 0
        if part:
            yield part


def _digests(shards: dict[str, Shard], part: Sequence[File]) -> frozenset[bytes]:
    return frozenset(shards[shard_of(part[0].path)])


@contextmanager
def _processes(size: int) -> Iterator[Executor | None]:
    workers = len(os.sched_getaffinity(0))
    if size < _ALONE or workers < 2:
        yield None
        return
    executor = ProcessPoolExecutor(workers, multiprocessing.get_context("forkserver"))
    try:
        yield executor
    finally:
        executor.shutdown(wait=True, cancel_futures=True)


def _portion(
    root: Path, paths: Sequence[str], have: frozenset[bytes]
) -> tuple[list[Read], list[tuple[str, str]]]:
    """Reads some files; runs in a process of its own."""
    found: list[Read] = []
    failed: list[tuple[str, str]] = []
    for path in paths:
        try:
            with (root / path).open("rb") as file:
                source = file.read(LARGEST + 1)
        except OSError as error:
            failed.append((path, error.strerror or "unreadable"))
            continue
        if len(source) > LARGEST:
            failed.append((path, f"larger than {LARGEST >> 20} MiB"))
            continue
        header = path.endswith(".h")
        name = digest(source, header)
        found.append((path, name, None if name in have else extract(source, header)))
    return found, failed


def _keep(store: Store, known: Known, shards: dict[str, Shard], touched: set[str], began: int) -> None:
    used: defaultdict[str, list[bytes]] = defaultdict(list)
    for path, (_, name) in known.items():
        used[shard_of(path)].append(name)
    for shard in touched:
        store.keep(shard, shards[shard], used[shard])
    # A file that has just been written may be written again without a difference that is seen.
    store.keep_known({path: one for path, one in known.items() if one[0].ctime_ns < began - _SETTLED})

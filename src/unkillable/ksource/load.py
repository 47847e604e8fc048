"""A tree's facts: out of the store where the file did not change, extracted by all processors where it did."""

from __future__ import annotations

import multiprocessing
import os
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from unkillable.ksource.extract import extract
from unkillable.ksource.facts import Facts
from unkillable.ksource.index import Index
from unkillable.ksource.store import Known, Shard, Store, digest, shard_of
from unkillable.ksource.tree import LARGEST, File, Tree

Progress = Callable[[float], None]
"""Called with the share (0..1) of the bytes that are read."""

_PORTION = 4 << 20
"""Bytes that a process is given at a time."""
_ALONE = 1 << 20
"""Bytes below which starting other processes takes longer than it saves."""

Read = tuple[str, bytes, Facts | None]
"""Path, digest, and facts if nobody had them."""


def load(
    tree: Tree, within: Sequence[str], store: Store | None = None, progress: Progress | None = None
) -> Index:
    """The index of the files below these directories."""
    store = store or Store(tree)
    known = store.known()
    files = list(tree.files(within))
    changed = [one for one in files if known.get(one.path, (0, 0))[:2] != (one.size, one.mtime_ns)]
    shards: dict[str, Shard] = {}
    for name in dict.fromkeys(shard_of(one.path) for one in files):
        shards[name] = store.shard(name)
    # The facts of a file that did not change may be gone all the same.
    unchanged = {one.path for one in files} - {one.path for one in changed}
    lost = [
        one for one in files if one.path in unchanged and known[one.path][2] not in shards[shard_of(one.path)]
    ]
    _read(tree, [*changed, *lost], shards, known, progress or (lambda _share: None))
    gone = set(tree.skipped)
    there = [one for one in files if one.path in known and one.path not in gone]
    if changed or lost:
        _keep(store, known, shards, {shard_of(one.path) for one in (*changed, *lost)}, there)
    return Index((one.path, shards[shard_of(one.path)][known[one.path][2]]) for one in there)


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
                known[path] = (one.size, one.mtime_ns, name)
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


def _keep(
    store: Store, known: Known, shards: dict[str, Shard], touched: set[str], files: Sequence[File]
) -> None:
    used: defaultdict[str, list[bytes]] = defaultdict(list)
    for one in files:
        used[shard_of(one.path)].append(known[one.path][2])
    for name in touched:
        store.keep(name, shards[name], used[name])
    store.keep_known(known)

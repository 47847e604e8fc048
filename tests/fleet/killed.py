"""Processes that write to a store and are killed: at a step of the file system, or whenever their parent likes."""

from __future__ import annotations

import os
import signal
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb  # noqa: F401 - once for all that are forked

from tests.fleet.made import log, sign, source
from unkillable.fleet import database, layout, merging
from unkillable.fleet.store import Store
from unkillable.fleet.types import Log

STEPS = ("mkdir", "rename", "unlink", "rmdir", "fsync", "link", "replace")


def fleet(count: int) -> list[Log]:
    return [log(i, sign(i % 3) if i % 4 else None) for i in range(count)]


def read(path: Path, logs: list[Log], logs_per_commit: int) -> None:
    """What triage does: reads what has not been read, as often as it takes."""
    store = Store.open(str(path), create=True)
    past = store.unchanged([source(one) for one in logs])
    with store.writer(logs_per_commit) as writer:
        for one in logs:
            if one.name not in past:
                writer.add(one)
                writer.done(source(one))


def whole_life(path: Path, many: int = 2) -> None:
    """Reads, merges, compacts and prunes."""
    merging.MANY = many
    logs = fleet(6)
    read(path, logs, 2)
    store = Store.open(str(path))
    store.compact()
    store.prune(logs[2].seen)


def killed_at(step: int, path: Path) -> None:
    """Kills itself before that step of the file system; ends with status 3 where there are not so many.

    Of the steps that are made in one place of the program, called in one way, the first two count: the third commit is
    written as the second was.
    """
    left = step
    made: Counter[tuple[object, ...]] = Counter()

    def counted(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **options: Any) -> Any:
            nonlocal left
            place = (real, *_place())
            made[place] += 1
            if made[place] <= 2:
                left -= 1
                if not left:
                    os.kill(os.getpid(), signal.SIGKILL)
            return real(*args, **options)

        return call

    for name in STEPS:
        setattr(os, name, counted(getattr(os, name)))
    database.export = counted(database.export)
    whole_life(path)
    os._exit(3)


def _place() -> list[tuple[str, int]]:
    """Functions of the store that called, with their lines."""
    found = []
    frame = sys._getframe(2)
    while frame.f_back:
        if "fleet" in frame.f_code.co_filename:
            found.append((frame.f_code.co_filename, frame.f_lineno))
        frame = frame.f_back
    return found


def write_for_ever(path: Path, seed: int, count: int, many: int) -> None:
    """Reads a share of the fleet again and again, in small commits; every writer's share meets others'."""
    merging.MANY = many
    logs = fleet(count)
    turn = seed
    while True:
        turn += 7
        first = turn * 5 % count
        read(path, (logs + logs)[first : first + count // 3], 3)
        if turn % 3 == 0:
            Store.open(str(path)).compact()


def everything(path: Path) -> dict[str, Any]:
    """What a store says, as plain data: two stores that say the same are the same."""
    store = Store.open(str(path))
    with store.questions() as ask:
        rows = ask.sql(
            "SELECT name, content, cause, episode, quote FROM logs LEFT JOIN findings USING (content) ORDER BY ALL"
        ).rows
        return {
            "totals": ask.totals(),
            "signatures": ask.signatures(),
            "logs": ask.logs(limit=1000),
            "trend": ask.trend(bins=5),
            "rows": [tuple(map(str, row)) for row in rows],
            "findings": ask.sql("SELECT count(*) FROM findings").rows,
        }


def leftovers(path: Path) -> list[str]:
    return [one.name for one in (path / "commits").iterdir() if one.name.startswith(layout._ASIDE)]

"""Making one commit of many, and forgetting what is old."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from unkillable.fleet import database, layout, views
from unkillable.fleet.columns import COLUMNS
from unkillable.fleet.layout import FINDINGS, INPUTS, LOGS, OUTGROWN, TABLES, Commit

MANY = 50
"""So many small commits are merged when the next writer ends."""
SMALL = 50_000
"""Logs; a commit with fewer is small."""


def merge(root: Path, commits: Sequence[Commit], horizon: float = 0.0) -> Commit:
    """Puts the rows of these commits into a new one that replaces them, without those that no longer count.

    The caller holds the store's lock.  Killed at any moment, either the old commits count or the new one does.
    """
    written = time.time_ns()
    horizon = max(horizon, layout.horizon(commits))
    chosen = {one.name for one in commits}
    # A log that stays may be a copy whose findings are in a commit that is not merged now.
    whole = chosen == {one.name for one in layout.commits(root)}
    # Those that they replaced and that are not removed yet would count again without them.
    dead = {name for one in commits for name in one.replaces} & set(layout.dead(root))
    with layout.aside(root) as folder, database.connect() as db:
        views.define(db, root, commits, TABLES, all_findings=True)
        counts = {}
        for table in TABLES:
            fields = ", ".join(COLUMNS[table])
            where = ""
            if table == LOGS and horizon:
                where = f" WHERE seen >= {horizon!r} OR seen = 0"
            if table == FINDINGS and horizon and whole:
                where = f" SEMI JOIN {database.read(folder / 'logs.parquet')} USING (content)"
            counts[table] = database.export(
                db, f"SELECT {fields} FROM {table}{where}", folder / f"{table}.parquet"
            )
        about = Commit(
            layout.new_name(written), written, max((one.scheme for one in commits), default=0),
            min((one.oldest for one in commits), default=0),
            logs=counts[LOGS], findings=counts[FINDINGS], inputs=counts[INPUTS], outgrown=counts[OUTGROWN],
            distinct=True, replaces=tuple(sorted(chosen | dead)), horizon=horizon,
        )  # fmt: skip
        layout.publish(root, folder, about)
    tidy(root)
    return about


def prune(root: Path, commits: Sequence[Commit], before: float) -> int:
    """Merges all without the logs that were seen before a time; returns how many these were.

    Where there are none, a commit of nothing says that those which come later do not count.
    """
    if before <= layout.horizon(commits):
        return 0
    with database.connect() as db:
        views.define(db, root, commits, (LOGS, FINDINGS))
        found = db.execute("SELECT count(*) FROM logs WHERE seen < ? AND seen <> 0", [before]).fetchone()
    count = int(found[0]) if found else 0
    merge(root, commits if count else (), before)
    return count


def tidy(root: Path) -> None:
    """Removes what no longer counts: the caller holds the store's lock."""
    for name in layout.dead(root):
        layout.remove(root, name)


def merge_small(root: Path) -> None:
    """Merges the small commits if they have become many, unless somebody does it already."""
    if len(_small(layout.commits(root))) < MANY:
        return
    with layout.alone(root, wait=False) as got:
        if got and len(found := _small(layout.commits(root))) >= MANY:
            names = {one.name for one in found}
            views.steady(root, lambda commits: merge(root, [one for one in commits if one.name in names]))


def _small(commits: Sequence[Commit]) -> list[Commit]:
    return [one for one in commits if one.logs < SMALL]

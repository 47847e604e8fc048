"""The store's files as views of DuckDB: every row once, whoever wrote it twice."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from unkillable.errors import UserError
from unkillable.fleet import database, layout
from unkillable.fleet.columns import COLUMNS, KEYS
from unkillable.fleet.layout import FINDINGS, INPUTS, LOGS, TABLES, Commit

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_OWNERS = {INPUTS: "name", LOGS: "name, content", FINDINGS: "content"}
"""What one commit tells whole: findings of one log are never mixed from two commits."""


def define(db: DuckDBPyConnection, root: Path, commits: Sequence[Commit]) -> None:
    """Makes the views `inputs`, `logs` and `findings` of these commits.

    Of several rows for one thing the newest scheme's counts, then the one written last.  Looking for such rows costs
    less than sorting them all, and mostly there are none.

    Raises UserError, which names the commit, for a damaged one.
    """
    import duckdb

    try:
        for table in TABLES:
            _define(db, root, commits, table)
    except duckdb.Error as error:
        raise blame(db, root, commits, error) from error


def _define(db: DuckDBPyConnection, root: Path, commits: Sequence[Commit], table: str) -> None:
    fields = ", ".join(f'"{name}"' for name in COLUMNS[table])
    files = [root / "commits" / one.name / f"{table}.parquet" for one in commits if _rows(one, table)]
    raw = f"all_{table}"
    if not files:
        empty = ", ".join(f'NULL::{kind} AS "{name}"' for name, kind in COLUMNS[table].items())
        db.execute(f"CREATE OR REPLACE VIEW {table} AS SELECT {empty} WHERE false")
        return
    listed = ", ".join(map(database.text, files))
    db.execute(f"CREATE OR REPLACE VIEW {raw} AS SELECT {fields} FROM read_parquet([{listed}])")
    where = _seen_since(layout.horizon(tuple(commits))) if table == LOGS else ""
    if len(files) == 1 and all(one.distinct for one in commits):
        db.execute(f"CREATE OR REPLACE VIEW {table} AS SELECT * FROM {raw}{where}")
        return
    owner = _OWNERS[table]
    several = "min(written) < max(written)" if table == FINDINGS else "count(*) > 1"
    db.execute(
        f"CREATE OR REPLACE TABLE twice_{table} AS SELECT {owner} FROM {raw} GROUP BY {owner} HAVING {several}"
    )
    found = db.execute(f"SELECT count(*) FROM twice_{table}").fetchone()
    if not found or not found[0]:
        db.execute(f"CREATE OR REPLACE VIEW {table} AS SELECT * FROM {raw}{where}")
        return
    db.execute(
        f"""CREATE OR REPLACE VIEW {table} AS SELECT * FROM (
            SELECT * FROM {raw} ANTI JOIN twice_{table} USING ({owner})
            UNION ALL
            SELECT DISTINCT ON ({KEYS[table]}) {fields} FROM (
                SELECT *, rank() OVER (PARTITION BY {owner} ORDER BY scheme DESC, written DESC) AS place
                FROM {raw} SEMI JOIN twice_{table} USING ({owner})
            ) WHERE place = 1
        ){where}"""
    )


def _seen_since(horizon: float) -> str:
    return f" WHERE seen >= {horizon!r} OR seen = 0" if horizon else ""


def _rows(one: Commit, table: str) -> int:
    return {INPUTS: one.inputs, LOGS: one.logs, FINDINGS: one.findings}[table]


def blame(db: DuckDBPyConnection, root: Path, commits: Sequence[Commit], error: Exception) -> UserError:
    """Which file an error of DuckDB comes from."""
    import duckdb

    for one in commits:
        for table in TABLES:
            path = root / "commits" / one.name / f"{table}.parquet"
            fields = ", ".join(f'"{name}"' for name in COLUMNS[table])
            try:
                # The checksum of everything: a damaged block in the middle is found only by reading it.
                db.execute(f"SELECT count(hash({fields})) FROM read_parquet({database.text(path)})")
            except duckdb.Error as why:
                said = database.first_line(why)
                return UserError(
                    f"{path}: damaged ({said}); remove {path.parent}, and its inputs are read again"
                )
    return UserError(f"{root}: {database.first_line(error)}")

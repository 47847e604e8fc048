"""The store's files as views of DuckDB: every row once, whoever wrote it twice."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from unkillable.errors import UserError
from unkillable.fleet import database, layout
from unkillable.fleet.columns import COLUMNS, KEYS
from unkillable.fleet.layout import FINDINGS, INPUTS, LOGS, OUTGROWN, TABLES, Commit

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

Answer = TypeVar("Answer")
_TRIES = 10
_OWNERS = KEYS | {FINDINGS: "content"}
"""What one commit tells whole: findings of one log are never mixed from two commits."""
_TWICE = {
    INPUTS: "SELECT {owner} FROM all_inputs GROUP BY {owner} HAVING count(*) > 1",
    LOGS: "SELECT {owner} FROM all_logs SEMI JOIN shared USING (content) GROUP BY {owner} HAVING count(*) > 1",
    FINDINGS: "SELECT {owner} FROM all_findings SEMI JOIN shared USING (content) "
    "GROUP BY {owner} HAVING min(written) < max(written)",
    OUTGROWN: "SELECT {owner} FROM all_outgrown GROUP BY {owner} HAVING count(*) > 1",
}
"""What several rows tell of.  To look for it costs less than to sort all rows, and mostly there is little or none."""
_NOT_OUTGROWN = """ AS log
ANTI JOIN grown ON log.name = grown.name AND log.content = grown.content AND log.written <= grown.grew
"""
"""What a name has again after it had more counts again: a log that was emptied once cannot be read, whatever it has shown."""
_ONCE = """
SELECT * FROM {raw} ANTI JOIN twice_{table} USING ({owner})
UNION ALL
SELECT DISTINCT ON ({key}) * EXCLUDE (place) FROM (
    SELECT *, rank() OVER (PARTITION BY {owner} ORDER BY scheme DESC, written DESC) AS place
    FROM {raw} SEMI JOIN twice_{table} USING ({owner})
) WHERE place = 1
"""


class Window(NamedTuple):
    """When logs must have been seen, in seconds since 1970: from `since` on, and before `until`.

    Where either is given, logs that do not tell their time are outside."""

    since: float | None = None
    until: float | None = None


def raw(
    db: DuckDBPyConnection, root: Path, commits: Sequence[Commit], tables: Collection[str] = TABLES
) -> None:
    """Makes the views `all_inputs`, `all_logs` and `all_findings` of these commits, or some of them: every row there is.

    To be called within `steady`, as everything that reads them.
    """
    for table in tables:
        fields = ", ".join(f'"{name}"' for name in COLUMNS[table])
        files = [_file(root, one, table) for one in commits if _rows(one, table)]
        rows = f"SELECT {fields} FROM read_parquet([{', '.join(map(database.text, files))}])"
        if not files:
            empty = ", ".join(f'NULL::{kind} AS "{name}"' for name, kind in COLUMNS[table].items())
            rows = f"SELECT {empty} WHERE false"
        db.execute(f"CREATE OR REPLACE VIEW all_{table} AS {rows}")


def define(
    db: DuckDBPyConnection,
    root: Path,
    commits: Sequence[Commit],
    tables: Sequence[str] = (LOGS, FINDINGS),
    window: Window | None = None,
    all_findings: bool = False,
) -> None:
    """Makes the views `logs`, `findings` and, where named, the others: what counts of these commits, or of the logs seen in a
    window.  `all_findings` are also those of contents that count under no name here: with other commits they may.

    Of several rows for one thing the newest scheme's counts, then the one written last.  Also makes the table `shared`:
    the contents that are there under several names, or twice; `grown` and `alone` are of logs that were shorter once.
    """
    grown = LOGS in tables and any(one.outgrown for one in commits)
    raw(db, root, commits, {*tables, OUTGROWN} if grown else tables)
    if grown:  # as tables, as they are small and looked at with every question
        db.execute(
            "CREATE OR REPLACE TABLE grown AS SELECT name, content, max(written) AS grew FROM all_outgrown GROUP BY ALL"
        )
    single = len(commits) == 1 and commits[0].distinct
    if LOGS in tables:
        db.execute(
            "CREATE OR REPLACE TABLE shared AS SELECT content FROM all_logs GROUP BY content HAVING count(*) > 1"
        )
    for table in tables:
        rows = f"SELECT * FROM all_{table}"
        if not single and _is_twice(db, table):
            rows = _ONCE.format(raw=f"all_{table}", table=table, owner=_OWNERS[table], key=KEYS[table])
        where = ""
        if table == LOGS:
            where = _NOT_OUTGROWN if grown else ""
            if wanted := _wanted(layout.horizon(commits), window):
                where += f" WHERE {' AND '.join(wanted)}"
        elif table == FINDINGS and window is not None:
            where = " SEMI JOIN logs USING (content)"
        elif table == FINDINGS and grown and not all_findings:
            db.execute(
                "CREATE OR REPLACE TABLE alone AS SELECT content FROM grown ANTI JOIN logs USING (content)"
            )
            where = " ANTI JOIN alone USING (content)"
        db.execute(f"CREATE OR REPLACE VIEW {table} AS SELECT * FROM ({rows}){where}")


def _wanted(horizon: float, window: Window | None) -> list[str]:
    """The conditions for a log's time."""
    found = [f"(seen >= {horizon!r} OR seen = 0)"] if horizon else []
    if window is not None:
        since, until = window
        found += [f"seen >= {since!r}"] if since is not None else ["seen <> 0"]
        found += [f"seen < {until!r}"] if until is not None else []
    return found


def _is_twice(db: DuckDBPyConnection, table: str) -> bool:
    query = _TWICE[table].format(owner=_OWNERS[table])
    db.execute(f"CREATE OR REPLACE TABLE twice_{table} AS {query}")
    return db.execute(f"SELECT 1 FROM twice_{table} LIMIT 1").fetchone() is not None


def steady(root: Path, ask: Callable[[tuple[Commit, ...]], Answer]) -> Answer:
    """Asks of the commits that are there; again, where others replaced and removed some of them meanwhile.

    Raises UserError, which names the commit, for a damaged one.
    """
    import duckdb

    for _ in range(_TRIES):
        commits = layout.commits(root)
        try:
            return ask(commits)
        except duckdb.InterruptException:
            raise
        except duckdb.Error as error:
            if commits == layout.commits(root):
                raise _blame(root, commits, error) from error
    raise UserError(f"{root}: is changing too fast to be read; try again")


def _blame(root: Path, commits: Sequence[Commit], error: Exception) -> UserError:
    """Which file an error of DuckDB comes from."""
    import duckdb

    with database.connect() as db:
        for one in commits:
            for table in filter(partial(_rows, one), TABLES):
                path = _file(root, one, table)
                fields = ", ".join(f'"{name}"' for name in COLUMNS[table])
                try:
                    # Everything is read: a damaged block in the middle is not found otherwise.
                    db.execute(f"SELECT count(hash({fields})) FROM read_parquet({database.text(path)})")
                except duckdb.Error as why:
                    said = database.first_line(why)
                    return UserError(
                        f"{path}: damaged ({said}); remove {path.parent}, and its inputs are read again"
                    )
    return UserError(f"{root}: {database.first_line(error)}")


def _file(root: Path, one: Commit, table: str) -> Path:
    return root / "commits" / one.name / f"{table}.parquet"


def _rows(one: Commit, table: str) -> int:
    return {INPUTS: one.inputs, LOGS: one.logs, FINDINGS: one.findings, OUTGROWN: one.outgrown}[table]

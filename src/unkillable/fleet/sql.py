"""Questions in the user's own SQL, which can do nothing but read the store's views."""

from __future__ import annotations

import threading
from pathlib import Path
from uuid import UUID

from unkillable.errors import UserError
from unkillable.fleet import database, layout, views
from unkillable.fleet.answers import Table

_VIEWS = """
CREATE VIEW signatures AS
    SELECT f.cause, f.variant, min(f.title) AS title, min(f.variant_title) AS variant_title, mode(f.kind) AS kind,
        f.scheme, count(DISTINCT f.content) AS logs, min(l.seen) AS first_seen, max(l.seen) AS last_seen
    FROM findings AS f JOIN logs AS l ON l.content = f.content WHERE f.cause IS NOT NULL
    GROUP BY f.cause, f.variant, f.scheme;
"""


def ask(root: Path, text: str, limit: int, seconds: float) -> Table:
    """Answers one SELECT.  Raises UserError for anything else, and where it takes too long or too much memory.

    The database may read the commits' directory and nothing else, and its settings are locked before the question is seen.
    """
    import duckdb

    def answer(commits: tuple[layout.Commit, ...]) -> Table:
        with database.connect() as db:
            views.define(db, root, commits)
            db.execute(_VIEWS)
            db.execute(f"SET allowed_directories = [{database.text(str(root / 'commits') + '/')}]")
            db.execute("SET enable_external_access = false")
            db.execute("SET lock_configuration = true")
            timer = threading.Timer(seconds, db.interrupt)
            timer.daemon = True
            try:
                statements = db.extract_statements(text)
                if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
                    raise UserError("--sql: give one SELECT; the views are listed in docs/dev/store.md")
                timer.start()
                columns, rows = database.interruptible(db, statements[0], limit + 1)
            except duckdb.InterruptException:
                raise UserError(f"--sql: stopped after {seconds:g} seconds; ask for less") from None
            except duckdb.Error as error:
                if commits != layout.commits(root):
                    raise
                raise UserError(f"--sql: {database.first_line(error)}") from error
            finally:
                timer.cancel()
        return Table(columns, tuple(tuple(map(_plain, row)) for row in rows[:limit]), len(rows) > limit)

    return views.steady(root, answer)


def _plain(value: object) -> object:
    """A content hash as it is written everywhere else."""
    return value.hex if isinstance(value, UUID) else value

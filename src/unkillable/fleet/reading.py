"""Reading a store that others write to meanwhile."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unkillable.errors import UserError
from unkillable.fleet import database, facts, layout, views

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


class Reader:
    """One connection, which notices when the store has changed.  Safe to share between threads."""

    def __init__(self, root: Path, window: views.Window | None = None) -> None:
        self.scheme = 0
        """Of the signatures in the table `facts`."""
        self._root = root
        self._window = window
        self._lock = threading.RLock()
        self._db: DuckDBPyConnection = database.connect()
        self._commits: tuple[layout.Commit, ...] | None = None
        self._stopped = False

    def close(self) -> None:
        with self._lock:
            self._db.close()

    def stop(self) -> None:
        """Ends what another thread asks, and lets nobody ask again."""
        self._stopped = True
        self._db.interrupt()

    def one(self, query: str, given: dict[str, object] | None = None) -> dict[str, Any]:
        return self.all(query, given)[0]

    def all(self, query: str, given: dict[str, object] | None = None) -> list[dict[str, Any]]:
        """The rows of a query."""
        import duckdb

        def ask(commits: tuple[layout.Commit, ...]) -> list[dict[str, Any]]:
            self._go_on()
            if commits != self._commits:
                self._commits = None
                views.define(self._db, self._root, commits, window=self._window)
                self.scheme = facts.load(self._db, commits)
                self._commits = commits
            cursor = self._db.execute(query, given or {})
            names = [column[0] for column in cursor.description or ()]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

        with self._lock:
            try:
                return views.steady(self._root, ask)
            except duckdb.InterruptException:
                self._go_on()
                raise

    def _go_on(self) -> None:
        if self._stopped:
            raise UserError(f"{self._root}: nobody waits for the answer any more")

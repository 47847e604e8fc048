"""Appending to a store: rows go to files aside, and a commit makes them Parquet and part of the store at once."""

from __future__ import annotations

import time
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

import msgspec

from unkillable.errors import UserError
from unkillable.fleet import columns, database, layout, merging
from unkillable.fleet.columns import COLUMNS, KEYS
from unkillable.fleet.layout import FINDINGS, INPUTS, LOGS, OUTGROWN, TABLES, Commit
from unkillable.fleet.types import Input, Log

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

LOGS_PER_COMMIT = 100_000
"""So many logs are lost at most, and read again, when a writer is killed."""
_SPOOL = 1 << 20
"""Bytes of rows that are held in memory, of each table."""


class Writer:
    """Adds logs to a store; several writers may do so at the same time, in any number of processes.

    A log counts once `commit()` has returned, or the `with` has ended without an exception: then it is on the disk.
    What was added after the last commit is as if it had not been read.
    """

    def __init__(self, root: Path, scheme: int, logs_per_commit: int = LOGS_PER_COMMIT) -> None:
        self._root = root
        self._scheme = scheme
        self._logs_per_commit = logs_per_commit
        self._batch: _Batch | None = None
        self._database: DuckDBPyConnection | None = None

    def add(self, log: Log) -> None:
        """Adds a log.  One without findings whose content is in the store already is a copy of that."""
        with layout.errors_told(self._root):
            batch = self._open()
            batch.rows[LOGS].write(columns.log_row(log))
            for row in columns.finding_rows(log):
                batch.rows[FINDINGS].write(row)
            if log.outgrown is not None:
                batch.rows[OUTGROWN].write(columns.outgrown_row(log.name, log.outgrown))
        if batch.rows[LOGS].count >= self._logs_per_commit:
            self.commit()

    def done(self, given: Input) -> None:
        """Says that all logs of an input were added: it need not be read again unless it changes."""
        with layout.errors_told(self._root):
            self._open().rows[INPUTS].write(columns.input_row(given))

    def commit(self) -> None:
        """Makes what was added part of the store."""
        if self._batch is None:
            return
        import duckdb

        batch, self._batch = self._batch, None
        with batch.files:
            if self._database is None:
                self._database = database.connect()
            written = time.time_ns()
            try:
                counts = batch.convert(self._database, self._scheme, written)
            except duckdb.Error as error:
                said = database.first_line(error)
                raise UserError(f"{self._root}: {said}; nothing of this commit was kept") from error
            about = Commit(
                layout.new_name(written), written, self._scheme, self._scheme,
                logs=counts[LOGS], findings=counts[FINDINGS], inputs=counts[INPUTS], outgrown=counts[OUTGROWN], distinct=True,
            )  # fmt: skip
            layout.publish(self._root, batch.folder, about)
        merging.merge_small(self._root)

    def discard(self) -> None:
        """Forgets what was added since the last commit."""
        if self._batch is not None:
            self._batch.files.close()
            self._batch = None

    def close(self) -> None:
        """Commits, and lets go of what the writer holds."""
        self.commit()
        if self._database is not None:
            self._database.close()
            self._database = None

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, kind: type[BaseException] | None, _: object, where: TracebackType | None) -> None:
        if kind is not None:
            self.discard()
        self.close()

    def _open(self) -> _Batch:
        if self._batch is None:
            self._batch = _Batch(self._root)
        return self._batch


class Rows:
    """A file with a JSON object in each line, written in large pieces."""

    def __init__(self, path: Path) -> None:
        self.count = 0
        self._file = path.open("wb")
        self._buffer = bytearray()
        self._encode = msgspec.json.Encoder().encode_into

    def write(self, row: dict[str, object]) -> None:
        self._encode(row, self._buffer, len(self._buffer))
        self._buffer += b"\n"
        self.count += 1
        if len(self._buffer) >= _SPOOL:
            self._file.write(self._buffer)
            self._buffer.clear()

    def __enter__(self) -> Rows:
        return self

    def close(self) -> None:
        """Writes what is left; once more does nothing."""
        if not self._file.closed:
            with self._file:
                self._file.write(self._buffer)

    def __exit__(self, *_: object) -> None:
        self.close()


class _Batch:
    """The rows of one commit, aside."""

    def __init__(self, root: Path) -> None:
        self.files = ExitStack()
        self.folder = self.files.enter_context(layout.aside(root))
        self.rows = {table: self.files.enter_context(Rows(self._path(table))) for table in TABLES}

    def convert(self, db: DuckDBPyConnection, scheme: int, written: int) -> dict[str, int]:
        """Makes the rows Parquet files, each thing once; returns how many there are."""
        counts = {}
        for table, rows in self.rows.items():
            rows.close()
            given = {name: kind for name, kind in COLUMNS[table].items() if name not in ("scheme", "written")}
            source = (
                f"SELECT DISTINCT ON ({KEYS[table]}) *, {scheme}::INTEGER AS scheme, {written}::BIGINT AS written "
                f"FROM {database.read_rows(self._path(table), given)}"
            )
            counts[table] = database.export(db, source, self.folder / f"{table}.parquet")
            self._path(table).unlink()
        return counts

    def _path(self, table: str) -> Path:
        return self.folder / f"{table}.rows"

"""DuckDB as the store uses it: in memory, with bounds, without extensions or the network."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unkillable.errors import UserError

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_SHARE = 0.5
"""Of the machine's memory, what DuckDB may use."""


def connect() -> DuckDBPyConnection:
    """A database of its own.  Raises UserError without DuckDB."""
    try:
        import duckdb
    except ImportError:
        raise UserError("duckdb is not installed: pip install 'unkillable[fleet]'") from None
    db = duckdb.connect(
        config={
            "memory_limit": f"{_memory_mb()}MB",
            "threads": len(os.sched_getaffinity(0)),
            "temp_directory": "",
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            "preserve_insertion_order": False,
            "python_enable_replacements": False,
        }
    )
    db.execute("SET enable_progress_bar = false")  # it would be printed into what we print
    return db


def interruptible(
    db: DuckDBPyConnection, query: Any, limit: int
) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
    """The names of a query's columns and its first rows; Ctrl-C ends it at once.

    DuckDB looks for signals between the tasks of the thread that asks.  Where another one of its threads has taken the only task
    it waits for that, and hears nothing until the query ends: so this thread asks through another, and waits where Python does.
    """

    def ask() -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
        cursor = db.execute(query)
        return tuple(column[0] for column in cursor.description or ()), cursor.fetchmany(limit)

    with ThreadPoolExecutor(1) as asking:
        answer = asking.submit(ask)
        try:
            return answer.result()
        except KeyboardInterrupt:
            while not answer.done():  # it may not have begun yet
                db.interrupt()
                time.sleep(0.05)
            raise


def export(db: DuckDBPyConnection, query: str, path: Path) -> int:
    """Writes the rows of a query to a Parquet file; returns how many."""
    answer = db.execute(f"COPY ({query}) TO {text(path)} (FORMAT parquet, COMPRESSION zstd)").fetchone()
    return int(answer[0]) if answer else 0


def read(path: Path) -> str:
    """What stands in a query for the rows of a Parquet file."""
    return f"read_parquet({text(path)})"


def read_rows(path: Path, kinds: Mapping[str, str]) -> str:
    """And for those of a file with a JSON object in each line."""
    fields = ", ".join(f"{text(name)}: {text(kind)}" for name, kind in kinds.items())
    return f"read_json({text(path)}, format='newline_delimited', columns={{{fields}}})"


def text(value: object) -> str:
    """A literal of SQL: for names of files, which prepared statements of views cannot have as parameters."""
    return "'" + str(value).replace("'", "''") + "'"


def first_line(error: Exception) -> str:
    """What DuckDB says, in one line."""
    return " ".join(str(error).split())[:300]


def _memory_mb() -> int:
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return max(256, int(total * _SHARE) >> 20)

"""A store as one Parquet file, for other programs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from unkillable.errors import UserError
from unkillable.files import replacing
from unkillable.fleet import database, layout, views
from unkillable.fleet.store import Store

_ROWS = """
SELECT l.name, l.content, l.size, l.device, l.release, to_timestamp(nullif(l.seen, 0)) AS seen, l.problem,
    f.episode, f.cause, f.variant, f.title, f.variant_title, f.kind, f.wait, f.site, f.entered_by, f.holders, f.memory,
    f.confidence, f.summary, f.kernel, f.arch, f.line, f.quote
FROM logs AS l LEFT JOIN findings AS f ON l.content = f.content
"""


def export(store: Store, path: str) -> int:
    """Writes a row for each log and episode; the file is written whole or not at all.  Returns how many rows there are."""
    target = Path(path)
    if target.exists() and not target.is_file():
        raise UserError(f"--export {path}: is no file; name one that may be written anew")
    try:
        with replacing(target) as aside, database.connect() as db:

            def write(commits: Sequence[layout.Commit]) -> int:
                views.define(db, store.root, commits)
                return database.export(db, _ROWS, aside)

            return views.steady(store.root, write)
    except OSError as error:
        raise UserError(f"--export {path}: cannot write: {error.strerror}") from None

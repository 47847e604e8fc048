"""A store as one Parquet file, for other programs."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from unkillable.errors import UserError
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
    with tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as place:
        aside = Path(place, "rows.parquet")
        with database.connect() as db:

            def write(commits: Sequence[layout.Commit]) -> int:
                views.define(db, store.root, commits)
                return database.export(db, _ROWS, aside)

            rows = views.steady(store.root, write)
        try:
            umask = os.umask(0)
            os.umask(umask)
            with suppress(OSError):
                aside.chmod(0o666 & ~umask)
            aside.replace(target)
        except OSError as error:
            raise UserError(f"--export {path}: cannot write: {error.strerror}") from None
    return rows

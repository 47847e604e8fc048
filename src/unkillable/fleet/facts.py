"""The store's rows in memory as the questions want them: one narrow row for each log and cause."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_TABLES = """
CREATE OR REPLACE TABLE newest AS
    SELECT coalesce(max(scheme), 0) AS scheme FROM findings;
CREATE OR REPLACE TABLE facts AS
    SELECT l.content AS log, l.device, l.release, l.seen, f.cause, f.variant, f.kind, f.kernel, f.arch, f.episode,
        l.problem IS NOT NULL AS broken, coalesce(f.scheme < (SELECT scheme FROM newest), false) AS older
    FROM logs AS l LEFT JOIN findings AS f ON l.content = f.content;
UPDATE facts SET cause = NULL, variant = NULL WHERE older;
"""


def load(db: DuckDBPyConnection) -> None:
    """Makes the table `facts` of the views; signatures of an older scheme are left out, as theirs are other names."""
    db.execute(_TABLES)


def where(
    since: float | None = None,
    until: float | None = None,
    release: str | None = None,
    device: str | None = None,
    cause: str | None = None,
    variant: str | None = None,
    kind: str | None = None,
) -> tuple[str, dict[str, object]]:
    """The condition on `facts`, and its parameters."""
    given = {
        "seen >= $since": ("since", since), "seen < $until": ("until", until), "release = $release": ("release", release),
        "device = $device": ("device", device), "cause = $cause": ("cause", cause),
        "variant = $variant": ("variant", variant), "kind = $kind": ("kind", kind),
    }  # fmt: skip
    used = {condition: pair for condition, pair in given.items() if pair[1] is not None}
    return " AND ".join(used) or "true", dict(used.values())

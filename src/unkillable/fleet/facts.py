"""The store's rows in memory as the questions want them: one narrow row for each log and finding."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from unkillable.fleet.layout import Commit
from unkillable.fleet.types import FAILING, HARMLESS

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

Condition = tuple[str, dict[str, object]]
"""What `facts` are chosen by, in SQL, and its parameters."""
ALL = "count(*) FILTER (shown)"
"""Counts the logs among facts: each content once, whatever was found in it."""
HUNG = f"count(*) FILTER (shown AND cause IS NOT NULL AND kind NOT IN ('{FAILING}', '{HARMLESS}'))"
"""Counts the logs that hung."""
FAILED = f"count(*) FILTER (shown AND cause IS NOT NULL AND kind = '{FAILING}')"
"""Counts those that did not, and were served an error again and again."""
SHOWING = "count(*) FILTER (new_cause)"
"""Counts the logs among the facts of one cause."""

_TABLES = (
    """CREATE OR REPLACE TABLE copied AS
    SELECT content, min(name) AS name, count(*) - 1 AS copies FROM logs SEMI JOIN shared USING (content)
    GROUP BY content HAVING count(*) > 1""",
    """CREATE OR REPLACE TABLE facts AS
    WITH originals AS (
        SELECT content, device, release, seen, problem FROM logs ANTI JOIN copied USING (content)
        UNION ALL
        SELECT l.content, device, release, seen, problem
        FROM logs AS l SEMI JOIN copied AS c ON l.content = c.content AND l.name = c.name
    ), signed AS (
        SELECT content, episode, kind, shown, {older} AS older, if({older}, NULL, cause) AS cause,
            if({older}, NULL, variant) AS variant, NOT {older} AND new_cause AS new_cause,
            NOT {older} AND new_variant AS new_variant
        FROM findings
    )
    SELECT l.content AS log, device, release, seen, problem IS NOT NULL AS broken, episode, kind, cause, variant,
        coalesce(older, false) AS older, coalesce(shown, true) AS shown, coalesce(new_cause, false) AS new_cause,
        coalesce(new_variant, false) AS new_variant
    FROM originals AS l LEFT JOIN signed AS f ON l.content = f.content""",
    """CREATE OR REPLACE TABLE names AS
    SELECT cause, variant, any_value(title) AS title, any_value(variant_title) AS variant_title, any_value(kind) AS kind,
        any_value(wait) AS wait, any_value(site) AS site, any_value(entered_by) AS entered_by, any_value(holders) AS holders
    FROM findings WHERE cause IS NOT NULL AND NOT {older} GROUP BY cause, variant""",
)


def load(db: DuckDBPyConnection, commits: Sequence[Commit]) -> int:
    """Makes the tables `facts` and `names` of the views; returns the scheme of their signatures.

    Of several names of one content the first is its log's.  Signatures of an older scheme are left out, as what they call
    one cause may be two now.
    """
    schemes = [one.scheme for one in commits if one.findings]
    newest = max(schemes, default=0)
    # A merged commit can hold older ones than its own.
    oldest = min((one.oldest for one in commits if one.findings), default=0)
    older = f"(scheme < {newest:d})" if oldest < newest else "false"
    for table in _TABLES:
        db.execute(table.format(older=older))
    return newest


def where(
    since: float | None = None,
    until: float | None = None,
    release: str | None = None,
    device: str | None = None,
    cause: str | None = None,
    variant: str | None = None,
    kind: str | None = None,
) -> Condition:
    """The condition for what is given."""
    given = {
        "seen >= $since": ("since", since), "seen < $until": ("until", until), "release = $release": ("release", release),
        "device = $device": ("device", device), "cause = $cause": ("cause", cause),
        "variant = $variant": ("variant", variant), "kind = $kind": ("kind", kind),
    }  # fmt: skip
    used = {condition: pair for condition, pair in given.items() if pair[1] is not None}
    return " AND ".join(used) or "true", dict(used.values())

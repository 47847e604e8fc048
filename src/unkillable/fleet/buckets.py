"""What the logs die of: a bucket for each cause."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from unkillable.fleet import facts
from unkillable.fleet.answers import Bucket, Example, Share, Variant
from unkillable.fleet.facts import ALL, SHOWING, Condition
from unkillable.fleet.reading import Reader
from unkillable.fleet.types import HARMLESS

_VARIANTS = 10


def alone(reader: Reader, cause: str) -> Bucket | None:
    """One cause, with what is told of it only alone."""
    found = page(reader, facts.where(cause=cause), 1, 0)
    if not found:
        return None
    row = reader.one(
        "SELECT wait, site, entered_by, holders FROM names WHERE cause = $cause ORDER BY variant",
        {"cause": cause},
    )
    (per_release,) = _shares(reader, ("release",), "facts", cause)
    per_arch, per_kernel = _shares(reader, ("arch", "kernel"), "findings", cause)
    return msgspec.structs.replace(
        found[0],
        per_release=per_release,
        per_arch=per_arch,
        per_kernel=per_kernel,
        wait=row["wait"],
        site=row["site"],
        entered_by=row["entered_by"],
        holders=tuple(row["holders"] or ()),
    )


def page(reader: Reader, chosen: Condition, limit: int, offset: int) -> list[Bucket]:
    """The causes that a condition leaves, the most frequent first; last what hangs nothing."""
    condition, given = chosen
    rows = reader.all(
        f"""SELECT cause, {SHOWING} AS count, count(DISTINCT device) FILTER (device <> '') AS devices,
            count(DISTINCT release) FILTER (release <> '') AS releases,
            min(seen) AS first_seen, max(seen) AS last_seen
        FROM facts WHERE cause IS NOT NULL AND {condition}
        GROUP BY cause ORDER BY any_value(kind) = '{HARMLESS}', count DESC, cause LIMIT $limit OFFSET $offset""",
        given | {"limit": limit, "offset": offset},
    )
    if not rows:
        return []
    causes = [row["cause"] for row in rows]
    names = reader.all(
        "SELECT * FROM names WHERE cause IN (SELECT unnest($causes)) ORDER BY variant", {"causes": causes}
    )
    named = {row["cause"]: row for row in reversed(names)}
    variants = _variants(
        reader, condition, given, causes, {row["variant"]: row["variant_title"] for row in names}
    )
    examples = _examples(reader, condition, given, causes, [row["last_seen"] for row in rows])
    return [
        Bucket(
            **row,
            title=named[row["cause"]]["title"],
            kind=named[row["cause"]]["kind"],
            variants=variants[row["cause"]],
            example=examples.get(row["cause"]),
        )
        for row in rows
    ]


def _variants(
    reader: Reader, condition: str, given: dict[str, object], causes: Sequence[str], titles: dict[str, str]
) -> dict[str, tuple[Variant, ...]]:
    rows = reader.all(
        f"""SELECT cause, variant, count(*) FILTER (new_variant) AS count FROM facts
        WHERE cause IN (SELECT unnest($causes)) AND {condition} GROUP BY cause, variant
        QUALIFY row_number() OVER (PARTITION BY cause ORDER BY count DESC, variant) <= {_VARIANTS}
        ORDER BY count DESC, variant""",
        given | {"causes": causes},
    )
    found: dict[str, list[Variant]] = {cause: [] for cause in causes}
    for row in rows:
        found[row["cause"]].append(Variant(row["variant"], titles.get(row["variant"], ""), row["count"]))
    return {cause: tuple(variants) for cause, variants in found.items()}


def _examples(
    reader: Reader, condition: str, given: dict[str, object], causes: Sequence[str], last: Sequence[float]
) -> dict[str, Example]:
    rows = reader.all(
        f"""WITH wanted AS (
            SELECT cause, min(log) AS log FROM facts JOIN (
                SELECT unnest($causes) AS cause, unnest($last) AS seen) USING (cause, seen)
            WHERE {condition} GROUP BY cause
        )
        SELECT f.cause, f.content, min(l.name) AS name, arg_min(f.line, f.episode) AS line,
            arg_min(f.quote, f.episode) AS quote
        FROM wanted AS w JOIN findings AS f ON f.content = w.log AND f.cause = w.cause
            JOIN logs AS l ON l.content = w.log
        GROUP BY f.cause, f.content""",
        given | {"causes": causes, "last": last},
    )
    return {row["cause"]: Example(row["name"], row["content"].hex, row["line"], row["quote"]) for row in rows}


def _shares(reader: Reader, columns: tuple[str, ...], table: str, cause: str) -> list[tuple[Share, ...]]:
    """How often a cause is among the logs of each value, for each of the columns, in one pass."""
    place = " ".join(f"WHEN grouping({column}) = 0 THEN {i}" for i, column in enumerate(columns))
    rows = reader.all(
        f"""SELECT CASE {place} END AS place, coalesce({", ".join(columns)}, '') AS name,
            count(*) FILTER (new_cause AND cause = $cause) AS count, {ALL} AS logs
        FROM {table} GROUP BY GROUPING SETS ({", ".join(f"({column})" for column in columns)})
        HAVING count > 0 ORDER BY count DESC, name""",
        {"cause": cause},
    )
    found: list[list[Share]] = [[] for _ in columns]
    for row in rows:
        found[row["place"]].append(Share(row["name"], row["count"], row["logs"]))
    return [tuple(shares) for shares in found]

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
    """One cause, with what `whole` adds."""
    found = whole(reader, page(reader, facts.where(cause=cause), 1, 0))
    return found[0] if found else None


def whole(reader: Reader, found: Sequence[Bucket]) -> list[Bucket]:
    """The same, each with its words and with how often it is in each release, on each architecture and kernel.

    All are asked for together: the table that is gone through is the same for one and for twenty."""
    if not found:
        return []
    causes = [one.cause for one in found]
    rows = reader.all(
        """SELECT DISTINCT ON (cause) cause, wait, site, entered_by, holders FROM names
        WHERE cause IN (SELECT unnest($causes)) ORDER BY cause, variant""",
        {"causes": causes},
    )
    words = {row["cause"]: row for row in rows}  # without what another process has pruned meanwhile
    (release,) = _shares(reader, ("release",), "facts", causes)
    arch, kernel = _shares(reader, ("arch", "kernel"), "findings", causes)
    return [
        msgspec.structs.replace(
            one,
            per_release=release.get(one.cause, ()),
            per_arch=arch.get(one.cause, ()),
            per_kernel=kernel.get(one.cause, ()),
            wait=words.get(one.cause, {}).get("wait"),
            site=words.get(one.cause, {}).get("site"),
            entered_by=words.get(one.cause, {}).get("entered_by"),
            holders=tuple(words.get(one.cause, {}).get("holders") or ()),
        )
        for one in found
    ]


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


def _shares(
    reader: Reader, columns: tuple[str, ...], table: str, causes: Sequence[str]
) -> list[dict[str, tuple[Share, ...]]]:
    """How often each cause is among the logs of each value, for each of the columns, in one pass."""
    place = " ".join(f"WHEN grouping({column}) = 0 THEN {i}" for i, column in enumerate(columns))
    rows = reader.all(
        f"""WITH counted AS (
            SELECT cause, CASE {place} END AS place, coalesce({", ".join(columns)}, '') AS name,
                count(*) FILTER (new_cause) AS count, {ALL} AS logs
            FROM {table} GROUP BY GROUPING SETS ({", ".join(f"(cause, {column})" for column in columns)})
        ), shared AS (
            SELECT cause, place, name, count, sum(logs) OVER (PARTITION BY place, name)::BIGINT AS logs FROM counted
        )
        SELECT * FROM shared WHERE count > 0 AND cause IN (SELECT unnest($causes)) ORDER BY count DESC, name""",
        {"causes": causes},
    )
    found: list[dict[str, list[Share]]] = [{} for _ in columns]
    for row in rows:
        share = Share(row["name"], row["count"], row["logs"])
        found[row["place"]].setdefault(row["cause"], []).append(share)
    return [{cause: tuple(shares) for cause, shares in one.items()} for one in found]

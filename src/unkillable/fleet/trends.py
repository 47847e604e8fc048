"""How often over time, and in which releases."""

from __future__ import annotations

from collections.abc import Sequence

from unkillable.errors import UserError
from unkillable.fleet import facts
from unkillable.fleet.answers import Bin, Share
from unkillable.fleet.facts import ALL, HUNG, SHOWING
from unkillable.fleet.reading import Reader


def trend(reader: Reader, cause: str | None, bins: int, release: str | None) -> list[Bin]:
    """Logs over time; those that hung, or that show the cause."""
    if bins < 1:
        raise UserError(f"{bins} bins: give at least one")
    span = _span(reader, release, bins)
    if span is None:
        return []
    low, width = span
    condition, given = facts.where(release=release)
    hung = HUNG if cause is None else "count(*) FILTER (new_cause AND cause = $cause)"
    rows = reader.all(
        f"""SELECT least(floor((seen - $low) / $width)::INTEGER, $bins - 1) AS bin, {ALL} AS logs, {hung} AS hung
        FROM facts WHERE {condition} AND seen <> 0 GROUP BY bin""",
        given | {"low": low, "width": width, "bins": bins} | ({} if cause is None else {"cause": cause}),
    )
    counted = {row["bin"]: (row["logs"], row["hung"]) for row in rows}
    return [Bin(low + i * width, low + (i + 1) * width, *counted.get(i, (0, 0))) for i in range(bins)]


def trends(
    reader: Reader, causes: Sequence[str], bins: int, release: str | None
) -> dict[str, tuple[int, ...]]:
    """Of several causes at once, how many logs had each in the stretches of `trend`."""
    span = _span(reader, release, bins)
    if span is None or not causes:
        return {}
    low, width = span
    condition, given = facts.where(release=release)
    rows = reader.all(
        f"""SELECT cause, least(floor((seen - $low) / $width)::INTEGER, $bins - 1) AS bin, {SHOWING} AS count
        FROM facts WHERE {condition} AND seen <> 0 AND cause IN (SELECT unnest($causes)) GROUP BY cause, bin""",
        given | {"low": low, "width": width, "bins": bins, "causes": list(causes)},
    )
    found = {cause: [0] * bins for cause in causes}
    for row in rows:
        found[row["cause"]][row["bin"]] = row["count"]
    return {cause: tuple(counts) for cause, counts in found.items()}


def releases(reader: Reader, limit: int) -> list[Share]:
    """The releases, the one that was seen last first, with how many of their logs hung."""
    rows = reader.all(
        f"""SELECT release AS name, {HUNG} AS count, {ALL} AS logs
        FROM facts WHERE release <> '' GROUP BY release ORDER BY max(seen) DESC, release DESC LIMIT $limit""",
        {"limit": limit},
    )
    return [Share(**row) for row in rows]


def _span(reader: Reader, release: str | None, bins: int) -> tuple[float, float] | None:
    """When the first log was seen, and the length of each of the stretches until the last."""
    condition, given = facts.where(release=release)
    found = reader.one(
        f"SELECT min(seen) AS low, max(seen) AS high FROM facts WHERE {condition} AND seen <> 0", given
    )
    low, high = found["low"], found["high"]
    return None if low is None else (low, max((high - low) / bins, 1e-6))

"""What a store is asked."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

from unkillable.errors import UserError
from unkillable.fleet import buckets, changes, facts, layout, sql, trends
from unkillable.fleet.answers import (
    Bin,
    Bucket,
    Change,
    LogRow,
    ProblemRow,
    Share,
    Table,
    Totals,
)  # fmt: skip
from unkillable.fleet.facts import ALL, FAILED, HUNG
from unkillable.fleet.reading import Reader
from unkillable.fleet.views import Window

_ROW = (
    "l.name, l.content, l.size, l.device, l.release, l.seen, l.problem, f.episode, f.kind, f.cause, f.variant, "
    "f.title, f.variant_title, f.confidence, f.summary, f.kernel, f.arch, f.line, f.quote"
)


class Questions:
    """Answers from one connection, which notices when the store has changed.  Safe to share between threads.

    With a window they are of the logs that were seen in it, but for those of `sql`.
    """

    def __init__(self, root: Path, window: Window | None = None) -> None:
        self._root = root
        self._reader = Reader(root, window)
        self._all, self._one = self._reader.all, self._reader.one

    def close(self) -> None:
        self._reader.close()

    def version(self) -> object:
        """Equal as long as nobody has written to the store: then the answers are the same."""
        return layout.commits(self._root)

    def stop(self) -> None:
        """Ends the question that another thread waits for, and refuses those to come: both raise UserError."""
        self._reader.stop()

    def __enter__(self) -> Questions:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def totals(self) -> Totals:
        """How much there is."""
        row = self._one(
            f"""SELECT {ALL} AS logs, (SELECT coalesce(sum(copies), 0)::BIGINT FROM copied) AS copies,
                count(DISTINCT device) FILTER (device <> '') AS devices,
                count(DISTINCT release) FILTER (release <> '') AS releases,
                {HUNG} AS hung, {FAILED} AS failing, count(*) FILTER (shown AND broken) AS broken,
                min(seen) FILTER (seen <> 0) AS first_seen, max(seen) FILTER (seen <> 0) AS last_seen,
                count(*) FILTER (shown AND older) AS older
            FROM facts"""
        )
        return Totals(**row, scheme=self._reader.scheme)

    def signatures(
        self,
        since: float | None = None,
        until: float | None = None,
        release: str | None = None,
        device: str | None = None,
        limit: int = 50,
        offset: int = 0,
    ) -> list[Bucket]:
        """The causes, the most frequent first.  `since` is part of the time, `until` is not."""
        return buckets.page(self._reader, facts.where(since, until, release, device), limit, offset)

    def signature(self, cause: str) -> Bucket | None:
        """One cause, with how often it is in each release, on each architecture and kernel."""
        return buckets.alone(self._reader, cause)

    def whole(self, found: Sequence[Bucket]) -> list[Bucket]:
        """The same causes, with what `signature` tells of one, in about the time that one takes."""
        return buckets.whole(self._reader, found)

    def trend(self, cause: str | None = None, bins: int = 30, release: str | None = None) -> list[Bin]:
        """Logs over time, from the first that was seen to the last, in stretches of the same length."""
        return trends.trend(self._reader, cause, bins, release)

    def trends(
        self, causes: Sequence[str], bins: int = 30, release: str | None = None
    ) -> dict[str, tuple[int, ...]]:
        """Of several causes at once, how many logs had each in the stretches of `trend`."""
        return trends.trends(self._reader, causes, bins, release)

    def releases(self, limit: int = 500) -> list[Share]:
        """The releases, the one that was seen last first, with how many of their logs hung."""
        return trends.releases(self._reader, limit)

    def logs(
        self,
        cause: str | None = None,
        variant: str | None = None,
        release: str | None = None,
        kind: str | None = None,
        limit: int = 50,
        offset: int = 0,
    ) -> list[LogRow]:
        """Logs, the last seen first, each content once."""
        condition, given = facts.where(release=release, cause=cause, variant=variant, kind=kind)
        mark = "new_variant" if variant else "new_cause" if cause else "shown"
        # A log has one marked row, but of one kind perhaps none or several.
        query = f"SELECT log, seen, episode FROM facts WHERE {condition} AND {mark}"
        if kind is not None:
            query = f"SELECT log, any_value(seen) AS seen, min(episode) AS episode FROM facts WHERE {condition} GROUP BY log"
        chosen = self._all(
            f"{query} ORDER BY seen DESC, log LIMIT $limit OFFSET $offset",
            given | {"limit": limit, "offset": offset},
        )
        if not chosen:
            return []
        rows = self._all(
            f"""SELECT {_ROW}, count(*) OVER (PARTITION BY l.content, f.episode) - 1 AS copies
            FROM logs AS l LEFT JOIN findings AS f ON l.content = f.content
            WHERE l.content IN (SELECT unnest($contents)) ORDER BY l.name""",
            {"contents": [row["log"] for row in chosen]},
        )
        first: dict[tuple[str, int | None], LogRow] = {}
        for row in rows:
            first.setdefault((row["content"].hex, row["episode"]), _log_row(row))
        return [first[row["log"].hex, row["episode"]] for row in chosen]

    def log(self, content: str) -> list[LogRow]:
        """All that is known of one content: a row for each of its names and episodes."""
        try:
            given: dict[str, object] = {"content": UUID(hex=content)}
        except ValueError:
            return []
        rows = self._all(
            f"""SELECT {_ROW} FROM logs AS l LEFT JOIN findings AS f ON l.content = f.content
            WHERE l.content = $content ORDER BY l.name, f.episode""",
            given,
        )
        return [_log_row(row) for row in rows]

    def problems(self, limit: int = 50, offset: int = 0) -> list[ProblemRow]:
        """Logs that could not be read, or not all of them, by name."""
        rows = self._all(
            """SELECT name, content, size, problem FROM logs WHERE problem IS NOT NULL
            ORDER BY name, content LIMIT $limit OFFSET $offset""",
            {"limit": limit, "offset": offset},
        )
        return [ProblemRow(row["name"], row["content"].hex, row["size"], row["problem"]) for row in rows]

    def compare(self, before: str, after: str, unit: str | None = None) -> list[Change]:
        """What changed from one release to another, the surest first; see `fleet.changes`.

        `unit` is `device` or `log`; None: devices where they are known.  Raises UserError for an unknown release.
        """
        first, second = self._releases(before, after)
        unit = unit or changes.unit_for(first, second)
        named = "device <> ''" if unit == changes.DEVICE else "true"
        rows = self._all(
            f"""SELECT cause, (SELECT any_value(title) FROM names WHERE names.cause = facts.cause) AS title,
                count(DISTINCT {unit}) FILTER (release = $before) AS before,
                count(DISTINCT {unit}) FILTER (release = $after) AS after
            FROM facts WHERE release IN ($before, $after) AND cause IS NOT NULL AND {named}
            GROUP BY cause""",
            {"before": before, "after": after},
        )
        counts = [changes.Counts(**row) for row in rows]
        if unit == changes.DEVICE:
            return changes.compare(counts, first.devices, second.devices, unit)
        return changes.compare(counts, first.logs, second.logs, unit)

    def cautions(self, before: str, after: str, unit: str | None = None) -> tuple[str, ...]:
        """What to keep in mind with a comparison: sentences, to be shown with it."""
        first, second = self._releases(before, after)
        return changes.cautions(first, second, unit or changes.unit_for(first, second))

    def sql(self, text: str, limit: int = 10_000, seconds: float = 60.0) -> Table:
        """Answers a SELECT on the views that docs/dev/store.md describes."""
        return sql.ask(self._root, text, limit, seconds)

    def _releases(self, before: str, after: str) -> tuple[changes.Release, changes.Release]:
        rows = self._all(
            f"""SELECT release AS name, {ALL} AS logs, count(*) FILTER (shown AND device = '') AS nameless,
                count(DISTINCT device) FILTER (device <> '') AS devices,
                coalesce(min(seen) FILTER (seen <> 0), 0) AS first_seen, max(seen) AS last_seen
            FROM facts WHERE release IN ($before, $after) GROUP BY release""",
            {"before": before, "after": after},
        )
        found = {row["name"]: changes.Release(**row) for row in rows}
        for name in (before, after):
            if name not in found:
                some = self._all(
                    "SELECT release FROM facts WHERE release <> '' GROUP BY release ORDER BY max(seen) DESC"
                )
                known = ", ".join(row["release"] for row in some[:10]) + (", ..." if len(some) > 10 else "")
                raise UserError(f"no log of release {name}; the store has {known or 'none'}")
        return found[before], found[after]


def _log_row(row: dict[str, Any]) -> LogRow:
    given = {name: value for name, value in row.items() if value is not None}
    return LogRow(**given | {"content": row["content"].hex})

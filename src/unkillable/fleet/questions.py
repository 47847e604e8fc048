"""What a store is asked."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from unkillable.errors import UserError
from unkillable.fleet import changes, database, facts, layout, sql, views
from unkillable.fleet.answers import (
    Bin,
    Bucket,
    Change,
    Example,
    LogRow,
    ProblemRow,
    Share,
    Table,
    Totals,
    Variant,
)  # fmt: skip

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_VARIANTS = 10
_DISTINCT = "count(DISTINCT log)"
"""Logs by content: copies and several episodes of one log count once."""
_ROW = (
    "l.name, l.content, l.size, l.device, l.release, l.seen, l.problem, f.episode, f.kind, f.cause, f.variant, "
    "f.title, f.variant_title, f.confidence, f.summary, f.kernel, f.arch, f.line, f.quote"
)


class Questions:
    """Answers from one connection, which notices when the store has changed.  Safe to share between threads."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._lock = threading.RLock()
        self._db: DuckDBPyConnection = database.connect()
        self._commits: tuple[layout.Commit, ...] | None = None

    def close(self) -> None:
        with self._lock:
            self._db.close()

    def __enter__(self) -> Questions:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def totals(self) -> Totals:
        """How much there is."""
        row = self._one(
            f"""SELECT {_DISTINCT} AS logs, (SELECT count(*) FROM logs) - logs AS copies,
                count(DISTINCT device) FILTER (device <> '') AS devices,
                count(DISTINCT release) FILTER (release <> '') AS releases,
                {_DISTINCT} FILTER (cause IS NOT NULL) AS hung, {_DISTINCT} FILTER (broken) AS broken,
                min(seen) FILTER (seen <> 0) AS first_seen, max(seen) FILTER (seen <> 0) AS last_seen,
                (SELECT scheme FROM newest) AS scheme, {_DISTINCT} FILTER (older) AS older
            FROM facts"""
        )
        return Totals(**row)

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
        return self._buckets(*facts.where(since, until, release, device), limit, offset)

    def signature(self, cause: str) -> Bucket | None:
        """One cause, with how often it is in each release, on each architecture and kernel."""
        found = self._buckets(*facts.where(cause=cause), 1, 0)
        if not found:
            return None
        row = self._one(
            "SELECT wait, site, entered_by, holders FROM findings WHERE cause = $cause LIMIT 1",
            {"cause": cause},
        )
        return msgspec.structs.replace(
            found[0],
            per_release=self._shares("release", cause),
            per_arch=self._shares("arch", cause),
            per_kernel=self._shares("kernel", cause),
            wait=row["wait"],
            site=row["site"],
            entered_by=row["entered_by"],
            holders=tuple(row["holders"] or ()),
        )

    def trend(self, cause: str | None = None, bins: int = 30, release: str | None = None) -> list[Bin]:
        """Logs over time, from the first that was seen to the last, in stretches of the same length."""
        if bins < 1:
            raise UserError(f"{bins} bins: give at least one")
        span = self._span(release, bins)
        if span is None:
            return []
        low, width = span
        condition, given = facts.where(release=release)
        hung = "cause IS NOT NULL" if cause is None else "cause = $cause"
        rows = self._all(
            f"""SELECT least(floor((seen - $low) / $width)::INTEGER, $bins - 1) AS bin, {_DISTINCT} AS logs,
                {_DISTINCT} FILTER ({hung}) AS hung
            FROM facts WHERE {condition} AND seen <> 0 GROUP BY bin""",
            given | {"low": low, "width": width, "bins": bins} | ({} if cause is None else {"cause": cause}),
        )
        counted = {row["bin"]: row for row in rows}
        none = {"logs": 0, "hung": 0}
        return [
            Bin(
                low + i * width,
                low + (i + 1) * width,
                counted.get(i, none)["logs"],
                counted.get(i, none)["hung"],
            )
            for i in range(bins)
        ]

    def trends(
        self, causes: Sequence[str], bins: int = 30, release: str | None = None
    ) -> dict[str, tuple[int, ...]]:
        """Of several causes at once, how many logs had each in the stretches of `trend`."""
        span = self._span(release, bins)
        if span is None or not causes:
            return {}
        low, width = span
        condition, given = facts.where(release=release)
        rows = self._all(
            f"""SELECT cause, least(floor((seen - $low) / $width)::INTEGER, $bins - 1) AS bin, {_DISTINCT} AS count
            FROM facts WHERE {condition} AND seen <> 0 AND cause IN (SELECT unnest($causes)) GROUP BY cause, bin""",
            given | {"low": low, "width": width, "bins": bins, "causes": list(causes)},
        )
        found = {cause: [0] * bins for cause in causes}
        for row in rows:
            found[row["cause"]][row["bin"]] = row["count"]
        return {cause: tuple(counts) for cause, counts in found.items()}

    def releases(self, limit: int = 500) -> list[Share]:
        """The releases, the one that was seen last first, with how many of their logs hung."""
        rows = self._all(
            f"""SELECT release AS name, {_DISTINCT} FILTER (cause IS NOT NULL) AS count, {_DISTINCT} AS logs
            FROM facts WHERE release <> '' GROUP BY release ORDER BY max(seen) DESC, release DESC LIMIT $limit""",
            {"limit": limit},
        )
        return [Share(**row) for row in rows]

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
        chosen = self._all(
            f"""SELECT log, max(seen) AS seen, arg_min(episode, (cause IS NULL, episode)) AS episode FROM facts
            WHERE {condition} GROUP BY log ORDER BY seen DESC, log LIMIT $limit OFFSET $offset""",
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
            rows = self._all(
                f"""SELECT {_ROW} FROM logs AS l LEFT JOIN findings AS f ON l.content = f.content
                WHERE l.content = $content ORDER BY l.name, f.episode""",
                {"content": _uuid(content)},
            )
        except ValueError:
            return []
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
        """What changed from one release to another, see `fleet.changes`."""
        rows = {
            one: self._all(changes.COUNTS.format(unit=one), {"before": before, "after": after})
            for one in ([unit] if unit else ["device", "log"])
        }
        return changes.compare(rows, before, after)

    def sql(self, text: str, limit: int = 10_000, seconds: float = 60.0) -> Table:
        """Answers a SELECT on the views that docs/dev/store.md describes."""
        return sql.ask(self._root, text, limit, seconds)

    def _buckets(self, condition: str, given: dict[str, object], limit: int, offset: int) -> list[Bucket]:
        rows = self._all(
            f"""SELECT cause, mode(kind) AS kind, {_DISTINCT} AS count,
                count(DISTINCT device) FILTER (device <> '') AS devices,
                count(DISTINCT release) FILTER (release <> '') AS releases,
                min(seen) AS first_seen, max(seen) AS last_seen, arg_max(log, (seen, log)) AS example
            FROM facts WHERE cause IS NOT NULL AND {condition}
            GROUP BY cause ORDER BY count DESC, cause LIMIT $limit OFFSET $offset""",
            given | {"limit": limit, "offset": offset},
        )
        if not rows:
            return []
        causes = [row["cause"] for row in rows]
        titles, variants = self._variants(condition, given, causes)
        examples = self._examples(rows)
        return [
            Bucket(
                row["cause"], titles.get(row["cause"], ""), row["kind"], row["count"], row["devices"], row["releases"],
                row["first_seen"], row["last_seen"], variants.get(row["cause"], ()), examples.get(row["cause"]),
            )
            for row in rows
        ]  # fmt: skip

    def _variants(
        self, condition: str, given: dict[str, object], causes: Sequence[str]
    ) -> tuple[dict[str, str], dict[str, tuple[Variant, ...]]]:
        counts = self._all(
            f"""SELECT cause, variant, {_DISTINCT} AS count FROM facts
            WHERE cause IN (SELECT unnest($causes)) AND {condition}
            GROUP BY cause, variant QUALIFY row_number() OVER (PARTITION BY cause ORDER BY count DESC, variant) <= {_VARIANTS}
            ORDER BY count DESC, variant""",
            given | {"causes": causes},
        )
        names = self._all(
            """SELECT cause, variant, min(title) AS title, min(variant_title) AS variant_title FROM findings
            WHERE cause IN (SELECT unnest($causes)) AND scheme = (SELECT scheme FROM newest) GROUP BY cause, variant""",
            {"causes": causes},
        )
        titled = {row["variant"]: row["variant_title"] for row in names}
        found: dict[str, tuple[Variant, ...]] = {}
        for row in counts:
            one = Variant(row["variant"], titled.get(row["variant"], ""), row["count"])
            found[row["cause"]] = (*found.get(row["cause"], ()), one)
        return {row["cause"]: row["title"] for row in names}, found

    def _examples(self, rows: Sequence[dict[str, Any]]) -> dict[str, Example]:
        found = self._all(
            """SELECT f.cause, f.content, min(l.name) AS name, arg_min(f.line, f.episode) AS line,
                arg_min(f.quote, f.episode) AS quote
            FROM logs AS l JOIN findings AS f ON l.content = f.content
            WHERE l.content IN (SELECT unnest($contents)) AND f.cause IS NOT NULL GROUP BY f.cause, f.content""",
            {"contents": [row["example"] for row in rows]},
        )
        wanted = {(row["cause"], row["example"]) for row in rows}
        return {
            row["cause"]: Example(row["name"], row["content"].hex, row["line"], row["quote"])
            for row in found
            if (row["cause"], row["content"]) in wanted
        }

    def _shares(self, column: str, cause: str) -> tuple[Share, ...]:
        rows = self._all(
            f"""SELECT coalesce({column}, '') AS name, {_DISTINCT} FILTER (cause = $cause) AS count, {_DISTINCT} AS logs
            FROM facts GROUP BY name HAVING count > 0 ORDER BY count DESC, name""",
            {"cause": cause},
        )
        return tuple(Share(**row) for row in rows)

    def _span(self, release: str | None, bins: int) -> tuple[float, float] | None:
        """When the first log was seen, and the length of each of the stretches until the last."""
        condition, given = facts.where(release=release)
        found = self._one(
            f"SELECT min(seen) AS low, max(seen) AS high FROM facts WHERE {condition} AND seen <> 0", given
        )
        low, high = found["low"], found["high"]
        return None if low is None else (low, max((high - low) / bins, 1e-6))

    def _one(self, query: str, given: dict[str, object] | None = None) -> dict[str, Any]:
        return self._all(query, given)[0]

    def _all(self, query: str, given: dict[str, object] | None = None) -> list[dict[str, Any]]:
        """The rows of a query.  A file that is gone because it was merged meanwhile is looked for anew, once."""
        import duckdb

        with self._lock:
            for _ in range(2):
                self._refresh()
                try:
                    cursor = self._db.execute(query, given or {})
                    names = [column[0] for column in cursor.description or ()]
                    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
                except duckdb.Error as error:
                    if self._commits == layout.commits(self._root):
                        raise views.blame(self._db, self._root, self._commits, error) from error
            raise UserError(f"{self._root}: is changing too fast to be read; try again")

    def _refresh(self) -> None:
        for _ in range(2):
            commits = layout.commits(self._root)
            if commits == self._commits:
                return
            try:
                views.define(self._db, self._root, commits)
                facts.load(self._db)
            except UserError:
                if commits == layout.commits(self._root):
                    raise
                continue
            self._commits = commits


def _uuid(content: str) -> str:
    if len(content) != 32:
        raise ValueError("no content hash")
    return content


def _log_row(row: dict[str, Any]) -> LogRow:
    given = {name: value for name, value in row.items() if value is not None}
    return LogRow(**given | {"content": row["content"].hex})

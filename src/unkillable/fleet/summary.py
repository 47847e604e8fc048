"""The answer of `unkillable triage`, from what the store knows."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import chain

from unkillable import __version__
from unkillable.fleet.answers import Bucket, ProblemRow, Totals
from unkillable.fleet.facts import HARMLESS
from unkillable.fleet.hints import hint
from unkillable.fleet.questions import Questions
from unkillable.fleet.triage_types import Cause, Compared, Reading, Reason, Triage
from unkillable.versions import version_key

BINS = 30
_PAGE = 50_000
_REASONS = 100
_NUMBER = re.compile(r"\d[\d,.]*")
_ALL = 1_000_000


def summarise(
    questions: Questions,
    store: str | None,
    reading: Reading | None,
    limit: int = 20,
    compare: tuple[str, str] | None = None,
) -> Triage:
    """What the logs of a store die of: the `limit` most frequent causes.

    Raises UserError where a release to compare is not there.
    """
    totals = questions.totals()
    buckets = questions.signatures(limit=_ALL)
    trends = questions.trends([one.cause for one in buckets[:limit]], BINS)
    causes = tuple(_cause(questions, one, trends.get(one.cause, ())) for one in buckets[:limit])
    return Triage(
        tool=f"unkillable {__version__}",
        store=store,
        sentence=_sentence(totals, sum(one.kind != HARMLESS for one in buckets), causes),
        totals=totals,
        reading=reading,
        causes=causes,
        more=len(buckets) - len(causes),
        trend=tuple(questions.trend(None, BINS)),
        broken=_broken(questions, reading.again if reading is not None else ()),
        compared=None
        if compare is None
        else Compared(*compare, tuple(questions.compare(*compare)), questions.cautions(*compare)),
    )


def _cause(questions: Questions, bucket: Bucket, trend: tuple[int, ...]) -> Cause:
    whole = questions.signature(bucket.cause) or bucket
    releases = sorted((one.name for one in whole.per_release if one.name), key=version_key)
    return Cause(
        whole,
        releases[0] if releases else None,
        trend,
        hint(whole),
    )


def _sentence(totals: Totals, count: int, causes: tuple[Cause, ...]) -> str:
    """`812 of 10,000 logs hang, 12 causes; the most frequent: ...`"""
    if not totals.logs:
        return "no logs"
    logs = f"{totals.logs:,} logs" if totals.logs != 1 else "1 log"
    if not count:
        return f"none of {logs} shows a hang" if totals.logs != 1 else "1 log, and it shows no hang"
    first = causes[0]
    bucket = first.bucket
    parts = [f"{bucket.count:,} log{'s' if bucket.count != 1 else ''}"]
    if bucket.devices:
        parts.append(f"{bucket.devices:,} device{'s' if bucket.devices != 1 else ''}")
    if first.since_release:
        parts.append(f"since {first.since_release}")
    verb = "hangs" if totals.hung == 1 else "hang"
    what = f"{', '.join([bucket.title, *parts])}"
    if count == 1:
        return f"{totals.hung:,} of {logs} {verb}, of one cause: {what}"
    return f"{totals.hung:,} of {logs} {verb}, {count:,} causes; the most frequent: {what}"


def _broken(questions: Questions, again: Sequence[Reason]) -> tuple[Reason, ...]:
    found: dict[str, tuple[int, str]] = {}
    for one in chain(again, (Reason(row.problem, 1, row.name) for row in _problems(questions))):
        reason = _NUMBER.sub("N", one.reason)
        if reason not in found and len(found) >= _REASONS:
            reason = "other reasons"
        count, example = found.get(reason, (0, one.example))
        found[reason] = count + one.count, example
    return tuple(
        Reason(reason, count, example)
        for reason, (count, example) in sorted(found.items(), key=lambda one: (-one[1][0], one[0]))
    )


def _problems(questions: Questions) -> Iterator[ProblemRow]:
    offset = 0
    while rows := questions.problems(_PAGE, offset):
        yield from rows
        offset += len(rows)

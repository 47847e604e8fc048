"""The answer of `unkillable triage`, from what the store knows."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import chain

from unkillable import __version__
from unkillable.fleet.answers import Bucket, ProblemRow, Totals
from unkillable.fleet.hints import hint
from unkillable.fleet.questions import Questions
from unkillable.fleet.triage_types import Cause, Compared, Reading, Reason, Triage
from unkillable.fleet.types import hangs
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
    worst = next((one for one in buckets if hangs(one.kind)), None)
    trends = questions.trends([one.cause for one in buckets[:limit]], BINS)
    whole = questions.whole([*buckets[:limit], *([worst] if worst is not None else [])])
    causes = tuple(
        Cause(one, _since(one), trends.get(one.cause, ()), hint(one)) for one in whole[: len(buckets[:limit])]
    )
    first = _sentence_of(whole[-1]) if worst is not None else ""
    return Triage(
        tool=f"unkillable {__version__}",
        store=store,
        sentence=_sentence(totals, sum(hangs(one.kind) for one in buckets), first),
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


def _since(whole: Bucket) -> str | None:
    """The first release, in their order, that a cause was seen in."""
    releases = sorted((one.name for one in whole.per_release if one.name), key=version_key)
    return releases[0] if releases else None


def _sentence_of(whole: Bucket) -> str:
    """`reclaim-livelock: ..., 431 logs, 87 devices, since 2026.3`"""
    parts = [whole.title, f"{whole.count:,} log{'s' if whole.count != 1 else ''}"]
    if whole.devices:
        parts.append(f"{whole.devices:,} device{'s' if whole.devices != 1 else ''}")
    if since := _since(whole):
        parts.append(f"since {since}")
    return ", ".join(parts)


def _sentence(totals: Totals, count: int, first: str) -> str:
    """`812 of 10,000 logs hang, 12 causes; the most frequent: ...`; `count` is of causes that hang, `first` tells the first."""
    if not totals.logs:
        return "no logs"
    logs = f"{totals.logs:,} logs" if totals.logs != 1 else "1 log"
    failing = f"{totals.failing:,} more" if totals.hung else f"{totals.failing:,}"
    failing += f" show{'s' if totals.failing == 1 else ''} an error that is served again and again"
    if not count:
        calm = f"none of {logs} shows a hang" if totals.logs != 1 else "1 log, and it shows no hang"
        return f"{calm}; {failing}" if totals.failing else calm
    said = f"{totals.hung:,} of {logs} {'hangs' if totals.hung == 1 else 'hang'}, "
    said += f"of one cause: {first}" if count == 1 else f"{count:,} causes; the most frequent: {first}"
    return f"{said}; {failing}" if totals.failing else said


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

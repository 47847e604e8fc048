"""Splits a boot into episodes: a device that was up for weeks may have hung twice, hours apart.

Mixing them would tie a task of the first to a lock of the second, and the calm end would hide the hang before it.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator

import msgspec

from unkillable.evidence.types import Evidence, Fact

QUIET = 3600.0
"""Seconds without any fact that separate two episodes.  Long, because a frozen box prints nothing: the OOM kill that
began it and the dump that somebody asked for half an hour later belong together."""

_FACTS = tuple(
    name
    for name in (
        "tasks hung blockers locks ooms kills reaps meminfos allocs fs_errors lockups crashes exits io sysrqs pressure"
    ).split()
)


def split(evidence: Evidence) -> Iterator[Evidence]:
    """The episodes of one boot, in order; the boot itself where it has but one, or no times."""
    cuts = [] if evidence.live else _cuts(evidence)
    if not cuts:
        yield evidence
        return
    parts: list[dict[str, list[Fact]]] = [{name: [] for name in _FACTS} for _ in range(len(cuts) + 1)]
    for name in _FACTS:
        for fact in getattr(evidence, name):
            parts[bisect_right(cuts, fact.line)][name].append(fact)
    for number, part in enumerate(parts):
        facts = [fact for kind in part.values() for fact in kind]
        times = [fact.time for fact in facts if fact.time is not None]
        yield msgspec.structs.replace(
            evidence,
            first_line=evidence.first_line if number == 0 else min(fact.line for fact in facts),
            last_line=evidence.last_line if number == len(cuts) else max(fact.line for fact in facts),
            first_time=evidence.first_time if number == 0 else min(times, default=None),
            last_time=evidence.last_time if number == len(cuts) else max(times, default=None),
            **{name: tuple(kind) for name, kind in part.items()},
        )


def _cuts(evidence: Evidence) -> list[int]:
    """Lines at which a new episode begins."""
    facts = sorted(
        (fact.line, fact.time) for name in _FACTS for fact in getattr(evidence, name) if fact.time is not None
    )
    cuts = []
    newest: float | None = None
    for line, time in facts:
        if newest is not None and time - newest > QUIET:
            cuts.append(line)
        newest = time if newest is None else max(newest, time)
    return cuts

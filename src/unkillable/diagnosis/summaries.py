"""The first line of a livelock: what everybody does, and what the OOM killer did."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from unkillable.diagnosis.case import Case, by_function, names
from unkillable.diagnosis.ending import Ending
from unkillable.diagnosis.statements import entered
from unkillable.diagnosis.types import Waiter
from unkillable.waits.contexts import allocation_context

_LONG_AFTER = 60.0
"""Seconds after the last OOM kill from which on a shortage is not one that is freed again and again."""


def livelock(case: Case, readers: Sequence[Waiter], end: Ending) -> str:
    """The first line for a livelock: how it ended, what everybody does, and what the OOM killer did."""
    cached = [
        one
        for one in case.stuck
        if (row := case.resource(one.resource)) is not None and row.kind in ("cache-entry", "lock")
    ]
    parts = []
    if cached:
        function, members = by_function(cached)[0]
        verb = _verb("sleep", members, end)
        parts.append(f"{_count(members)} {verb} uninterruptibly in {function}{entered(members[0])}")
        holders = [one for one in case.holders if one not in members]
        if holders:
            parts[-1] += f", behind {names(holders, 2)} in {holders[0].function}"
    if case.reclaimers:
        inside = _allocating_in(case)
        parts.append(f"{_count(case.reclaimers)} {_verb('look', case.reclaimers, end)} for memory{inside}")
    if not parts:
        function, members = by_function(readers)[0]
        parts.append(f"{_count(members)} {_verb('wait', members, end)} in {function}{entered(members[0])}")
    return f"{_course(end)}: {'; '.join(parts)}; {_kill_words(case)}"


_PAST = {"sleep": "slept", "look": "looked", "wait": "waited"}


def _verb(word: str, members: Sequence[Waiter], end: Ending) -> str:
    """The verb in the tense of a shortage that is over or not."""
    if end.over:
        return _PAST[word]
    return word + "s" if len(members) == 1 else word


def _course(end: Ending) -> str:
    """What became of the shortage, in the words that the log allows."""
    lasted = f" for {end.lasted:.0f} s or more" if end.lasted is not None and end.lasted >= 1 else ""
    at = f" at {end.at:.0f} s" if end.at is not None else ""
    if end.kind == "eased":
        return f"memory was exhausted{lasted}, and not any more{at}"
    if end.kind == "open":
        crawls = ", though tasks crawl on" if end.crawls else ""
        return f"memory is exhausted and nothing is seen to free it until the log ends{at}{crawls}"
    who = f"{end.victim.comm}/{end.victim.pid}{at}" if end.victim is not None else "one"
    if end.kind == "killed":
        first = "then an OOM kill" if end.kills == 1 else f"until the last of {end.kills} OOM kills"
        return f"memory was exhausted{lasted}, {first} freed it ({who})"
    if end.kind == "unseen" and end.kills == 1:
        return f"memory was exhausted{lasted}, until an OOM kill ({who}) whose effect the log does not show"
    last = end.victim
    if last and last.killed_at is not None and end.at is not None and end.at - last.killed_at >= _LONG_AFTER:
        kill = f"the last OOM kill ({last.comm}/{last.pid} at {last.killed_at:.0f} s)"
        return f"memory is exhausted and nothing is seen to free it after {kill} until the log ends{at}"
    return "memory is exhausted and is freed too late"


def _allocating_in(case: Case) -> str:
    frames: dict[str, int] = {}
    for one in case.chosen:
        wait = one.view.wait
        context = allocation_context(wait.path, case.kernel_version) if wait is not None else None
        if context is not None and not context.may_oom:
            frames[context.frame] = frames.get(context.frame, 0) + 1
    if not frames:
        return ""
    best = (
        "squashfs_bio_read" if "squashfs_bio_read" in frames else max(frames, key=lambda name: frames[name])
    )
    return f" (inside {best}, where the OOM killer may not be called)"


def _count(waiters: Sequence[Waiter]) -> str:
    return names(waiters) if len(waiters) <= 2 else f"{len(waiters)} tasks"


def _kill_words(case: Case) -> str:
    stuck = [one for one in case.victims if one.fate == "stuck"]
    if stuck:
        return f"OOM victim {stuck[0].comm}/{stuck[0].pid} is stuck"
    if not case.victims:
        return "the OOM killer never ran"
    times = [one.killed_at for one in case.victims if one.killed_at is not None]
    gaps = [later - earlier for earlier, later in pairwise(times)]
    span = (
        f"{min(gaps):.0f}-{max(gaps):.0f}"
        if gaps and round(min(gaps)) != round(max(gaps))
        else f"{max(gaps, default=0):.0f}"
    )
    apart = f", {span} s apart" if gaps and max(gaps) >= 1 else ""
    number = f"{len(case.victims)} OOM kill{'s' if len(case.victims) > 1 else ''}"
    unknown = any(one.fate == "unknown" for one in case.victims)
    return f"{number}{apart}, no victim {'seen ' if unknown else ''}stuck"

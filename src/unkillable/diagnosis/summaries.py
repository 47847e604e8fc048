"""The first line of a livelock: what everybody does, and what the OOM killer did."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from unkillable.diagnosis.case import Case, by_function, names
from unkillable.diagnosis.statements import entered
from unkillable.diagnosis.types import Waiter
from unkillable.waits.contexts import allocation_context


def livelock(case: Case, readers: Sequence[Waiter]) -> str:
    """The first line for a livelock: what everybody does, and what the OOM killer did."""
    cached = [
        one
        for one in case.stuck
        if (row := case.resource(one.resource)) is not None and row.kind in ("cache-entry", "lock")
    ]
    parts = []
    if cached:
        function, members = by_function(cached)[0]
        verb = "sleeps" if len(members) == 1 else "sleep"
        parts.append(f"{_count(members)} {verb} uninterruptibly in {function}{entered(members[0])}")
        holders = [one for one in case.holders if one not in members]
        if holders:
            parts[-1] += f", behind {names(holders, 2)} in {holders[0].function}"
    if case.reclaimers:
        inside = _allocating_in(case)
        verb = "looks" if len(case.reclaimers) == 1 else "look"
        parts.append(f"{_count(case.reclaimers)} {verb} for memory{inside}")
    if not parts:
        function, members = by_function(readers)[0]
        parts.append(
            f"{_count(members)} {'waits' if len(members) == 1 else 'wait'} in {function}{entered(members[0])}"
        )
    freed = "is freed too late" if case.victims else "nothing frees it"
    return f"memory is exhausted and {freed}: {'; '.join(parts)}; {_kill_words(case)}"


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
    return f"{number}{apart}, no victim stuck"

"""Rules in which memory plays the part: victims that cannot die, and reclaim that gets nowhere."""

from __future__ import annotations

from unkillable.diagnosis import ending as course
from unkillable.diagnosis import statements as say
from unkillable.diagnosis.case import Case, by_function, names, verb
from unkillable.diagnosis.summaries import livelock
from unkillable.diagnosis.types import Statement, Verdict, Waiter

_LATE = 30.0
"""Seconds after an OOM kill: a victim that can die has done so."""


def unkillable_victim(case: Case) -> Verdict | None:
    """A process that was sent SIGKILL is seen alive later where SIGKILL cannot wake it."""
    stuck = [one for one in case.victims if one.fate == "stuck"]
    if not stuck:
        return None
    first = stuck[-1]
    place = f" in {first.waits_in}" if first.waits_in else ""
    more = f" (and {len(stuck) - 1} more)" if len(stuck) > 1 else ""
    waiter = next((one for one in case.waiters if one.pid == first.pid), None)
    how = say.entered(waiter)
    reaped = any(reap.pid == first.pid and reap.success for reap in case.evidence.reaps)
    memory = "though the oom_reaper freed its memory" if reaped else "so its memory is not freed"
    summary = f"the OOM killer's victim {first.comm}/{first.pid}{more} cannot die: it sleeps uninterruptibly{place}{how}, {memory}"
    because = [say.victim(one) for one in stuck[:6]]
    because += say.chain(case)
    return Verdict("unkillable-victim", summary, "high" if first.waits_in else "medium", tuple(because))


def pending_kill(case: Case) -> Verdict | None:
    """A live system or a dump shows SIGKILL pending for a task that still sleeps in D: the proof by itself."""
    stuck = [
        one
        for one in case.chosen
        if one.view.sighting.killed
        and one.view.sighting.state == "D"
        and (one.waiter in case.persistent or one.waiter.killable is False)
    ]
    if not stuck:
        return None
    members = [one.waiter for one in stuck]
    function, group = by_function(members)[0]
    summary = (
        f"{names(group)} {verb(group, 'has', 'have')} a SIGKILL pending and {verb(group, 'sleeps', 'sleep')} on uninterruptibly in "
        f"{function}{say.entered(group[0])}"
    )
    because = [
        Statement(f"{names([one])} has SIGKILL pending and sleeps in {one.function}", False, one.lines[:1])
        for one in members[:6]
    ]
    because += [*say.waiting(case), *say.chain(case), *say.memory(case)]
    return Verdict("unkillable-victim", summary, "high", tuple(because))


def oom_deadlock(case: Case) -> Verdict | None:
    """No reaper in this kernel; after an OOM kill tasks sleep unkillably for longer than a victim needs to die,
    nobody is seen to exit, nobody else is killed."""
    if case.before_reaper is False or not case.victims or any(one.fate == "exited" for one in case.victims):
        return None
    last = case.victims[-1]
    stuck = [one for one in case.hung if one.killable is False]
    if last.killed_at is None or not stuck:
        return None
    late = [
        one for one in stuck if (seen := _seen_at(case, one)) is not None and seen - last.killed_at >= _LATE
    ]
    if not late:
        return None
    groups = by_function(late)
    summary = (
        f"after an OOM kill {names(late)} sleep{'s' if len(late) == 1 else ''} uninterruptibly in "
        f"{groups[0][0]}{say.entered(groups[0][1][0])}; since {last.comm}/{last.pid} was killed at "
        f"{last.killed_at:.0f} s nothing shows it gone, and nobody else was killed"
    )
    because = [say.victim(last), *say.waiting(case), *say.chain(case)]
    because.append(
        Statement(
            "before Linux 4.6 the OOM killer picks no second victim while the first has not exited, and no reaper frees "
            "a victim's memory: one victim that waits for the same resource stops everything",
            inferred=case.before_reaper is None,
            cite="3.10.30 mm/oom_kill.c:297",
        )
    )
    return Verdict("deadlock", summary, "medium", tuple(because))


def _seen_at(case: Case, waiter: Waiter) -> float | None:
    for hung in case.evidence.hung:
        if hung.pid == waiter.pid:
            return hung.time
    return None


_READS = frozenset(
    {"memory", "squashfs-cache-entry", "squashfs-decompressor", "folio-lock", "block-io", "swap-io"}
)


def reclaim_livelock(case: Case) -> Verdict | None:
    """Memory is shown to be exhausted (or tasks are inside reclaim and nothing shows plenty), and tasks reclaim or
    wait behind reads that need memory, while the OOM killer does nothing or is late."""
    readers = [
        one
        for one in case.waiters
        if one.role in ("reclaims", "holds", "holds-and-waits") or one.resource in _READS
    ]
    if not readers or (case.memory.short is False and not course.eased(case, readers)):
        return None
    kills = case.victims
    if case.memory.short is None and not (
        case.reclaimers and (case.hung or case.persistent or kills or len(case.reclaimers) > 2)
    ):
        return None
    if not (case.reclaimers or case.holders or len(readers) > 1):
        return None
    if _memory_came_back(case):
        return None
    end = course.ending(case, readers)
    summary = livelock(case, readers, end)
    because = [
        *say.memory(case),
        *say.allocations(case),
        *say.waiting(case),
        *say.chain(case),
        *say.progress(case),
        *say.kills(case),
        course.statement(end, case),
    ]
    strong = (
        case.memory.short
        and (case.reclaimers or case.holders)
        and (len(case.dumps) > 1 or kills or case.hung)
    )
    return Verdict("reclaim-livelock", summary, "high" if strong else "medium", tuple(because))


def stalled_allocation(case: Case) -> Verdict | None:
    """The kernel's own word that an allocation did not end (4.10-4.14, and again since 7.2)."""
    stalls = [one for one in case.evidence.allocs if one.kind == "stall"]
    if not stalls:
        return None
    worst = max(stalls, key=lambda one: one.seconds or 0)
    who = f"{worst.comm}/{worst.pid}" if worst.pid is not None else worst.comm
    at = f" at {worst.time:.0f} s" if worst.time is not None else ""
    summary = f"{who} had been looking for memory for {worst.seconds or 0:.0f} s in one allocation{at}, and had not found any"
    because = [Statement(one.text.strip(), False, (say.quoted(one),)) for one in stalls[:4]]
    return Verdict("reclaim-livelock", summary, "medium", (*because, *say.memory(case), *say.kills(case)))


def _memory_came_back(case: Case) -> bool:
    """The only shortage is an OOM report's own, it was answered by a kill, and no dump was asked for afterwards."""
    if case.hung or not case.evidence.ooms:
        return False
    last = case.evidence.ooms[-1]
    later = [one for one in case.waiters if one.lines and one.lines[0].line > last.line]
    return (
        not later
        and not any(time is not None and last.time is not None and time > last.time for time in case.dumps)
        and not (case.stuck or case.reclaimers)
    )

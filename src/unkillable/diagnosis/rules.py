"""The verdict: the first rule that holds decides.

Each rule takes a `Case` and returns a `Verdict` or None.  The order is from the most specific and best proved to
the least; a rule says in its docstring what must be shown for it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from unkillable.diagnosis import statements as say
from unkillable.diagnosis.cached import cached_error
from unkillable.diagnosis.calm import insufficient, no_hang, zombies
from unkillable.diagnosis.case import Case, by_function, names
from unkillable.diagnosis.types import Statement, Verdict, Waiter

Rule = Callable[[Case], Verdict | None]

_LATE = 30.0
"""Seconds after an OOM kill: a victim that can die has done so."""


def lock_cycle(case: Case) -> Verdict | None:
    """A cycle of the wait-for graph in which the input names every owner but at most one.

    An owner recognised by its frames may hold another of the same kind (another page, another work item): with
    two such guesses a cycle is chance, and with one the tasks must be known to have been stuck for long.
    """
    if not case.cycle:
        return None
    edges = [
        edge
        for (source, target, kind), edge in case.graph.edges.items()
        if kind != "needs" and source in case.cycle and target in case.cycle
    ]
    inferred = sum(edge.inferred for edge in edges if edge.kind == "held-by")
    stuck = {f"task:{one.pid}" for one in (*case.hung, *case.persistent)}
    if inferred > 1 or (inferred and not stuck & set(case.cycle)):
        return None
    tasks = [case.graph.nodes[ident].label for ident in case.cycle if ident.startswith("task:")]
    summary = f"{' and '.join(tasks) if len(tasks) < 3 else ', '.join(tasks)} wait for each other in a cycle"
    because = [
        Statement(
            f"{case.graph.nodes[edge.source].label} {'waits for' if edge.kind == 'waits-for' else 'is held by'} "
            f"{case.graph.nodes[edge.target].label}",
            edge.inferred,
            edge.lines,
        )
        for edge in edges
    ]
    because += [
        Statement(one.text.strip(), False, (say.quoted(one),))
        for one in case.evidence.crashes
        if one.kind == "lockdep"
    ][:1]
    return Verdict("deadlock", summary, "high" if not inferred else "medium", tuple(because))


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
        f"{names(group)} {_verb(group, 'has', 'have')} a SIGKILL pending and {_verb(group, 'sleeps', 'sleep')} on uninterruptibly in "
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


def reclaim_livelock(case: Case) -> Verdict | None:
    """Memory is shown to be exhausted (or tasks are inside reclaim and nothing shows plenty), and tasks reclaim or
    wait behind reads that need memory, while the OOM killer does nothing or is late."""
    readers = [
        one
        for one in case.waiters
        if one.role in ("reclaims", "holds", "holds-and-waits") or one.resource in _READS
    ]
    if not readers or case.memory.short is False:
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
    summary = say.livelock_summary(case, readers)
    because = [
        *say.memory(case),
        *say.allocations(case),
        *say.waiting(case),
        *say.chain(case),
        *say.progress(case),
        *say.kills(case),
    ]
    strong = (
        case.memory.short
        and (case.reclaimers or case.holders)
        and (len(case.dumps) > 1 or kills or case.hung)
    )
    return Verdict("reclaim-livelock", summary, "high" if strong else "medium", tuple(because))


_READS = frozenset(
    {"memory", "squashfs-cache-entry", "squashfs-decompressor", "folio-lock", "block-io", "swap-io"}
)


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


def io_stall(case: Case) -> Verdict | None:
    """Tasks reported hung (or seen in one place over time) whose chain ends at a device or a server, with no
    shortage of memory shown."""
    moved = case.hung or case.persistent
    at_io = [
        one
        for one in case.waiters
        if (row := case.resource(one.resource)) is not None and row.kind in ("io", "server")
    ]
    at_io = [one for one in at_io if one in moved or case.hung]
    if not moved or not at_io:
        return None
    groups = by_function(at_io)
    function, members = groups[0]
    row = case.resource(members[0].resource)
    what = row.title if row else "I/O"
    behind = [one for one in case.waiters if one not in at_io and one.role == "waits"]
    tail = f"; {names(behind)} wait behind" if behind else ""
    if len(behind) == 1:
        tail = f"; {names(behind)} waits behind"
    summary = f"{names(members)} {_verb(members, 'waits', 'wait')} for {what} in {function}{say.entered(members[0])}{tail}"
    because = [*say.waiting(case), *say.chain(case), *say.memory(case), *say.io_problems(case)]
    return Verdict("io-stall", summary, "high" if case.evidence.io else "medium", tuple(because))


def likely_lock_cycle(case: Case) -> Verdict | None:
    """All tasks that sleep uninterruptibly are listed, all of them wait for locks, at different places, for long;
    nothing names an owner.  The holders are then among them, unless one sleeps interruptibly or runs with a lock."""
    waiting = [
        one for one in case.stuck if (row := case.resource(one.resource)) is not None and row.kind == "lock"
    ]
    places = {one.function for one in waiting}
    listed = any(
        sysrq.action.lower() in ("show blocked state", "show state") for sysrq in case.evidence.sysrqs
    )
    owned = any(edge.kind == "held-by" for edge in case.graph.edges.values())
    if not listed or owned or len(places) < 2 or len(waiting) > 6 or len(waiting) < len(case.stuck):
        return None
    if any(one not in case.persistent for one in waiting):
        return None
    summary = (
        f"{names(waiting)} most likely wait for each other: all tasks that sleep uninterruptibly are listed, and each of them "
        f"waits for a lock ({', '.join(sorted(filter(None, places)))})"
    )
    because = [*say.waiting(case), *say.memory(case)]
    because.append(
        Statement(
            "no owner is named: a holder that runs or sleeps interruptibly would look the same; BREAK t and l tell",
            inferred=True,
        )
    )
    return Verdict("deadlock", summary, "low", tuple(because))


def lock_contention(case: Case) -> Verdict | None:
    """Tasks reported hung, or unkillable over time, behind a lock or a cache entry whose holder the input does not
    show to be stuck in I/O or memory."""
    moved = [one for one in (case.hung or case.persistent) if one.role in ("waits", "holds-and-waits")]
    if not moved:
        return None
    known = [one for one in moved if one.resource is not None]
    function, members = by_function(known or moved)[0]
    row = case.resource(members[0].resource)
    what = row.title if row else "something the log does not name"
    targets = {
        edge.target
        for edge in case.graph.edges.values()
        if edge.kind == "waits-for" and edge.source == f"task:{members[0].pid}"
    }
    owner = [edge for edge in case.graph.edges.values() if edge.kind == "held-by" and edge.source in targets]
    held = ""
    if owner:
        holder = next((one for one in case.waiters if f"task:{one.pid}" == owner[0].target), None)
        where = (
            f", which {'sleeps' if holder.state != 'R' else 'runs'} in {holder.function}"
            if holder and holder.function
            else ""
        )
        held = f"; {case.graph.nodes[owner[0].target].label} holds it{where}"
    elif row is not None and row.kind in ("lock", "cache-entry"):
        held = "; the log does not show who holds it"
    kill = (
        "which SIGKILL cannot end"
        if members[0].killable is False
        else "which SIGKILL would end"
        if members[0].killable
        else ""
    )
    summary = (
        f"{names(members)} {_verb(members, 'waits', 'wait')} for {what} in {function}{say.entered(members[0])}"
        f"{', ' + kill if kill else ''}{held}"
    )
    because = [*say.waiting(case), *say.chain(case), *say.memory(case)]
    return Verdict("lock-contention", summary, "medium" if owner else "low", tuple(because))


def lockup(case: Case) -> Verdict | None:
    """A processor that does not come back: what it runs decides."""
    spinning = [
        view
        for one in case.subjects
        for view in one.views
        if view.sighting.origin in ("soft-lockup", "rcu-stall", "hard-lockup")
    ]
    if not case.evidence.lockups:
        return None
    fact = case.evidence.lockups[0]
    running = next((view.wait for view in spinning if view.wait is not None), None)
    where = f" in {running.function}" if running is not None and running.function else ""
    head = f"CPU {fact.cpu}" if fact.cpu is not None else "a processor"
    who = f" running {fact.comm}/{fact.pid}" if fact.comm else ""
    long = f" for {fact.seconds:.0f} s" if fact.seconds else ""
    because = (Statement(fact.text.strip(), False, (say.quoted(fact),)),)
    if running is not None and running.reclaims:
        return Verdict(
            "reclaim-livelock",
            f"{head}{who} has been reclaiming memory{long} without end{where}",
            "medium",
            because,
        )
    if running is not None and any(
        "lock_slowpath" in name or "spin_lock" in name for name in running.path[:3]
    ):
        return Verdict("lock-contention", f"{head}{who} spins{long} for a spinlock{where}", "medium", because)
    kinds = {
        "rcu": "RCU stall",
        "rcu-expedited": "RCU stall",
        "workqueue": "workqueue lockup",
        "hard": "hard lockup",
    }
    name = kinds.get(fact.kind, "soft lockup")
    return Verdict(
        "insufficient-evidence",
        f"{name}: {head}{who} did not let go{long}{where}; the log does not show a task that waits for memory or a lock",
        "low",
        because,
    )


def _verb(members: Sequence[Waiter], one: str, many: str) -> str:
    return one if len(members) == 1 else many


RULES: tuple[Rule, ...] = (
    lock_cycle,
    unkillable_victim,
    pending_kill,
    oom_deadlock,
    reclaim_livelock,
    cached_error,
    io_stall,
    likely_lock_cycle,
    lock_contention,
    lockup,
    zombies,
    no_hang,
    insufficient,
)


def decide(case: Case) -> Verdict:
    """The verdict of the first rule that holds; the last one always does."""
    for rule in RULES:
        verdict = rule(case)
        if verdict is not None:
            return verdict
    raise AssertionError("the last rule always holds")

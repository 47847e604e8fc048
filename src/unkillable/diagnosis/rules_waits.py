"""Rules about locks, devices and processors: who waits for whom without memory playing a part."""

from __future__ import annotations

from unkillable.diagnosis import statements as say
from unkillable.diagnosis.case import Case, by_function, names, verb
from unkillable.diagnosis.types import Statement, Verdict


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
    tasks = [case.graph.nodes[ident].label for ident in case.cycle if ident.startswith("task:")]
    if inferred > 1 or (inferred and (len(tasks) < 2 or not stuck & set(case.cycle))):
        return None
    if len(tasks) == 1:
        summary = f"{tasks[0]} waits for what it holds itself"
    else:
        summary = f"{', '.join(tasks[:-1])} and {tasks[-1]} wait for each other in a cycle"
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
    summary = f"{names(members)} {verb(members, 'waits', 'wait')} for {what} in {function}{say.entered(members[0])}{tail}"
    because = [*say.waiting(case), *say.chain(case), *say.memory(case), *say.io_problems(case)]
    return Verdict("io-stall", summary, "high" if case.evidence.io else "medium", tuple(because))


_OWNED = frozenset({"mutex", "rwsem", "semaphore", "inode-lock", "mmap-lock"})
"""Locks that a task holds; a frozen file system or a page has no such owner."""


def likely_lock_cycle(case: Case) -> Verdict | None:
    """All tasks that sleep uninterruptibly are listed, all of them wait for locks, at different places, for long;
    nothing names an owner.  The holders are then among them, unless one sleeps interruptibly or runs with a lock."""
    waiting = [one for one in case.stuck if one.resource in _OWNED]
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
        f"{names(members)} {verb(members, 'waits', 'wait')} for {what} in {function}{say.entered(members[0])}"
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
            f"{head}{who} was reclaiming memory{long}{where} when it was reported",
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

"""Sentences of the reasoning, each with the lines it rests on."""

from __future__ import annotations

from collections.abc import Sequence

from unkillable.diagnosis.case import Case, by_function, names
from unkillable.diagnosis.types import Quote, Statement, Victim, Waiter
from unkillable.evidence.types import Fact
from unkillable.versions import version_key
from unkillable.waits.contexts import allocation_context

_ENTRY_WORDS = {
    "page-fault": ", reached from a page fault",
    "read": ", reached from read(2)",
    "write": ", reached from write(2)",
    "open": ", reached from open(2)",
    "exec": ", reached from exec",
    "exit": ", on its way out (exit)",
    "readdir": ", reached from readdir",
    "stat": ", reached from stat(2)",
    "mmap": ", reached from mmap(2)",
    "fsync": ", reached from fsync(2)",
    "ioctl": ", reached from ioctl(2)",
    "fork": ", reached from fork",
    "mount": ", reached from mount(2)",
    "kthread": " (a kernel thread)",
}

_QUOTES = 4


def quoted(fact: Fact) -> Quote:
    return Quote(fact.line, fact.text.strip())


def entered(waiter: Waiter | None) -> str:
    """`, reached from a page fault`, or nothing."""
    return _ENTRY_WORDS.get(waiter.entered_by or "", "") if waiter is not None else ""


def kib(value: int | None) -> str:
    if value is None:
        return "?"
    return f"{value / 1024:.1f} MiB" if value >= 10 * 1024 else f"{value} KiB"


def _last_quotes(waiters: Sequence[Waiter]) -> tuple[Quote, ...]:
    return tuple(quote for one in waiters[:_QUOTES] for quote in one.lines[-1:])


def waiting(case: Case) -> list[Statement]:
    """Who sleeps where, and whether SIGKILL would help."""
    found = []
    for function, members in by_function([one for one in case.waiters if one.role != "reclaims"])[:8]:
        one = members[0]
        row = case.resource(one.resource)
        what = f", for {row.title}" if row else ""
        state = {
            False: f" in {one.task_state or 'TASK_UNINTERRUPTIBLE'}: SIGKILL cannot wake {'it' if len(members) == 1 else 'them'}",
            True: f" in {one.task_state}: SIGKILL wakes {'it' if len(members) == 1 else 'them'}",
            None: " in a state the input does not tell",
        }[one.killable]
        if one.role == "runs":
            found.append(
                Statement(f"{names(members)}: running in {function}", one.inferred, _last_quotes(members))
            )
            continue
        verb = "sleeps" if len(members) == 1 else "sleep"
        found.append(
            Statement(
                f"{names(members)} {verb} in {function}{what}{entered(one)},{state}",
                one.inferred,
                _last_quotes(members),
                _cite(case, one),
            )
        )
    for function, members in by_function(case.reclaimers)[:6]:
        verb = "looks" if len(members) == 1 else "look"
        found.append(
            Statement(
                f"{names(members)} {verb} for memory itself in {function}{entered(members[0])}",
                members[0].inferred,
                _last_quotes(members),
            )
        )
    return found


def _cite(case: Case, waiter: Waiter) -> str | None:
    """The source line of the wait in the kernel nearest to this one, not newer where there is a choice."""
    site = next(
        (one.view.wait.site for one in case.chosen if one.waiter is waiter and one.view.wait is not None),
        None,
    )
    if site is None or not site.cite:
        return None
    ours = version_key(case.kernel_version) if case.kernel_version else None
    older = [cite for cite in site.cite if ours is not None and version_key(cite.kernel)[:2] <= ours[:2]]
    cite = max(older, key=lambda one: version_key(one.kernel)) if older else site.cite[0]
    return f"{cite.kernel} {cite.file}:{cite.line}"


def _need(case: Case, holder: Waiter, many: bool) -> str:
    """What a holder does meanwhile, for one or for many of them."""
    row = case.resource(holder.resource)
    if holder.role == "reclaims":
        return "look for memory" if many else "looks for memory itself"
    if row is not None:
        return f"{'wait' if many else 'waits'} for {row.title} in {holder.function}"
    return f"{'are' if many else 'is'} in {holder.function}"


def chain(case: Case) -> list[Statement]:
    """Who holds what the others wait for, and what the holder needs."""
    found = []
    groups: dict[tuple[str, str | None, str], list[Waiter]] = {}
    for one in case.holders:
        held = ", ".join(row.title for key in one.holds if key in case.wanted and (row := case.resource(key)))
        groups.setdefault((held, one.function, one.role), []).append(one)
    for (held, _, _), members in list(groups.items())[:6]:
        verb = "holds" if len(members) == 1 else "hold"
        need = _need(case, members[0], len(members) > 1)
        found.append(
            Statement(
                f"{names(members)} {verb} {held} (recognised by the frames) and {need}",
                True,
                _last_quotes(members),
            )
        )
    meanwhile: dict[str, list[Waiter]] = {}
    for one in case.stuck:
        common = (
            _TOO_COMMON
            if case.version is not None and case.version < _MMAP_LOCK_DROPPED
            else {*_TOO_COMMON, "mmap-lock"}
        )
        unwanted = [
            row.title for key in one.holds if key not in case.wanted | common and (row := case.resource(key))
        ]
        if unwanted and one not in case.holders:
            meanwhile.setdefault(", ".join(unwanted), []).append(one)
    for held, members in meanwhile.items():
        verb = "holds" if len(members) == 1 else "hold"
        found.append(
            Statement(
                f"{names(members)} {verb} {held} meanwhile (recognised by the frames)",
                True,
                _last_quotes(members),
            )
        )
    found += [
        Statement(
            f"{names([one])} holds {', '.join(one.locks)} (lockdep's list)", False, _lock_quotes(case, one)
        )
        for one in case.stuck
        if one.locks
    ]
    for edge in case.graph.edges.values():
        if edge.kind == "held-by" and not edge.inferred and edge.source != "resource:memory":
            source, target = case.graph.nodes[edge.source], case.graph.nodes[edge.target]
            found.append(Statement(f"{source.label} is held by {target.label}", False, edge.lines))
    return found[:10]


_TOO_COMMON = {"folio-lock"}
"""Every reader holds the locks of the pages it reads: worth a word only if somebody waits for one."""
_MMAP_LOCK_DROPPED = (5, 1)
"""From then on a fault may have dropped the mmap lock before it waits for I/O (commit 6b4c9f446981)."""


def _lock_quotes(case: Case, waiter: Waiter) -> tuple[Quote, ...]:
    return tuple(quoted(lock) for lock in case.evidence.locks if lock.pid == waiter.pid)[:4]


def progress(case: Case) -> list[Statement]:
    """Tasks that were back in user space between two dumps: a livelock, not a deadlock."""
    if not case.moved:
        return []
    shown = ", ".join(one.name for one in case.moved[:4]) + (
        f" and {len(case.moved) - 4} more" if len(case.moved) > 4 else ""
    )
    lines = tuple(
        Quote(
            view.sighting.line,
            f"{view.sighting.text.strip()} ... user program counter {view.sighting.stack.user_pc}",
        )
        for view in case.moved[0].views
        if view.sighting.stack is not None and view.sighting.stack.user_pc
    )
    return [
        Statement(
            f"the box crawls, it is not stopped: {shown} came back to user space between the dumps",
            False,
            lines[:3],
        )
    ]


def memory(case: Case) -> list[Statement]:
    block = case.memory
    if block.short is None:
        return []
    lines = block.zones or ((Quote(block.line, block.text.strip() or "Mem-Info"),) if block.line else ())
    figures = f"free {kib(block.free_kib)}"
    if block.min_kib is not None:
        figures += f" (the zones' minimum is {kib(block.min_kib)})"
    if block.file_kib is not None:
        figures += f", page cache on the LRU lists {kib(block.file_kib)}"
    if block.anon_kib is not None:
        figures += f", anonymous {kib(block.anon_kib)}"
    if block.total_kib:
        figures += f" of {kib(block.total_kib)}"
    if block.swap_total_kib is not None:
        figures += (
            ", no swap"
            if block.swap_total_kib == 0
            else f", swap free {kib(block.swap_free_kib)} of {kib(block.swap_total_kib)}"
        )
    head = "memory is exhausted" if block.short else "memory is not short"
    return [Statement(f"{head}: {figures}", False, lines)]


def allocations(case: Case) -> list[Statement]:
    """Allocations inside reads that may not call the OOM killer."""
    found: dict[str, tuple[Statement, int]] = {}
    for one in case.chosen:
        wait = one.view.wait
        if wait is None:
            continue
        context = allocation_context(wait.path, case.kernel_version)
        if context is None or context.may_oom or context.why in found:
            continue
        same = [
            other.waiter
            for other in case.chosen
            if other.view.wait is not None
            and (found_context := allocation_context(other.view.wait.path, case.kernel_version)) is not None
            and found_context.why == context.why
        ]
        verb = "allocates" if len(same) == 1 else "allocate"
        found[context.why] = (
            Statement(
                f"{names(same)} {verb} inside {context.frame} ({context.why}): such an allocation may not call the OOM killer and does "
                "not fail, so it can only wait for somebody else to free memory",
                True,
                _last_quotes(same),
                context.cite,
            ),
            len(same),
        )
    return [statement for statement, _ in sorted(found.values(), key=lambda item: -item[1])][:4]


def victim(one: Victim) -> Statement:
    at = f" at {one.killed_at:.1f} s" if one.killed_at is not None else ""
    child = (
        f" (child of {one.child_of_comm}/{one.child_of}, which was chosen)"
        if one.child_of is not None
        else ""
    )
    fate = {
        "exited": "exited" + (f" by {one.fate_at:.1f} s" if one.fate_at is not None else ""),
        "reaped": "had its memory freed by the oom_reaper; whether it exited is not shown",
        "stuck": "was still there"
        + (f" at {one.fate_at:.1f} s" if one.fate_at is not None else "")
        + (
            f", asleep in {one.waits_in}"
            if one.waits_in
            else ", and the oom_reaper could not free its memory"
        ),
        "unknown": "is not seen again: the log does not show whether it exited",
    }[one.fate]
    return Statement(f"{one.comm}/{one.pid}{child} was killed{at} and {fate}", False, one.lines)


def kills(case: Case) -> list[Statement]:
    if not case.victims:
        if case.evidence.kernel.line or case.dumps:
            return [Statement("no OOM kill is in the log: no OOM victim was stuck, because there was none")]
        return []
    stuck = [one for one in case.victims if one.fate == "stuck"]
    head = [victim(one) for one in (stuck or case.victims)[:6]]
    if not stuck:
        head.append(Statement("no OOM victim was seen stuck"))
    return head


def io_problems(case: Case) -> list[Statement]:
    return [Statement(fact.text.strip(), False, (quoted(fact),)) for fact in case.evidence.io[:4]]

"""Which tasks matter: those that cannot move where SIGKILL does not help, those that reclaim, those that hold."""

from __future__ import annotations

from collections.abc import Sequence

from unkillable.diagnosis.subjects import Subject, View, quote
from unkillable.diagnosis.types import Quote, Victim, Waiter
from unkillable.evidence.types import HeldLock, TaskSighting
from unkillable.waits import states

_DEPTH = 24


class Chosen(tuple[Subject, View, Waiter]):
    """A subject, the view of it that counts, and the waiter it becomes."""

    @property
    def subject(self) -> Subject:
        return self[0]

    @property
    def view(self) -> View:
        return self[1]

    @property
    def waiter(self) -> Waiter:
        return self[2]


def choose(
    subjects: Sequence[Subject], victims: Sequence[Victim], held: Sequence[HeldLock] = ()
) -> list[Chosen]:
    """The waiters, with the locks that lockdep lists for them."""
    locks: dict[int, dict[str, None]] = {}
    for lock in held:
        if lock.pid is not None:
            locks.setdefault(lock.pid, {})[lock.name] = None
    dead = {(victim.pid, victim.comm) for victim in victims if victim.fate == "exited"}
    killed = {victim.pid for victim in victims}
    chosen = []
    for subject in subjects:
        if (subject.pid, subject.comm) in dead and not subject.hung:
            continue
        view = _telling_view(subject)
        if view is not None and _matters(subject, view):
            chosen.append(
                Chosen(
                    (
                        subject,
                        view,
                        _waiter(
                            subject, view, subject.pid in killed, tuple(locks.get(subject.pid or -1, ()))
                        ),
                    )
                )
            )
    return chosen


def _telling_view(subject: Subject) -> View | None:
    """The latest view with a reliable stack, of the last full picture where there is one."""
    best: View | None = None
    for view in subject.views:
        if (
            view.sighting.origin in ("oom-invoker", "crash", "nmi")
            and subject.hung_seconds is None
            and best is not None
        ):
            continue
        if view.wait is None:
            continue
        if (
            best is None
            or best.wait is None
            or not (view.wait.inferred and not best.wait.inferred and _same(view, best))
        ):
            best = view
    return best


def _same(one: View, other: View) -> bool:
    """The same wait: same function, and not been back in user space in between as far as printed."""
    if one.wait is None or other.wait is None or one.wait.function != other.wait.function:
        return False
    counters = {view.sighting.stack.user_pc for view in (one, other) if view.sighting.stack is not None}
    return len(counters - {None}) < 2


_HARMLESS = frozenset(
    {
        states.INTERRUPTIBLE,
        states.IDLE,
        states.STOPPED,
        states.TRACED,
        states.ZOMBIE,
        states.DEAD,
        states.PARKED,
        states.FROZEN,
    }
)


_SCHEDULER = frozenset({"__schedule", "__switch_to", "schedule"})
"""Where a task that is runnable, with nothing else on its stack, was preempted: that is no wait."""


def _matters(subject: Subject, view: View) -> bool:
    """Whether a task is part of what is wrong: reported hung, asleep in D, reclaiming, or holding while it works."""
    wait = view.wait
    if wait is None or subject.hung:
        return subject.hung
    if view.sighting.origin in ("oom-invoker", "crash", "nmi") or _kernel_idle(view):
        return False
    if wait.reclaims:
        return True
    if view.sighting.state == "R" and wait.function in _SCHEDULER:
        return False
    if states.from_letter(view.sighting.state) in _HARMLESS or wait.task_state in _HARMLESS:
        return False
    return wait.asleep or (bool(wait.holds) and wait.allocates)


def _kernel_idle(view: View) -> bool:
    """Kernel threads waiting for work in D: harmless (kthreads of drivers, khungtaskd's own rule is the same)."""
    wait = view.wait
    return (
        wait is not None
        and wait.entered_by == "kthread"
        and wait.resource in ("event", "timer")
        and not wait.reclaims
    )


def _waiter(subject: Subject, view: View, victim: bool, locks: tuple[str, ...]) -> Waiter:
    wait, seen = view.wait, view.sighting
    lines: tuple[Quote, ...] = (*subject.hung_quotes[:1], *quote(seen, wait))
    same = [one for one in subject.views if _same(one, view)]
    return Waiter(
        pid=subject.pid,
        comm=subject.comm,
        state=_state(subject, same, seen),
        function=wait.function if wait else None,
        primitive=wait.primitive if wait else None,
        task_state=wait.task_state if wait else None,
        killable=wait.killable if wait else None,
        resource=(wait.resource if wait else None) or ("memory" if _role(view) == "reclaims" else None),
        entered_by=wait.entered_by if wait else None,
        role=_role(view),
        holds=tuple(hold.resource for hold in wait.holds) if wait else (),
        locks=locks,
        since=subject.hung_since if subject.hung else _since(same),
        blocked_for=subject.hung_seconds,
        seen=max(len(same), 1),
        victim=victim,
        stack=wait.path[:_DEPTH] if wait else (),
        inferred=wait.inferred if wait else False,
        lines=lines,
    )


def _state(subject: Subject, same: Sequence[View], seen: TaskSighting) -> str | None:
    """As printed with this wait, in this sighting or another; khungtaskd reports state D only."""
    printed = (one.sighting.state for one in (*reversed(same),) if one.sighting.state)
    return seen.state or next(printed, "D" if subject.hung else None)


def _since(same: Sequence[View]) -> float | None:
    """First of several sightings in the same place; a single sighting says nothing about how long."""
    if len(same) < 2:
        return None
    return same[0].sighting.time


def _role(view: View) -> str:
    wait = view.wait
    if wait is None:
        return "waits"
    if wait.reclaims or (wait.allocates and not wait.asleep):
        return "reclaims"
    if wait.holds:
        return "holds-and-waits" if wait.asleep else "holds"
    return "waits" if wait.asleep else "runs"

"""Who waits behind whom, by places instead of tasks: what of a wait-for graph is the same on every machine."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import msgspec

from unkillable.diagnosis.types import Diagnosis, Waiter
from unkillable.fleet.names import part_of, site
from unkillable.waits.catalogue import load

_LONGEST = 8
"""Holders of a chain; a longer one is a cycle that was not seen as one."""


RECLAIM = "reclaim"


class Chain(msgspec.Struct, frozen=True):
    """The tasks that wait for a lock, and who holds it."""

    waiters: tuple[Waiter, ...]
    resource: str | None
    holders: tuple[str, ...] = ()
    """Places, from the lock's holder to the last one known."""


def place(waiter: Waiter) -> str | None:
    """Where a task waits; None where its stack lost the part that tells.  Reclaim is one place: which of its functions is caught
    is chance."""
    if waiter.role == "reclaims":
        return RECLAIM
    return site(waiter.stack or (waiter.function or "",)) or None


def lock(diagnosis: Diagnosis) -> Chain:
    """Of the tasks reported hung (or asleep where SIGKILL does not help), the largest group that waits for one kind of thing; locks
    come before all else."""
    named = _named(diagnosis)
    asleep = [
        msgspec.structs.replace(one, resource=named[one.pid])
        if one.resource is None and one.pid in named
        else one
        for one in diagnosis.waiters
        if one.role in ("waits", "holds-and-waits")
    ]
    stuck = [one for one in asleep if one.killable is not True] or asleep
    locked = [one for one in stuck if is_lock(one.resource)]
    groups: Counter[tuple[str, str]] = Counter()
    for one in locked or stuck:
        groups[_group(one)] += 1 + (one.blocked_for is not None)
    if not groups:
        return Chain((), None)
    chosen = min(groups, key=lambda key: (-groups[key], key))
    members = tuple(one for one in locked or stuck if _group(one) == chosen)
    if not locked:
        return Chain(members, chosen[0] or None)
    return Chain(members, chosen[0], behind(diagnosis, members) or _likely(stuck, members))


def _group(waiter: Waiter) -> tuple[str, str]:
    """A lock may be waited for in many places; what is no lock is told apart by the place."""
    return waiter.resource or "", "" if is_lock(waiter.resource) else place(waiter) or ""


def _named(diagnosis: Diagnosis) -> dict[int | None, str]:
    """What the kernel's own lines say that tasks wait for, by pid: stacks may have lost it."""
    found: dict[int | None, str] = {}
    for edge in diagnosis.graph.edges:
        key = edge.target.removeprefix("resource:").partition("#")[0]
        pid = edge.source.removeprefix("task:")
        if (
            edge.kind == "waits-for"
            and not edge.inferred
            and pid.isdecimal()
            and load().resource(key) is not None
        ):
            found.setdefault(int(pid), key)
    return found


def is_lock(resource: str | None) -> bool:
    """Whether it is something that a task holds."""
    row = load().resource(resource)
    return row is not None and row.kind in ("lock", "cache-entry")


def behind(diagnosis: Diagnosis, members: Sequence[Waiter]) -> tuple[str, ...]:
    """The places of the tasks that these wait for, and of those that these wait for in turn; the most frequent such chain."""
    follow: dict[str, list[str]] = {}
    for edge in diagnosis.graph.edges:
        if edge.kind != "needs":
            follow.setdefault(edge.source, []).append(edge.target)
    tasks = {f"task:{one.pid}": one for one in diagnosis.waiters if one.pid is not None}
    found: Counter[tuple[str, ...]] = Counter()
    for one in members:
        chain = _follow(f"task:{one.pid}", follow, tasks)
        if chain:
            found[chain] += 1
    return min(found, key=lambda chain: (-found[chain], chain), default=())


def _follow(start: str, follow: dict[str, list[str]], tasks: dict[str, Waiter]) -> tuple[str, ...]:
    """Places along the edges from a task on."""
    seen, at = {start}, start
    places: list[str] = []
    while len(places) < _LONGEST:
        ahead = sorted(
            (place(tasks[task]) or "", task)
            for resource in follow.get(at, ())
            for task in follow.get(resource, ())
            if task in tasks and task not in seen
        )
        if not ahead:
            break
        name, at = ahead[0]
        seen.add(at)
        places.append(name)
    return tuple(one for one in places if one)


def _likely(stuck: Sequence[Waiter], members: Sequence[Waiter]) -> tuple[str, ...]:
    """Where nothing names the holder: the one place of the same code at which somebody sleeps for something that is no lock."""
    parts = {part_of(place(one)) for one in members}
    others = {
        name
        for one in stuck
        if not is_lock(one.resource)
        and one.killable is False
        and (name := place(one)) is not None
        and part_of(name) in parts
    }
    return (others.pop(),) if len(others) == 1 else ()


def cycle(diagnosis: Diagnosis) -> tuple[Waiter, ...]:
    """The tasks of a cycle; where none is drawn, all that sleep where SIGKILL does not help."""
    members = tuple(one for one in diagnosis.waiters if f"task:{one.pid}" in diagnosis.cycle)
    return members or tuple(one for one in diagnosis.waiters if one.killable is False)

"""What the tasks of a story are called: by what becomes of them, or as in a diagnosis."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from unkillable.errors import UserError
from unkillable.model.machine import Machine
from unkillable.model.memory import ALLOCATING
from unkillable.model.scenes import Cast, Look
from unkillable.model.state import At, End

Casting = Callable[[Machine, bytes], Cast]
"""Gives the tasks of a story's last state their names."""


class _Kernel(msgspec.Struct):
    release: str | None = None
    since: str | None = None
    until: str | None = None
    """Where the log does not name its kernel: it is this one or later, and older than that one."""


class _Verdict(msgspec.Struct):
    kind: str = ""


class _Victim(msgspec.Struct):
    pid: int
    comm: str | None = None


class _Waiter(msgspec.Struct):
    pid: int | None = None
    comm: str | None = None
    function: str | None = None
    resource: str | None = None
    role: str = ""
    victim: bool = False


class Told(msgspec.Struct):
    """What is read of a diagnosis' JSON (`unkillable.diagnosis/1`)."""

    schema: str
    kernel: _Kernel
    verdict: _Verdict
    victims: tuple[_Victim, ...] = ()
    waiters: tuple[_Waiter, ...] = ()


STORIES = {
    "deadlock": "dying",
    "unkillable-victim": "dying",
    "lock-contention": "dying",
    "reclaim-livelock": "starving",
    "cached-error": "sigbus",
}
"""The property whose violation a verdict of `diagnose` is."""
PLACES = {"squashfs-cache-entry": At.WAIT_ENTRY, "squashfs-decompressor": At.WAIT_STREAM}
"""Where in the model who waits for a resource of `diagnose` waits."""
_QUEUED = tuple(PLACES)


def read(data: bytes, name: str) -> Told:
    """A diagnosis, as `unkillable diagnose --format json` prints it."""
    try:
        told = msgspec.json.decode(data, type=Told)
    except msgspec.DecodeError as error:
        raise UserError(
            f"{name}: not a diagnosis: {error}; make one with `unkillable diagnose --format json`"
        ) from None
    if not told.schema.startswith("unkillable.diagnosis/"):
        raise UserError(
            f"{name}: its schema is {told.schema!r}; wanted is one of `unkillable diagnose --format json`"
        )
    if told.verdict.kind not in STORIES:
        known = ", ".join(STORIES)
        raise UserError(
            f"{name}: the verdict is {told.verdict.kind!r}, of which the model has no story; it has {known}"
        )
    return told


def place(told: Told) -> int | None:
    """Where most of its tasks wait for squashfs, as far as the model has that place; None if none does."""
    counted = [PLACES[one.resource] for one in told.waiters if one.resource in PLACES]
    return max(counted, key=counted.count) if counted else None


def roles(machine: Machine, row: bytes) -> Cast:
    """Names by what becomes of the tasks."""
    look = Look(machine, row)
    found = [_role(look, t) for t in range(look.p.tasks)]
    many = {role for role in found if found.count(role) > 1}
    names = [f"{role} {found[: t + 1].count(role)}" if role in many else role for t, role in enumerate(found)]
    return Cast(tuple(names), (None,) * len(names))


def people(told: Told) -> Casting:
    """Names from a diagnosis: its victims, who waits, who is waited for; roles for whom it does not know."""
    known = [one for one in told.waiters if one.pid is not None]
    victims = [_named(one) for one in told.victims] + [_named(one) for one in known if one.victim]
    killed = {pid for _, pid in victims}
    others = [one for one in known if one.pid not in killed]
    waiting = [_named(one) for one in others if one.resource in _QUEUED]
    holding = [_named(one) for one in others if one.resource not in _QUEUED]
    lists: dict[str, list[tuple[str | None, int | None]]] = {
        "Victim": victims,
        "Waiter": waiting,
        "Holder": holding,
        "Hog": [],
        "Bystander": waiting,
        "Spinner": waiting,
    }

    def casting(machine: Machine, row: bytes) -> Cast:
        fallback = roles(machine, row)
        left = {role: list(dict.fromkeys(found)) for role, found in lists.items()}
        names: list[str] = []
        pids: list[int | None] = []
        for name in fallback.names:
            free = [one for one in left.get(name.split()[0], []) if one[1] not in pids]
            comm, pid = free[0] if free else (name, None)
            names.append(comm or f"task {pid}")
            pids.append(pid)
        return Cast(_apart(names, pids), tuple(pids))

    return casting


def _named(one: _Victim | _Waiter) -> tuple[str | None, int | None]:
    return one.comm, one.pid


def _apart(names: Sequence[str], pids: Sequence[int | None]) -> tuple[str, ...]:
    """With the number behind a name, as `diagnose` writes it."""
    return tuple(name if pid is None else f"{name}/{pid}" for name, pid in zip(names, pids, strict=True))


def _role(look: Look, t: int) -> str:
    at = At(look.of("at", t))
    if look.of("end", t) == End.SIGBUS:
        return "Bystander"
    if look.of("killed", t) or look.of("end", t) == End.SIGKILL:
        return "Victim"
    if look.of("turns", t):
        return "Spinner"
    if at in ALLOCATING:
        return "Hog" if at == At.TOUCH else "Holder"
    if at in (At.WAIT_ENTRY, At.WAIT_FILL, At.WAIT_PAGE, At.WAIT_STREAM) or look.sleeps(t):
        return "Waiter"
    return "Holder" if look.of("entry", t) else "Other"

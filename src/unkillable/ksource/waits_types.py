"""What `unkillable waits` says of a tree; `unkillable.waits/1` is the JSON of Waits."""

from __future__ import annotations

import msgspec

KINDS = ("macro", "function")
ROLES = ("sleep", "state", "schedule")
CHANGES = ("appeared", "vanished", "changed")


class Traits(msgspec.Struct, frozen=True):
    """What may end a wait beside its condition, how it queues, and what it lets go of while it sleeps."""

    freezable: bool = False
    timeout: bool = False
    hrtimeout: bool = False
    exclusive: bool = False
    interruptible: bool = False
    killable: bool = False
    idle: bool = False
    locked: bool = False
    irq: bool = False
    cmd: bool = False


class Wait(msgspec.Struct, frozen=True):
    """One way to sleep."""

    name: str
    file: str
    line: int
    family: str
    """The header that offers it, without its directory and ending: wait, mutex, completion, ..."""
    kind: str
    """One of KINDS."""
    task_state: str | None
    """TASK_..., `caller` if a parameter decides; None if definitions disagree or it is not known."""
    traits: Traits
    wakes_on_sigkill: bool | None
    """Whether SIGKILL ends the sleep; None where the state is the caller's or not known."""
    via: tuple[str, ...] = ()
    """The calls from it to schedule()."""
    others: tuple[str, ...] = ()
    """Further definitions, as file:line."""
    role: str = "sleep"
    """One of ROLES: `sleep` sleeps; `state` stores the state and may queue, its caller calls the scheduler; `schedule` sleeps in
    the state that its caller has stored."""


class WaitChange(msgspec.Struct, frozen=True):
    kind: str
    """One of CHANGES."""
    wait: Wait
    """As it is; of what vanished, as it was."""
    what: tuple[str, ...] = ()
    """Of what changed: "task_state TASK_UNINTERRUPTIBLE -> TASK_KILLABLE", "traits +killable"."""


class Waits(msgspec.Struct, frozen=True):
    """Every wait primitive of a tree, by family and name."""

    kernel: str
    """x.y.z of the tree; "" if its Makefile does not say."""
    primitives: tuple[Wait, ...]
    against: str | None = None
    """Version of the tree compared with."""
    changes: tuple[WaitChange, ...] = ()
    skipped: tuple[str, ...] = ()
    """Files that could not be read, with the reason."""
    tool: str = ""
    schema: str = "unkillable.waits/1"

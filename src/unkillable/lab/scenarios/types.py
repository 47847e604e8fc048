"""What a scenario is played with and what it showed."""

from __future__ import annotations

import msgspec

from unkillable.lab.setup import Module

ENDS = ("data", "wrong-data", "signal", "error", "stuck")
"""How a task ended: it has read what the file holds, or something else; a signal ended it; it could not try; or it did not
end while it was watched."""


OUTCOMES = ("played", "not-applicable", "could-not-tell", "harness-failed")
"""What came of a scenario: it was played to its end; this kernel has no such code, or cannot be made to fail so; it did not
come to what it is about; or its guest never started."""


class Variant(msgspec.Struct, frozen=True):
    """One form of squashfs."""

    name: str
    """Such as `stock`, `article`, `series`."""
    patches: str | None = None
    """Directory of .patch files; None for the source as it is."""


class TaskSeen(msgspec.Struct, frozen=True, kw_only=True):
    """A task of a scenario: a process that touches one page of a mapped file."""

    who: str
    does: str
    """In words: what it needs, and what was done to it."""
    end: str
    """One of ENDS."""
    signal: int = 0
    """That ended it."""
    seconds: float | None = None
    """From its start to its end; None for one that did not end."""
    kill_latency_s: float | None = None
    """From SIGKILL to its end; None for one that was not killed, or did not end."""
    cpu_s: float = 0.0
    """Processor time, of the guest."""
    stack: tuple[str, ...] = ()
    """Functions of the kernel that it slept in, the innermost first, where that was looked at."""


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """One scenario with one variant."""

    scenario: str
    variant: str
    question: str
    """What the scenario asks; `defect` answers it."""
    outcome: str = "played"
    """One of OUTCOMES."""
    defect: bool | None
    """Whether the defect was seen; None where it was not played, `seen` says why."""
    seen: str
    """One sentence with the figures."""
    release: str = ""
    module: Module = Module()
    """How squashfs was configured."""
    held_s: float = 0.0
    """Seconds of the guest's clock for which the root disk answered nothing."""
    tasks: tuple[TaskSeen, ...] = ()
    errors: int = 0
    """Error lines of squashfs in the kernel's ring buffer."""
    error_lines: tuple[str, ...] = ()
    """The first few."""
    provenance: tuple[tuple[str, str], ...] = ()
    console: str | None = None
    """Path of the console log."""

"""The base of all facts, and the backtrace.  Use these through `unkillable.evidence.types`."""

from __future__ import annotations

import msgspec


class Fact(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Anything read from the input."""

    line: int = 0
    """Line number in the source; 0 where the source has no lines (live system, memory dump)."""
    text: str = ""
    """The message of that line without framing, as it can be quoted."""
    time: float | None = None
    """Seconds since boot."""


class Frame(msgspec.Struct, frozen=True, gc=False):
    """One return address of a stack."""

    symbol: str
    """As printed, e.g. `__alloc_pages_slowpath.constprop.0`."""
    function: str
    """The source's name: `symbol` without compiler suffixes (.constprop.0, .isra.5, .part.7, .cold, ...)."""
    offset: int | None = None
    size: int | None = None
    module: str | None = None
    reliable: bool = True
    """False for `? f+0x`: left over on the stack, not necessarily called."""
    source: str | None = None
    """`fs/squashfs/cache.c:77` where the source knows it (decoded logs, debuggers)."""


class Stack(msgspec.Struct, frozen=True, gc=False):
    """A backtrace, innermost frame first; frames of interrupts on top are cut off."""

    frames: tuple[Frame, ...]
    lines: tuple[int, int] = (0, 0)
    """First and last line of the block."""
    frame_lines: tuple[int, ...] = ()
    """The line of each frame."""
    interrupted: bool = False
    """True where an interrupt or exception frame lay on top: the task was running, not asleep."""
    from_user: bool = False
    """True where the trace ends at user space (a user program counter was printed or a syscall entry is last)."""
    damaged: int = 0
    """Number of lines inside the trace that could not be read (lost or merged characters)."""
    user_pc: str | None = None
    """The user program counter under the trace, where printed (x86): a task seen twice in the same wait with
    different ones has been back in user space in between."""
    mixed: bool = False
    """True where another printer's lines came in between and nothing tells them apart: frames may be another task's."""

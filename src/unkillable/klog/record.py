"""The record: one line of kernel text without its framing."""

from __future__ import annotations

import msgspec


class Record(msgspec.Struct, frozen=True, gc=False):
    """One line of a kernel log as `klog` hands it on.

    `number` is the line's 1-based number in its source, as `grep -n` counts (a joined or unwrapped line has
    the number of its first part). `text` is the message: framing (timestamps, syslog header, levels, caller
    ids, quoting) removed, control characters and escape sequences removed, leading blanks kept, since the
    kernel's own indentation tells parts of a report from its head.
    """

    number: int
    text: str
    time: float | None = None
    """Seconds since boot (printk's timestamp), or None where the line carries none."""
    wall: float | None = None
    """Seconds since 1970 where the framing has a date (syslog without a year or zone: as if UTC, this year)."""
    level: int | None = None
    """The kernel log level 0..7 where printed."""
    caller: str | None = None
    """CONFIG_PRINTK_CALLER's id (since 5.1): `T123` a task, `C0` a processor."""
    hits: tuple[int, ...] = ()
    """Indices of the caller's literals that occur in this line, ascending, without repeats."""
    kernel: bool = True
    """False where the framing says that a program wrote the line (syslog tag, journald transport)."""
    boot: int = 0
    """Number of the boot within its source, from 0: see `boots`."""

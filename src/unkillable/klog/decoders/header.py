"""How a decoder hands on what it knows about a line besides its text."""

from __future__ import annotations

import re

HEADER = re.compile(r"([\d.]*),([\d.]*),([0-7]?),([\w@]*),([01]),([^,;]*);")
"""Groups: seconds since boot, seconds since 1970, level, caller, 1 for the kernel's own lines, name of the boot."""


def header(
    time: float | None = None,
    wall: float | None = None,
    level: int | None = None,
    caller: str = "",
    kernel: bool = True,
    boot: str = "",
) -> bytes:
    """The text HEADER reads, to be put in front of the message."""
    return (
        f"{'' if time is None else f'{time:.6f}'},{'' if wall is None else f'{wall:.6f}'},"
        f"{'' if level is None else level & 7},{caller},{int(kernel)},{boot};"
    ).encode()

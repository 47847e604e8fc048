"""What a trace asks for, whatever format it has."""

from __future__ import annotations

from dataclasses import dataclass, field

READ, FAULT, ADDED, DROPPED = "read", "fault", "added", "dropped"


@dataclass(frozen=True, slots=True)
class Access:
    """One line of a trace."""

    task: str
    kind: str
    """READ and FAULT want pages; ADDED and DROPPED are what the page cache of the traced kernel did."""
    path: str | None
    """None where the trace names the inode."""
    number: int = 0
    """Inode number, if it has no path."""
    offset: int = 0
    length: int | None = 0
    """Bytes; None is to the end of the file."""
    executable: bool = False


@dataclass(slots=True)
class Trace:
    source: str
    format: str
    device: str | None = None
    """MAJOR:MINOR of the image, where a trace has several devices."""
    accesses: list[Access] = field(default_factory=list)
    skipped: int = 0
    whole: bool = True
    notes: list[str] = field(default_factory=list)

    @property
    def ordered(self) -> bool:
        """Whether it is what a page cache did: that has an order which must be kept."""
        return any(one.kind in (ADDED, DROPPED) for one in self.accesses)

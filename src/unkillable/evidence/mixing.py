"""Finds traces into which another task's lines may have come, where neither a caller id nor the time tells them apart.

A dump prints one task at a time: its head, its trace, the trace's end.  A head that comes before the end of the task
before means that two printers are at work (or that lines were lost); from there on as many ends are owed as traces were
cut, and until they have come every trace may hold lines of another task.  The end is a line of its own on x86 since 5.16,
`</TASK>`; elsewhere it cannot be told from a trace that broke off, and a trace tells only by itself that it is mixed.
"""

from __future__ import annotations

from unkillable.evidence.backtrace import StackReader
from unkillable.evidence.table import Section

_EXPIRES = 250
"""Lines after which an end that is owed will not come: it was lost."""
_STACKLESS = frozenset("ZX")  # a dead task's stack is freed (6.1 kernel/sched/core.c:8984)


def stack_of(section: Section | None) -> StackReader | None:
    """The trace that a report reads, if it reads one (still)."""
    found = getattr(section, "stack", None)
    return found if isinstance(found, StackReader) else None


class Mixing:
    """The ends owed, by printer."""

    def __init__(self) -> None:
        self._owed: dict[str | None, int] = {}
        self._since: dict[str | None, int] = {}
        self._clean: Section | None = None
        """The report that was cut last, if nothing of another's can have come into it before."""
        self._marked: bool | None = None
        """Whether this kernel marks the end of a trace; None as long as none was read."""

    def begins(self, key: str | None, section: Section, number: int) -> None:
        """A report was opened."""
        stack = stack_of(section)
        if self._owed.get(key) and number - self._since[key] > _EXPIRES:
            del self._owed[key]
        if stack is not None and self._owed.get(key):
            stack.mixed = True

    def ends(self, key: str | None, section: Section, number: int) -> None:
        """A report was closed, or put aside by the head of another."""
        stack = stack_of(section)
        if stack is None:
            return
        if stack.tasked:
            self._marked = True
        elif stack.frames and self._marked is None:
            self._marked = False
        owed = self._starts(section, stack) - stack.ends
        self._clean = None if stack.mixed or self._owed.get(key) else section
        if owed > 0:
            stack.mixed = True
            self._owed[key] = self._owed.get(key, 0) + owed
            self._since[key] = number
        elif owed < 0:
            self._owed[key] = max(0, self._owed.get(key, 0) + owed)

    def _starts(self, section: Section, stack: StackReader) -> int:
        """1 if an end must follow."""
        fields = getattr(section, "fields", {})
        named = fields.get("pid") is not None
        # A blocker line names the owner of a lock, and its trace follows on some occasions only (6.16 kernel/hung_task.c).
        bare = not stack.frames and getattr(section, "origin", "") == "blocker"
        if not named or bare or fields.get("state") in _STACKLESS:
            return 0
        return int(self._marked is not False)

    def parted(self, key: str | None, cut: Section, other: Section | None) -> None:
        """The trace that was cut turned out to be another printer's: the cut has mixed nothing."""
        self._owed[key] = max(0, self._owed.get(key, 0) - 1)
        if self._clean is not cut:
            return
        for section in (cut, other):
            stack = stack_of(section)
            if stack is not None:
                stack.mixed = False


def may_mix(section: Section | None, others: list[Section | None]) -> None:
    """A line that may be of any of several printers went to the likeliest: marks its trace if others are not at an end."""
    stack = stack_of(section)
    if stack is not None and any(other is not None and not other.ends for other in map(stack_of, others)):
        stack.mixed = True

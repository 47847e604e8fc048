"""The table of kernel output formats: what a row is, and what a row's handler may do.

A row names the literals by which the fast scan finds a line, the pattern that tells it for certain, and the
handler that turns the match into facts. A handler either delivers its fact at once and returns None, or
returns a `Section`: an open report that is offered the following lines first.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

import msgspec

from unkillable.klog.record import Record

if TYPE_CHECKING:
    from unkillable.evidence.builder import Builder


class Section(Protocol):
    """A report of several lines that is being read."""

    patience: int
    """How many lines that are not its own a section survives (user output, other processors' lines)."""

    def feed(self, record: Record) -> bool:
        """Takes a line that belongs to the report and says True; says False to any other line."""
        ...

    def close(self) -> None:
        """Delivers what was read to the builder; called exactly once, also at the end of the input."""
        ...


Handler = Callable[["Builder", "re.Match[str]", Record], Section | None]


class Format(msgspec.Struct, frozen=True):
    """One row."""

    name: str
    literals: tuple[str, ...]
    """One of these occurs in every line of this format. Empty: tried only while a section is open or the
    whole input is read closely, by its guard."""
    pattern: re.Pattern[str]
    """Searched in the line without framing."""
    handle: Handler
    eras: str
    """Kernel releases that print it."""
    sample: str
    """A file below tests/samples that shows it."""
    guard: tuple[str, ...] = ()
    """Of a row without literals, which must have some: one of these occurs in every line of it.  Not part of the fast scan; a close
    reading passes over lines that have none (`hints`)."""

    def find(self, text: str) -> re.Match[str] | None:
        """The pattern's match in a line, if its literals or its guard do not rule it out."""
        for word in self.literals or self.guard:
            if word in text:
                break
        else:
            if self.literals or self.guard:
                return None
        return self.matcher(text)

    @property
    def matcher(self) -> Callable[[str], re.Match[str] | None]:
        """How the pattern is tried: from the line's beginning where it is anchored there."""
        return self.pattern.match if self.pattern.pattern[0] == "^" else self.pattern.search

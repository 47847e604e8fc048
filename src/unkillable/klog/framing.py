"""What stands before a kernel message on its line: rows tried in order, the last ones that fitted first.

A line may carry several prefixes (a terminal's time, then syslog's header, then printk's). A row belongs to a
stage; stages follow one another in the order of their numbers, so each row needs to know only its own text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence

import msgspec

from unkillable.klog.common import Common, common

WRAPPER, LOG, PRINTK, EXTRA = range(4)
"""Stages: what a transport put in front (any number), a logger's header, printk's prefix, a vendor's addition."""

_MAX_LAYERS = 8

Match = Callable[[str, int], "re.Match[str] | None"]
Read = Callable[["re.Match[str]", "Line"], bool]


class Line:
    """One line being read; rows fill in what their prefix says."""

    __slots__ = ("caller", "drop", "host", "kernel", "level", "mark", "text", "time", "wall")

    def __init__(self) -> None:
        self.host: str | None = None
        """The host name of the last header that was certain: tells a short header from message text."""
        self.reset("")

    def reset(self, text: str) -> None:
        self.text = text
        self.time: float | None = None
        self.wall: float | None = None
        self.level: int | None = None
        self.caller: str | None = None
        self.kernel = True
        self.drop = False
        """The line belongs to the framing and is no message."""
        self.mark: str | None = None
        """A boot begins here (a name for it, or "")."""


class Row(msgspec.Struct, frozen=True, eq=False):
    """One framing: its name, what it looks like, what it means."""

    name: str
    stage: int
    begins: str
    """Every character the pattern can begin with; rows are looked up by it."""
    pattern: re.Pattern[str]
    read: Read
    """Fill in the line; False where a closer look shows that the text is no prefix."""
    repeats: bool = False
    """The same stage may follow (quoting within quoting)."""
    form: str | None = None
    """A narrower pattern, for lines that are told many at once (`common`): what it matches this row matches, too, and reads as a
    prefix of a kernel's line."""
    alone: re.Pattern[str] | None = None
    """What lines with this prefix and no other look like, where its only field is the time, group 1."""


Table = tuple[Mapping[str, tuple[Row, ...]], ...]
"""By stage: the rows that may come next, by the character they begin with, in the order in which they are tried."""


def by_stage(rows: Sequence[Row]) -> Table:
    """The table for a Framer."""
    table: list[dict[str, list[Row]]] = [{} for _ in range(EXTRA + 2)]
    for row in rows:
        for stage in range(row.stage + 1):
            for character in row.begins:
                table[stage].setdefault(character, []).append(row)
    return tuple({key: tuple(found) for key, found in stage.items()} for stage in table)


class Framer:
    """Strips the framing off lines of one source."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._sticky: tuple[Row, ...] = ()
        self._forms: tuple[str | None, ...] = ()
        self._steps: tuple[tuple[Match, Read], ...] = ()
        self._last = WRAPPER
        self._more: Collection[str] = ()
        self.alone: Match | None = None
        """Matches lines that need no `strip`, as long as the framing stays what it was; group 1 is the time."""
        self._counts: dict[tuple[Row, ...], int] = {}
        self.run = 0
        """Lines read with the present framing."""

    @property
    def rows(self) -> tuple[Row, ...]:
        """The present framing."""
        return self._sticky

    def common(self, caller: bool) -> Common | None:
        """Tells lines of the present framing, many at once; `caller`: those with a caller id."""
        return common(self._forms, caller) if self._steps else None

    def strip(self, line: Line) -> int:
        """Fill in `line` from the framing of `line.text`; the message begins at the returned position."""
        text = line.text
        pos = 0
        for match, read in self._steps:
            found = match(text, pos)
            if found is None or not read(found, line):
                break
            pos = found.end()
        else:
            if pos and (text[pos : pos + 1] not in self._more or self._nothing_more(text, pos)):
                self.run += 1
                return pos
        if self._steps:
            line.reset(text)
        return self._search(line)

    def _stick(self, rows: tuple[Row, ...]) -> None:
        self._keep()
        self._sticky = rows
        self._forms = tuple(row.form for row in rows)
        self._steps = tuple((row.pattern.match, row.read) for row in rows)
        self._last = rows[-1].stage + (not rows[-1].repeats)
        self._more = self._table[self._last]
        self.alone = rows[0].alone.match if len(rows) == 1 and rows[0].alone is not None else None

    def _nothing_more(self, text: str, pos: int) -> bool:
        """Whether no further prefix begins here although the character could begin one."""
        return all(row.pattern.match(text, pos) is None for row in self._table[self._last].get(text[pos], ()))

    def _search(self, line: Line) -> int:
        text = line.text
        pos = stage = 0
        used: list[Row] = []
        while len(used) < _MAX_LAYERS and pos < len(text):
            for row in self._table[stage].get(text[pos], ()):
                found = row.pattern.match(text, pos)
                if found is not None and found.end() > pos and row.read(found, line):
                    pos = found.end()
                    used.append(row)
                    stage = row.stage + (not row.repeats)
                    break
            else:
                break
        if used:
            fitted = tuple(used)
            if fitted != self._sticky:
                self._stick(fitted)
                if used[-1].repeats:
                    self._steps = ()  # a time or quoting alone: the next line may well show more behind it
            self.run += 1
        return pos

    def _keep(self) -> None:
        if self.run and (len(self._counts) < 256 or self._sticky in self._counts):
            self._counts[self._sticky] = self._counts.get(self._sticky, 0) + self.run
        self.run = 0

    @property
    def name(self) -> str | None:
        """The framing most lines had, outermost part first: `printk`, `syslog`, `terminal-time+printk`."""
        self._keep()
        if not self._counts:
            return None
        rows = max(self._counts, key=lambda rows: self._counts[rows])
        names = list(dict.fromkeys(row.name for row in rows if row.stage != EXTRA))
        outer = [row.name for row in rows if row.stage == LOG]
        return outer[0] if outer else "+".join(names) or rows[-1].name

"""Many lines at once: those of the commonest kinds, which are handed on in one piece, not one by one."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from unkillable.klog import clock
from unkillable.klog.common import Common
from unkillable.klog.framing import Line, Row
from unkillable.klog.record import Record
from unkillable.klog.text import PLAIN

_LINES = PLAIN + b"\r\n"
_FEWEST = 3
"""Lines below which it is not worth it."""
_SIZE = 1 << 14
"""Bytes looked at together."""

_BATCH = 1 << 12
"""Bytes read together: what comes after the end of a report is read again in another way."""


class Stretch(msgspec.Struct, gc=False):
    """Lines that follow one another, all of one framing with printk's time or a date, of plain text, with none of the literals.

    Times never fall.  No line is blank.
    """

    number: int
    """The first line's number."""
    count: int
    boot: int
    data: bytes
    """The lines as they are, each with its line end."""
    times: list[bytes]
    """As printed, with blanks in front; or dates of one day."""
    dates: bool
    """Whether it is dates, and the lines have no other time."""
    callers: bool
    """Whether each line has a caller id, or none."""
    _rows: tuple[Row, ...]

    @property
    def both(self) -> bool:
        """Whether the lines have a header with a date in front of printk's time."""
        return len(self._rows) > 1

    def seconds(self, begin: int, end: int) -> list[float]:
        """Of these lines, printk's time, or the seconds since 1970 of their dates."""
        if not self.dates:
            return list(map(float, self.times[begin:end]))
        midnight = clock.syslog(self.times[0][:-8].decode("ascii") + "00:00:00") or 0.0
        return [
            midnight + int(time[-8:-6]) * 3600 + int(time[-5:-3]) * 60 + int(time[-2:])
            for time in self.times[begin:end]
        ]

    def record(self, index: int, start: int) -> Record:
        """The line of this index (from 0), which begins at byte `start` of the data."""
        text = self.data[start : self.data.find(b"\n", start)].decode("ascii").rstrip()
        line, at = Line(), 0
        for row in self._rows:
            found = row.pattern.match(text, at)
            if found is not None and row.read(found, line):
                at = found.end()
        return Record(
            self.number + index, text[at:], line.time, line.wall, line.level, line.caller, boot=self.boot
        )

    def records(self, index: int, start: int) -> Iterator[Record]:
        """The lines from this index on, of which the first begins at byte `start`."""
        while index < self.count:
            yield self.record(index, start)
            start = self.data.find(b"\n", start) + 1
            index += 1


def together(data: bytes, pos: int, limit: int, common: Common) -> tuple[bytes, list[bytes], int]:
    """As many lines from `pos` on as can be told at once, their times, and how many were looked at.

    `limit` is the end of a line. There are no lines where they would be few.
    """
    if limit - pos > _SIZE:
        limit = data.rfind(b"\n", pos, pos + _SIZE) + 1
    lines = data[pos:limit]
    seen = lines.count(b"\n")
    times: list[bytes] = common.times(lines)
    if len(times) != seen or lines.translate(None, _LINES) or _returns(lines):
        # Something else is among them: only those before it.
        lines = lines[: common.run(lines)]
        times = common.times(lines)
    if len(times) >= _FEWEST and not _grow(times, common.dates):
        lines, times = (b"", []) if common.dates else _up_to_fall(lines, times)
    return (lines, times, seen) if len(times) >= _FEWEST else (b"", [], seen)


def plain_lines(data: bytes, pos: int, limit: int, common: Common) -> bytes:
    """The lines from `pos` on that are all such lines; `limit` is the end of one."""
    if limit - pos > _BATCH:
        limit = data.rfind(b"\n", pos, pos + _BATCH) + 1 or limit
    lines = data[pos:limit]
    return lines[: common.run(lines)]


def start_of(lines: bytes, index: int) -> int:
    """Where the line of this index, from 0, begins."""
    at = 0
    for _ in range(index):
        at = lines.find(b"\n", at) + 1
    return at


def _returns(lines: bytes) -> bool:
    """Whether there are carriage returns within a line."""
    return b"\r" in lines and lines.count(b"\r") != lines.count(b"\r\n")


def _grow(times: list[bytes], dates: bool) -> bool:
    """Whether no time is smaller than the one before; of dates, whether they are of one day, too."""
    if dates:
        first = times[0]
        known = clock.syslog(first.decode("ascii")) is not None
        return known and all(time[:-8] == first[:-8] for time in times) and times == sorted(times)
    if len(set(map(len, times))) == 1:
        return times == sorted(times)  # padded to one width they compare as numbers do
    numbers = list(map(float, times))
    return numbers == sorted(numbers)


def _up_to_fall(lines: bytes, times: list[bytes]) -> tuple[bytes, list[bytes]]:
    """The lines before the first whose time is smaller than the one before."""
    last, end = float("-inf"), 0
    for index, printed in enumerate(times):
        time = float(printed)
        if time < last:
            return lines[:end], times[:index]
        last = time
        end = lines.find(b"\n", end) + 1
    return lines, times

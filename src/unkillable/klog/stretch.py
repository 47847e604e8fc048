"""Many lines at once: those of the commonest framing that are handed on in one piece, not one by one."""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from unkillable.klog.framing import Common
from unkillable.klog.record import Record
from unkillable.klog.text import PLAIN

_LINES = PLAIN + b"\r\n"
_HIDDEN = re.compile(rb"\[(?<=[^\n]\[)[ \d][ \d.]{9,16}\][ \[]")
"""What may be a printk prefix within a line (as reader._MIDDLE_HINT): lines were merged."""
_FEWEST = 3
"""Lines below which it is not worth it."""


class Stretch(msgspec.Struct, gc=False):
    """Lines that follow one another, each with printk's time, plain text and nothing else, and with none of the literals.

    Times never fall.  No line is blank.
    """

    number: int
    """The first line's number."""
    count: int
    boot: int
    data: bytes
    """The lines as they are, each with its line end."""
    times: list[bytes]
    """As printed, with blanks in front."""
    _common: Common

    def record(self, index: int, start: int) -> Record:
        """The line of this index (from 0), which begins at byte `start` of the data."""
        text = self.data[start : self.data.find(b"\n", start)].decode("ascii").rstrip()
        found = self._common.match(text, 0)
        message = text[found.end() :] if found is not None else text
        return Record(self.number + index, message, float(self.times[index]), boot=self.boot)

    def records(self, index: int, start: int) -> Iterator[Record]:
        """The lines from this index on, of which the first begins at byte `start`."""
        while index < self.count:
            yield self.record(index, start)
            start = self.data.find(b"\n", start) + 1
            index += 1


def stretch(data: bytes, pos: int, limit: int, number: int, boot: int, common: Common) -> Stretch | None:
    """As many lines from `pos` on as can be told at once; `limit` is the end of a line. None where they are few.

    The first of them has line number `number`.
    """
    hidden = _HIDDEN.search(data, pos, limit)
    if hidden is not None:
        limit = data.rfind(b"\n", pos, hidden.start()) + 1
    lines = data[pos:limit]
    times: list[bytes] = common.lines.findall(lines)
    if len(times) != lines.count(b"\n") or lines.translate(None, _LINES) or _returns(lines):
        # Something else is among them: only those before it.
        lines = lines[: common.run(lines)]
        times = common.lines.findall(lines)
    if len(times) >= _FEWEST and not _grow(times):
        lines, times = _up_to_fall(lines, times)
    if len(times) < _FEWEST:
        return None
    return Stretch(number, len(times), boot, lines, times, common)


def _returns(lines: bytes) -> bool:
    """Whether there are carriage returns within a line."""
    return b"\r" in lines and lines.count(b"\r") != lines.count(b"\r\n")


def _grow(times: list[bytes]) -> bool:
    """Whether no time is smaller than the one before."""
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

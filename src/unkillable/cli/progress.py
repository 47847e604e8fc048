"""Progress of `reproduce`, `compare` and `triage` on standard error: one line on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, TextIO

from unkillable.report.plain import clean, cut, width

if TYPE_CHECKING:
    from unkillable.fleet.filling import Tally

__all__ = ["Counting", "Line", "Preparing"]

_SURE = 15.0
"""Seconds of a phase after which its speed says how long the rest will take."""
_SELDOM = 60.0
"""Seconds between two lines of a phase where they are not written over each other."""


class Line:
    """A line that is written over and over; on what is no terminal each is a line of its own."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self.stream = sys.stderr if stream is None else stream
        self.terminal = self.stream.isatty()

    def show(self, text: str) -> None:
        text = clean(text)
        # A line that is wrapped could not be written over.
        self.stream.write(f"\r\x1b[K{cut(text, width() - 1)}" if self.terminal else f"{text}\n")
        self.stream.flush()

    def clear(self) -> None:
        if self.terminal:
            self.stream.write("\r\x1b[K")
            self.stream.flush()


class Preparing:
    """What is being prepared and how long it will take, where that can be told."""

    def __init__(self, line: Line, clock: Callable[[], float] = time.monotonic) -> None:
        self.line, self.clock = line, clock
        self.began: tuple[float, float] | None = None
        """When the phase began to tell its share, and what it was then."""
        self.last = 0.0
        self.written: float | None = None

    def report(self, phase: str, share: float | None) -> None:
        now = self.clock()
        if share is None:
            self.began = None
            if not self.line.terminal:
                return
        elif self.began is None or share < self.last:
            self.began = (now, share)
        self.last = share or 0.0
        if not self.line.terminal and self.written is not None and now - self.written < _SELDOM:
            return
        self.written = now
        self.line.show(self._left(now, share) + phase)

    def _left(self, now: float, share: float | None) -> str:
        """Comes first, as a terminal may be too narrow for the rest."""
        if share is None or self.began is None:
            return ""
        seconds, done = now - self.began[0], share - self.began[1]
        if seconds < _SURE or done <= 0:
            return f"{100 * share:.0f} %: "
        left = seconds / done * (1 - share)
        words = f"{left / 60:,.0f} min" if left >= 90 else f"{left:.0f} s"
        return f"{100 * share:.0f} %, about {words} left: "


class Counting:
    """How many logs were read, how fast, and how long it will take: on a terminal, once it takes longer than two seconds."""

    PATIENCE, OFTEN = 2.0, 0.2

    def __init__(self, line: Line, total: Callable[[], int | None]) -> None:
        self.line = line
        self.began = time.monotonic()
        self.shown = 0.0
        self.total: int | None = None
        """Of files; counted beside, as it takes a while."""
        if line.terminal:
            threading.Thread(target=self._count, args=(total,), daemon=True).start()

    def _count(self, total: Callable[[], int | None]) -> None:
        self.total = total()

    def __enter__(self) -> Counting:
        return self

    def __exit__(self, *_: object) -> None:
        if self.shown:
            self.line.clear()

    def report(self, tally: Tally) -> None:
        now = time.monotonic()
        if not self.line.terminal or now - self.began < self.PATIENCE or now - self.shown < self.OFTEN:
            return
        self.shown = now
        self.line.show(self.words(tally, now - self.began))

    def words(self, tally: Tally, seconds: float) -> str:
        """`[####      ] 42 %, 34 s left: 4,200 logs, 2,100 logs/s, 10 MB/s`"""
        rate = f"{tally.logs:,} logs, {tally.logs / seconds:,.0f} logs/s, {tally.bytes / seconds / 1e6:,.0f} MB/s"
        done, total = tally.files + tally.unchanged, self.total
        if not total or done > total:
            return rate
        bar = "#" * int(20 * done / total)
        files = total - done
        left = f", about {files * seconds / tally.files:,.0f} s left" if tally.files else ""
        return f"[{bar:<20}] {100 * done / total:.0f} %{left}: {rate}"

"""Tells apart what several processors print at once, where no caller id does (CONFIG_PRINTK_CALLER, since 5.1).

A processor that prints with interrupts off (sysrq-t) may go on with the clock of when it began, while another one prints
an OOM report with the present time: seen with Debian's 6.1 on two processors.  A clock that runs backwards then means
another printer, and no printer's own lines run backwards.

    [   56.478966]  rescuer_thread+0x2ae/0x3a0            the dump
    [   56.512441] churn8 invoked oom-killer: ...         the other processor
    [   56.478966]  kthread+0xda/0x100                    the dump again
"""

from __future__ import annotations

from collections.abc import Sequence

FAR = 30.0
"""Seconds: a clock that leaps further and comes back was a damaged digit, not another printer."""
_SILENT = 400
"""Lines after which a printer that printed none of them is forgotten."""
_MANY = 4
"""Printers told apart at once; more would be a log whose times mean nothing."""


class Lanes:
    """The printers without caller id, by the last time that each printed; the first is called None."""

    def __init__(self) -> None:
        self.current: str | None = None
        self.now = float("-inf")
        """The last time of the current printer."""
        self.before = self.now
        """Its time before it last leapt ahead."""
        self.several = False
        self._times: dict[str | None, float] = {}
        self._lines: dict[str | None, int] = {}
        self._count = 0

    def likely(self, time: float) -> list[str | None]:
        """The printers that a line of this time can be of, of several; the nearest in time is the likeliest."""
        times = self._times
        fitting = sorted((lane for lane, at in times.items() if at <= time), key=lambda lane: -times[lane])
        if not fitting or time - times[fitting[0]] > FAR:
            return [self.current]
        return fitting

    def took(self, lane: str | None, time: float, number: int) -> list[str | None]:
        """Notes whose line it was, of several; gives those that have been silent for long and are now forgotten."""
        if abs(time - self._times[lane]) <= FAR:
            self._times[lane] = time
        self.current, self.now = lane, self._times[lane]
        self._lines[lane] = number
        silent = [one for one, last in self._lines.items() if number - last > _SILENT]
        for one in silent:
            del self._times[one], self._lines[one]
        self.several = len(self._times) > 1
        return silent

    def passed(self, times: Sequence[float]) -> None:
        """Lines of the only printer, which never go back among themselves and belong to no report."""
        if 0 <= times[0] - self.now <= FAR and times[-1] - self.now <= FAR:
            self.now = times[-1]
            return
        for time in times:
            if time - self.now > FAR:
                self.before = self.now
            self.now = time

    def damaged(self, time: float) -> bool:
        """Whether the line before had a damaged time: it leapt ahead, and this one is back where it was."""
        return self.now - time > FAR and 0 <= time - self.before <= FAR

    def begin(self, time: float, number: int) -> str | None:
        """Another printer, whose clock is behind; the current one where that cannot be."""
        if len(self._times) >= _MANY or self.now - time > FAR:
            self.now = time
            return self.current
        self._times[self.current] = self.now
        self._lines.setdefault(self.current, number)
        self._count += 1
        lane = f"lane {self._count}"
        self._times[lane], self._lines[lane] = time, number
        self.current, self.now, self.several = lane, time, True
        return lane

"""Where one boot ends and the next begins in a log that holds several.

Signs: the framing says so (journald), `Linux version` at a time near 0, printk's clock back near 0. No sign:
timestamps a few seconds out of order (per-processor clocks before they are synchronised, late console output),
or one garbled number: a fall of the clock counts only where the lines after it agree.
"""

from __future__ import annotations

from collections.abc import Sequence

from unkillable.klog.limits import MAX_NAMES

BANNER = "Linux version "
EARLY = 10.0
"""Seconds: the banner is printed at 0.000000; architectures whose clock runs before the kernel show a few."""
REPLAY = 2.0
"""Seconds: an early console's text is printed once more by the real one (keep_bootcon, or both on one line), which
takes over within this; a banner after a later line is a boot that died early."""
JITTER = 10.0
"""Seconds by which timestamps may go back within one boot."""
NEAR_ZERO = 30.0
"""Seconds after boot that count as its beginning where the first lines are lost (a fraction of the time reached
counts too: a network console starts late)."""
APART = 50
"""Lines after a boot's beginning from which an untimed banner begins another one; some architectures print a few
lines before it."""


class Boots:
    """Numbers the boots of one source."""

    def __init__(self) -> None:
        self.number = 0
        self._last = 0
        self._named: dict[str, int] = {}
        self._name: str | None = None
        self._begin()

    def _begin(self, line: int = 0) -> None:
        self._first_line = line
        self._banner = False
        self._kernel_lines = False
        self._newest = -1.0
        self.floor = -1.0
        """A time below this went back by more than jitter: `fell` tells whether it may be another boot's."""

    def _next(self, line: int) -> None:
        self._last = self.number = self._last + 1
        self._begin(line)

    def named(self, name: str, line: int) -> None:
        """The framing names the boot that the following lines belong to."""
        if name == self._name:
            return
        known = self._named.get(name)
        if known is not None and name != "Reboot":
            self.number = known
            self._begin(line)
        elif self._kernel_lines or self._named:
            self._next(line)
        self._name = name if name != "Reboot" else None
        if len(self._named) < MAX_NAMES:
            self._named[name] = self.number

    def fell(self, time: float) -> bool:
        """Whether `time` looks like another boot's beginning; the caller checks the lines that follow."""
        return time < self.floor and time <= max(NEAR_ZERO, self.floor / 10)

    def agrees(self, time: float) -> bool:
        """Whether a following line's time supports what `fell` suspects."""
        return time < self.floor

    def see(self, line: int, text: str, time: float | None, confirmed: bool) -> int:
        """Take note of a kernel line and return the number of its boot.

        `confirmed`: its time fell and the lines after it agree.
        """
        if confirmed:
            self._next(line)
        elif text.startswith(BANNER):
            self._see_banner(line, time)
        self._kernel_lines = True
        if time is not None:
            before = self._newest
            self._newest = time
            self.floor = (before if 0 <= before < time else time) - JITTER
        return self.number

    def passed(self, line: int, times: Sequence[bytes]) -> None:
        """Take note of kernel lines from line `line` on, none a banner, whose times never fall."""
        self.see(line, "", float(times[0]), confirmed=False)
        for time in times[1:][-2:]:  # only the last two count
            self.see(line, "", float(time), confirmed=False)

    def _see_banner(self, line: int, time: float | None) -> None:
        if time is None:
            another = self._kernel_lines and (self._banner or line - self._first_line > APART)
        else:
            another = time < EARLY and self._newest > time + REPLAY
        if another:
            self._next(line)
        self._banner = True

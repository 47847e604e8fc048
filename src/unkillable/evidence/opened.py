"""The reports that are being read: one for each printer, and the one that the last head cut short."""

from __future__ import annotations

from collections.abc import Sequence

from unkillable.evidence.lanes import FAR, Lanes
from unkillable.evidence.mixing import Mixing, may_mix, stack_of
from unkillable.evidence.table import Section
from unkillable.klog.record import Record

_CALLERS = 64  # reports open at once, one per printer
_IDLE = 1_000  # lines that no open report took: a printer that falls silent must not hold up the fast scan


class Opened:
    """Offers each line to the report of whoever printed it."""

    def __init__(self) -> None:
        self.sections: dict[str | None, Section] = {}
        self.key: str | None = None
        """Who printed the line at hand."""
        self._fed: dict[str | None, float] = {}
        """The time of the last line that a report took."""
        self._parked: tuple[Section, float] | None = None
        """The report that the current one has cut short, and the time of its last line."""
        self._lanes = Lanes()
        self._mixing = Mixing()
        self._strays: dict[str | None, int] = {}
        """How many lines in a row an open report has refused."""
        self._idle = 0
        """How many lines in a row no open report took, whoever printed them."""

    def feed(self, record: Record) -> bool:
        """Whether an open report took the line."""
        key, time = record.caller, record.time
        if key is None:
            lanes = self._lanes
            if time is None:
                key = lanes.current
            elif not lanes.several and time >= lanes.now:
                if time - lanes.now > FAR:
                    lanes.before = lanes.now
                lanes.now = time
                key = lanes.current
            elif lanes.several:
                return self._feed_several(record, time)
            else:
                key = self._backwards(time, record.number)
        self.key = key
        section = self.sections.get(key)
        if section is None:
            return False
        if section.feed(record):
            self._took(key, time)
            return True
        return self._feed_parked(section, record)

    def passed(self, number: int, times: Sequence[float]) -> None:
        """Lines from line `number` on, of no caller, that never go back in time, while no report is open: as if each was offered."""
        lanes = self._lanes
        if lanes.several:
            for at, time in enumerate(times, number):
                self._note(lanes.likely(time)[0], time, at)
        else:
            lanes.passed(times)
            self.key = lanes.current

    def _took(self, key: str | None, time: float | None) -> None:
        if time is not None:
            self._fed[key] = time
        self._idle = 0
        if self._strays:
            self._strays.pop(key, None)

    def _feed_parked(self, section: Section, record: Record) -> bool:
        """A report without a trace (Mem-Info) refuses frames: they go on with the trace that its head cut."""
        if self._parked is None or stack_of(section) is not None or record.caller is not None:
            return False
        parked, _ = self._parked
        if not parked.feed(record):
            return False
        self._idle = 0
        if record.time is not None:
            self._parked = parked, record.time
        return True

    def _feed_several(self, record: Record, time: float) -> bool:
        first, *rest = self._lanes.likely(time)
        section = self.sections.get(first)
        if section is not None and section.feed(record):
            may_mix(section, [self.sections.get(lane) for lane in rest])
            self._note(first, time, record.number)
            self._took(first, time)
            return True
        for lane in rest:
            # By its form a line may be another's after all (a table's row), but any trace takes any frame.
            section = self.sections.get(lane)
            if section is not None and stack_of(section) is None and section.feed(record):
                self._note(lane, time, record.number)
                self._took(lane, time)
                return True
        self._note(first, time, record.number)
        return False

    def _note(self, lane: str | None, time: float, number: int) -> None:
        self.key = lane
        for silent in self._lanes.took(lane, time, number):
            if silent in self.sections:
                self._close(silent, number)

    def _backwards(self, time: float, number: int) -> str | None:
        """Whose line it is, when the clock of the only printer known runs backwards."""
        lanes = self._lanes
        current = lanes.current
        if lanes.damaged(time) or self._fed.get(current, float("inf")) <= time:
            lanes.now = time  # a damaged time, or a line between that no report took
            return current
        parked = self._parked
        if parked is None or parked[1] > time:
            lanes.now = time
            return current
        lane = lanes.begin(time, number)
        if lane != current:
            self._parked = None
            self.sections[lane], self._fed[lane] = parked
            self._mixing.parted(current, parked[0], self.sections.get(current))
        return lane

    def open(self, section: Section, record: Record) -> None:
        """The head of another report of the same printer."""
        key, number = self.key, record.number
        self._unpark()
        old = self.sections.pop(key, None)
        if old is not None:
            self._strays.pop(key, None)
            self._mixing.ends(key, old, number)
            if record.caller is None:
                self._parked = old, self._fed.get(key, float("inf"))
            else:
                old.close()
        if len(self.sections) >= _CALLERS:
            self._close(next(iter(self.sections)), number)
        self._mixing.begins(key, section, number)
        self.sections[key] = section
        if record.time is not None:
            self._fed[key] = record.time
        self._idle = 0

    def _unpark(self) -> None:
        if self._parked is not None:
            self._parked[0].close()
            self._parked = None

    def _close(self, key: str | None, number: int) -> None:
        self._unpark()
        section = self.sections.pop(key)
        self._strays.pop(key, None)
        self._fed.pop(key, None)
        self._mixing.ends(key, section, number)
        section.close()

    def refused(self, record: Record) -> None:
        """A line that no report took; too many of them end one."""
        if self.sections:
            self._idle += 1
            if self._idle > _IDLE:
                self.close_all(record.number)

    def stray(self, number: int) -> None:
        """A line that no format knows either."""
        section = self.sections.get(self.key)
        if section is not None:
            self._strays[self.key] = self._strays.get(self.key, 0) + 1
            if self._strays[self.key] > section.patience:
                self._close(self.key, number)

    def close_all(self, number: int = 0) -> None:
        for key in list(self.sections):
            self._close(key, number)
        self._unpark()

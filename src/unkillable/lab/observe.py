"""From the watcher's lines to facts: beats, kills, exits, samples.  The guest is not trusted: everything is bounded."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from unkillable.lab.types import BadFile, Beat, Exit, Kill, ReadBack, Sample

MOST = 100_000
"""Facts of a kind that are kept: a beat a second is a day."""
_TEXT = 256
"""Characters of a name or message."""
_COUNTERS = (
    "free", "available", "file", "swap_free", "majflt", "scan", "steal", "oom", "psi_some", "psi_full",
)  # fmt: skip
_SIGKILL = 9


class Reading(msgspec.Struct, frozen=True):
    """All files of the image, once."""

    files: int
    kib: int
    bad: int


class Observed(msgspec.Struct):
    """What the watcher said so far; `feed` adds a line."""

    release: str | None = None
    ready: float | None = None
    """Guest time at which the workload was started."""
    now: float = 0.0
    """Guest time of the last line."""
    pulses: int = 0
    last_pulse: float | None = None
    pulse_gap: float = 0.0
    traced: bool = False
    beats: list[Beat] = []
    failed_beats: int = 0
    """Canaries that ended otherwise than with status 0: killed, or out of memory."""
    exits: list[Exit] = []
    samples: list[Sample] = []
    names: dict[int, str] = {}
    """The workload's processes: pid to name."""
    marks: dict[int, tuple[float, str]] = {}
    """Pids that were sent SIGKILL: when, and `oom` or `user`."""
    gone: dict[int, tuple[float, str | None]] = {}
    """Pids that exited, by the trace: when, and the name."""
    dead: dict[int, float] = {}
    """Pids whose exit was told to their parent, by the trace: from then on they are zombies without memory."""
    failures: list[str] = []
    fatal: str | None = None
    """A directive failed without which nothing can go on."""
    kmsg: list[str] = []
    readings: dict[str, Reading] = {}
    """Of the image's files: `before`, `cached`, `fresh`."""
    bad: list[BadFile] = []
    left: int = 0
    """Processes that were still there when the files were read again."""
    worked: list[int] = []
    """Pages of the measurement of the machine's speed so far, at each of its lines."""
    done: set[str] = set()
    """Commands that the watcher has finished."""
    strange: int = 0
    """Lines that are not the watcher's."""

    def feed(self, line: bytes) -> None:
        try:
            row = msgspec.json.decode(line)
            moment = float(row["t"])
            handle = _HANDLERS[row["ev"]]
        except (msgspec.DecodeError, KeyError, TypeError, ValueError):
            self.strange += 1
            return
        if not (math.isfinite(moment) and 0 <= moment < 1e7):
            self.strange += 1
            return
        try:
            handle(self, moment, row)
        except (KeyError, TypeError, ValueError, OverflowError):
            self.strange += 1
            return
        self.now = max(self.now, moment)

    def read_back(self) -> ReadBack | None:
        """None where the files were not read before the workload."""
        before = self.readings.get("before")
        if before is None:
            return None
        later = [self.readings[name] for name in ("cached", "fresh") if name in self.readings]
        stuck = sum(one.why == "stuck" for one in self.bad)
        return ReadBack(
            files=before.files,
            kib=before.kib,
            bad=before.bad + sum(one.bad for one in later) + stuck,
            named=tuple(self.bad),
            missing=max((before.files - one.files for one in later), default=0),
            left=self.left,
            complete=len(later) == 2,
        )

    def kills(self) -> tuple[Kill, ...]:
        """Everybody who was sent SIGKILL, with the moment he was gone."""
        reaped: dict[int, float] = {}
        for one in self.exits:
            reaped.setdefault(one.pid, one.at)
        found = []
        for pid, (at, by) in self.marks.items():
            left, comm = self.gone.get(pid, (None, None))
            # sched_process_exit moved before exit_mm() between 6.12 and 7.2, so it is only the last resort; the supervisor,
            # which may itself stand still, reaps late, and of a process with threads `dead` names the last thread.
            ends = (self.dead.get(pid), reaped.get(pid), left)
            end = next((moment for moment in ends if moment is not None and moment >= at), None)
            found.append(Kill(pid, comm or self.names.get(pid), at, end, by))
        return tuple(sorted(found, key=lambda kill: kill.killed_at))


def _number(row: Mapping[str, Any], key: str) -> float:
    value = float(row[key])
    if not (math.isfinite(value) and abs(value) < 1e15):
        raise ValueError(key)
    return value


def _text(row: Mapping[str, Any], key: str) -> str:
    return str(row[key])[:_TEXT]


def _hello(seen: Observed, _: float, row: Mapping[str, Any]) -> None:
    seen.release = _text(row, "release")


def _fail(seen: Observed, _: float, row: Mapping[str, Any]) -> None:
    text = f"{_text(row, 'what')}: {_text(row, 'why')}"
    if len(seen.failures) < 100:
        seen.failures.append(text)
    if row.get("fatal") and seen.fatal is None:
        seen.fatal = text


def _ready(seen: Observed, moment: float, row: Mapping[str, Any]) -> None:
    if seen.ready is None:
        seen.ready = moment
        seen.traced = bool(row.get("trace"))


def _pulse(seen: Observed, moment: float, _: Mapping[str, Any]) -> None:
    seen.pulses += 1
    if seen.last_pulse is not None and seen.ready is not None:
        seen.pulse_gap = max(seen.pulse_gap, moment - seen.last_pulse)
    seen.last_pulse = moment


def _beat(seen: Observed, _: float, row: Mapping[str, Any]) -> None:
    if row["status"] != 0:
        seen.failed_beats += 1
    elif len(seen.beats) < MOST:
        seen.beats.append(Beat(_number(row, "at"), _number(row, "took")))


def _start(seen: Observed, _: float, row: Mapping[str, Any]) -> None:
    if len(seen.names) < MOST:
        seen.names[int(row["pid"])] = _text(row, "who")


def _exit(seen: Observed, moment: float, row: Mapping[str, Any]) -> None:
    at = _number(row, "at") if "at" in row else moment
    if len(seen.exits) < MOST:
        seen.exits.append(
            Exit(at, _text(row, "who"), int(row["pid"]), int(row.get("signal", 0)), int(row.get("status", 0)))
        )


def _sample(seen: Observed, moment: float, row: Mapping[str, Any]) -> None:
    if len(seen.samples) < MOST:
        seen.samples.append(Sample(moment, *(int(_number(row, key)) for key in _COUNTERS)))


def _trace(seen: Observed, _: float, row: Mapping[str, Any]) -> None:
    at, pid, what = _number(row, "at"), int(row["pid"]), row["what"]
    if len(seen.marks) > MOST or len(seen.gone) > MOST:
        return
    if what == "mark_victim":
        first, by = seen.marks.get(pid, (at, "oom"))
        # SIGKILL is sent just after the mark; a process of the same pid much later is another one.
        seen.marks[pid] = (min(first, at), "oom") if at - first < 1 or by == "user" else (at, "oom")
    elif what == "kill":
        seen.marks.setdefault(pid, (at, "user"))
    elif what == "dead":
        seen.dead[pid] = at
    elif what == "exit":
        seen.gone[pid] = (at, str(row["comm"])[:_TEXT] if row.get("comm") else None)


def _reading(seen: Observed, _: float, row: Mapping[str, Any]) -> None:
    counts = [int(_number(row, key)) for key in ("files", "kib", "bad")]
    if len(seen.readings) < 10:
        seen.readings[_text(row, "pass")] = Reading(*counts)


def _bad(seen: Observed, _: float, row: Mapping[str, Any]) -> None:
    if len(seen.bad) < 100:
        seen.bad.append(BadFile(str(row["path"])[:4096], _text(row, "why"), _text(row, "pass")))


def _stopped(seen: Observed, _: float, row: Mapping[str, Any]) -> None:
    seen.left = int(_number(row, "left"))


def _kmsg(seen: Observed, _: float, row: Mapping[str, Any]) -> None:
    if len(seen.kmsg) < MOST:
        seen.kmsg.append(f"<{int(row['level'])}>[{_number(row, 'at'):12.6f}] {str(row['text'])[:4096]}")


def _done(seen: Observed, _: float, row: Mapping[str, Any]) -> None:
    if len(seen.done) < 100:
        seen.done.add(_text(row, "what"))


def _speed(seen: Observed, _: float, row: Mapping[str, Any]) -> None:
    if len(seen.worked) < 100 and seen.ready is None:
        seen.worked.append(int(_number(row, "pages")))


def _nothing(seen: Observed, _: float, row: Mapping[str, Any]) -> None:
    """A line that only a reader of the log needs."""


_HANDLERS: dict[str, Callable[[Observed, float, Mapping[str, Any]], None]] = {
    "hello": _hello, "fail": _fail, "ready": _ready, "pulse": _pulse, "beat": _beat, "start": _start,
    "exit": _exit, "sample": _sample, "trace": _trace, "kmsg": _kmsg, "done": _done, "room": _nothing,
    "note": _nothing, "readback": _reading, "bad": _bad, "stopped": _stopped, "speed": _speed,
}  # fmt: skip


class Stall(msgspec.Struct, frozen=True):
    """A time without an answer of the canary."""

    began: float
    seconds: float
    """Less the canary's period: what a user waits beyond the usual."""
    ended: bool = True


def stalls(beats: list[Beat], began: float, now: float, period: float = 1.0) -> tuple[Stall, ...]:
    """The gaps between answers, from `began` to `now`; the last is open."""
    found = []
    last = began
    for beat in beats:
        answered = beat.at + beat.took
        if answered <= began:
            continue
        found.append(Stall(last, max(answered - last - period, 0.0)))
        last = answered
    found.append(Stall(last, max(now - last - period, 0.0), ended=False))
    return tuple(found)

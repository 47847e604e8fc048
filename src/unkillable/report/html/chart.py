"""The timeline as SVG: one lane for each kind of event, bars for what lasted.

Drawn by a template like the page around it: rectangles and lines need no drawing library, and the template
gets escaping, the page's colours and dark mode for nothing.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence

import msgspec

from unkillable.diagnosis.types import Diagnosis, Event
from unkillable.report.html.templates import fill, style

__all__ = ["draw"]

_WIDTH, _LABELS, _RIGHT, _LANE, _TOP, _AXIS = 960.0, 205.0, 24.0, 27.0, 8.0, 26.0
"""Pixels, as all lengths here; labels stand left of the plot."""
_TOGETHER = 9.0
"""Marks closer than this become one with a number."""
_BARS = 12
"""Hung tasks with a lane of their own."""
_LATEST = 1e10
"""Seconds; what is later (300 years) is not a time since boot."""

_LANES: dict[str, tuple[str, str, str]] = {
    "boot": ("Boot", "cool", "square"),
    "oom": ("OOM killer called", "warn", "diamond"),
    "kill:exited": ("Killed, and gone", "good", "circle"),
    "kill:reaped": ("Killed, memory freed", "good", "circle"),
    "kill:stuck": ("Killed, does not die", "bad", "cross"),
    "kill:unknown": ("Killed, fate not shown", "warn", "triangle"),
    "reap": ("oom_reaper", "cool", "triangle"),
    "exit": ("Exits and fatal signals", "cool", "triangle"),
    "alloc": ("Failed allocations", "warn", "diamond"),
    "error": ("I/O and read errors", "bad", "square"),
    "lockup": ("Lockups", "bad", "square"),
    "crash": ("Crashes", "bad", "cross"),
    "dump": ("Task and memory dumps", "cool", "square"),
}
"""Title, colour and shape of a lane; the title says what the colour means."""

_SHAPES = {
    "circle": "M-5 0a5 5 0 1 0 10 0a5 5 0 1 0-10 0z",
    "square": "M-4.5-4.5h9v9h-9z",
    "diamond": "M0-6.5 6 0 0 6.5-6 0z",
    "triangle": "M0-6 6 5-6 5z",
    "cross": "M-6-3.5-3.5-6 0-2.5 3.5-6 6-3.5 2.5 0 6 3.5 3.5 6 0 2.5-3.5 6-6 3.5-2.5 0z",
}


class Mark(msgspec.Struct, frozen=True):
    x: float
    count: int
    text: str


class Bar(msgspec.Struct, frozen=True):
    x: float
    width: float
    text: str


class Lane(msgspec.Struct, frozen=True):
    title: str
    colour: str
    shape: str
    marks: tuple[Mark, ...] = ()
    bars: tuple[Bar, ...] = ()


class Tick(msgspec.Struct, frozen=True):
    x: float
    text: str


class Scale:
    """Seconds to pixels."""

    def __init__(self, times: Sequence[float]) -> None:
        self.first, self.last = min(times), max(times)
        self.span = max(self.last - self.first, 1e-3)
        self.room = _WIDTH - _LABELS - _RIGHT

    def x(self, time: float) -> float:
        return round(_LABELS + (time - self.first) / self.span * self.room, 1)

    def ticks(self) -> list[Tick]:
        """Four to nine round numbers."""
        power = 10 ** math.floor(math.log10(self.span))
        step = next(power * factor for factor in (0.1, 0.2, 0.5, 1, 2) if self.span / (power * factor) <= 9)
        digits = max(0, -math.floor(math.log10(step)))
        number = math.ceil(self.first / step)
        found: list[Tick] = []
        while number * step <= self.last and len(found) < 12:
            found.append(Tick(self.x(number * step), f"{number * step:,.{digits}f} s"))
            number += 1
        return found


def _known(time: float | None) -> bool:
    return time is not None and math.isfinite(time) and abs(time) < _LATEST


def draw(diagnosis: Diagnosis, standalone: bool = True) -> str:
    """SVG text, or nothing where there are not two points in time."""
    timed = [event for event in diagnosis.timeline if _known(event.time)]
    times = [
        time for event in timed for time in (event.time, event.until) if time is not None and _known(time)
    ]
    if len(set(times)) < 2:
        return ""
    scale = Scale(times)
    lanes = [*_mark_lanes(diagnosis, timed, scale), *_hung_lanes(timed, scale)]
    height = _TOP + len(lanes) * _LANE + _AXIS
    return fill(
        "timeline.svg.html",
        lanes=lanes,
        ticks=scale.ticks(),
        shapes=_SHAPES,
        width=_WIDTH,
        height=height,
        labels=_LABELS,
        right=_WIDTH - _RIGHT,
        top=_TOP,
        lane_height=_LANE,
        first=scale.first,
        last=scale.last,
        css=style("picture.css") if standalone else None,
    )


def _mark_lanes(diagnosis: Diagnosis, timed: Sequence[Event], scale: Scale) -> list[Lane]:
    fates = {(victim.pid, victim.killed_at): victim.fate for victim in diagnosis.victims}
    by_lane: dict[str, list[Event]] = defaultdict(list)
    for event in timed:
        if event.kind == "hung":
            continue
        name = event.kind
        if name == "kill" and event.pid is not None:
            name = f"kill:{fates.get((event.pid, event.time), 'unknown')}"
        by_lane[name].append(event)
    lanes = []
    for name in [
        *(name for name in _LANES if name in by_lane),
        *(name for name in by_lane if name not in _LANES),
    ]:
        title, colour, shape = _LANES.get(name, (name[:24], "cool", "circle"))
        spans = tuple(_bar(event, scale) for event in by_lane[name] if _known(event.until))
        lanes.append(Lane(title, colour, shape, _marks(by_lane[name], scale), spans))
    return lanes


def _bar(event: Event, scale: Scale) -> Bar:
    start, end = scale.x(event.time or 0.0), scale.x(event.until or 0.0)
    return Bar(min(start, end), round(max(abs(end - start), 2.0), 1), event.text)


def _marks(events: Sequence[Event], scale: Scale) -> tuple[Mark, ...]:
    """Events that would cover each other become one mark."""
    groups: list[list[tuple[float, Event]]] = []
    for x, event in sorted(
        ((scale.x(event.time or 0.0), event) for event in events), key=lambda item: item[0]
    ):
        if groups and x - groups[-1][0][0] < _TOGETHER:
            groups[-1].append((x, event))
        else:
            groups.append([(x, event)])
    return tuple(
        Mark(
            group[0][0],
            len(group),
            "; ".join(f"{event.time:.3f} s: {event.text[:200]}" for _, event in group[:5]),
        )
        for group in groups
    )


def _hung_lanes(timed: Sequence[Event], scale: Scale) -> list[Lane]:
    """One bar a task, from the time it last moved to the last report of it."""
    reports: dict[object, list[Event]] = defaultdict(list)
    for number, event in enumerate(timed):
        if event.kind == "hung":
            reports[event.pid if event.pid is not None else ("?", number)].append(event)
    bars = []
    for events in reports.values():
        start = min(event.time for event in events if event.time is not None)
        end = max(
            (event.until for event in events if event.until is not None and _known(event.until)),
            default=start,
        )
        bars.append(
            (Event(start, "hung", events[-1].text, until=end), events[0].text.partition(" blocked ")[0])
        )
    bars.sort(key=lambda item: item[0].time or 0.0)
    lanes = [
        Lane(f"Hung: {name[:20]}", "bad", "square", bars=(_bar(event, scale),))
        for event, name in bars[:_BARS]
    ]
    if rest := bars[_BARS:]:
        lanes.append(
            Lane(
                f"Hung: {len(rest)} more",
                "bad",
                "square",
                bars=tuple(_bar(event, scale) for event, _ in rest),
            )
        )
    return lanes

"""How a shortage of memory ended, as far as the log goes: by a kill, by itself, or not before the log does.

A log is a window. What still lasted at its last line may end a second later, and what the kernel prints does not say
that nothing would ever have helped; so the first line names the end that was seen, or that none was.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from unkillable.diagnosis import memory as shortage
from unkillable.diagnosis.case import Case
from unkillable.diagnosis.types import Quote, Statement, Victim, Waiter

_GRACE = 0.5
"""Seconds that a killed process may need to go: what is printed meanwhile is of the time before."""


class Ending(msgspec.Struct, frozen=True):
    """What ended the shortage."""

    kind: str
    """killed: an OOM kill, and nothing afterwards shows a shortage; unseen: an OOM kill of which the log does not show
    what it did; again: short again after the last kill; eased: enough memory later, without a kill; open: no end."""
    at: float | None = None
    """Seconds since boot of the end; for `open` and `again` of the last line."""
    lasted: float | None = None
    """Seconds from the first sign of the shortage to the end: at least so long."""
    victim: Victim | None = None
    kills: int = 0
    crawls: bool = False
    """Tasks came back to user space while it lasted."""

    @property
    def over(self) -> bool:
        """Whether the shortage is told as past: it ended, or its only sightings are before a kill."""
        return self.kind in ("killed", "eased") or (self.kind == "unseen" and self.kills == 1)


def ending(case: Case, readers: Sequence[Waiter]) -> Ending:
    """How the shortage ended that the readers suffer from."""
    kills = case.victims
    last = kills[-1] if kills else None
    # Each kill may have given a pause that nobody looked at: what lasted began after the one before.
    since = max((one.killed_at or 0.0 for one in kills[:-1]), default=0.0)
    began = min((time for time in _signs(case, readers) if time >= since), default=None)
    if case.memory.short is False:
        at = next((one.time for one in case.evidence.meminfos if one.line == case.memory.line), None)
        return Ending("eased", at, _span(began, at), last, len(kills))
    if last is None:
        return Ending("open", case.evidence.last_time, crawls=bool(case.moved))
    if _short_after(case, last):
        return Ending("again", case.evidence.last_time, None, last, len(kills))
    kind = "killed" if last.fate in ("exited", "reaped") else "unseen"
    return Ending(kind, last.killed_at, _span(began, last.killed_at), last, len(kills))


def eased(case: Case, readers: Sequence[Waiter]) -> bool:
    """Whether memory was short while the readers were stuck for long, and is not any more at the last block.

    Without the readers' having been stuck for long, a short block before an ample one is any busy machine.
    """
    line = case.memory.line
    short = [one.line for one in case.evidence.meminfos if shortage.assess(one).short]
    stuck = [one for one in readers if one in case.persistent]
    return bool(line and short and stuck and max(short) < line) and all(
        quote.line < line for one in stuck for quote in one.lines
    )


def statement(found: Ending, case: Case) -> Statement:
    """The end, with the lines that show it."""
    at = f" at {found.at:.1f} s" if found.at is not None else ""
    victim = found.victim
    if found.kind == "eased":
        block = case.memory
        lines = block.zones or (Quote(block.line, block.text.strip() or "Mem-Info"),)
        return Statement(f"memory was not short any more{at}", False, lines)
    if found.kind in ("killed", "unseen") and victim is not None:
        who = f"{victim.comm}/{victim.pid}"
        printed = _printed_after(case, victim)
        if found.kind == "killed":
            text = f"after the kill of {who} nothing shows a shortage any more"
        elif printed:
            text = f"after the kill of {who} a program printed again, and nothing shows a shortage"
        else:
            text = f"the log does not show whether the kill of {who} ended the shortage"
        return Statement(text, False, (*victim.lines, *printed))
    return Statement(f"the shortage had not ended when the log did{at}; whether it ended later is not known")


def _printed_after(case: Case, kill: Victim) -> tuple[Quote, ...]:
    line = kill.lines[0].line if kill.lines else 0
    fact = case.evidence.printed
    return (Quote(fact.line, fact.text.strip()),) if fact is not None and fact.line > line else ()


def _span(began: float | None, at: float | None) -> float | None:
    return at - began if began is not None and at is not None and at > began else None


def _signs(case: Case, readers: Sequence[Waiter]) -> Iterator[float]:
    """Times at which the shortage was seen: short blocks, and sightings of the tasks that suffer."""
    for info in case.evidence.meminfos:
        if info.time is not None and shortage.assess(info).short:
            yield info.time
    for one in case.chosen:
        if one.waiter not in readers:
            continue
        if one.subject.hung_since is not None:
            yield one.subject.hung_since
        if one.view.sighting.time is not None:
            yield one.view.sighting.time


def _short_after(case: Case, kill: Victim) -> bool:
    """Whether anything printed after the kill shows memory short, or a task that still waits for it."""
    line = kill.lines[0].line if kill.lines else 0
    since = kill.killed_at

    def later(at_line: int, time: float | None) -> bool:
        return at_line > line and (time is None or since is None or time >= since + _GRACE)

    blocks = (one for one in case.evidence.meminfos if shortage.assess(one).short)
    reports = (*case.evidence.hung, *(one for one in case.evidence.allocs if one.kind == "stall"))
    seen = (
        one.view.sighting
        for one in case.chosen
        if one.waiter.killable is False or one.waiter.role == "reclaims"
    )
    return any(later(one.line, one.time) for one in (*blocks, *reports, *seen))

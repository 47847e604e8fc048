"""What became of the processes that were sent SIGKILL.

A victim has *exited* when something later shows it gone: its exit, a later complete list of tasks without it,
its pid under another name.  It is *stuck* when it is seen asleep after the kill where SIGKILL cannot wake it, or
when the reaper says it could not free it.  Everything else is said to be unknown.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from unkillable.diagnosis.subjects import Subject, View, quote
from unkillable.diagnosis.types import Quote, Victim
from unkillable.evidence.types import Evidence, OomKill

_GRACE = 0.5
"""Seconds after the kill before a sighting says anything: the signal needs a moment."""


Sign = tuple[float | None, tuple[Quote, ...], int]
"""Time, lines and line number of what shows a victim gone."""


class _Dump(msgspec.Struct):
    """A list of all tasks: where it begins and ends, and whom it has."""

    line: int
    time: float | None
    last_line: int
    live: bool
    pids: set[int]

    def lacks(self, pid: int, last_line: int) -> bool:
        """Whether the pid is really not in it; a console that broke off in the middle proves nothing."""
        if pid in self.pids:
            return False
        return self.live or max(self.pids) > pid or last_line - self.last_line > _DUMP_TAIL


_DUMP_TAIL = 20
"""Lines after the last task of a list that show that the list was finished."""


class _Index:
    """All sightings by pid, and the complete lists of tasks; built once for all kills."""

    def __init__(self, evidence: Evidence, subjects: Sequence[Subject]) -> None:
        self.evidence = evidence
        self.by_pid: dict[int, list[tuple[Subject, View]]] = {}
        dumps: dict[int, _Dump] = {}
        for subject in subjects:
            for view in subject.views:
                seen = view.sighting
                for pid in {seen.pid, seen.tgid} - {None}:
                    self.by_pid.setdefault(pid or 0, []).append((subject, view))
                if seen.origin in ("sysrq-t", "proc", "vmcore") and seen.pid is not None:
                    live = seen.origin != "sysrq-t"
                    dump = dumps.setdefault(
                        seen.snapshot, _Dump(seen.line, seen.time, seen.line, live, set())
                    )
                    dump.line, dump.last_line = min(dump.line, seen.line), max(dump.last_line, seen.line)
                    dump.pids |= {pid for pid in (seen.pid, seen.tgid) if pid is not None}
        # init and kthreadd are in every complete list.
        self.dumps = [dump for dump in dumps.values() if {1, 2} <= dump.pids and len(dump.pids) > 5]


def judge(evidence: Evidence, subjects: Sequence[Subject]) -> tuple[Victim, ...]:
    """One entry for each kill, in order."""
    if not evidence.kills:
        return ()
    index = _Index(evidence, subjects)
    return tuple(_judge(index, kill) for kill in evidence.kills)


def _after(kill: OomKill, line: int, time: float | None, grace: float = 0.0) -> bool:
    if line and line <= kill.line:
        return False  # what a live system or a dump shows has no line: there time decides
    return not (time is not None and kill.time is not None and time < kill.time + grace)


def _judge(index: _Index, kill: OomKill) -> Victim:
    fate, at, quotes, waits_in = _fate(index, kill)
    return Victim(
        pid=kill.pid,
        comm=kill.comm,
        killed_at=kill.time,
        fate=fate,
        reason=kill.reason,
        fate_at=at,
        child_of=kill.chosen_pid if kill.chosen_pid != kill.pid else None,
        child_of_comm=kill.chosen_comm if kill.chosen_pid != kill.pid else None,
        anon_rss_kib=kill.anon_rss,
        waits_in=waits_in,
        lines=(Quote(kill.line, kill.text.strip()), *quotes),
    )


def _fate(index: _Index, kill: OomKill) -> tuple[str, float | None, tuple[Quote, ...], str | None]:
    gone = min(_signs_of_death(index, kill), key=lambda sign: sign[2], default=None)
    stuck = _stuck(index, kill)
    if stuck is not None and (gone is None or gone[2] < stuck[3]):
        return "stuck", stuck[0], stuck[1], stuck[2]
    reaps = [
        reap for reap in index.evidence.reaps if reap.pid == kill.pid and _after(kill, reap.line, reap.time)
    ]
    for reap in reaps:
        if not reap.success and gone is None:
            return "stuck", reap.time, (Quote(reap.line, reap.text.strip()),), None
    if gone is not None:
        return "exited", gone[0], gone[1], None
    for reap in reaps:
        if reap.success:
            return "reaped", reap.time, (Quote(reap.line, reap.text.strip()),), None
    return "unknown", None, (), None


def _stuck(index: _Index, kill: OomKill) -> tuple[float | None, tuple[Quote, ...], str | None, int] | None:
    """The last sighting of the victim (or a thread of it) asleep for good after the kill."""
    found = None
    for subject, view in index.by_pid.get(kill.pid, ()):
        seen = view.sighting
        if seen.origin == "oom-invoker" or not _after(kill, seen.line, seen.time, _GRACE):
            continue
        if view.asleep_for_good or (subject.hung and seen.origin == "hung-task"):
            wait = view.wait
            found = (seen.time, quote(seen, wait), wait.function if wait else None, seen.line)
    return found


def _signs_of_death(index: _Index, kill: OomKill) -> Iterator[Sign]:
    evidence = index.evidence
    for fact in evidence.exits:
        if fact.ended and fact.pid == kill.pid and _after(kill, fact.line, fact.time):
            yield fact.time, (Quote(fact.line, fact.text.strip()),), fact.line
    for report in evidence.ooms:
        # The table lists every process that still has an mm (mm/oom_kill.c dump_tasks()).
        whole = len(report.tasks) > 2 and not report.tasks_omitted and report.memcg is None
        listed = any(row.pid == kill.pid and row.comm == kill.comm for row in report.tasks)
        if whole and not listed and _after(kill, report.line, report.time):
            text = f"{report.text.strip()} ... its table of tasks no longer has {kill.pid}"
            yield report.time, (Quote(report.line, text),), report.line
    for dump in index.dumps:
        if _after(kill, dump.line, dump.time, _GRACE) and dump.lacks(kill.pid, evidence.last_line):
            yield dump.time, (Quote(dump.line, f"the list of all tasks no longer has {kill.pid}"),), dump.line
    for subject, view in index.by_pid.get(kill.pid, ()):
        seen = view.sighting
        if seen.pid == kill.pid and subject.comm != kill.comm and _after(kill, seen.line, seen.time, _GRACE):
            yield seen.time, quote(seen), seen.line

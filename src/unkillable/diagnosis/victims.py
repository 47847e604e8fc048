"""What became of the processes that were sent SIGKILL.

A victim has *exited* when something later shows it gone: its exit, a later complete list of tasks without it,
its pid under another name.  It is *stuck* when it is seen asleep after the kill where SIGKILL cannot wake it, or
when the reaper says it could not free it.  Everything else is said to be unknown.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from unkillable.diagnosis.subjects import Subject, quote
from unkillable.diagnosis.types import Quote, Victim
from unkillable.evidence.types import Evidence, OomKill

_GRACE = 0.5
"""Seconds after the kill before a sighting says anything: the signal needs a moment."""


def judge(evidence: Evidence, subjects: Sequence[Subject]) -> tuple[Victim, ...]:
    """One entry for each kill, in order."""
    return tuple(_judge(evidence, kill, subjects) for kill in evidence.kills)


def _after(kill: OomKill, line: int, time: float | None, grace: float = 0.0) -> bool:
    if line and line <= kill.line:
        return False  # what a live system or a dump shows has no line: there time decides
    return not (time is not None and kill.time is not None and time < kill.time + grace)


def _judge(evidence: Evidence, kill: OomKill, subjects: Sequence[Subject]) -> Victim:
    fate, at, quotes, waits_in = _fate(evidence, kill, subjects)
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


def _fate(
    evidence: Evidence, kill: OomKill, subjects: Sequence[Subject]
) -> tuple[str, float | None, tuple[Quote, ...], str | None]:
    gone = _gone(evidence, kill, subjects)
    stuck = _stuck(kill, subjects)
    if stuck is not None and (gone is None or gone[2] < stuck[3]):
        return "stuck", stuck[0], stuck[1], stuck[2]
    for reap in evidence.reaps:
        if reap.pid == kill.pid and not reap.success and _after(kill, reap.line, reap.time) and gone is None:
            return "stuck", reap.time, (Quote(reap.line, reap.text.strip()),), None
    if gone is not None:
        return "exited", gone[0], gone[1], None
    for reap in evidence.reaps:
        if reap.pid == kill.pid and reap.success and _after(kill, reap.line, reap.time):
            return "reaped", reap.time, (Quote(reap.line, reap.text.strip()),), None
    return "unknown", None, (), None


def _stuck(
    kill: OomKill, subjects: Sequence[Subject]
) -> tuple[float | None, tuple[Quote, ...], str | None, int] | None:
    """The last sighting of the victim (or a thread of it) asleep for good after the kill."""
    found = None
    for subject in subjects:
        if subject.pid != kill.pid and not any(view.sighting.tgid == kill.pid for view in subject.views):
            continue
        for view in subject.views:
            seen = view.sighting
            if seen.origin == "oom-invoker" or not _after(kill, seen.line, seen.time, _GRACE):
                continue
            if view.asleep_for_good or (subject.hung and seen.origin == "hung-task"):
                wait = view.wait
                found = (seen.time, quote(seen, wait), wait.function if wait else None, seen.line)
    return found


def _gone(
    evidence: Evidence, kill: OomKill, subjects: Sequence[Subject]
) -> tuple[float | None, tuple[Quote, ...], int] | None:
    """Time, lines and line number of the first thing after the kill that shows the victim gone."""
    return min(_signs_of_death(evidence, kill, subjects), key=lambda sign: sign[2], default=None)


def _signs_of_death(
    evidence: Evidence, kill: OomKill, subjects: Sequence[Subject]
) -> Iterator[tuple[float | None, tuple[Quote, ...], int]]:
    for fact in evidence.exits:
        if fact.ended and fact.pid == kill.pid and _after(kill, fact.line, fact.time):
            yield fact.time, (Quote(fact.line, fact.text.strip()),), fact.line
    for report in evidence.ooms:
        # The table lists every process that still has an mm (mm/oom_kill.c dump_tasks()).
        if (
            report.tasks
            and not report.tasks_omitted
            and report.memcg is None
            and _after(kill, report.line, report.time)
        ):
            names = {row.pid: row.comm for row in report.tasks}
            if names.get(kill.pid) != kill.comm and len(names) > 2:
                text = f"{report.text.strip()} ... its table of tasks no longer has {kill.pid}"
                yield report.time, (Quote(report.line, text),), report.line
    for snapshot, (line, time) in _full_dumps(subjects).items():
        if _after(kill, line, time, _GRACE) and not any(
            view.sighting.snapshot == snapshot and kill.pid in (view.sighting.pid, view.sighting.tgid)
            for subject in subjects
            for view in subject.views
        ):
            yield time, (Quote(line, f"the list of all tasks no longer has {kill.pid}"),), line
    for subject in subjects:
        if subject.pid == kill.pid and subject.comm != kill.comm:
            for view in subject.views:
                if _after(kill, view.sighting.line, view.sighting.time, _GRACE):
                    yield view.sighting.time, quote(view.sighting), view.sighting.line


def _full_dumps(subjects: Sequence[Subject]) -> dict[int, tuple[int, float | None]]:
    """Snapshots that look like complete task lists (sysrq-t with init and kthreadd): first line and time."""
    first: dict[int, tuple[int, float | None]] = {}
    pids: dict[int, set[int]] = {}
    for subject in subjects:
        for view in subject.views:
            seen = view.sighting
            if seen.origin in ("sysrq-t", "proc", "vmcore") and seen.pid is not None:
                pids.setdefault(seen.snapshot, set()).add(seen.pid)
                if seen.snapshot not in first or seen.line < first[seen.snapshot][0]:
                    first[seen.snapshot] = (seen.line, seen.time)
    return {number: first[number] for number, seen in pids.items() if {1, 2} <= seen and len(seen) > 5}

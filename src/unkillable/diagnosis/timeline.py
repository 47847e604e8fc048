"""What happened when: the events of a boot in order."""

from __future__ import annotations

from collections.abc import Iterator

from unkillable.diagnosis.types import Event, Victim
from unkillable.evidence.types import Evidence

LIMIT = 400


def events(evidence: Evidence, victims: tuple[Victim, ...]) -> tuple[Event, ...]:
    """Events by line (the order in which the kernel printed them); bounded, the middle is left out."""
    found = sorted(_events(evidence, victims), key=lambda event: event.line)
    if len(found) > LIMIT:
        half = LIMIT // 2
        left_out = len(found) - LIMIT
        found = [
            *found[:half],
            Event(None, "gap", f"{left_out} events left out", found[half].line),
            *found[-half:],
        ]
    return tuple(found)


def _events(evidence: Evidence, victims: tuple[Victim, ...]) -> Iterator[Event]:
    if evidence.kernel.line:
        yield Event(evidence.first_time, "boot", f"Linux {evidence.kernel.release}", evidence.kernel.line)
    for report in evidence.ooms:
        where = f" (memory cgroup {report.memcg})" if report.memcg else ""
        gfp = f", {'|'.join(report.gfp_flags)}" if report.gfp_flags else ""
        yield Event(
            report.time,
            "oom",
            f"{report.comm} invoked the OOM killer{where}{gfp}",
            report.line,
            pid=report.pid,
        )
    for victim in victims:
        line = victim.lines[0].line if victim.lines else 0
        size = f", {victim.anon_rss_kib} KiB anonymous" if victim.anon_rss_kib else ""
        yield Event(
            victim.killed_at,
            "kill",
            f"{victim.comm}/{victim.pid} was sent SIGKILL{size}",
            line,
            victim.fate_at,
            victim.pid,
        )
    for reap in evidence.reaps:
        text = "freed the memory of" if reap.success else "could not free the memory of"
        yield Event(
            reap.time, "reap", f"the oom_reaper {text} {reap.comm}/{reap.pid}", reap.line, pid=reap.pid
        )
    for hung in evidence.hung:
        since = hung.time - hung.seconds if hung.time is not None else None
        yield Event(
            since,
            "hung",
            f"{hung.comm}/{hung.pid} blocked for more than {hung.seconds:.0f} s",
            hung.line,
            hung.time,
            hung.pid,
        )
    yield from _marks(evidence)


def _marks(evidence: Evidence) -> Iterator[Event]:
    """Events that are one line and its time."""
    for sysrq in evidence.sysrqs:
        yield Event(sysrq.time, "dump", f"sysrq: {sysrq.action}", sysrq.line)
    for lockup in evidence.lockups:
        since = lockup.time - lockup.seconds if lockup.time is not None and lockup.seconds else lockup.time
        yield Event(since, "lockup", lockup.text.strip(), lockup.line, lockup.time, lockup.pid)
    for exit_ in evidence.exits:
        # A shell's `Killed` without a name says less than the kernel's own line.
        if exit_.pid is not None or exit_.signal != 9:
            yield Event(exit_.time, "exit", exit_.text.strip(), exit_.line, pid=exit_.pid)
    lines = (
        ("error", evidence.fs_errors),
        ("error", evidence.io),
        ("alloc", evidence.allocs),
        ("crash", evidence.crashes),
    )
    for kind, facts in lines:
        for fact in facts:
            yield Event(fact.time, kind, fact.text.strip(), fact.line)

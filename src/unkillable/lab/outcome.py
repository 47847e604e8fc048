"""From what was observed to one of the typed outcomes, and the sentence that says why."""

from __future__ import annotations

import re

import msgspec

from unkillable.lab.observe import Stall

FELT = 5.0
"""Seconds without an answer from which on a run is `stalled`: what a user calls frozen, and longer than the usual work of a
healthy guest under software emulation (below 1 s)."""
FOREVER = 120.0
"""Seconds without an answer after which we do not wait for the end: a livelock or a deadlock."""
IDLE_CPU = 0.2
"""Share of one host processor below which a guest computes nothing."""

FROZEN = frozenset({"stalled", "livelock", "deadlock"})
"""Outcomes in which there is a stall to look at."""

_PANIC = re.compile(rb"Kernel panic - not syncing: ([^\r\n]{0,200})")
_TAIL = 1 << 20


class Activity(msgspec.Struct, frozen=True):
    """What moved during the last part of a stall that did not end."""

    seconds: float
    disk_reads: int
    cpu_s: float
    """Of the emulator."""
    scanned: int | None
    """Pages; None where the sampler could not look any more."""


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """All that a decision rests on."""

    ready: bool
    fatal: str | None
    measured_s: float
    longest: Stall | None
    activity: Activity | None
    panic: str | None
    """The kernel's last words."""
    guest_ended: str | None
    """QMP's reason for a shutdown."""
    qemu_status: int | None
    """Exit status where QEMU ended by itself."""
    complaint: str
    silent_port: bool = False
    """Not one line came from the watcher."""
    clock_gap: float = 0.0
    """Longest time without a pulse that was followed by one: the whole machine stood still."""


def decide(facts: Facts) -> tuple[str, str]:
    """(outcome, why)."""
    if facts.panic and facts.ready:
        return (
            "panic",
            f"the kernel gave up {facts.measured_s:.1f} s after the workload's start: {facts.panic}",
        )
    if not facts.ready:
        return _not_ready(facts)
    if facts.guest_ended == "guest-reset":
        return "panic", "the guest rebooted without a word on its console"
    if facts.qemu_status is not None:
        return (
            "harness-failed",
            f"QEMU ended with status {facts.qemu_status}: {facts.complaint or 'no reason given'}",
        )
    if facts.longest is None:
        return "harness-failed", "the canary was never watched"
    return _by_stall(facts, facts.longest)


def _not_ready(facts: Facts) -> tuple[str, str]:
    if facts.panic:
        return "boot-failed", f"the kernel gave up before the workload's start: {facts.panic}"
    if facts.fatal:
        return "boot-failed", facts.fatal
    if facts.qemu_status not in (None, 0):
        return (
            "harness-failed",
            f"QEMU ended with status {facts.qemu_status}: {facts.complaint or 'no reason given'}",
        )
    if facts.guest_ended:
        return (
            "boot-failed",
            "the guest rebooted before the workload's start; the console log shows how far it came",
        )
    if facts.silent_port:
        return (
            "boot-failed",
            "no word from the watcher: the kernel did not start its init, or has no second serial port",
        )
    return "boot-failed", "the watcher runs, but the workload was not started in time"


def _by_stall(facts: Facts, longest: Stall) -> tuple[str, str]:
    # A host that was busy with something else stops the guest's clock and the canary alike, and that is no stall.
    if facts.clock_gap > FELT and facts.clock_gap > 0.5 * longest.seconds:
        return "harness-failed", (
            f"the emulator itself stood still for {facts.clock_gap:.1f} s: the host was too busy, repeat the run"
        )
    if longest.seconds < FELT:
        return (
            "survived",
            f"the canary was answered throughout; the longest delay was {longest.seconds:.1f} s",
        )
    if longest.ended:
        return "stalled", f"no answer for {longest.seconds:.1f} s, then it went on"
    if longest.seconds < FOREVER:
        return "stalled", f"no answer for {longest.seconds:.1f} s, and not yet when the measurement ended"
    moved = facts.activity
    if moved is None:
        return "livelock", f"no answer for {longest.seconds:.0f} s; what moved meanwhile is not known"
    if moved.disk_reads == 0 and not moved.scanned and moved.cpu_s < IDLE_CPU * moved.seconds:
        return "deadlock", (
            f"no answer for {longest.seconds:.0f} s, and nothing moves: no disk read, no page scanned and "
            f"{moved.cpu_s:.1f} s of processor time in the last {moved.seconds:.0f} s"
        )
    scanned = "" if moved.scanned is None else f", {moved.scanned} pages scanned"
    return "livelock", (
        f"no answer for {longest.seconds:.0f} s although it works: {moved.disk_reads} disk reads{scanned} and "
        f"{moved.cpu_s:.1f} s of processor time in the last {moved.seconds:.0f} s"
    )


def last_words(console: bytes) -> str | None:
    """The reason of a panic on a console, if there was one."""
    found = _PANIC.search(console[-_TAIL:])
    return found[1].decode(errors="replace").strip() if found else None

"""Runs made by hand, as inputs of unit tests: no guest ever did this."""

from __future__ import annotations

from typing import Any

from unkillable.lab.types import Beat, Exit, Kill, Run


def run(stall: float = 30.0, *, open_end: bool = False, **more: Any) -> Run:
    """A run of 60 s whose canary was answered each second until 10 s, and then not for `stall` seconds."""
    began = 2.0
    answered = [Beat(began + second, 0.1) for second in range(10)]
    length = max(60.0, 10 + stall)
    if not open_end:
        answered.append(Beat(began + 10, stall))
        answered += [Beat(began + second, 0.1) for second in range(int(11 + stall), 60)]
    outcome = "survived" if stall < 5 else "livelock" if open_end and stall >= 120 else "stalled"
    values: dict[str, Any] = {
        "outcome": outcome,
        "why": f"no answer for {stall:.1f} s",
        "measured_s": length,
        "longest_stall_s": stall,
        "stalled_at": began + 10,
        "open_end": open_end,
        "beats": tuple(answered),
        "began": began,
        "kills": (kill(91, 20.0, 20.5), kill(92, 30.0, 33.0)),
        "exits": (Exit(20.5, "churn1", 91, 9), Exit(33.0, "churn2", 92, 9)),
        "pulse_gap_s": 0.2,
        "disk_reads": 1200,
        "disk_read_kib": 48000,
        "boot_s": 4.0,
        "wall_s": length + 5,
        "harness_cpu_s": 1.0,
        "qemu_cpu_s": 100.0,
        "command_line": ("qemu-system-x86_64", "-m", "192"),
        "console": "logs/console.log",
    }
    return Run(**(values | more))


def kill(pid: int, at: float, exited: float | None, by: str = "oom") -> Kill:
    return Kill(pid, f"churn{pid - 90}", at, exited, by)


def failed(outcome: str = "harness-failed", why: str = "the host was too busy") -> Run:
    """A run that says nothing about the guest."""
    return Run(outcome=outcome, why=why, wall_s=20.0)

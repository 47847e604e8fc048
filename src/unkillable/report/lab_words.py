"""A setup, a run and a cell of the lab in a person's words; for every form that a report has."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from unkillable.lab import hosts
from unkillable.lab.setup import Setup
from unkillable.lab.stats import p_words
from unkillable.lab.table_types import CellResult
from unkillable.lab.types import OUTCOMES, Look, Run, Spread, Summary

__all__ = [
    "MEANING", "TONE", "against", "agreement", "any_other_ends", "count", "emulators", "figure", "other_ends", "outcomes",
    "setup_words", "stall",
]  # fmt: skip

MEANING: dict[str, str] = {
    "survived": "The canary, a program started once a second, was answered throughout.",
    "stalled": "Nothing could be started for a while; then it went on.",
    "livelock": "Nothing could be started any more although the machine kept working: reading, reclaiming, computing.",
    "deadlock": "Nothing could be started any more, and nothing moved.",
    "panic": "The kernel gave up.",
    "boot-failed": "The workload never started: this says nothing about running out of memory.",
    "harness-failed": "The runs say nothing about the guest. That is not the same as having survived.",
}
"""An outcome in a sentence."""

TONE: dict[str, str] = {"survived": "good", "boot-failed": "unsure", "harness-failed": "unsure"}
"""good, bad (where there is no row) or unsure."""

assert MEANING.keys() == set(OUTCOMES)  # noqa: S101


def setup_words(setup: Setup) -> tuple[tuple[str, str], ...]:
    """(what, value) of all that decides what the guest does; what is off is left out."""
    root, work, machine = setup.root, setup.workload, setup.emulator
    rows = [
        ("Root", root.image or _root(setup)),
        ("squashfs.ko", _module(setup)),
        ("Workload", f"{work.kind}: {' '.join(work.command) or f'{work.programs} programs'}{_threads(setup)}"),
        ("Room", f"{setup.room_mib} MiB available at the start" if setup.room_mib else ""),
        ("Machine", f"{setup.arch}, {machine.cpus} {'CPU' if machine.cpus == 1 else 'CPUs'}, {machine.memory_mib} MiB{_limits(setup)}"),
        ("Swap", f"zram, {setup.zram_mib} MiB" if setup.zram_mib else ""),
        ("Memory cgroup", f"{setup.cgroup_mib} MiB around the workload" if setup.cgroup_mib else ""),
        ("Settings", ", ".join(f"{path} = {value}" for path, value in setup.settings)),
        ("Kernel arguments", " ".join(setup.kernel_args)),
        ("oom_score_adj", str(setup.oom_score_adj) if setup.oom_score_adj else ""),
        ("Canary", " ".join(filter(None, (" ".join(setup.canary), "locked into memory" if setup.canary_mlock else "")))),
        ("Daemons", "; ".join(setup.daemons)),
        ("init", setup.init or ""),
        ("Length", f"{setup.seconds:g} s"),
    ]  # fmt: skip
    return tuple((what, value) for what, value in rows if value)


def _root(setup: Setup) -> str:
    root = setup.root
    if root.fs != "squashfs":
        return f"{root.fs}, {root.compressor}" if root.fs == "erofs" and root.compressor == "lz4" else root.fs
    packed = "not compressed" if root.compressor == "none" else root.compressor
    ends = (
        ", no fragments" if not root.fragments else ", all tail ends in fragments" if root.tail_ends else ""
    )
    return f"squashfs, {packed}, {root.block_kib} KiB blocks{ends}"


def _module(setup: Setup) -> str:
    if setup.module is None:
        return ""
    patches = f", patched from {setup.module.patches}" if setup.module.patches else ""
    return f"rebuilt: FILE_{setup.module.file.upper()}, decompressors {setup.module.decompressors}{patches}"


def _threads(setup: Setup) -> str:
    return f" of {setup.workload.threads} threads" if setup.workload.threads > 1 else ""


def _limits(setup: Setup) -> str:
    machine = setup.emulator
    parts = [
        f"disk of {machine.disk_mib_s:g} MiB/s" if machine.disk_mib_s else "",
        f"disk of {machine.disk_iops} requests/s" if machine.disk_iops else "",
        f"{1000 / 2**machine.icount_shift:g} million instructions a second"
        if machine.icount_shift is not None
        else "",
    ]
    return "".join(f", {part}" for part in parts if part)


def emulators(runs: Sequence[Run]) -> str:
    """What the guests ran on."""
    known = [run for run in runs if run.emulator] or list(runs)
    names = ((run, "KVM" if run.accelerator == "kvm" else "software emulation") for run in known)
    return ", ".join(
        dict.fromkeys(f"{name} ({run.emulator})" if run.emulator else name for run, name in names)
    )


def stall(run: Run) -> str:
    """The longest stall of one run: `38.2 s`, `> 121.0 s` where it had not ended."""
    if run.longest_stall_s is None:
        return "-"
    return f"{'> ' if run.open_end else ''}{run.longest_stall_s:.1f} s"


def figure(found: Spread | None) -> str:
    """`38.2 (22.7-57.5)`, `> 123.4 (121.0->125.1)`, `0.031` in a table's cell."""
    if found is None:
        return "-"
    low, middle, high = (_digits(value) for value in (found.low, found.median, found.high))
    middle = f"{'> ' if found.median_open else ''}{middle}"
    if found.low == found.high:
        return middle
    return f"{middle} ({low}-{'>' if found.open else ''}{high})"


def _digits(value: float) -> str:
    """A tenth of a second where that says something, two digits below one."""
    return f"{value:.2g}" if 0 < value < 0.95 else f"{value:,.1f}"


def count(found: Spread | None) -> str:
    """`3 (0-4)`, `2.5 (1-4)` in a table's cell."""
    if found is None:
        return "-"
    return f"{found.median:g}" + (f" ({found.low:g}-{found.high:g})" if found.low != found.high else "")


def any_other_ends(cells: Iterable[CellResult]) -> bool:
    """Whether a table of these has a use for a column of `other_ends`; most have none."""
    return any(cell.summary is not None and cell.summary.other_ends for cell in cells)


def other_ends(summary: Summary) -> str:
    """What ended programs beside the OOM killer: `SIGTERM 65 (60-70), SIGBUS 1 (0-2)` in a table's cell."""
    if summary.beats is None:  # no run counts
        return "-"
    return ", ".join(f"{name} {count(number)}" for name, number in summary.other_ends.items()) or "0"


def outcomes(summary: Summary) -> str:
    """`stalled 5`, `stalled 2, survived 3`."""
    return ", ".join(f"{name} {number}" for name, number in reversed(summary.outcomes.items()))


def against(cell: CellResult) -> str:
    """`better, 0.13 x, p = 0.0079`; empty for the baseline itself."""
    versus = cell.versus
    if versus is None or versus.p is None:
        return "; ".join(filter(None, (versus.words if versus else "", cell.reason)))
    parts = [versus.verdict, f"p = {p_words(versus.p)}".replace("= below", "below")]
    if versus.ratio is not None:
        parts.insert(1, f"{versus.bound} {versus.ratio:.2g} x".strip())
    if versus.hosts > 1:
        parts.append(f"on {versus.hosts} hosts")
    if versus.host is not None:
        parts.append(f"on a host {hosts.words(versus.host)}")
    return ", ".join(parts) + (f"; {cell.reason}" if cell.reason else "")


def agreement(look: Look) -> str:
    """Whether the dump and the measurement tell the same story."""
    if look.agrees is None:
        return "the dump neither confirms nor contradicts the measured outcome"
    if look.agrees:
        return "the dump agrees with the measured outcome"
    return f"THE DUMP DISAGREES with the measured outcome: {look.disagreement or 'no reason given'}"

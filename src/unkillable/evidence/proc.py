"""A running system, or a copy of its /proc: tasks looked at more than once, memory, pressure and the kernel's log."""

from __future__ import annotations

import errno
import io
import os
import stat as file_mode
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import msgspec

from unkillable.errors import UserError
from unkillable.evidence.builder import KEEP, Builder
from unkillable.evidence.formats import table
from unkillable.evidence.proc_tasks import Scan
from unkillable.evidence.psi import Buffer, System, parse_config
from unkillable.evidence.reader import EvidenceReader
from unkillable.evidence.types import Evidence
from unkillable.klog.compression import Damaged
from unkillable.klog.streams import File, Part, Source

MOST_TASKS = KEEP["tasks"]
"""Sightings kept, all looks together; tasks in D and killed ones go first."""
_KMSG_LIMIT = 16 << 20


class LiveResult(msgspec.Struct, frozen=True):
    """What a live system or a copied tree shows, and what it would not show."""

    evidence: Evidence
    notes: tuple[str, ...]
    """For the user: what could not be read and what it takes; counters that moved between the looks."""
    settings: dict[str, str] = {}
    """Sysctls and MGLRU switches by path: `vm/panic_on_oom`, `kernel/mm/lru_gen/min_ttl_ms`."""
    unread: tuple[str, ...] = ()
    """Of a bundle: why a part of it could not be read."""


def read_live(
    proc: Path = Path("/proc"),
    sys: Path = Path("/sys"),
    *,
    kmsg: Path | None = Path("/dev/kmsg"),
    looks: int = 2,
    interval: float = 2.0,
    most: int = MOST_TASKS,
    patience: float = 3.0,
) -> LiveResult:
    """Looks at every task `looks` times, `interval` seconds apart: who is in the same place twice did not just pass.

    `patience` is how many seconds one file may take before its task is left out. Works without root and says in
    `notes` what root would see. Raises UserError where `proc` holds no tasks.
    """
    machine = os.uname().machine if proc == Path("/proc") else None
    places = ((str(proc), str(sys)),) * max(looks, 1)
    return _read(places, str(kmsg) if kmsg else None, machine, interval, most, patience)


def read_proc_tree(
    path: Path, *, most: int = MOST_TASKS, source: str | None = None, machine: str | None = None
) -> LiveResult:
    """The same from a directory copied from a device: PID/{stat,status,stack,wchan}, meminfo, vmstat, kmsg or dmesg ...

    The files may also lie in its `proc`. Symbolic links are not followed: the tree may come from a stranger.
    `again/proc` holds those of a second look, if there was one.
    `source` is the name that the evidence bears, `machine` what `uname -m` said there.
    """
    if not path.is_dir():
        raise UserError(f"{path}: not a directory copied from /proc")
    root = path / "proc" if (path / "proc").is_dir() else path
    log = next(
        (
            file
            for name in ("kmsg", "dmesg", "dmesg.txt")
            for file in (path / name, root / name)
            if _plain(file)
        ),
        None,
    )
    places = [(str(at), str(path / "sys")) for at in (root, path / "again" / "proc") if at.is_dir()]
    return _read(
        places, str(log) if log else None, machine, 0.0, most, 30.0, follow=False, source=source or str(root)
    )


def _plain(file: Path) -> bool:
    try:
        return file_mode.S_ISREG(file.lstat().st_mode)
    except OSError:
        return False


def _read(
    places: Sequence[tuple[str, str]], kmsg: str | None, machine: str | None, interval: float, most: int, patience: float,
    follow: bool = True, source: str | None = None,
) -> LiveResult:  # fmt: skip
    """One look at each place, a /proc and its /sys; `interval` seconds lie between two."""
    proc = places[0][0]
    system = System(*places[0])
    buffers = [Buffer(1 << 18, follow) for _ in places]
    scans: list[Scan] = []
    states: list[tuple[float | None, dict[str, int]]] = []
    answered = True
    table()  # imports its modules now, not in the middle of a shortage
    memories, pressures = [], []
    for look, (system.proc, system.sys) in enumerate(places):
        if look:
            time.sleep(interval)
        now = _uptime(system.proc, follow)
        scan = Scan(system.proc, now, max(most // len(places), 1), follow)
        scan.run(patience)
        answered = _within(patience, partial(system.read, buffers[look], now, first=not look)) and answered
        scans.append(scan)
        states.append((now, system.counters))
        memories.append(system.memory())
        pressures.append(system.pressures())
    if not any(scan.seen for scan in scans) and "meminfo" not in system.files:
        raise UserError(f"{proc}: no tasks in it: is it a mounted proc file system, or a copy of one?")
    log, notes = _kernel_log(kmsg)
    builder = Builder(source or proc, live=True)
    system.describe(builder, machine)
    if log is not None:
        take_log(builder, log)
    for name, size in (("config.gz", 1 << 18), ("config", 1 << 20)):
        builder.config.update(parse_config(Buffer(size, follow).read(f"{proc}/{name}")))
    for scan, memory, pressure in zip(scans, memories, pressures, strict=True):
        snapshot = builder.begin_snapshot("proc")
        for task in scan.tasks:
            builder.add_task(msgspec.structs.replace(task, snapshot=snapshot))
        builder.kept["tasks"].count += scan.left_out
        builder.saw(0, scan.time)
        if memory is not None:
            builder.add_meminfo(memory)
        for fact in pressure:
            builder.add_pressure(fact)
    problem = system.problem()
    if not answered:
        notes.append(
            f"some file of {proc} did not answer within {patience:g} s: a mount or umount may be stuck"
        )
    # The second look of a copied tree is at some tasks only.
    notes = [
        *(max(scans, key=lambda scan: scan.seen).notes()),
        *([problem] if problem else []),
        *notes,
        *_moved(states),
    ]
    return LiveResult(builder.finish(), tuple(notes), system.settings)


def _within(seconds: float, work: Callable[[], None]) -> bool:
    """Whether `work` ends in time; if not it is left behind, asleep in some lock."""
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(seconds)
    return not thread.is_alive()


def _uptime(proc: str, follow: bool) -> float | None:
    """Seconds since boot as printk counts them: without the time spent suspended."""
    if proc == "/proc":
        return time.clock_gettime(time.CLOCK_MONOTONIC)
    try:
        return float(Buffer(256, follow).read(f"{proc}/uptime").split()[0])
    except (IndexError, ValueError):
        return None


def _kernel_log(path: str | None) -> tuple[Evidence | None, list[str]]:
    """The kernel's log, without waiting for more."""
    if path is None:
        return None, []
    parts: list[bytes] = []
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            file = File(fd)
            size = 0
            while size < _KMSG_LIMIT and (
                data := file.read(1 << 16)
            ):  # /dev/kmsg gives one message at a time
                parts.append(data)
                size += len(data)
        except Damaged:
            pass  # what was read of it counts
        finally:
            os.close(fd)
    except OSError as error:
        why = (
            "run as root, or set kernel.dmesg_restrict=0"
            if error.errno in (errno.EPERM, errno.EACCES)
            else error.strerror
        )
        return None, [f"kernel log: {path} cannot be read: {why}"]
    return read_log(path, b"".join(parts)), []


def read_log(name: str, data: bytes) -> Evidence | None:
    """The evidence of a kernel log in memory: its last boot."""
    boots = list(EvidenceReader(Source(name, [Part(name, lambda: io.BytesIO(data))], len(data))).boots())
    return boots[-1] if boots else None


def take_log(builder: Builder, log: Evidence) -> None:
    """Puts what a log shows into `builder`, before what is seen live; what is known of the kernel already stays."""
    for name in KEEP:
        for fact in getattr(log, name):
            builder.kept[name].add(fact)
    known = log.kernel
    builder.set_kernel(
        release=known.release, machine=known.machine, tainted=known.tainted, distribution=known.distribution,
        command_line=known.command_line, memory_kib=known.memory_kib, root_fs=known.root_fs,
    )  # fmt: skip
    builder.filesystems.update(dict.fromkeys(known.filesystems))
    builder.config.update(known.config)
    dumps = [fact.snapshot for fact in log.tasks] + [fact.snapshot for fact in log.sysrqs]
    builder.snapshot = max(dumps, default=0)
    builder.first_time, builder.last_time = log.first_time, log.last_time
    builder.first_line, builder.last_line = log.first_line, log.last_line
    builder.lines, builder.kernel_lines = log.coverage.lines, log.coverage.kernel_lines
    builder.unknown, builder.damaged = log.coverage.unknown, log.coverage.damaged
    builder.lost_messages = log.coverage.lost_messages


def _moved(states: list[tuple[float | None, dict[str, int]]]) -> list[str]:
    """What /proc/vmstat's counters say happened, since boot and between the looks."""
    (start, before), (end, after) = states[0], states[-1]
    notes = []
    if after.get("oom_kill"):
        notes.append(
            f"the OOM killer has killed {after['oom_kill']} processes since boot (/proc/vmstat oom_kill)"
        )
    stalls = after.get("allocstall", 0) - before.get("allocstall", 0)
    if stalls > 0 and start is not None and end is not None:
        notes.append(
            f"tasks began direct reclaim {stalls} times in {end - start:.1f} s (/proc/vmstat allocstall)"
        )
    return notes

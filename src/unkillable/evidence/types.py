"""What a kernel log (or a live system, or a memory dump) shows: immutable facts, no causes.

Units: seconds, KiB, pages where the name says so; pids as the log prints them. Every fact points to the
input line that shows it (`line`, 1-based as `grep -n` counts); `lines` gives first and last of a block.
A field is None where the source does not say.
"""

from __future__ import annotations

import msgspec

from unkillable.evidence.core_types import Fact, Frame, Stack
from unkillable.evidence.memory_types import (
    AllocProblem,
    MemInfo,
    OomKill,
    OomReap,
    OomReport,
    OomTask,
    Zone,
)

__all__ = [
    "AllocProblem",
    "Blocker",
    "Coverage",
    "Crash",
    "Evidence",
    "Exit",
    "Fact",
    "Frame",
    "FsError",
    "HeldLock",
    "HungTask",
    "IoProblem",
    "KernelInfo",
    "Lockup",
    "MemInfo",
    "OomKill",
    "OomReap",
    "OomReport",
    "OomTask",
    "Pressure",
    "Stack",
    "SysRq",
    "TaskSighting",
    "Zone",
]


class TaskSighting(Fact, frozen=True, kw_only=True, gc=False):
    """A task as seen at one moment."""

    pid: int | None
    comm: str | None
    state: str | None = None
    """R, S, D, T, t, X, Z, P, I, K, W ... as printed; None where the source does not say."""
    tgid: int | None = None
    ppid: int | None = None
    flags: int | None = None
    """The thread-info flags word of a task line."""
    workqueue: str | None = None
    """The work item a kworker runs, from its `Workqueue:` line."""
    origin: str = "trace"
    """sysrq-w, sysrq-t, hung-task, oom-invoker, reaper-victim, blocker, soft-lockup, rcu-stall, nmi, crash, proc, vmcore, trace."""
    snapshot: int = 0
    """Sightings of one dump share a number; numbers grow with time."""
    cpu: int | None = None
    stack: Stack | None = None
    wchan: str | None = None
    io_wait: bool = False
    killed: bool | None = None
    """True where the source shows a pending SIGKILL (live system, memory dump)."""
    kernel_thread: bool | None = None


class HungTask(Fact, frozen=True, kw_only=True, gc=False):
    """`INFO: task X:1 blocked for more than 120 seconds.`"""

    pid: int
    comm: str
    seconds: float
    io_wait: bool = False
    reporter: str = "khungtaskd"


class Blocker(Fact, frozen=True, kw_only=True, gc=False):
    """CONFIG_DETECT_HUNG_TASK_BLOCKER's line: who owns what a hung task waits for."""

    pid: int
    comm: str
    lock: str
    """mutex, semaphore, rwsem."""
    role: str | None = None
    """reader or writer, for rwsem: what the blocked task wants to be."""
    owner_pid: int | None = None
    owner_comm: str | None = None
    owner_role: str | None = None


class HeldLock(Fact, frozen=True, kw_only=True, gc=False):
    """One `#0: (&mm->mmap_sem){....}, at: f+0x1` line of lockdep."""

    pid: int | None
    comm: str | None
    index: int
    name: str
    address: str | None = None
    usage: str | None = None
    function: str | None = None
    """Where it was (or is being) acquired."""
    snapshot: int = 0


class FsError(Fact, frozen=True, kw_only=True, gc=False):
    """A file system's error line; squashfs in the first place."""

    fs: str
    kind: str
    """read (a fill failed), cache-entry (a cached error was served), page, metadata, decompress, other."""
    cache: str | None = None
    """data, fragment, metadata."""
    block: int | None = None
    error: int | None = None
    """Negative errno where printed."""


class Lockup(Fact, frozen=True, kw_only=True, gc=False):
    """A processor or pool that makes no progress."""

    kind: str
    """soft, hard, rcu, workqueue, rcu-expedited."""
    cpu: int | None = None
    seconds: float | None = None
    pid: int | None = None
    comm: str | None = None


class Crash(Fact, frozen=True, kw_only=True, gc=False):
    """An oops, BUG, WARNING, sanitizer report or panic: the headline."""

    kind: str
    """panic, bug, oops, warning, kasan, kmsan, kcsan, ubsan, kfence, lockdep, gpf, page-fault, mce."""
    title: str = ""
    function: str | None = None
    pid: int | None = None
    comm: str | None = None


class Exit(Fact, frozen=True, kw_only=True, gc=False):
    """A process's end or fatal signal that the log shows."""

    pid: int | None
    comm: str | None
    signal: int | None = None
    exitcode: int | None = None
    """As the kernel's exitcode= prints it."""
    ended: bool = True
    """False: the line says that a signal was sent, not that the process ended."""


class IoProblem(Fact, frozen=True, kw_only=True, gc=False):
    """A block device, flash, host controller or network server that does not answer or errs."""

    device: str | None
    kind: str
    """error, timeout, reset, server."""


class SysRq(Fact, frozen=True, kw_only=True, gc=False):
    action: str
    """The handler's title: Show Blocked State, Show Memory, Show State, ..."""
    snapshot: int = 0


class KernelInfo(msgspec.Struct, frozen=True, gc=False):
    """The kernel that wrote the log."""

    release: str | None = None
    """uname -r, e.g. `6.1.0-56-cloud-amd64`."""
    version: str | None = None
    """x.y or x.y.z of the source, e.g. `6.1.192`."""
    since: str | None = None
    """Where no release is printed: the first release that prints such lines; inferred."""
    until: str | None = None
    """Where no release is printed: the first release that prints them no more; inferred."""
    arch: str | None = None
    """x86_64, i386, arm64, arm, mips, riscv, powerpc, s390, loongarch."""
    arch_inferred: bool = False
    command_line: str | None = None
    machine: str | None = None
    distribution: str | None = None
    tainted: str | None = None
    config: dict[str, str] = {}
    """CONFIG_ options printed in the log."""
    memory_kib: int | None = None
    root_fs: str | None = None
    """Type of the root file system where mount lines tell."""
    filesystems: tuple[str, ...] = ()
    """Types seen mounted or registered with a version line (squashfs, ext4, ...)."""
    line: int = 0

    @property
    def era(self) -> str | None:
        """The range that the lines point to, in words: `before 2.6.36`."""
        if self.until is None:
            return f"{self.since} or later" if self.since else None
        return f"{self.since} to before {self.until}" if self.since else f"before {self.until}"


class Coverage(msgspec.Struct, frozen=True, gc=False):
    """How much of the input was understood; nothing is lost silently."""

    lines: int = 0
    """Lines read."""
    kernel_lines: int = 0
    """Lines that looked like kernel text and were examined closely."""
    unknown: int = 0
    """Of those, lines no format knew."""
    damaged: int = 0
    """Lines recognisably cut or merged."""
    dropped: dict[str, int] = {}
    """Facts counted but not kept, by kind, where a limit was reached."""
    lost_messages: int = 0
    """printk messages dropped by the kernel itself (`** 12 printk messages dropped **`)."""
    unattributed: int = 0
    """Backtraces left out because nothing says whose they are."""
    mixed: int = 0
    """Backtraces kept, but with lines of another one possibly among theirs."""


class Pressure(Fact, frozen=True, kw_only=True, gc=False):
    """PSI of a live system: share of time (0..100) stalled."""

    resource: str
    some_avg10: float
    full_avg10: float | None = None


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """Everything one boot of one source shows."""

    source: str
    """Name of the input as the user gave it (or member of an archive)."""
    boot: int = 0
    """Number of the boot within its source, from 0."""
    kernel: KernelInfo = KernelInfo()
    clock: str = "boot"
    """What times count from: `boot` (printk's seconds), or `log` (the first dated line) where no line has them."""
    wall: float | None = None
    """Seconds since 1970 at which those times were 0, where a line has a date too."""
    first_time: float | None = None
    last_time: float | None = None
    first_line: int = 0
    last_line: int = 0
    tasks: tuple[TaskSighting, ...] = ()
    hung: tuple[HungTask, ...] = ()
    blockers: tuple[Blocker, ...] = ()
    locks: tuple[HeldLock, ...] = ()
    ooms: tuple[OomReport, ...] = ()
    kills: tuple[OomKill, ...] = ()
    """All kills, those inside reports too, in order."""
    reaps: tuple[OomReap, ...] = ()
    meminfos: tuple[MemInfo, ...] = ()
    """All Mem-Info blocks, those inside reports too, in order."""
    allocs: tuple[AllocProblem, ...] = ()
    fs_errors: tuple[FsError, ...] = ()
    lockups: tuple[Lockup, ...] = ()
    crashes: tuple[Crash, ...] = ()
    exits: tuple[Exit, ...] = ()
    io: tuple[IoProblem, ...] = ()
    sysrqs: tuple[SysRq, ...] = ()
    pressure: tuple[Pressure, ...] = ()
    printed: Fact | None = None
    """The last line that a program seems to have printed between the kernel's, on a console both share."""
    coverage: Coverage = Coverage()
    live: bool = False
    """True for /proc, a memory dump or a running guest: what is seen is now."""

"""What a kernel log (or a live system, or a memory dump) shows: immutable facts, no causes.

Units: seconds, KiB, pages where the name says so; pids as the log prints them. Every fact points to the
input line that shows it (`line`, 1-based as `grep -n` counts); `lines` gives first and last of a block.
A field is None where the source does not say.
"""

from __future__ import annotations

import msgspec


class Fact(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Anything read from the input."""

    line: int = 0
    """Line number in the source; 0 where the source has no lines (live system, memory dump)."""
    text: str = ""
    """The message of that line without framing, as it can be quoted."""
    time: float | None = None
    """Seconds since boot."""


class Frame(msgspec.Struct, frozen=True, gc=False):
    """One return address of a stack."""

    symbol: str
    """As printed, e.g. `__alloc_pages_slowpath.constprop.0`."""
    function: str
    """The source's name: `symbol` without compiler suffixes (.constprop.0, .isra.5, .part.7, .cold, ...)."""
    offset: int | None = None
    size: int | None = None
    module: str | None = None
    reliable: bool = True
    """False for `? f+0x`: left over on the stack, not necessarily called."""
    source: str | None = None
    """`fs/squashfs/cache.c:77` where the source knows it (decoded logs, debuggers)."""


class Stack(msgspec.Struct, frozen=True, gc=False):
    """A backtrace, innermost frame first; frames of interrupts on top are cut off."""

    frames: tuple[Frame, ...]
    lines: tuple[int, int] = (0, 0)
    interrupted: bool = False
    """True where an interrupt or exception frame lay on top: the task was running, not asleep."""
    from_user: bool = False
    """True where the trace ends at user space (a user program counter was printed or a syscall entry is last)."""
    damaged: int = 0
    """Number of lines inside the trace that could not be read (lost or merged characters)."""
    user_pc: str | None = None
    """The user program counter under the trace, where printed (x86): a task seen twice in the same wait with
    different ones has been back in user space in between."""


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


class Zone(msgspec.Struct, frozen=True, gc=False):
    """One zone of a Mem-Info block; KiB."""

    name: str
    node: int | None
    free: int
    min: int
    low: int
    high: int
    fields: dict[str, int] = {}
    """Every `name:123kB` field of the zone's line, KiB."""


class MemInfo(Fact, frozen=True, kw_only=True, gc=False):
    """A `Mem-Info:` block (sysrq-m, OOM report, allocation failure) or /proc/meminfo."""

    lines: tuple[int, int] = (0, 0)
    pages: dict[str, int] = {}
    """Global counters by their printed name, pages (active_anon, inactive_file, free, ...)."""
    zones: tuple[Zone, ...] = ()
    swap_total: int | None = None
    """KiB."""
    swap_free: int | None = None
    pages_ram: int | None = None
    pages_reserved: int | None = None
    page_cache_pages: int | None = None
    kib: dict[str, int] = {}
    """/proc/meminfo's fields by name, KiB; empty for a console block."""
    page_size: int = 4
    """KiB in a page, as far as the block's own figures tell."""
    node_kib: dict[str, int] = {}
    """Counters of the `Node 0 active_anon:..kB` lines (since 4.8), KiB, all nodes added up."""
    all_unreclaimable: bool | None = None
    """True where a zone's or node's line says `all_unreclaimable? yes`: kswapd had given up."""


class OomTask(msgspec.Struct, frozen=True, gc=False):
    """One row of the OOM report's task table."""

    pid: int
    comm: str
    uid: int | None = None
    tgid: int | None = None
    total_vm: int | None = None
    """Pages."""
    rss: int | None = None
    """Pages."""
    swapents: int | None = None
    """Pages."""
    oom_score_adj: int | None = None
    fields: dict[str, int] = {}
    """All columns by header name (cpu, oom_adj, nr_ptes, pgtables_bytes, rss_anon ...)."""


class OomKill(Fact, frozen=True, kw_only=True, gc=False):
    """`Killed process 1 (x) ...`: SIGKILL was sent to this process."""

    pid: int
    """0 where the source names only a control group, whose path is then `comm` (systemd-oomd)."""
    comm: str
    reason: str = "oom"
    """oom, memcg, allocating-task, cgroup-sibling (memory.oom.group), sysrq-f, ancestor-choice (child of the chosen).
    Not by the kernel's OOM killer: lowmemorykiller, lmkd, systemd-oomd, earlyoom, earlyoom-term (SIGTERM only)."""
    score: int | None = None
    chosen_pid: int | None = None
    """The task first chosen where a child of it was killed instead (up to 4.19: `or sacrifice child`)."""
    chosen_comm: str | None = None
    total_vm: int | None = None
    """KiB, as the next three."""
    anon_rss: int | None = None
    file_rss: int | None = None
    shmem_rss: int | None = None
    pgtables: int | None = None
    uid: int | None = None
    oom_score_adj: int | None = None


class OomReap(Fact, frozen=True, kw_only=True, gc=False):
    """The oom_reaper's word on a victim (since 4.6)."""

    pid: int
    comm: str
    success: bool
    """False: `unable to reap`, or init shares the victim's memory (`pinned_by`)."""
    anon_rss: int | None = None
    """KiB left after reaping, as the next two."""
    file_rss: int | None = None
    shmem_rss: int | None = None
    pinned_by: int | None = None
    """Pid of the process that keeps the memory: `has mm pinned by` (since 4.7), so nobody reaps it."""


class OomReport(Fact, frozen=True, kw_only=True, gc=False):
    """One `X invoked oom-killer` block."""

    comm: str
    """Who asked for memory; empty where the report's head was lost."""
    pid: int | None = None
    gfp_mask: int | None = None
    gfp_flags: tuple[str, ...] = ()
    """Names as printed, or decoded from the mask where the kernel printed only a number."""
    gfp_decoded: bool = False
    """True where the names were decoded from the number by us (era guessed from the report's form)."""
    order: int | None = None
    oom_score_adj: int | None = None
    constraint: str | None = None
    """CONSTRAINT_NONE, CONSTRAINT_MEMCG, CONSTRAINT_CPUSET, CONSTRAINT_MEMORY_POLICY."""
    nodemask: str | None = None
    cpuset: str | None = None
    memcg: str | None = None
    """Path of the memory cgroup that hit its limit, for a memcg OOM."""
    task_memcg: str | None = None
    memcg_usage: dict[str, tuple[int, int]] = {}
    """Per counter (memory, swap, kmem, memory+swap): (usage, limit) KiB."""
    stack: Stack | None = None
    meminfo: MemInfo | None = None
    tasks: tuple[OomTask, ...] = ()
    tasks_omitted: int = 0
    """Rows of a very long table that were counted but not kept."""
    kills: tuple[OomKill, ...] = ()
    cpu: int | None = None
    lines: tuple[int, int] = (0, 0)
    unreclaimable_slab: dict[str, tuple[int, int]] = {}
    """Cache name: (used, total) KiB."""
    trigger: str | None = None
    """`sysrq` for a manual OOM, `memcg`, or None."""
    fields: dict[str, str] = {}
    """Anything else a line of the report said, by name."""


class AllocProblem(Fact, frozen=True, kw_only=True, gc=False):
    """`page allocation failure` or `page allocation stalls` (4.10-4.14)."""

    comm: str
    pid: int | None = None
    kind: str = "failure"
    """failure, stall, slab (no new slab for a cache), fault-oom (a page fault ran out of memory and is retried)."""
    seconds: float | None = None
    order: int | None = None
    mode: int | None = None
    gfp_flags: tuple[str, ...] = ()
    stack: Stack | None = None
    meminfo: MemInfo | None = None


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
    """x.y or x.y.z of the source, e.g. `6.1.192`; `2.6-era` style guesses are in `era`."""
    era: str | None = None
    """Where no release is printed: the range the formats point to, e.g. `2.6.27-3.11`; inferred."""
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
    coverage: Coverage = Coverage()
    live: bool = False
    """True for /proc, a memory dump or a running guest: what is seen is now."""

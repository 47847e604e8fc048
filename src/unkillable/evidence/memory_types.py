"""Facts about memory: Mem-Info blocks, OOM reports, failed allocations.  Use these through `unkillable.evidence.types`."""

from __future__ import annotations

import msgspec

from unkillable.evidence.core_types import Fact, Stack


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
    line: int = 0
    text: str = ""
    """Its line, cut after the watermarks."""


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

"""The diagnosis: what `unkillable diagnose --format json` prints.  Schema `unkillable.diagnosis/1`."""

from __future__ import annotations

import msgspec

from unkillable.evidence import types as ev

KINDS = (
    "deadlock",
    "unkillable-victim",
    "reclaim-livelock",
    "lock-contention",
    "io-stall",
    "cached-error",
    "zombie",
    "no-hang",
    "insufficient-evidence",
)
"""The closed list of verdicts (docs/diagnose.md says what each means)."""


class Quote(msgspec.Struct, frozen=True):
    """A line of the input that a statement rests on."""

    line: int
    text: str


class Statement(msgspec.Struct, frozen=True):
    """One sentence of the reasoning."""

    text: str
    inferred: bool = False
    """True: concluded from what is known of this kernel, not shown by the input itself."""
    lines: tuple[Quote, ...] = ()
    cite: str | None = None
    """Kernel source the sentence rests on: `6.1.192 fs/squashfs/block.c:102`."""


class Verdict(msgspec.Struct, frozen=True):
    kind: str
    """One of KINDS."""
    summary: str
    """The answer in a sentence."""
    confidence: str
    """high, medium, low."""
    because: tuple[Statement, ...] = ()


class Victim(msgspec.Struct, frozen=True):
    """A process that was sent SIGKILL by the OOM killer (or lmkd, earlyoom, ...)."""

    pid: int
    comm: str
    killed_at: float | None
    """Seconds since boot."""
    fate: str
    """exited, reaped (its memory was freed although it had not exited), stuck, unknown."""
    reason: str = "oom"
    fate_at: float | None = None
    child_of: int | None = None
    """Pid of the process that was chosen first, where a child of it was killed in its place."""
    child_of_comm: str | None = None
    anon_rss_kib: int | None = None
    waits_in: str | None = None
    """For a stuck victim: the function it sleeps in."""
    lines: tuple[Quote, ...] = ()


class Waiter(msgspec.Struct, frozen=True):
    """A task that sleeps, or is stuck trying, where it matters."""

    pid: int | None
    comm: str | None
    state: str | None
    """The letter printed: D, S, R ..."""
    function: str | None
    primitive: str | None
    task_state: str | None
    killable: bool | None
    resource: str | None
    entered_by: str | None
    role: str = "waits"
    """waits, holds-and-waits, reclaims, runs."""
    holds: tuple[str, ...] = ()
    """Resources that its frames show to be held."""
    locks: tuple[str, ...] = ()
    """Locks that lockdep lists as held (or waited for) by it."""
    since: float | None = None
    """Seconds since boot from which on it is known not to have moved."""
    blocked_for: float | None = None
    """Seconds, as khungtaskd says."""
    seen: int = 1
    """Number of times it was seen like this."""
    victim: bool = False
    stack: tuple[str, ...] = ()
    """Frames from the sleeping function outwards, without guesses."""
    inferred: bool = False
    """The stack had no reliable frame, or another task's frames may be among its own."""
    lines: tuple[Quote, ...] = ()


class Node(msgspec.Struct, frozen=True):
    id: str
    kind: str
    """task or resource."""
    label: str
    detail: str | None = None
    critical: bool = False
    """Part of a cycle or a root of the hang."""


class Edge(msgspec.Struct, frozen=True):
    source: str
    target: str
    kind: str
    """waits-for (task to resource), held-by (resource to task), needs (resource to resource)."""
    inferred: bool = False
    lines: tuple[Quote, ...] = ()


class Graph(msgspec.Struct, frozen=True):
    nodes: tuple[Node, ...] = ()
    edges: tuple[Edge, ...] = ()


class Event(msgspec.Struct, frozen=True):
    """One point of the timeline."""

    time: float | None
    kind: str
    """oom, kill, reap, exit, hung, dump, error, lockup, crash, boot, pressure."""
    text: str
    line: int = 0
    until: float | None = None
    pid: int | None = None


class Missing(msgspec.Struct, frozen=True):
    """What the input cannot show, and how to get it next time."""

    what: str
    why: str
    how: tuple[str, ...] = ()
    """Commands, sysrq letters, settings."""


class Advice(msgspec.Struct, frozen=True):
    """Something to do; the first is the most useful."""

    title: str
    text: str
    commands: tuple[str, ...] = ()
    applies: str | None = None
    """Kernel range it works on."""
    basis: str | None = None
    """Measurement or source it rests on."""


class Memory(msgspec.Struct, frozen=True):
    """How short memory was, from the last block that tells."""

    short: bool | None
    """True: free pages at the watermarks and hardly anything to reclaim; None: the input does not tell."""
    free_kib: int | None = None
    min_kib: int | None = None
    file_kib: int | None = None
    """Page cache on the LRU lists."""
    anon_kib: int | None = None
    total_kib: int | None = None
    swap_total_kib: int | None = None
    swap_free_kib: int | None = None
    line: int = 0
    text: str = ""
    zones: tuple[Quote, ...] = ()
    """The lines of the zones, with their watermarks."""


class BootSummary(msgspec.Struct, frozen=True):
    """Another boot or log of the same input, in short."""

    source: str
    boot: int
    kind: str
    summary: str
    confidence: str
    kernel: str | None = None
    first_line: int = 0
    last_line: int = 0


class Problem(msgspec.Struct, frozen=True):
    """An input, or part of one, that could not be read or holds no kernel text; or what is to be known about one that was."""

    name: str
    reason: str
    failed: bool = True
    """False for a file that merely is no log, found in a directory or archive, and for a bundle that was cut short: not an
    error."""
    note: bool = False
    """It was read, and this is worth knowing: what the device would not show, how often its OOM killer had killed."""


class Diagnosis(msgspec.Struct, frozen=True, kw_only=True):
    """Everything one boot of one source leads to."""

    schema: str = "unkillable.diagnosis/1"
    tool: str = ""
    source: str
    boot: int = 0
    first_line: int = 0
    last_line: int = 0
    clock: str = "boot"
    """What all times count from: `boot`, or `log` (the first dated line) where the log has no printk times."""
    verdict: Verdict
    kernel: ev.KernelInfo
    victims: tuple[Victim, ...] = ()
    waiters: tuple[Waiter, ...] = ()
    graph: Graph = Graph()
    cycle: tuple[str, ...] = ()
    """Node ids, in order, of a cycle of the graph."""
    memory: Memory = Memory(None)
    timeline: tuple[Event, ...] = ()
    ooms: tuple[ev.OomReport, ...] = ()
    allocs: tuple[ev.AllocProblem, ...] = ()
    hung: tuple[ev.HungTask, ...] = ()
    lockups: tuple[ev.Lockup, ...] = ()
    crashes: tuple[ev.Crash, ...] = ()
    fs_errors: tuple[ev.FsError, ...] = ()
    missing_evidence: tuple[Missing, ...] = ()
    advice: tuple[Advice, ...] = ()
    coverage: ev.Coverage = ev.Coverage()
    others: tuple[BootSummary, ...] = ()
    problems: tuple[Problem, ...] = ()

"""What a run showed.  Times are seconds of the guest's clock since boot (CLOCK_MONOTONIC), unless a name says otherwise."""

from __future__ import annotations

from collections import Counter

import msgspec

from unkillable.lab.setup import Setup

OUTCOMES = ("survived", "stalled", "livelock", "deadlock", "panic", "boot-failed", "harness-failed")
"""The closed list of outcomes, from good to worthless.

survived: the canary was answered throughout.  stalled: it was not for a while, and then was again.  livelock: it never was
again, while the guest kept reading, reclaiming or computing.  deadlock: never again, and nothing moved.  panic: the kernel
gave up.  boot-failed: the workload never started.  harness-failed: the run says nothing about the guest."""


class Beat(msgspec.Struct, frozen=True, array_like=True):
    """An answer of the canary."""

    at: float
    """When it was started."""
    took: float
    """Seconds until it had exited."""


class Kill(msgspec.Struct, frozen=True):
    """A process that was sent SIGKILL by the OOM killer (or by a daemon of the setup)."""

    pid: int
    comm: str | None
    killed_at: float
    exited_at: float | None
    """When it had given its memory back; None: not before the observation ended."""
    by: str = "oom"
    """`oom`, `memcg`, `user`."""

    @property
    def latency(self) -> float | None:
        return None if self.exited_at is None else self.exited_at - self.killed_at


class Exit(msgspec.Struct, frozen=True):
    """A program of the workload that ended."""

    at: float
    who: str
    pid: int
    signal: int = 0
    status: int = 0
    """Exit status where it was no signal."""


class Sample(msgspec.Struct, frozen=True, array_like=True):
    """Counters of the guest, about once a second while it can still be looked at.  KiB, and totals since boot."""

    at: float
    free_kib: int
    available_kib: int
    file_kib: int
    """Active and inactive file pages."""
    swap_free_kib: int
    major_faults: int
    scanned: int
    """Pages scanned by reclaim (pgscan_kswapd + pgscan_direct)."""
    stolen: int
    """Pages that reclaim freed."""
    oom_kills: int
    psi_some_us: int
    """Microseconds in which some task waited for memory (/proc/pressure/memory); 0 without PSI."""
    psi_full_us: int


class Look(msgspec.Struct, frozen=True):
    """What `diagnose` says of the console of a run that was looked at after its outcome was decided."""

    kind: str
    """A verdict of unkillable.diagnosis/1."""
    summary: str
    confidence: str
    functions: tuple[str, ...] = ()
    """Where the stuck tasks sleep or reclaim, the most frequent first."""
    agrees: bool | None = None
    """Whether the verdict and the measured outcome can both be true; None where they cannot contradict each other."""
    disagreement: str | None = None


class BadFile(msgspec.Struct, frozen=True):
    """A file of the image that was not read as before the workload."""

    path: str
    why: str
    """`differs`, an error of the kernel's, or `stuck` for one whose reading did not end."""
    reading: str
    """`before` the workload, from what is `cached` after it, or `fresh` from the disk."""


class ReadBack(msgspec.Struct, frozen=True):
    """The files of the image read before the workload and after it."""

    files: int
    """Regular files and symbolic links, before the workload."""
    kib: int
    bad: int
    """How often a reading was not as it should be; the first are named."""
    named: tuple[BadFile, ...] = ()
    missing: int = 0
    """Files that a later reading did not find: an unreadable directory of squashfs looks empty."""
    left: int = 0
    """Processes of the workload that SIGKILL did not end within 30 s."""
    complete: bool = True
    """Both later readings came to their end."""

    @property
    def good(self) -> bool:
        return self.complete and not self.bad and not self.missing


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """One virtual machine, from its start to its end."""

    outcome: str
    """One of OUTCOMES."""
    why: str
    """One sentence: what decided it."""
    measured_s: float = 0.0
    """How long the canary was watched."""
    longest_stall_s: float | None = None
    """Longest time without an answer of the canary, less its period; None where nothing was measured."""
    stalled_at: float | None = None
    """When that began."""
    open_end: bool = False
    """The longest stall had not ended when the measurement did: it lasted at least that long."""
    beats: tuple[Beat, ...] = ()
    began: float | None = None
    """Start of the workload."""
    kills: tuple[Kill, ...] = msgspec.field(default=(), name="victims")
    oom_kills: int = 0
    """How many of them the OOM killer picked.  This and the next two follow from the rest."""
    kill_latency_s: tuple[float, ...] = ()
    """SIGKILL to exit of each that was seen to exit, in the order of the kills."""
    exit_signals: dict[str, int] = {}
    """How often programs of the workload ended by a signal: number of the signal to count."""
    exits: tuple[Exit, ...] = ()
    samples: tuple[Sample, ...] = ()
    squashfs_errors: int = 0
    """Error lines of squashfs on the console, up to the end of the measurement."""
    squashfs_error_lines: tuple[str, ...] = ()
    """The first few of them."""
    read_back: ReadBack | None = None
    """Where the setup asked for it and the guest could still be asked."""
    pulse_gap_s: float | None = None
    """Longest time without a pulse of the watcher, which needs neither memory nor disk: a gap here is the machine's, not the guest's."""
    disk_reads: int = 0
    disk_read_kib: int = 0
    boot_s: float | None = None
    """Wall seconds from QEMU's start to the start of the workload."""
    wall_s: float = 0.0
    harness_cpu_s: float = 0.0
    qemu_cpu_s: float = 0.0
    qemu_wait_s: float = 0.0
    """How long QEMU's threads were ready to run while the host's processors were busy with something else."""
    host_speed: float | None = None
    """Pages of new memory that the guest touched and added up per second of QEMU's processor time, before the workload: how
    fast the host is for such a guest, whatever else it does.  None where nobody measured."""
    host: str = ""
    """Names the machine since its start (hosts.name), and nothing else; empty for runs of older versions."""
    look: Look | None = None
    looked: bool = False
    """The run was disturbed on purpose (sysrq dumps during stalls): its figures do not count."""
    dump: str | None = None
    """Path of a memory dump (ELF) taken before the look."""
    dump_look: Look | None = None
    """What `diagnose` says of that dump, where the kernel's debug symbols were given."""
    console: str | None = msgspec.field(default=None, name="log")
    """Path of the console log that was kept."""
    watch: str | None = None
    """Path of the watcher's lines."""
    command_line: tuple[str, ...] = ()
    """QEMU's argument vector."""
    accelerator: str = "tcg"
    emulator: str = ""
    """Version line of QEMU."""

    def __post_init__(self) -> None:
        signals = Counter(str(one.signal) for one in self.exits if one.signal)
        derived = {
            "oom_kills": sum(kill.by != "user" for kill in self.kills),
            "kill_latency_s": tuple(kill.latency for kill in self.kills if kill.latency is not None),
            "exit_signals": dict(sorted(signals.items())),
        }
        for name, value in derived.items():
            msgspec.structs.force_setattr(self, name, value)

    @property
    def starved(self) -> float:
        """Share (0..1) of the time that the emulator wanted a processor of the host and had none: how noisy the host was."""
        wanted = self.qemu_cpu_s + self.qemu_wait_s
        return self.qemu_wait_s / wanted if wanted else 0.0

    @property
    def pressed(self) -> bool | None:
        """Whether memory ran short at all: somebody was killed, or reclaim had to look for pages; None where nobody could look."""
        if self.kills or self.outcome != "survived":
            return True
        if len(self.samples) < 2:
            return None
        return self.samples[-1].scanned > self.samples[0].scanned


class Spread(msgspec.Struct, frozen=True):
    """Several runs' values of one figure."""

    n: int
    median: float
    low: float
    high: float
    """Smallest and largest."""
    open: int = 0
    """How many of the values are lower bounds: what they measure had not ended.  Then `high` is one, too."""
    median_open: bool = False
    """The median is a lower bound."""


class Summary(msgspec.Struct, frozen=True):
    """All runs of one setup together."""

    outcome: str
    """The worst that a counted run had (in the order of OUTCOMES up to `panic`)."""
    sentence: str
    outcomes: dict[str, int]
    longest_stall_s: Spread | None = None
    oom_kills: Spread | None = None
    other_ends: dict[str, Spread] = {}
    """What else ended programs of the workload: name of a signal (`SIGTERM`, as earlyoom sends it, `SIGBUS`) to how many it
    ended in a run.  SIGKILL only where the trace saw a program send it."""
    kill_latency_s: Spread | None = None
    beats: Spread | None = None
    bystanders: int = 0
    """Programs that died of SIGBUS, SIGSEGV or the like without having been killed."""
    needs: str | None = None
    """What difference that many runs can show, in words."""


class Reproduction(msgspec.Struct, frozen=True, kw_only=True):
    """What `unkillable reproduce --format json` prints."""

    schema: str = "unkillable.reproduction/1"
    tool: str = ""
    setup: Setup
    release: str = ""
    version: str = ""
    provenance: tuple[tuple[str, str], ...] = ()
    runs: tuple[Run, ...] = ()
    summary: Summary
    notes: tuple[str, ...] = ()

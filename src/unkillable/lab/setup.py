"""What a run is made of: the question that a user, a variation or a table asks.  Nothing here is prepared yet."""

from __future__ import annotations

import msgspec

FILE_SYSTEMS = ("squashfs", "ext4", "erofs", "tmpfs")
COMPRESSORS = ("lz4", "gzip", "xz", "zstd", "lzo", "none")


class Root(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The root image that the workload lives on."""

    fs: str = "squashfs"
    """One of FILE_SYSTEMS; `tmpfs` is the control that never reads a disk."""
    compressor: str = "lz4"
    """One of COMPRESSORS; squashfs knows all, erofs lz4 and none, the others are never compressed."""
    block_kib: int = 128
    """squashfs: size of a data block, 4 to 1024 KiB."""
    fragments: bool = True
    """squashfs: whether the ends of files share blocks."""
    tail_ends: bool = False
    """squashfs: whether also the ends of files larger than a block do (mksquashfs -always-use-fragments)."""
    image: str | None = None
    """Path of the user's own image instead of a built one; `fs` says what it is."""


class Module(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """squashfs.ko rebuilt from the kernel's own source; None in a Setup means the module as shipped.  Of a kernel that is
    built from a `source:` tree it is the squashfs that is built in."""

    file: str = "direct"
    """`direct` (into the page cache) or `cache` (through a cache entry): CONFIG_SQUASHFS_FILE_*."""
    decompressors: str = "percpu"
    """`single`, `multi` or `percpu`: CONFIG_SQUASHFS_DECOMP_*."""
    patches: str | None = None
    """Directory of .patch files, applied in the order of their names."""


class Workload(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who uses up the memory."""

    kind: str = "churn"
    """`churn`: programs with a large text, called at random while they touch new anonymous memory; `hog`: malloc and
    memset for ever; `mix`: half of each; `threads`: churn in many threads; `command`: the user's own."""
    programs: int = 8
    """How many run at once, each from a file of its own, so that they share no page."""
    text_kib: int = 2048
    """churn: size of a program's text that is called at random."""
    calls_per_page: int = 4
    """churn: calls between two new anonymous pages; the smaller, the faster memory runs out."""
    threads: int = 1
    """Threads per program (`threads`: at least 2)."""
    restart_s: float = 5.0
    """Seconds after which a program that died is started again."""
    seed: int = 1
    command: tuple[str, ...] = ()
    """`command`: argument vector, run inside the root image."""


class Emulator(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How fast the virtual machine is: what is varied to tell the kernel's share from the emulator's."""

    accelerator: str = "auto"
    """`auto` (KVM where a probe booted a guest with it, else tcg), `kvm` or `tcg`."""
    cpus: int = 2
    memory_mib: int = 256
    disk_mib_s: float = 0.0
    """Throughput limit of the root disk; 0 for none."""
    disk_iops: int = 0
    """Limit of requests a second; 0 for none."""
    icount_shift: int | None = None
    """`-icount shift=N,sleep=on`: one instruction is 2^N ns of guest time, whatever the host does (one thread).  None: the
    guest's clock is the host's."""


class Setup(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One cell of a table: everything that decides what the guest does."""

    kernel: str = "debian:6.1"
    """`debian:SERIES`, a path of a kernel image, or `source:TREE`."""
    arch: str = "x86_64"
    modules: str | None = None
    """Directory of the modules of a kernel given by path."""
    config: str | None = None
    """`source:`: a configuration fragment over the minimal one."""
    root: Root = Root()
    module: Module | None = None
    workload: Workload = Workload()
    emulator: Emulator = Emulator()
    room_mib: int = 64
    """MemAvailable at the start of the workload: what is above it is locked away by the watcher, so that kernels of different
    size leave the same room.  0: nothing is locked away."""
    settings: tuple[tuple[str, str], ...] = ()
    """Files below /proc/sys and /sys that are written before the workload starts: (path, value), in order."""
    kernel_args: tuple[str, ...] = ()
    zram_mib: int = 0
    """Swap on a compressed RAM disk of that size; 0 for none."""
    cgroup_mib: int = 0
    """memory.max of a cgroup (v2) around the workload; 0 for none."""
    canary_mlock: bool = False
    """Whether the canary locks itself into memory (mlockall) as a well-made supervisor would."""
    canary: tuple[str, ...] = ()
    """The command whose start is timed; empty for the lab's own program in the image."""
    oom_score_adj: int = 0
    """Of the workload's programs."""
    packages: tuple[str, ...] = ()
    """Debian packages unpacked into the root image, with the libraries they depend on."""
    daemons: tuple[str, ...] = ()
    """Command lines started in the image before the workload, such as `/usr/bin/earlyoom -m 10`."""
    init: str | None = None
    """A user's image: its own init (such as /sbin/init), started as process 1 instead of nothing."""
    blind: bool = False
    """The watcher passes on the canary's answers and little else: what is compared with, to see what observation costs."""
    read_back: bool = False
    """All files of the image are read before the workload and again after the measurement (Run.read_back)."""
    seconds: float = 60.0
    """Length of the measurement, guest time, from the start of the workload."""


class Prepared(msgspec.Struct, frozen=True):
    """Everything a virtual machine is started with, on disk."""

    setup: Setup
    release: str
    """uname -r."""
    version: str
    """x.y.z of the source."""
    kernel_image: str
    initramfs: str
    disk: str | None
    """Root image; None for tmpfs, which is in the initramfs."""
    files: str = ""
    """What names the files of a root in the initramfs: a digest of them, without the lab's own programs beside them."""
    provenance: tuple[tuple[str, str], ...] = ()
    """(what, name version sha256): packages, sources and patches that this was made of."""
    notes: tuple[str, ...] = ()
    """What a user should know of them, such as a suite that was out of reach."""

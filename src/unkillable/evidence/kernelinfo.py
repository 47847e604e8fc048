"""Which kernel wrote the log: release, architecture, command line, memory, file systems.

Where a log has no banner, the architecture is voted for by names and registers that only one of them prints,
and the era is the intersection of the ranges of the formats seen; both are then marked as inferred.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

from unkillable.evidence.archsigns import STRONG, placed
from unkillable.evidence.builder import Builder
from unkillable.evidence.table import Format, Section
from unkillable.evidence.trace import COMM, TraceSection
from unkillable.evidence.types import KernelInfo
from unkillable.klog.record import Record
from unkillable.versions import version_key

if TYPE_CHECKING:
    from unkillable.evidence.hints import Told

_BANNER = re.compile(r"Linux version (?P<release>\d\S*)(?P<rest>.*)$")
_COMMAND_LINE = re.compile(r"(?:Kernel )?[Cc]ommand line: (?P<line>.*)$")
_HARDWARE = re.compile(r"(?:Hardware name|Machine model|MIPS: machine is|Machine|DMI): ?(?P<name>.*)$")
_MEMORY = re.compile(r"Memory: (?P<free>\d+)[kK](?:B)?/(?P<total>\d+)[kK]")
_MOUNTED = re.compile(
    r"VFS: Mounted root \((?P<root>\w+) filesystem\)|(?P<version>squashfs: version )|(?P<fs>EXT4-fs|erofs|F2FS-fs|XFS|BTRFS"
    r"|UBIFS|jffs2|EXT3-fs|overlayfs)\b.*mounted"
)
_CONFIG = re.compile(
    r"^(?:CONFIG_(?P<name>[A-Z0-9_]+)=(?P<value>\S+)|# CONFIG_(?P<off>[A-Z0-9_]+) is not set)$"
)

# The upstream version behind a distribution's release, e.g. `#1 SMP Debian 5.10.251-5`.
_SOURCE_VERSION = re.compile(r".*#\d+.*\bDebian (?P<version>\d+\.\d+\.\d+)-")
_VERSION = re.compile(r"^(\d+\.\d+(?:\.\d+)?)")

_RELEASE_ARCH = (  # a distribution's flavour tells
    (re.compile(r"amd64|x86_64"), "x86_64"),
    (re.compile(r"arm64|aarch64"), "arm64"),
    (re.compile(r"armmp|armv[567]|armhf|-marvell|-rpi$|imx|versatile|orion"), "arm"),
    (re.compile(r"malta|mips|octeon|loongson-3$"), "mips"),
    (re.compile(r"riscv"), "riscv"),
    (re.compile(r"powerpc|ppc"), "powerpc"),
    (re.compile(r"s390"), "s390"),
    (re.compile(r"[-.][3-6]86(?:-pae)?\b|i[3-6]86"), "i386"),
    (re.compile(r"loong64|loongarch"), "loongarch"),
)
# Forms that only a range of kernels prints: words of which one is in them, pattern, since, until; None is an open end.
ERAS = tuple(
    (words, re.compile(pattern), since, until)
    for words, pattern, since, until in (
        ((" or a child",), r"Out of memory: kill process \d+ .* or a child", None, "2.6.36"),
        (("or sacrifice child",), r"or sacrifice child", "2.6.36", "5.3"),
        (("task:",), r"^task:.{1,16}\s*state:", "5.10", None),
        (("PC stack",), r"^\s*task\s+PC stack\s+pid father", None, "4.20"),
        ((") from [<",), r"\+0x[0-9a-f]+/0x[0-9a-f]+\) from \[<", None, "3.12"),
        (("mmap_sem",), r"\bmmap_sem\b", None, "5.8"),
        (("mmap_lock",), r"\bmmap_lock\b", "5.8", None),
        (("oom_reaper: ",), r"^oom_reaper: ", "4.6", None),
        (("oom-kill:constraint=",), r"^oom-kill:constraint=", "5.0", None),
        (("Out of memory: Killed process",), r"Out of memory: Killed process", "5.3", None),
    )
)


@lru_cache(maxsize=1024)
def _flavour(release: str) -> str | None:
    """The architecture that a release names."""
    return next((arch for pattern, arch in _RELEASE_ARCH if pattern.search(release)), None)


def vote(builder: Builder, text: str, told: Told) -> None:
    """Counts the architecture signs of one line and notes what it says of the kernel's era."""
    builder.votes_left -= 1
    release = builder.kernel.get("release")
    if release and _flavour(release):
        builder.votes_left = 0
        return
    for search, since, until in told.eras:
        if search(text):
            builder.narrow_era(since, until)
    spoken: str | None = None  # an architecture's signs stand together, and count once
    for arch, search in told.signs:
        if arch != spoken and search(text):
            spoken = arch
            builder.vote_arch(arch, STRONG)
    if told.address and (found := placed(text)) is not None:
        builder.vote_arch(*found)


def conclude(builder: Builder) -> KernelInfo:
    """The kernel's facts from what was noted while reading."""
    known = builder.kernel
    release = known.get("release")
    arch, inferred = _flavour(release) if release else None, False
    if arch is None and builder.arch_votes:
        arch = max(builder.arch_votes, key=lambda name: builder.arch_votes[name])
        inferred = True
    since, until = (None, None) if release else _era(builder)
    return KernelInfo(
        release=release,
        version=_version(release, known.get("build")),
        since=since,
        until=until,
        arch=known.get("arch", arch),
        arch_inferred=inferred and "arch" not in known,
        command_line=known.get("command_line"),
        machine=known.get("machine"),
        distribution=known.get("distribution"),
        tainted=known.get("tainted"),
        config=dict(builder.config),
        memory_kib=known.get("memory_kib"),
        root_fs=known.get("root_fs"),
        filesystems=tuple(builder.filesystems),
        line=known.get("line", 0),
    )


def _version(release: str | None, build: str | None) -> str | None:
    source = _SOURCE_VERSION.match(build or "")
    if source is not None:
        return source["version"]
    match = _VERSION.match(release or "")
    return match[1] if match else None


def _era(builder: Builder) -> tuple[str | None, str | None]:
    """Since and until of all formats seen, as far as they agree."""
    since = max((pair[0] for pair in builder.eras if pair[0]), key=version_key, default=None)
    until = min((pair[1] for pair in builder.eras if pair[1]), key=version_key, default=None)
    if since and until and version_key(since) >= version_key(until):
        return None, None
    return since, until


def _banner(builder: Builder, match: re.Match[str], record: Record) -> None:
    builder.set_kernel(release=match["release"], build=match["rest"], line=record.number)
    distribution = re.search(
        r"(Debian|Ubuntu|OpenWrt|Yocto|Buildroot|Android|Red Hat|SUSE|Arch)", match["rest"]
    )
    if distribution:
        builder.set_kernel(distribution=distribution[1])


def _command_line(builder: Builder, match: re.Match[str], record: Record) -> None:
    builder.set_kernel(command_line=match["line"].strip())
    root = re.search(r"rootfstype=(\w+)", match["line"])
    if root:
        builder.set_kernel(root_fs=root[1])


def _hardware(builder: Builder, match: re.Match[str], record: Record) -> None:
    builder.set_kernel(machine=match["name"].strip())


def _memory(builder: Builder, match: re.Match[str], record: Record) -> None:
    builder.set_kernel(memory_kib=int(match["total"]))


def _mounted(builder: Builder, match: re.Match[str], record: Record) -> None:
    name = match["root"] or ("squashfs" if match["version"] else match["fs"].lower().removesuffix("-fs"))
    if match["root"]:
        builder.set_kernel(root_fs=match["root"])
    if len(builder.filesystems) < 64:
        builder.filesystems[name] = None


def _config(builder: Builder, match: re.Match[str], record: Record) -> None:
    if len(builder.config) < 20_000:
        if match["off"]:
            builder.config[match["off"]] = "n"
        else:
            builder.config[match["name"]] = match["value"]


def _comm(builder: Builder, match: re.Match[str], record: Record) -> Section:
    section = TraceSection(builder, record, "trace")
    section.feed(record)
    return section


FORMATS = (
    Format(
        "banner",
        ("Linux version ",),
        _BANNER,
        _banner,
        "2.6.0-7.3",
        "captures/amd64-5.10-ext4-frozen.sample.xz",
    ),
    Format(
        "command-line",
        ("ommand line: ",),
        _COMMAND_LINE,
        _command_line,
        "2.6.0-7.3",
        "captures/amd64-5.10-ext4-frozen.sample.xz",
    ),
    Format(
        "hardware",
        ("Hardware name: ", "Machine model: "),
        _HARDWARE,
        _hardware,
        "2.6.30-7.3",
        "captures/amd64-5.10-healthy.sample.xz",
    ),
    Format(
        "memory", ("K available",), _MEMORY, _memory, "2.6.0-7.3", "captures/amd64-5.10-ext4-frozen.sample.xz"
    ),
    Format(
        "mounted",
        ("VFS: Mounted root", "squashfs: version", "mounted filesystem"),
        _MOUNTED,
        _mounted,
        "2.6.0-7.3",
        "captures/amd64-5.10-ext4-frozen.sample.xz",
    ),
    Format("config", ("CONFIG_",), _CONFIG, _config, "2.6.0-7.3", "formats/config.sample"),
    Format("comm", ("Comm: ", "Pid: "), COMM, _comm, "2.6.0-7.3", "captures/amd64-5.10-healthy.sample.xz"),
)

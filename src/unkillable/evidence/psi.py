"""The state of a whole system as /proc and /sys tell it: pressure, memory, kernel, mounts, settings.

| file                     | since | what it gives                                                                      |
|--------------------------|-------|------------------------------------------------------------------------------------|
| /proc/pressure/RESOURCE  | 4.20  | share of time some or all tasks stood still; EOPNOTSUPP where booted without psi=1 |
| /proc/pressure/cpu full  | 5.13  | the second line of cpu                                                             |
| memory.pressure          | 4.20  | the same for the control group that is mounted at /sys/fs/cgroup                   |
| /proc/vmstat allocstall* | 2.6   | direct reclaims begun; one counter per zone since 4.10                             |
| /proc/vmstat oom_kill    | 4.13  | kills by the OOM killer, those of control groups included                          |
| lru_gen/min_ttl_ms       | 6.1   | the working set protected by MGLRU, ms; 0: not                                     |

Nothing here is read from a disk. /proc/mounts waits for namespace_sem (fs/proc_namespace.c m_start(), fs/namespace.c),
which a stuck mount or umount may hold, so it comes last and under the caller's watch.
"""

from __future__ import annotations

import errno
import os
import re
import zlib

from unkillable.evidence.builder import Builder
from unkillable.evidence.meminfo import parse_proc_meminfo
from unkillable.evidence.types import MemInfo, Pressure, Zone
from unkillable.klog.text import clean

SETTINGS = (
    "vm/panic_on_oom", "vm/oom_kill_allocating_task", "vm/overcommit_memory", "vm/swappiness", "vm/min_free_kbytes",
    "vm/watermark_scale_factor", "kernel/hung_task_timeout_secs", "kernel/hung_task_panic", "kernel/hung_task_warnings",
    "kernel/sysrq", "kernel/panic", "kernel/dmesg_restrict",
)  # fmt: skip
"""Files below /proc/sys that decide what happens on a shortage or a hang."""

_SYS = ("kernel/mm/lru_gen/enabled", "kernel/mm/lru_gen/min_ttl_ms")
PSEUDO = frozenset(
    "autofs bdev bpf binfmt_misc cgroup cgroup2 configfs cpuset debugfs devpts devtmpfs efivarfs fusectl hugetlbfs mqueue "
    "nsfs pipefs proc pstore ramfs rootfs securityfs selinuxfs sockfs sysfs tmpfs tracefs".split()
)
_MOUNTS_LIMIT = 4_000
_CONFIG_LIMIT = 1 << 20
_GZIP = b"\x1f\x8b"
_PAGE_SIZES = (4, 8, 16, 32, 64)  # KiB

_PSI = re.compile(r"^(some|full) avg10=(\d{1,3}\.\d{2}) ", re.MULTILINE)
_VERSION = re.compile(r"Linux version (?P<release>\d\S{0,100})(?P<build>.{0,1000})")
_DISTRIBUTION = re.compile(r"(Debian|Ubuntu|OpenWrt|Yocto|Buildroot|Android|Red Hat|SUSE|Arch)")
_ZONE = re.compile(r"^Node (\d{1,5}), zone +(\w{1,16})\s*$")
_ZONE_FIELD = re.compile(
    r"^ +(?:pages )?(free|min|low|high|present|managed|nr_zone_\w{1,32})  *(\d{1,18})\s*$"
)
_COUNTER = re.compile(
    r"^(oom_kill|allocstall\w{0,16}|compact_stall|pgscan_direct|pgsteal_direct) (\d{1,20})$", re.MULTILINE
)
_CONFIG = re.compile(
    r"^CONFIG_([A-Z0-9_]{1,100})=(\S{1,100})$|^# CONFIG_([A-Z0-9_]{1,100}) is not set$", re.MULTILINE
)
_FS_TYPE = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_MACHINES = (
    (re.compile(r"x86_64|amd64"), "x86_64"),
    (re.compile(r"i[3-6]86"), "i386"),
    (re.compile(r"aarch64|arm64"), "arm64"),
    (re.compile(r"arm"), "arm"),
    (re.compile(r"mips"), "mips"),
    (re.compile(r"riscv"), "riscv"),
    (re.compile(r"ppc|powerpc"), "powerpc"),
    (re.compile(r"s390"), "s390"),
    (re.compile(r"loongarch"), "loongarch"),
)


class Buffer:
    """Reads small files into memory that is allocated once: a box that has none left may have none to give."""

    def __init__(self, size: int = 1 << 16, follow: bool = True) -> None:
        self._data = memoryview(bytearray(size))
        self._flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | (0 if follow else os.O_NOFOLLOW)
        self.error = 0
        """The errno of the last read; 0 where it succeeded."""

    def read(self, path: str) -> bytes:
        """The file's first bytes, as many as the buffer holds; nothing where it is gone, refused or not readable."""
        size, self.error = 0, 0
        try:
            fd = os.open(path, self._flags)
        except OSError as error:
            self.error = error.errno or errno.EIO
            return b""
        try:
            while size < len(self._data):
                got = os.readv(fd, [self._data[size:]])
                if not got:
                    break
                size += got
        except OSError as error:
            self.error = error.errno or errno.EIO
        finally:
            os.close(fd)
        return bytes(self._data[:size])

    def text(self, path: str) -> str:
        """The same as text, without control characters; lines stay lines."""
        return "\n".join(
            line for raw in self.read(path).decode("utf-8", "replace").split("\n") for line in clean(raw)
        )


class System:
    """What is read of the whole system at one moment, kept as text until there is time to look at it."""

    def __init__(self, proc: str, sys: str) -> None:
        self.proc, self.sys = proc, sys
        self.time: float | None = None
        self.files: dict[str, str] = {}
        self.errors: dict[str, int] = {}

    def read(self, buffer: Buffer, time: float | None, first: bool) -> None:
        """Reads the files that change, and the first time also those that do not."""
        self.time = time
        for name in ("meminfo", "zoneinfo", "vmstat", "pressure/memory", "pressure/io", "pressure/cpu"):
            self._read(buffer, name, f"{self.proc}/{name}")
        for name in ("memory.pressure", "unified/memory.pressure"):
            self._read(buffer, name, f"{self.sys}/fs/cgroup/{name}")
        if first:
            for name in ("version", "cmdline", "uptime"):
                self._read(buffer, name, f"{self.proc}/{name}")
            for name in SETTINGS:
                self._read(buffer, name, f"{self.proc}/sys/{name}")
            for name in _SYS:
                self._read(buffer, name, f"{self.sys}/{name}")
            self._read(buffer, "mounts", f"{self.proc}/mounts")

    def _read(self, buffer: Buffer, name: str, path: str) -> None:
        text = buffer.text(path)
        if buffer.error:
            self.errors[name] = buffer.error
        if text.strip():
            self.files[name] = text
        else:  # an earlier look's is not this one's
            self.files.pop(name, None)

    @property
    def settings(self) -> dict[str, str]:
        """Settings by their path: `vm/panic_on_oom`, `kernel/mm/lru_gen/min_ttl_ms`."""
        return {name: self.files[name].strip()[:200] for name in (*SETTINGS, *_SYS) if name in self.files}

    @property
    def counters(self) -> dict[str, int]:
        """Event counters of /proc/vmstat; `allocstall` is the sum of the zones'."""
        found: dict[str, int] = {}
        for name, number in _COUNTER.findall(self.files.get("vmstat", "")):
            key = "allocstall" if name.startswith("allocstall") else name
            found[key] = found.get(key, 0) + int(number)
        return found

    def pressures(self) -> list[Pressure]:
        """`memory`, `io`, `cpu`, and `cgroup memory` where /sys/fs/cgroup is not the root of all groups."""
        names = {f"pressure/{name}": name for name in ("memory", "io", "cpu")}
        names |= {"memory.pressure": "cgroup memory", "unified/memory.pressure": "cgroup memory"}
        facts = (
            parse_pressure(names[file], self.files[file], self.time) for file in names if file in self.files
        )
        return [fact for fact in facts if fact is not None]

    def memory(self) -> MemInfo | None:
        kib = parse_proc_meminfo(self.files.get("meminfo", ""))
        if not kib:
            return None
        return MemInfo(
            text="/proc/meminfo: "
            + ", ".join(
                f"{name} {kib[name]} kB" for name in ("MemTotal", "MemFree", "MemAvailable") if name in kib
            ),
            time=self.time,
            kib=kib,
            zones=parse_zoneinfo(self.files.get("zoneinfo", ""), kib.get("MemFree")),
            swap_total=kib.get("SwapTotal"),
            swap_free=kib.get("SwapFree"),
        )

    def describe(self, builder: Builder, machine: str | None) -> None:
        """Hands the kernel's facts to `builder`; `machine` is what uname -m says, None where nobody asked."""
        match = _VERSION.search(self.files.get("version", ""))
        if match is not None:
            build = match["build"]
            builder.set_kernel(release=match["release"], build=build, distribution=distribution(build))
        if "cmdline" in self.files:
            builder.set_kernel(command_line=self.files["cmdline"].strip())
        total = parse_proc_meminfo(self.files.get("meminfo", "")).get("MemTotal")
        builder.set_kernel(memory_kib=total, arch=architecture(machine) if machine else None)
        root, types = parse_mounts(self.files.get("mounts", ""))
        builder.set_kernel(root_fs=root)
        for name in types[: max(64 - len(builder.filesystems), 0)]:
            builder.filesystems[name] = None

    def problem(self) -> str | None:
        """Why pressure is not known, as a note to the reader; None where it is."""
        why = self.errors.get("pressure/memory")
        if why is None:
            return None
        if why == errno.EOPNOTSUPP:
            return "pressure is not measured: boot with psi=1 (CONFIG_PSI_DEFAULT_DISABLED)"
        if why == errno.ENOENT:
            return "pressure is not known: no /proc/pressure (CONFIG_PSI is off, or the kernel is older than 4.20)"
        return f"pressure is not known: /proc/pressure/memory: {os.strerror(why)}"


def parse_pressure(resource: str, text: str, time: float | None = None) -> Pressure | None:
    """One PSI file; shares in percent."""
    found = {kind: float(share) for kind, share in _PSI.findall(text)}
    if "some" not in found:
        return None
    return Pressure(
        text=f"{resource} pressure: {'; '.join(text.split(chr(10))[:2])}"[:300],
        time=time,
        resource=resource,
        some_avg10=found["some"],
        full_avg10=found.get("full"),
    )


def parse_zoneinfo(text: str, free_kib: int | None = None) -> tuple[Zone, ...]:
    """/proc/zoneinfo's populated zones, KiB. The file counts pages; their size follows from MemFree, `free_kib`."""
    zones: list[tuple[int, str, dict[str, int]]] = []
    for line in text.split("\n"):
        head = _ZONE.match(line)
        if head is not None:
            zones.append((int(head[1]), head[2], {}))
        elif zones:
            field = _ZONE_FIELD.match(line)
            if field is not None:
                zones[-1][2].setdefault(field[1], int(field[2]))
    zones = [zone for zone in zones[:512] if "free" in zone[2] and zone[2].get("present", 1)]
    free = sum(fields["free"] for _, _, fields in zones)
    page = (
        min(_PAGE_SIZES, key=lambda size: abs(free * size - free_kib))
        if free and free_kib
        else _PAGE_SIZES[0]
    )
    kib = [(node, name, {key: count * page for key, count in fields.items()}) for node, name, fields in zones]
    return tuple(
        Zone(
            name,
            node,
            fields["free"],
            fields.get("min", 0),
            fields.get("low", 0),
            fields.get("high", 0),
            fields,
        )
        for node, name, fields in kib
    )


def parse_mounts(text: str) -> tuple[str | None, list[str]]:
    """Type of the root file system, and the types of all that are backed by something, in order."""
    root = None
    types: dict[str, None] = {}
    for line in text.split("\n", _MOUNTS_LIMIT)[:_MOUNTS_LIMIT]:
        fields = line.split(" ")
        if len(fields) < 4 or not _FS_TYPE.fullmatch(fields[2]):
            continue
        if fields[1] == "/" and fields[2] != "rootfs":
            root = fields[2]  # a later mount covers an earlier one
        if fields[2] not in PSEUDO and len(types) < 64:
            types[fields[2]] = None
    return root, list(types)


def parse_config(data: bytes) -> dict[str, str]:
    """The options of /proc/config.gz, or of its text, `n` for those not set; nothing where it is damaged."""
    if data.startswith(_GZIP):
        try:
            data = zlib.decompressobj(31).decompress(data, _CONFIG_LIMIT)
        except zlib.error:
            return {}
    text = data.decode("ascii", "replace")
    return {match[1] or match[3]: match[2] or "n" for match in _CONFIG.finditer(text)}


def distribution(build: str) -> str | None:
    """Who built the kernel, by the rest of its banner."""
    match = _DISTRIBUTION.search(build)
    return match[1] if match else None


def architecture(machine: str) -> str | None:
    """The name used here for what uname -m prints."""
    return next((name for pattern, name in _MACHINES if pattern.match(machine)), None)

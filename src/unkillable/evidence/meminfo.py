"""`Mem-Info:` blocks (sysrq-m, OOM reports, allocation failures) of 2.6 to 7.3, and /proc/meminfo's text.

| era         | what the block looks like                                                                       |
|-------------|-------------------------------------------------------------------------------------------------|
| to 2.6.27   | `Active:1 inactive:2 dirty:..`, zones `DMA free:1kB min:2kB low:.. high:.. active:.. present:..`   |
| 2.6.28-4.1  | per-cpu blocks first (`DMA per-cpu:`, `CPU    0: hi: 186, btch: 31 usd: 61`), `Active_anon:1 ...`  |
| 4.2-4.7     | no per-cpu blocks, `free_pcp:` on the zone's line                                               |
| 4.8-7.3     | `Node 0 active_anon:1kB ... all_unreclaimable? no` per node; zones keep fewer fields             |
| 6.10-7.3    | may end with `Memory allocations:` (CONFIG_MEM_ALLOC_PROFILING)                                  |
| ARM to 4.x  | `1 pages of RAM`, `2 free pages`, `3 reserved pages`, `4 slab pages`, `5 pages swap cached`          |
"""

from __future__ import annotations

import re

from msgspec import structs

from unkillable.evidence.builder import Builder
from unkillable.evidence.numbers import integer
from unkillable.evidence.table import Format, Section
from unkillable.evidence.types import MemInfo, Zone
from unkillable.klog.record import Record

_ZONES_LIMIT = 512  # 64 nodes with 5 zones are 320
_FIELDS_LIMIT = 128
_QUOTED = 80  # characters of a zone's line that show its watermarks

_HEAD = re.compile(r"Mem-[Ii]nfo:")
_KB = re.compile(r"(?<![\w.])([A-Za-z_]{2,24}(?:\([a-z]{4}\))?): ?(\d{1,15})k?[Bb]")
_COUNT = re.compile(r"(?<![\w.])([A-Za-z_]{3,24}):(\d{1,15})(?![\dkK])")
_ZONE = re.compile(
    r"(?:Node (?P<node>\d{1,4}),? )?(?P<name>DMA(?:32)?|Normal|HighMem|Movable|Device|[A-Z][A-Za-z]{2,10}) free:"
    r"(?P<free>\d{1,15})kB "
)
_NODE = re.compile(r"Node (?P<node>\d{1,4}) active_anon:\d")
_BUDDY = re.compile(r"(?:Node \d{1,4} )?[A-Z][A-Za-z0-9]{2,10}: \d{1,15}\*(?P<page>\d{1,7})kB ")
_HOPELESS = re.compile(r"all_unreclaimable\? yes")
# A word that is in every line of the kind, its pattern, the fact's name.
_SIMPLE = (
    (" total pagecache", re.compile(r"(?P<n>\d{1,15}) total pagecache pages"), "page_cache_pages"),
    ("RAM", re.compile(r"(?P<n>\d{1,15}) pages (?:of )?RAM"), "pages_ram"),
    ("reserved", re.compile(r"(?P<n>\d{1,15}) (?:pages reserved|reserved pages)"), "pages_reserved"),
    ("Free swap", re.compile(r"Free swap *[=:] *(?P<n>\d{1,15}) ?kB"), "swap_free"),
    ("Total swap", re.compile(r"Total swap *= *(?P<n>\d{1,15}) ?kB"), "swap_total"),
)
# Counted lines of the block's end that go to `pages` under a short name.
_PAGES = (
    (
        "swap cache",
        re.compile(r"(?P<n>\d{1,15}) pages in swap cache|(?P<m>\d{1,15}) pages swap cached"),
        "swap_cache",
    ),
    ("H", re.compile(r"(?P<n>\d{1,15}) pages (?:HighMem/MovableOnly|of HIGHMEM|HighMem)"), "highmem"),
    ("cma", re.compile(r"(?P<n>\d{1,15}) pages cma reserved|(?P<m>\d{1,15}) pages cma"), "cma_reserved"),
    ("hwpoisoned", re.compile(r"(?P<n>\d{1,15}) pages hwpoisoned"), "hwpoisoned"),
    (" free pages", re.compile(r"(?P<n>\d{1,15}) free pages"), "free"),
    (" slab pages", re.compile(r"(?P<n>\d{1,15}) slab pages"), "slab"),
    (" pages shared", re.compile(r"(?P<n>\d{1,15}) pages shared"), "shared"),
    (" pages non-shared", re.compile(r"(?P<n>\d{1,15}) pages non-shared"), "non_shared"),
)
_OTHER = re.compile(
    r"(?:Node \d+ )?[A-Z]\w{2,10} per-cpu:|(?:CPU|cpu) +\d+:? (?:hi:|Hot:|hot:|cold:)|lowmem_reserve\[\]:|protections\[\]:"
    r"|(?:Node \d+ )?hugepages_total=|Swap cache stats:|Swap cache: add|\d{1,15} pages in pagetable cache|Free pages: +\d+kB"
    r"|Memory allocations(?: \(profiling is currently turned \w+\))?:"
    r"|[\d.]{1,12} ?[KMGT]?i?B {1,20}\d{1,20} \S{1,200}:\d{1,7} (?:\[\w{1,64}\] )?func:"
)
_TOKENS = re.compile(r" ?[A-Za-z_]{3,24}:\d{1,15}\b")
_GLOBAL = frozenset(
    "active inactive active_anon inactive_anon isolated_anon active_file inactive_file isolated_file unevictable dirty "
    "writeback unstable slab slab_reclaimable slab_unreclaimable mapped shmem pagetables sec_pagetables bounce "
    "kernel_misc_reclaimable free free_pcp free_cma".split()
)


class MemInfoReader:
    """Takes the lines of one block."""

    def __init__(self) -> None:
        self.first: Record | None = None
        self.last = 0
        self.pages: dict[str, int] = {}
        self.node_kib: dict[str, int] = {}
        self.zones: list[Zone] = []
        self.zone_lines: list[int] = []
        self.simple: dict[str, int] = {}
        self.page_size = 4
        self.hopeless: bool | None = None

    def feed(self, record: Record) -> bool:
        text = record.text.strip()
        if "Mem-" in text and _HEAD.search(text):
            if self.first is not None:
                return False
        elif not (
            self._zone(text)
            or self._node(text)
            or self._global(text)
            or self._counts(text)
            or self._rest(text)
        ):
            return False
        if len(self.zones) > len(self.zone_lines):
            self.zone_lines.append(record.number)
        if self.first is None:
            self.first = record
        self.last = record.number
        return True

    def _placed_zones(self) -> tuple[Zone, ...]:
        return tuple(
            structs.replace(zone, line=line) for zone, line in zip(self.zones, self.zone_lines, strict=False)
        )

    def _zone(self, text: str) -> bool:
        match = _ZONE.search(text) if " free:" in text else None
        if match is None:
            return False
        fields: dict[str, int] = {}
        for name, number in _KB.findall(text[match.end("name") :])[:_FIELDS_LIMIT]:
            fields.setdefault(name, int(number))
        self._hope(text)
        if len(self.zones) < _ZONES_LIMIT:
            free, low, high = (fields.get(name, 0) for name in ("free", "low", "high"))
            zone = Zone(
                match["name"],
                integer(match["node"]),
                free,
                fields.get("min", 0),
                low,
                high,
                fields,
                0,
                text[:_QUOTED],
            )
            self.zones.append(zone)
        return True

    def _node(self, text: str) -> bool:
        if " active_anon:" not in text or not _NODE.search(text):
            return False
        for name, number in _KB.findall(text)[:_FIELDS_LIMIT]:
            if name in self.node_kib or len(self.node_kib) < _FIELDS_LIMIT:
                self.node_kib[name] = self.node_kib.get(name, 0) + int(number)
        self._hope(text)
        return True

    def _hope(self, text: str) -> None:
        if "all_unreclaimable?" in text:
            self.hopeless = bool(self.hopeless) or _HOPELESS.search(text) is not None

    def _global(self, text: str) -> bool:
        """`active_anon:9 inactive_anon:15570 isolated_anon:0`; a slow serial line may have eaten some characters."""
        if ":" not in text or "kB" in text or not _TOKENS.search(text):
            return False
        found = [(name.lower(), int(number)) for name, number in _COUNT.findall(text)]
        known = [(name, number) for name, number in found if name in _GLOBAL]
        if not known or 2 * len(known) < len(text.split()):
            return False
        for name, number in known:
            self.pages.setdefault(name, number)
        return True

    def _counts(self, text: str) -> bool:
        if "page" not in text and " swap" not in text:
            return False
        for word, pattern, name in _SIMPLE:
            match = pattern.search(text) if word in text else None
            if match is not None:
                self.simple.setdefault(name, int(match["n"]))
                return True
        for word, pattern, name in _PAGES:
            match = pattern.search(text) if word in text else None
            if match is not None:
                self.pages.setdefault(name, int(match[1] or match[2]))
                return True
        return False

    def _rest(self, text: str) -> bool:
        buddy = _BUDDY.match(text)
        if buddy is not None:
            if int(buddy["page"]) in (4, 8, 16, 32, 64, 256):  # the smallest block is a page
                self.page_size = int(buddy["page"])
            return True
        return _OTHER.match(text) is not None

    def finish(self) -> MemInfo | None:
        """What was read, or None where it was nothing but the head."""
        if self.first is None or not (self.pages or self.zones or self.simple or self.node_kib):
            return None
        return MemInfo(
            line=self.first.number,
            text=self.first.text,
            time=self.first.time,
            lines=(self.first.number, self.last),
            pages=self.pages,
            zones=self._placed_zones(),
            page_size=self.page_size,
            node_kib=self.node_kib,
            all_unreclaimable=self.hopeless,
            page_cache_pages=self.simple.get("page_cache_pages"),
            pages_ram=self.simple.get("pages_ram"),
            pages_reserved=self.simple.get("pages_reserved"),
            swap_total=self.simple.get("swap_total"),
            swap_free=self.simple.get("swap_free"),
        )


class MemInfoSection:
    """A block that stands alone: sysrq-m."""

    patience = 16

    def __init__(self, builder: Builder, record: Record) -> None:
        self.builder = builder
        self.reader = MemInfoReader()
        self.reader.feed(record)

    def feed(self, record: Record) -> bool:
        return self.reader.feed(record)

    def close(self) -> None:
        fact = self.reader.finish()
        if fact is not None:
            self.builder.add_meminfo(fact)


_PROC = re.compile(r"^\s*(?P<name>[A-Z][\w()]{1,24}): {1,20}(?P<number>\d{1,15})(?: kB)?\s*$")


def parse_proc_meminfo(text: str) -> dict[str, int]:
    """/proc/meminfo's fields by name, KiB (HugePages_* are counts)."""
    fields: dict[str, int] = {}
    for line in text.splitlines()[:_FIELDS_LIMIT]:
        match = _PROC.match(line)
        if match is not None:
            fields[match["name"]] = int(match["number"])
    return fields


class ProcMeminfoSection:
    """/proc/meminfo's text inside a log, as collect scripts and watchdogs write it."""

    patience = 2

    def __init__(self, builder: Builder, record: Record) -> None:
        self.builder = builder
        self.record = record
        self.kib: dict[str, int] = {}
        self.last = record.number
        self.feed(record)

    def feed(self, record: Record) -> bool:
        fields = parse_proc_meminfo(record.text)
        if not fields or len(self.kib) >= _FIELDS_LIMIT or fields.keys() <= self.kib.keys():
            return False
        self.kib.update(fields)
        self.last = record.number
        return True

    def close(self) -> None:
        self.builder.add_meminfo(
            MemInfo(
                line=self.record.number,
                text=self.record.text,
                time=self.record.time,
                lines=(self.record.number, self.last),
                kib=self.kib,
                swap_total=self.kib.get("SwapTotal"),
                swap_free=self.kib.get("SwapFree"),
            )
        )


def _meminfo(builder: Builder, match: re.Match[str], record: Record) -> Section:
    return MemInfoSection(builder, record)


def _proc(builder: Builder, match: re.Match[str], record: Record) -> Section:
    return ProcMeminfoSection(builder, record)


FORMATS = (
    Format(
        "mem-info", ("Mem-Info:",), _HEAD, _meminfo, "2.6.24-7.3", "captures/amd64-5.10-healthy.sample.xz"
    ),
    Format(
        "mem-info-old",
        (),
        _HEAD,
        _meminfo,
        "to 2.6.23, ARM to 4.x",
        "formats/mem-info-old.sample",
        guard=("Mem-",),
    ),
    Format(
        "proc-meminfo",
        ("MemTotal: ",),
        re.compile(r"^\s*MemTotal: +\d+ kB"),
        _proc,
        "2.6.0-7.3",
        "formats/proc-meminfo.sample",
    ),
)

"""How short memory was."""

from __future__ import annotations

from unkillable.diagnosis.types import Memory, Quote
from unkillable.evidence.types import Evidence, MemInfo

_SMALL_SHARE = 0.08
"""File pages below this share of memory leave nothing to run programs from (measured: 1-5 % in frozen guests)."""


def _zones(info: MemInfo) -> tuple[int, int, int] | None:
    """Free, min and high watermark of all zones together, KiB."""
    zones = [zone for zone in info.zones if zone.high or zone.min]
    if not zones:
        return None
    return sum(z.free for z in zones), sum(z.min for z in zones), sum(z.high for z in zones)


def _pages(info: MemInfo, *names: str) -> int | None:
    found = [info.pages[name] for name in names if name in info.pages]
    return sum(found) * info.page_size if found else None


def assess(info: MemInfo) -> Memory:
    """Reads one Mem-Info block (or /proc/meminfo) as a statement on the shortage."""
    if info.kib:
        return _assess_proc(info)
    zones = _zones(info)
    file_kib = _pages(info, "active_file", "inactive_file")
    anon_kib = _pages(info, "active_anon", "inactive_anon")
    total = None
    if info.pages_ram is not None:
        total = (info.pages_ram - (info.pages_reserved or 0)) * info.page_size
    free = zones[0] if zones else _pages(info, "free")
    short = None
    if zones is not None and zones[2]:
        # Direct reclaim starts below the low watermark, kswapd runs up to the high one.
        # Between two passes of reclaim a frozen guest was seen at three times the high watermark, 5 % of memory.
        base = total or ((anon_kib or 0) + (file_kib or 0) + zones[0])
        low_free = zones[0] <= max(2 * zones[2], _SMALL_SHARE * base)
        little_file = file_kib is not None and base > 0 and file_kib < _SMALL_SHARE * base
        swap_left = bool(info.swap_free and info.swap_total and info.swap_free > 0.05 * info.swap_total)
        short = low_free and (little_file or file_kib is None) and not swap_left
    return Memory(
        short=short,
        free_kib=free,
        min_kib=zones[1] if zones else None,
        file_kib=file_kib,
        anon_kib=anon_kib,
        total_kib=total,
        swap_total_kib=info.swap_total,
        swap_free_kib=info.swap_free,
        line=info.line,
        text=info.text,
        zones=tuple(Quote(zone.line, zone.text) for zone in info.zones if zone.line)[:4],
    )


def _assess_proc(info: MemInfo) -> Memory:
    """By the same measure as a block of the kernel's log, so that both say the same of the same moment.

    MemAvailable does not tell: it counts slab caches that reclaim gets nowhere with, and was 5 to 6 % of memory in guests
    that had stood still for a minute.
    """
    total, free = info.kib.get("MemTotal"), info.kib.get("MemFree")
    file_kib = info.kib.get("Active(file)", 0) + info.kib.get("Inactive(file)", 0)
    zones = _zones(info)
    swap_total, swap_free = info.kib.get("SwapTotal"), info.kib.get("SwapFree")
    short = None
    if total and free is not None and "Inactive(file)" in info.kib:
        low_free = free <= max(2 * zones[2] if zones else 0, _SMALL_SHARE * total)
        swap_left = bool(swap_free and swap_total and swap_free > 0.05 * swap_total)
        short = low_free and file_kib < _SMALL_SHARE * total and not swap_left
    return Memory(
        short=short,
        free_kib=free,
        min_kib=zones[1] if zones else None,
        file_kib=file_kib,
        anon_kib=info.kib.get("AnonPages"),
        total_kib=total,
        swap_total_kib=swap_total,
        swap_free_kib=swap_free,
        line=info.line,
        text=info.text,
    )


def last_word(evidence: Evidence) -> Memory:
    """The shortage as of the last complete block; an earlier short one if the last does not tell."""
    result = Memory(None)
    for info in evidence.meminfos:
        found = assess(info)
        if found.short is not None or result.short is None:
            result = found
    return result

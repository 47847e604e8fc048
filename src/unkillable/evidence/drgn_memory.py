"""The kernel's memory counters, identity and mounts out of a dump or a running guest."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from unkillable.evidence.builder import Builder
from unkillable.evidence.psi import PSEUDO, architecture, distribution
from unkillable.evidence.types import MemInfo, Zone

# Counter (enum node_stat_item, or zone_stat_item before 4.8): its name in a console's Mem-Info block.
_COUNTERS = {
    "NR_ACTIVE_ANON": "active_anon",
    "NR_INACTIVE_ANON": "inactive_anon",
    "NR_ISOLATED_ANON": "isolated_anon",
    "NR_ACTIVE_FILE": "active_file",
    "NR_INACTIVE_FILE": "inactive_file",
    "NR_ISOLATED_FILE": "isolated_file",
    "NR_UNEVICTABLE": "unevictable",
    "NR_FILE_DIRTY": "dirty",
    "NR_WRITEBACK": "writeback",
    "NR_SLAB_RECLAIMABLE": "slab_reclaimable",
    "NR_SLAB_RECLAIMABLE_B": "slab_reclaimable",  # since 5.9
    "NR_SLAB_UNRECLAIMABLE": "slab_unreclaimable",
    "NR_SLAB_UNRECLAIMABLE_B": "slab_unreclaimable",
    "NR_FILE_MAPPED": "mapped",
    "NR_SHMEM": "shmem",
    "NR_FILE_PAGES": "pagecache",
    "NR_FREE_PAGES": "free",
}
_ARRAYS = (  # since 4.8 two arrays, before it one for everything
    ("enum node_stat_item", ("vm_node_stat",)),
    ("enum zone_stat_item", ("vm_zone_stat", "vm_stat")),
)
_ZONES = 512
_MOUNTS = 2_000


def read_memory(prog: Any, time: float | None) -> MemInfo | None:
    """The counters as a Mem-Info block has them; None where not even the free pages can be read.

    The counters lack what processors have not yet folded in (up to some hundred pages each), as they do in
    /proc/meminfo of kernels before 4.7.
    """
    import drgn

    try:
        page = prog["PAGE_SIZE"].value_() >> 10
        pages = _counters(prog)
        zones = _zones(prog, page)
    except (drgn.FaultError, LookupError, AttributeError):
        return None
    if "free" not in pages and not zones:
        return None
    swap = _swap(prog)
    total = _total(prog)
    shown = ", ".join(
        f"{name} {pages[name] * page} kB"
        for name in ("free", "active_file", "inactive_file")
        if name in pages
    )
    return MemInfo(
        text=f"vm_zone_stat, vm_node_stat: {shown}",
        time=time,
        pages={name: count for name, count in pages.items() if name != "pagecache"},
        zones=zones,
        swap_total=None if swap is None else swap[0] * page,
        swap_free=None if swap is None else swap[1] * page,
        pages_ram=total,
        page_cache_pages=pages.get("pagecache"),
        page_size=page,
    )


def _counters(prog: Any) -> dict[str, int]:
    pages: dict[str, int] = {}
    for enum, names in _ARRAYS:
        try:
            items = {item.name: item.value for item in prog.type(enum).enumerators}
        except LookupError:
            continue
        array = next((prog[name] for name in names if name in prog), None)
        if array is None:
            continue
        for item, index in items.items():
            if item in _COUNTERS:
                pages[_COUNTERS[item]] = max(array[index].counter.value_(), 0)  # as global_node_page_state()
    return pages


def _zones(prog: Any, page: int) -> tuple[Zone, ...]:
    from drgn.helpers.linux.mmzone import (
        for_each_online_pgdat,
        high_wmark_pages,
        low_wmark_pages,
        min_wmark_pages,
    )
    from drgn.helpers.linux.vmstat import zone_page_state

    zones: list[Zone] = []
    for node in for_each_online_pgdat(prog):
        for index in range(node.nr_zones.value_()):
            zone = node.node_zones[index].address_of_()
            present = zone.present_pages.value_() * page
            if not present or len(zones) >= _ZONES:
                continue
            free = max(zone_page_state(zone, prog["NR_FREE_PAGES"]), 0) * page
            low, high = low_wmark_pages(zone) * page, high_wmark_pages(zone) * page
            name = zone.name.string_().decode("ascii", "replace")
            fields = {
                "free": free,
                "min": min_wmark_pages(zone) * page,
                "low": low,
                "high": high,
                "present": present,
            }
            zones.append(Zone(name, node.node_id.value_(), free, fields["min"], low, high, fields))
    return tuple(zones)


def _swap(prog: Any) -> tuple[int, int] | None:
    """Pages of swap, all and free; None where the kernel has no swap (CONFIG_SWAP is off)."""
    from drgn import FaultError
    from drgn.helpers.linux.swap import swap_total_usage

    try:
        usage = swap_total_usage(prog)
    except (LookupError, FaultError):
        return None
    return usage.pages, usage.free_pages


def _total(prog: Any) -> int | None:
    from drgn import FaultError
    from drgn.helpers.linux.mm import totalram_pages

    try:
        return int(totalram_pages(prog))
    except (LookupError, FaultError):
        return None


def event(prog: Any, name: str) -> int | None:
    """A counter of enum vm_event_item, such as OOM_KILL (since 4.13); None where the kernel has none."""
    from drgn import FaultError
    from drgn.helpers.linux.vmstat import global_vm_event_state

    try:
        return int(global_vm_event_state(prog, prog[name]))
    except (LookupError, FaultError):
        return None


def uptime(prog: Any) -> float | None:
    """Seconds since boot without the time spent suspended, as of the last tick."""
    from drgn import FaultError
    from drgn.helpers.linux.timekeeping import ktime_get_coarse_ns

    try:
        return float(ktime_get_coarse_ns(prog).value_() / 1e9)
    except (LookupError, AttributeError, FaultError):
        return None


def describe(prog: Any, builder: Builder) -> None:
    """Release, architecture, command line, mounts."""
    import drgn

    try:
        name = prog["init_uts_ns"].name
        release, build, machine = (
            member.string_().decode("utf-8", "replace")
            for member in (name.release, name.version, name.machine)
        )
        builder.set_kernel(
            release=release, build=build, distribution=distribution(build), arch=architecture(machine)
        )
    except (LookupError, AttributeError, drgn.FaultError):
        pass
    with suppress(LookupError, drgn.FaultError):
        line = prog["saved_command_line"].string_()
        builder.set_kernel(command_line=line.decode("utf-8", "replace").strip())
    with suppress(LookupError, AttributeError, drgn.FaultError):  # what was read of them stays
        _mounts(prog, builder)


def _mounts(prog: Any, builder: Builder) -> None:
    from drgn.helpers.linux.fs import for_each_mount, mount_dst, mount_fstype

    root = None
    for mount, _ in zip(for_each_mount(prog), range(_MOUNTS), strict=False):
        fs = mount_fstype(mount).decode("ascii", "replace")
        if mount_dst(mount) == b"/" and fs != "rootfs":
            root = fs
        if fs not in PSEUDO and len(builder.filesystems) < 64:
            builder.filesystems[fs] = None
    builder.set_kernel(root_fs=root)

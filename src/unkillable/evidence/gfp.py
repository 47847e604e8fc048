"""What an allocation was allowed to do: gfp masks by name, and by number where a kernel printed no names.

Since 4.6 the kernel prints the names itself (`%pGg`), and they are believed. A bare number means another flag
in almost every era, so it is decoded with the layout its own reclaim bits point to.
"""

from __future__ import annotations

import re

import msgspec

_COSTLY_ORDER = 3  # PAGE_ALLOC_COSTLY_ORDER, include/linux/mmzone.h in every era
_NAMES_LIMIT = 32
_NAME = re.compile(r"(?:__GFP|GFP)_[A-Z0-9_]+$")
_LEFTOVER = re.compile(r"0x[0-9a-f]{1,8}$")

# A flag under its old name: until 4.3 __GFP_WAIT was what __GFP_DIRECT_RECLAIM is now; __GFP_REPEAT was renamed in
# 4.13; 6.1's pair of KASAN flags became one in 6.4.
_RENAMED = {
    "__GFP_WAIT": "__GFP_DIRECT_RECLAIM",
    "__GFP_REPEAT": "__GFP_RETRY_MAYFAIL",
    "GFP_DMA": "__GFP_DMA",
    "GFP_DMA32": "__GFP_DMA32",
}
_RECLAIM = "__GFP_DIRECT_RECLAIM __GFP_KSWAPD_RECLAIM"
# include/linux/gfp.h of 3.10 and 5.10, gfp_types.h of 6.1, 6.12 and 7.3. What one flag more or less in an era
# (GFP_ATOMIC's __GFP_ATOMIC to 6.2, GFP_NOWAIT's __GFP_NOWARN since 6.7) changes is nothing that is asked here.
_COMPOSITE = {
    name: frozenset(flags.split())
    for name, flags in {
        "__GFP_RECLAIM": _RECLAIM,
        "GFP_ATOMIC": "__GFP_HIGH __GFP_KSWAPD_RECLAIM",
        "GFP_NOWAIT": "__GFP_KSWAPD_RECLAIM",
        "GFP_NOIO": _RECLAIM,
        "GFP_NOFS": f"{_RECLAIM} __GFP_IO",
        "GFP_IOFS": "__GFP_IO __GFP_FS",
        "GFP_KERNEL": f"{_RECLAIM} __GFP_IO __GFP_FS",
        "GFP_KERNEL_ACCOUNT": f"{_RECLAIM} __GFP_IO __GFP_FS __GFP_ACCOUNT",
        "GFP_TEMPORARY": f"{_RECLAIM} __GFP_IO __GFP_FS __GFP_RECLAIMABLE",
        "GFP_USER": f"{_RECLAIM} __GFP_IO __GFP_FS __GFP_HARDWALL",
        "GFP_HIGHUSER": f"{_RECLAIM} __GFP_IO __GFP_FS __GFP_HARDWALL __GFP_HIGHMEM",
        "GFP_HIGHUSER_MOVABLE": f"{_RECLAIM} __GFP_IO __GFP_FS __GFP_HARDWALL __GFP_HIGHMEM __GFP_MOVABLE",
        "GFP_TRANSHUGE_LIGHT": "__GFP_IO __GFP_FS __GFP_HARDWALL __GFP_HIGHMEM __GFP_MOVABLE __GFP_COMP "
        "__GFP_NOMEMALLOC __GFP_NOWARN",
        "GFP_TRANSHUGE": "__GFP_DIRECT_RECLAIM __GFP_IO __GFP_FS __GFP_HARDWALL __GFP_HIGHMEM __GFP_MOVABLE "
        "__GFP_COMP __GFP_NOMEMALLOC __GFP_NOWARN",
    }.items()
}
# In this order a number's composites are looked for, the largest first, as include/trace/events/mmflags.h does.
_PRINTED = (
    "GFP_HIGHUSER_MOVABLE", "GFP_HIGHUSER", "GFP_USER", "GFP_TEMPORARY", "GFP_KERNEL", "GFP_NOFS", "GFP_NOIO",
)  # fmt: skip


class Layout(msgspec.Struct, frozen=True):
    """Which flag each bit is, in the kernels of one era."""

    since: str
    until: str
    """Last release of the era."""
    source: str
    bits: tuple[str, ...]
    """From bit 0 upwards; `-` is unused or depends on the configuration."""

    def mask(self, flag: str) -> int:
        """The bit of a flag, 0 where the era does not have it."""
        return 1 << self.bits.index(flag) if flag in self.bits else 0


def _layout(since: str, until: str, source: str, bits: str) -> Layout:
    return Layout(
        since, until, source, tuple(name if name == "-" else f"__GFP_{name}" for name in bits.split())
    )


LAYOUTS = (
    _layout("2.6.23", "2.6.30", "include/linux/gfp.h of 2.6.30 (__GFP_MOVABLE moved to bit 3 in 2.6.31)",
            "DMA HIGHMEM DMA32 - WAIT HIGH IO FS COLD NOWARN REPEAT NOFAIL NORETRY - COMP ZERO NOMEMALLOC HARDWALL "
            "THISNODE RECLAIMABLE MOVABLE"),
    _layout("2.6.31", "4.3", "include/linux/gfp.h of 3.10.30",
            "DMA HIGHMEM DMA32 MOVABLE WAIT HIGH IO FS COLD NOWARN REPEAT NOFAIL NORETRY MEMALLOC COMP ZERO NOMEMALLOC "
            "HARDWALL THISNODE RECLAIMABLE KMEMCG NOTRACK NO_KSWAPD OTHER_NODE WRITE"),
    _layout("4.4", "4.10", "include/linux/gfp.h of 4.9",
            "DMA HIGHMEM DMA32 MOVABLE RECLAIMABLE HIGH IO FS COLD NOWARN REPEAT NOFAIL NORETRY MEMALLOC COMP ZERO "
            "NOMEMALLOC HARDWALL THISNODE ATOMIC ACCOUNT NOTRACK DIRECT_RECLAIM OTHER_NODE WRITE KSWAPD_RECLAIM"),
    _layout("4.11", "4.17", "include/linux/gfp.h of 4.14",
            "DMA HIGHMEM DMA32 MOVABLE RECLAIMABLE HIGH IO FS COLD NOWARN RETRY_MAYFAIL NOFAIL NORETRY MEMALLOC COMP "
            "ZERO NOMEMALLOC HARDWALL THISNODE ATOMIC ACCOUNT NOTRACK DIRECT_RECLAIM WRITE KSWAPD_RECLAIM"),
    _layout("4.18", "5.0", "include/linux/gfp.h of 4.19",
            "DMA HIGHMEM DMA32 MOVABLE RECLAIMABLE HIGH IO FS WRITE NOWARN RETRY_MAYFAIL NOFAIL NORETRY MEMALLOC COMP "
            "ZERO NOMEMALLOC HARDWALL THISNODE ATOMIC ACCOUNT DIRECT_RECLAIM KSWAPD_RECLAIM"),
    # Bit 9 was __GFP_ATOMIC to 6.2; bit 23 is __GFP_ZEROTAGS since 5.14 (before: NOLOCKDEP); from bit 24 on the flags
    # depend on the configuration since 6.9, where an enum counts them.
    _layout("5.1", "7.3", "include/linux/gfp.h:26-50 of 5.10, gfp_types.h:27-63 of 6.1, :26-62 of 6.12, :26-59 of 7.3",
            "DMA HIGHMEM DMA32 MOVABLE RECLAIMABLE HIGH IO FS ZERO ATOMIC DIRECT_RECLAIM KSWAPD_RECLAIM WRITE NOWARN "
            "RETRY_MAYFAIL NOFAIL NORETRY MEMALLOC COMP NOMEMALLOC HARDWALL THISNODE ACCOUNT ZEROTAGS"),
)  # fmt: skip
_OLDEST, _OLD, _V4_4, _V4_11, _V4_18, _NEW = LAYOUTS


def guess_layout(mask: int, named: bool, word: str = "") -> Layout:
    """The era a bare number comes from, by the report's form.

    `named`: the line has a list of names, even a damaged one (4.6 and later). `word`: the name of the badness
    field of an OOM report's head; `oomkilladj` was its name to 2.6.31.
    """
    if named:
        # Both reclaim bits are set in nearly every mask that meets an OOM killer.
        for layout in (_V4_4, _V4_11, _V4_18, _NEW):
            reclaim = layout.mask("__GFP_DIRECT_RECLAIM") | layout.mask("__GFP_KSWAPD_RECLAIM")
            if mask & reclaim == reclaim:
                return layout
        return _NEW
    if mask & _V4_4.mask("__GFP_KSWAPD_RECLAIM"):  # bit 25: no flag had it before 4.4
        return _V4_4
    movable = _OLDEST.mask("__GFP_MOVABLE")
    if word == "oomkilladj" and not mask & _OLD.mask("__GFP_MOVABLE") and mask & movable:
        return _OLDEST
    return _OLD


def decode(mask: int, layout: Layout) -> tuple[str, ...]:
    """A number's flags as the kernel of that era would name them, largest composite first; the rest as 0x.."""
    reclaim = (
        ("__GFP_WAIT",) if "__GFP_WAIT" in layout.bits else ("__GFP_DIRECT_RECLAIM", "__GFP_KSWAPD_RECLAIM")
    )
    names: list[str] = []
    rest = mask
    for name in _PRINTED:
        flags = [
            *(flag for flag in _COMPOSITE[name] if not flag.endswith(("_DIRECT_RECLAIM", "_KSWAPD_RECLAIM"))),
            *reclaim,
        ]
        bits = 0
        for flag in flags:
            bits |= layout.mask(flag)
        if rest & bits == bits:
            names.append(name)
            rest &= ~bits
            break
    for index, flag in enumerate(layout.bits):
        if flag != "-" and rest >> index & 1:
            names.append(flag)
            rest &= ~(1 << index)
    if rest:
        names.append(f"{rest:#x}")
    return tuple(names)


def parse_names(text: str) -> tuple[str, ...]:
    """The names of a printed list, `GFP_NOFS|__GFP_COMP`; () for `none` and for a list with a damaged name."""
    parts = text.split("|")
    if len(parts) > _NAMES_LIMIT or not all(_NAME.match(part) or _LEFTOVER.match(part) for part in parts):
        return ()
    return tuple(parts)


def read_mask(mask: int | None, printed: str | None, word: str = "") -> tuple[tuple[str, ...], bool]:
    """The names of an allocation's flags, and whether we decoded them from the number.

    `printed` is the text in the brackets behind the number, None where the kernel printed none.
    """
    if printed is not None:
        names = parse_names(printed)
        if names or printed == "none":
            return names, False
    if mask is None:
        return (), False
    return decode(mask, guess_layout(mask, printed is not None, word)), True


def expand(names: tuple[str, ...]) -> frozenset[str]:
    """The single flags behind names, under their present-day names."""
    flags: set[str] = set()
    for name in names:
        flags |= _COMPOSITE.get(name, {_RENAMED.get(name, name)})
    return frozenset(flags)


def may_direct_reclaim(names: tuple[str, ...]) -> bool:
    """May the allocation sleep and reclaim memory itself?"""
    return "__GFP_DIRECT_RECLAIM" in expand(names)


def may_io(names: tuple[str, ...]) -> bool:
    """May its reclaim start I/O?"""
    return "__GFP_IO" in expand(names)


def may_fs(names: tuple[str, ...]) -> bool:
    """May its reclaim call into file systems? Also the condition for the OOM killer."""
    return "__GFP_FS" in expand(names)


def may_invoke_oom_killer(names: tuple[str, ...], order: int = 0) -> bool:
    """May the OOM killer kill on this allocation's behalf (out_of_memory() and __alloc_pages_may_oom())?

    mm/oom_kill.c:1143 and mm/page_alloc.c of 6.12: without __GFP_FS out_of_memory() returns without a kill; a
    costly order, __GFP_NORETRY, __GFP_RETRY_MAYFAIL or __GFP_THISNODE rather fails. From 3.12 to 4.10 __GFP_NOFAIL
    stood in for __GFP_FS, which is not said here: an answer of True holds in every era.
    """
    flags = expand(names)
    if order > _COSTLY_ORDER or not {"__GFP_DIRECT_RECLAIM", "__GFP_FS"} <= flags:
        return False
    return not flags & {"__GFP_NORETRY", "__GFP_RETRY_MAYFAIL", "__GFP_THISNODE"}

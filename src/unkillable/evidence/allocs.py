"""Allocations that failed or stalled: pages, slabs, and page faults that ran out of memory."""

from __future__ import annotations

import re

from unkillable.evidence.backtrace import StackReader
from unkillable.evidence.builder import Builder
from unkillable.evidence.gfp import read_mask
from unkillable.evidence.meminfo import MemInfoReader
from unkillable.evidence.numbers import before, hexadecimal, integer, pid_number
from unkillable.evidence.oom_report import COMM_KEPT, TASK_COMM_LEN
from unkillable.evidence.table import Format, Section
from unkillable.evidence.trace import COMM, note_release
from unkillable.evidence.types import AllocProblem
from unkillable.klog.record import Record

_MASK = r"(?P<mask>0x[0-9a-fA-F]{1,16}|0)(?:\((?P<names>[^()]{0,600})(?P<end>\))?)?"
# `x: page allocation failure. order:1, mode:0x20` (to 2.6.38), `failure: order:0, mode:0x..` (since 2.6.39), names in
# brackets and nodemask since 4.6. 4.10 misspelt the stall as `alloction`; 7.2 (mm/page_alloc.c:4771) has it again, in seconds.
_PAGES = re.compile(
    r": page alloc(?:a)?tion (?:failure[.:]|stalls? for (?P<stalled>\d{1,9})(?P<unit>ms,| secs:)) ?order:(?P<order>\d{1,3})"
    r"(?:, ?mode:" + _MASK + ")?"
)
# mm/vmalloc.c:2529 of 5.10; since 5.13 `vmalloc error: size 1, failed to allocate pages`, :3898 of 7.3.
_VMALLOC = re.compile(r": vmalloc(?:: allocation failure| error: size).{0,80}?, mode:" + _MASK)
# SLUB since 2.6.31; on a CPU since 6.9; SLAB to 6.7.
_SLAB = re.compile(
    r"SL[UA]B: Unable to allocate memory on (?:CPU \d{1,5} \(of node \d{1,5}\) on )?node -?\d{1,5},? \(?gfp="
    + _MASK
)
_SLAB_ROW = re.compile(
    r"^\s*(?:cache: (?P<cache>\S{1,64}),|node \d+: slabs:|\S{1,64} debugging increased min order|node \d+: )"
)
_FAULT = re.compile(r"Huh VM_FAULT_OOM leaked out to the #PF handler")


class AllocSection:
    """The head, dump_stack(), then in most eras a Mem-Info block."""

    patience = 16

    def __init__(self, builder: Builder, record: Record, match: re.Match[str]) -> None:
        self.builder = builder
        self.record = record
        found = match.groupdict()
        self.comm = before(match, COMM_KEPT)
        self.pid: int | None = None
        self.order = integer(found.get("order"))
        stalled = integer(found.get("stalled"))
        unit = 1000 if found.get("unit") == "ms," else 1
        self.seconds = stalled / unit if stalled is not None else None
        self.mode = hexadecimal(found.get("mask"))
        printed = found.get("names")
        if printed is not None and not found.get("end"):
            printed = ""
        self.flags, _ = read_mask(self.mode, printed)
        self.stack = StackReader()
        self.meminfo = MemInfoReader()

    def feed(self, record: Record) -> bool:
        if self.meminfo.feed(record):
            return True
        if self.meminfo.first is not None:
            return False
        head = COMM.search(record.text)
        if head is not None and self.pid is None and not self.stack.frames:
            self.pid = pid_number(head["pid"])
            if not 0 < len(self.comm) < TASK_COMM_LEN:  # lost, or glued to a program's output
                self.comm = head["comm"]
            note_release(self.builder, head["rest"], head["taint"])
            return True
        return self.stack.feed(record) or record.text.lstrip().startswith(("Hardware name: ", "warn_alloc"))

    def close(self) -> None:
        meminfo = self.meminfo.finish()
        if meminfo is not None:
            self.builder.add_meminfo(meminfo)
        self.builder.add_alloc(
            AllocProblem(
                line=self.record.number,
                text=self.record.text,
                time=self.record.time,
                comm=self.comm,
                pid=self.pid,
                kind="failure" if self.seconds is None else "stall",
                seconds=self.seconds,
                order=self.order,
                mode=self.mode,
                gfp_flags=self.flags,
                stack=self.stack.finish(),
                meminfo=meminfo,
            )
        )


class SlabSection:
    """`SLUB: Unable to allocate memory`: the cache's name follows."""

    patience = 2

    def __init__(self, builder: Builder, record: Record, match: re.Match[str]) -> None:
        self.builder = builder
        self.record = record
        self.mode = hexadecimal(match["mask"])
        self.flags, _ = read_mask(self.mode, match["names"] if match["end"] else None)
        self.cache = ""

    def feed(self, record: Record) -> bool:
        row = _SLAB_ROW.match(record.text)
        if row is None:
            return False
        self.cache = self.cache or row["cache"] or ""
        return True

    def close(self) -> None:
        self.builder.add_alloc(
            AllocProblem(
                line=self.record.number, text=self.record.text, time=self.record.time, comm=self.cache, kind="slab",
                mode=self.mode, gfp_flags=self.flags,
            )
        )  # fmt: skip


def _pages(builder: Builder, match: re.Match[str], record: Record) -> Section:
    return AllocSection(builder, record, match)


def _slab(builder: Builder, match: re.Match[str], record: Record) -> Section:
    return SlabSection(builder, record, match)


def _fault(builder: Builder, match: re.Match[str], record: Record) -> None:
    builder.add_alloc(
        AllocProblem(line=record.number, text=record.text, time=record.time, comm="", kind="fault-oom")
    )


FORMATS = (
    Format(
        "page-allocation",
        ("page alloc",),
        _PAGES,
        _pages,
        "2.6.0-7.3",
        "captures/amd64-6.1-page-allocation-failure.sample",
    ),
    Format(
        "vmalloc-failure",
        (),
        _VMALLOC,
        _pages,
        "2.6.39-7.3",
        "formats/vmalloc-failure.sample",
        guard=(": vmalloc",),
    ),
    Format(
        "slab-allocation",
        ("Unable to allocate memory on",),
        _SLAB,
        _slab,
        "2.6.31-7.3",
        "formats/slab-allocation.sample",
    ),
    Format("fault-oom", ("VM_FAULT_OOM",), _FAULT, _fault, "5.10-7.3", "formats/fault-oom.sample"),
)

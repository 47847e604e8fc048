"""All rows of the format table, in the order in which they are tried for a line."""

from __future__ import annotations

import re
from functools import cache
from importlib import import_module

from unkillable.evidence.backtrace import START
from unkillable.evidence.builder import Builder
from unkillable.evidence.frames import parse_frames
from unkillable.evidence.table import Format, Section
from unkillable.evidence.trace import TraceSection
from unkillable.klog.record import Record

# One module per family of kernel output; each exports FORMATS.  Earlier rows win.
FAMILIES = (
    "tasklines",
    "schedtable",
    "hungtask",
    "locks",
    "oom",
    "allocs",
    "meminfo",
    "filesystems",
    "exits",
    "lockups",
    "crashes",
    "kernelinfo",
)


def _headless(builder: Builder, match: re.Match[str], record: Record) -> Section | None:
    """A backtrace without a head: somebody's excerpt, or the head was lost."""
    if not parse_frames(record.text):
        return None
    section = TraceSection(builder, record, "trace")
    section.patience = 0  # what comes between two headless traces is all that keeps them apart
    section.feed(record)
    return section


# A trace shortened to names starts where every sleeper's does.
_BARE_START = re.compile(
    r"^\s+(?:\? )?(?:__switch_to|__?schedule|context_switch|io_schedule|schedule_timeout|schedule_preempt_disabled)(?:\(\))?\s*$"
)
# `cat /proc/123/stack` or a heading like it above `[<0>] f+0x1/0x2` lines.
_PROC_STACK = re.compile(r"/proc/(?P<pid>\d{1,7})(?:/task/(?P<tid>\d{1,7}))?/stack")
# crash(8)'s bt: `PID: 123  TASK: ffff.. CPU: 0  COMMAND: "name"`
_CRASH_BT = re.compile(
    r"PID: (?P<pid>\d+)\s+TASK: \S+\s+CPU: (?P<cpu>\d+)\s+COMMAND: \"(?P<comm>[^\"]{1,64})\""
)


def _bare(builder: Builder, match: re.Match[str], record: Record) -> Section:
    section = TraceSection(builder, record, "trace")
    section.patience = 0
    section.stack.started = True
    section.feed(record)
    return section


def _proc_stack(builder: Builder, match: re.Match[str], record: Record) -> Section:
    section = TraceSection(builder, record, "trace", pid=int(match["tid"] or match["pid"]))
    section.stack.started = True
    return section


def _crash_bt(builder: Builder, match: re.Match[str], record: Record) -> Section:
    section = TraceSection(
        builder, record, "trace", pid=int(match["pid"]), comm=match["comm"], cpu=int(match["cpu"])
    )
    section.stack.started = True
    return section


BY_HAND = (
    Format(
        "bare-trace",
        (),
        _BARE_START,
        _bare,
        "mails",
        "formats/bare-trace.sample",
        guard=("schedule", "__switch_to", "context_switch"),
    ),
    Format(
        "proc-stack",
        (),
        _PROC_STACK,
        _proc_stack,
        "2.6.29-7.3",
        "formats/proc-stack.sample",
        guard=("/stack",),
    ),
    Format("crash-bt", ("COMMAND: ",), _CRASH_BT, _crash_bt, "crash(8)", "formats/crash-bt.sample"),
)


def _trace_head(builder: Builder, match: re.Match[str], record: Record) -> Section:
    section = TraceSection(builder, record, "trace")
    section.feed(record)
    return section


# Not `+0x` itself: three bytes that every frame has halve the speed of the scan (docs/performance.md), and a
# trace without any head is somebody's excerpt, which is small enough to be read closely.
TRACE_HEAD = Format(
    "trace-head",
    ("all Trace:", "all trace:", "acktrace"),
    START,
    _trace_head,
    "2.6.0-7.3",
    "captures/amd64-5.10-ext4-frozen.sample.xz",
)
HEADLESS = Format(
    "backtrace",
    (),
    re.compile(r"\+0x[0-9a-f]"),
    _headless,
    "2.6.0-7.3",
    "captures/amd64-5.10-ext4-frozen.sample.xz",
    guard=("+0x",),
)


@cache
def table() -> tuple[Format, ...]:
    rows: list[Format] = []
    for family in FAMILIES:
        rows.extend(import_module(f"unkillable.evidence.{family}").FORMATS)
    rows.extend(BY_HAND)
    rows.extend((TRACE_HEAD, HEADLESS))
    return tuple(rows)


@cache
def literals() -> tuple[str, ...]:
    """Every literal of the table once; the fast scan has room for 64 (its vector search's limit)."""
    found: dict[str, None] = {}
    for row in table():
        for literal in row.literals:
            found[literal] = None
    return tuple(found)

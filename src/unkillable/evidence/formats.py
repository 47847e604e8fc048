"""All rows of the format table, in the order in which they are tried for a line."""

from __future__ import annotations

import re
from functools import cache
from importlib import import_module

from unkillable.evidence.builder import Builder
from unkillable.evidence.frames import parse_frames
from unkillable.evidence.table import Format, Section
from unkillable.evidence.trace import TraceSection
from unkillable.klog.record import Record

# One module per family of kernel output; each exports FORMATS.  Earlier rows win.
FAMILIES = (
    "tasklines",
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


HEADLESS = Format(
    "backtrace", ("+0x",), re.compile(r"\+0x[0-9a-f]"), _headless, "2.6.0-7.3", "reports/article-traces.txt"
)


@cache
def table() -> tuple[Format, ...]:
    rows: list[Format] = []
    for family in FAMILIES:
        rows.extend(import_module(f"unkillable.evidence.{family}").FORMATS)
    rows.append(HEADLESS)
    return tuple(rows)


@cache
def literals() -> tuple[str, ...]:
    """Every literal of the table once; the fast scan has room for 64 (its vector search's limit)."""
    found: dict[str, None] = {}
    for row in table():
        for literal in row.literals:
            found[literal] = None
    return tuple(found)

"""Headlines of oopses, bugs, warnings, sanitizer reports and panics: not a hang, but what a log may be about.

Only the headline and the backtrace are taken; explaining a crash is not this project's job.
"""

from __future__ import annotations

import re

from unkillable.evidence.builder import Builder
from unkillable.evidence.table import Format, Section
from unkillable.evidence.trace import TraceSection
from unkillable.evidence.types import Crash
from unkillable.klog.record import Record

# (kind, what its line looks like); the first match counts.
_KINDS = tuple(
    (kind, re.compile(pattern))
    for kind, pattern in (
        ("panic", r"Kernel panic - not syncing:? ?(?P<title>.*)"),
        ("kasan", r"BUG: (?P<title>KASAN: .*)"),
        ("kmsan", r"BUG: (?P<title>KMSAN: .*)"),
        ("kcsan", r"BUG: (?P<title>KCSAN: .*)"),
        ("kfence", r"BUG: (?P<title>KFENCE: .*)"),
        ("ubsan", r"(?P<title>UBSAN: .*)"),
        (
            "lockdep",
            (
                r"(?:WARNING|INFO): (?P<title>(?:possible (?:circular|recursive|irq lock)|bad unlock|suspicious RCU|"
                r"held lock freed|inconsistent lock state|lock held when returning|SOFTIRQ-|HARDIRQ-).*)"
            ),
        ),
        ("page-fault", r"(?:BUG: )?(?P<title>[Uu]nable to handle (?:kernel )?.*)"),
        ("page-fault", r"(?P<title>Unable to handle kernel .*)"),
        ("gpf", r"(?P<title>general protection fault.*)"),
        ("bug", r"(?P<title>kernel BUG at .*)"),
        ("oops", r"(?P<title>(?:Internal error: |Oops(?:: |\[|#| - )).*)"),
        ("lockup", r"BUG: (?P<title>(?:soft lockup|workqueue lockup).*)"),
        ("bug", r"(?P<title>BUG: .*)"),
        ("warning", r"WARNING: (?P<title>(?:CPU: \d+ PID: \d+ )?at .*)"),
    )
)
_FUNCTION = re.compile(r"(?: in | at (?:\S+:\d+ )?)(?P<function>[A-Za-z_][\w.]*)(?:\+0x|\b)")
_NOT_A_CRASH = frozenset({"lockup"})  # lockups.py's
_TITLE_LIMIT = 200


def _crash(builder: Builder, match: re.Match[str], record: Record) -> Section | None:
    candidates = ((kind, pattern.search(record.text)) for kind, pattern in _KINDS)
    kind, found = next(((kind, found) for kind, found in candidates if found is not None), ("", None))
    if found is None or kind in _NOT_A_CRASH:
        return None
    title = found["title"].strip()[:_TITLE_LIMIT]
    function = _FUNCTION.search(title)
    builder.add_crash(
        Crash(
            line=record.number,
            text=record.text,
            time=record.time,
            kind=kind,
            title=title,
            function=function["function"] if function else None,
        )
    )
    return TraceSection(builder, record, "crash")


FORMATS = (
    Format(
        "crash",
        (
            "BUG: ",
            "WARNING: ",
            "Kernel panic",
            "nable to handle",
            "general protection",
            "kernel BUG at",
            "Internal error: ",
            "Oops",
            "UBSAN: ",
        ),
        re.compile(
            r"BUG|WARNING: |Kernel panic|nable to handle|general protection|Internal error: |Oops|UBSAN: |INFO: "
        ),
        _crash,
        "2.6.0-7.3",
        "captures/amd64-5.10-panic-on-oom.sample",
    ),
)

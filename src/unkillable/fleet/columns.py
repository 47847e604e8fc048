"""The columns of the store's Parquet files, and the rows that are written to them."""

from __future__ import annotations

import time
from collections.abc import Iterator

from unkillable.fleet.layout import FINDINGS, INPUTS, LOGS, OUTGROWN
from unkillable.fleet.name_fields import printable, sane
from unkillable.fleet.types import FAILING, Finding, Input, Log, hangs

COLUMNS: dict[str, dict[str, str]] = {
    INPUTS: {
        "name": "VARCHAR", "size": "BIGINT", "changed": "BIGINT", "scheme": "INTEGER", "written": "BIGINT",
    },
    LOGS: {
        "name": "VARCHAR", "content": "UUID", "size": "BIGINT", "device": "VARCHAR", "release": "VARCHAR",
        "seen": "DOUBLE", "problem": "VARCHAR", "scheme": "INTEGER", "written": "BIGINT",
    },
    FINDINGS: {
        "content": "UUID", "episode": "INTEGER", "cause": "VARCHAR", "variant": "VARCHAR", "title": "VARCHAR",
        "variant_title": "VARCHAR", "kind": "VARCHAR", "wait": "VARCHAR", "site": "VARCHAR",
        "entered_by": "VARCHAR", "holders": "VARCHAR[]", "memory": "VARCHAR", "confidence": "VARCHAR",
        "summary": "VARCHAR", "kernel": "VARCHAR", "arch": "VARCHAR", "first_line": "BIGINT",
        "last_line": "BIGINT", "line": "BIGINT", "quote": "VARCHAR",
        "shown": "BOOLEAN", "new_cause": "BOOLEAN", "new_variant": "BOOLEAN",
        "scheme": "INTEGER", "written": "BIGINT",
    },
    OUTGROWN: {"name": "VARCHAR", "content": "UUID", "scheme": "INTEGER", "written": "BIGINT"},
}  # fmt: skip
"""Table to column to DuckDB's type.  `scheme` and `written` are the commit's.

`shown` is the finding that stands for its log, the first that hung or else that comes nearest to it; the `new_` ones say that no earlier
finding of the log has the same cause or variant.  With them logs are counted without looking for those that are there twice."""
_LARGEST = 2**63 - 1
_DAY = 86_400.0
KEYS = {
    INPUTS: "name, size, changed",
    LOGS: "name, content",
    FINDINGS: "content, episode",
    OUTGROWN: "name, content",
}
"""What there is one row for."""


def input_row(given: Input) -> dict[str, object]:
    return {"name": printable(given.name), "size": fitting(given.size), "changed": fitting(given.changed)}


def log_row(log: Log) -> dict[str, object]:
    return {
        "name": printable(log.name), "content": log.content, "size": fitting(log.size), "device": printable(log.device),
        "release": printable(log.release), "seen": plausible(log.seen), "problem": log.problem and printable(log.problem),
    }  # fmt: skip


def outgrown_row(name: str, content: str) -> dict[str, object]:
    return {"name": printable(name), "content": content}


def finding_rows(log: Log) -> Iterator[dict[str, object]]:
    seen: set[str] = set()
    shown = min(range(len(log.findings)), key=lambda i: _place(log.findings[i]), default=0)
    for i, finding in enumerate(log.findings):
        row: dict[str, object] = {
            "content": log.content, "episode": finding.episode, "kind": finding.kind,
            "confidence": finding.confidence, "summary": printable(finding.summary),
            "kernel": finding.kernel and printable(finding.kernel), "arch": finding.arch and printable(finding.arch),
            "first_line": finding.first_line, "last_line": finding.last_line, "line": finding.line,
            "quote": printable(finding.quote), "shown": i == shown,
        }  # fmt: skip
        if (sign := finding.signature) is not None:
            row |= {
                "cause": sign.cause, "variant": sign.variant, "title": printable(sign.title),
                "variant_title": printable(sign.variant_title), "wait": sign.wait and printable(sign.wait),
                "site": sign.site and printable(sign.site), "entered_by": sign.entered_by and printable(sign.entered_by),
                "holders": [printable(one) for one in sign.holders], "memory": sign.memory,
                "new_cause": sign.cause not in seen, "new_variant": sign.variant not in seen,
            }  # fmt: skip
            seen |= {sign.cause, sign.variant}
        yield row


def _place(finding: Finding) -> int:
    """Which finding stands for its log: a hang before an error, that before a zombie, all before none."""
    if finding.signature is None:
        return 3
    return 0 if hangs(finding.kind) else 1 if finding.kind == FAILING else 2


def fitting(number: int) -> int:
    """The number as 63 bits can have it: the time of a file that is said to be of the year 2300 is still told from others."""
    return number & _LARGEST


def plausible(seen: float) -> float:
    """The time, or 0, unknown, for one of a clock that was not set, or from after now.

    One log of 1970 would stretch every trend, and be pruned first.
    """
    return seen if sane(seen) is not None and seen <= time.time() + _DAY else 0.0

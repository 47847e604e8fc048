"""The scheduler's own tables at the end of sysrq-t (CONFIG_SCHED_DEBUG, kernel/sched/debug.c).

Hundreds of lines that say nothing about a hang, but for one thing: they are where a zombie shows on x86.  Its stack
is freed, so it has no task line (6.1 kernel/sched/core.c:8984).
"""

from __future__ import annotations

import re

from unkillable.evidence.builder import Builder
from unkillable.evidence.table import Format
from unkillable.evidence.types import TaskSighting
from unkillable.klog.record import Record

# ` Z               h   116       793.067 ...`; 7.3 has a weight between pid and vruntime.
_DEAD = re.compile(
    r"^[ >](?P<state>[ZX])\s+(?P<comm>\S.{0,15}?)\s+(?P<pid>\d{1,7})(?:\s+\d{1,9})?\s+-?\d+\.\d{6}\s"
)
_HEAD = re.compile(r"^(?:Sched Debug Version: |runnable tasks:|cpu#\d{1,4}, )")
_LINE = re.compile(
    r"^(?:\s*$|[ >]?[A-Z]\s+\S.{0,40}?\s\d{1,7}(?:\s+\d{1,9})?\s+-?\d+\.\d{6}\s|\s*\.[\w>.\[\]-]{2,40}\s*: |cpu#\d|(?:cfs|rt|dl)_rq\["
    r"|runnable tasks:|-{20,}| S\s+task\s+PID|(?:ktime|sched_clk|cpu_clk|jiffies|sched_clock_stable\(\))\s*:|sysctl_sched)"
)


def _add(builder: Builder, match: re.Match[str], record: Record) -> None:
    builder.add_task(
        TaskSighting(
            line=record.number,
            text=record.text,
            time=record.time,
            origin="sysrq-t",
            pid=int(match["pid"]),
            comm=match["comm"],
            state=match["state"],
            snapshot=builder.snapshot,
        )
    )


class SchedulerTable:
    """Takes the tables' lines, and notes the dead tasks among them."""

    patience = 2

    def __init__(self, builder: Builder) -> None:
        self.builder = builder

    def feed(self, record: Record) -> bool:
        text = record.text
        if text[1:2] in ("Z", "X"):
            dead = _DEAD.match(text)
            if dead is not None:
                _add(self.builder, dead, record)
        return _LINE.match(text) is not None

    def close(self) -> None:
        return


def _table(builder: Builder, match: re.Match[str], record: Record) -> SchedulerTable:
    return SchedulerTable(builder)


FORMATS = (
    Format(
        "scheduler-table",
        (),
        _HEAD,
        _table,
        "2.6.23-7.3",
        "captures/amd64-6.1-zombie.sample.xz",
        guard=("Sched Debug", "runnable tasks:", "cpu#"),
    ),
    Format(
        "scheduler-row",
        (),
        _DEAD,
        _add,
        "2.6.23-7.3",
        "captures/amd64-5.10-zombie.sample.xz",
        guard=(" Z ", ">Z ", " X ", ">X "),
    ),
)

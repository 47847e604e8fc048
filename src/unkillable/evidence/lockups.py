"""Processors and pools that make no progress: soft and hard lockups, RCU stalls, workqueue lockups."""

from __future__ import annotations

import re

from unkillable.evidence.builder import Builder
from unkillable.evidence.table import Format, Section
from unkillable.evidence.trace import TraceSection
from unkillable.evidence.types import Lockup
from unkillable.klog.record import Record

_SOFT = re.compile(
    r"BUG: soft lockup - CPU#(?P<cpu>\d+) stuck for (?P<seconds>\d+) ?s!(?: \[(?P<comm>.{1,64}?):(?P<pid>\d+)\])?"
)
_HARD = re.compile(r"[Ww]atchdog detected hard LOCKUP on cpu (?P<cpu>\d+)")
_RCU = re.compile(
    r"(?P<flavor>rcu\w*|RCU)(?:_state)? (?:(?P<self>self-)?detected (?P<exp>expedited )?stalls? on CPU|kthread starved for|"
    r"detected stalls on CPUs)(?:.*?\(t=(?P<jiffies>\d+) jiffies)?"
)
_WORKQUEUE = re.compile(r"workqueue lockup - pool (?:cpus=(?P<cpu>\d+))?.*?stuck for (?P<seconds>\d+)s")
_NMI = re.compile(r"NMI backtrace for cpu (?P<cpu>\d+)(?P<idle> skipped)?")


def _add(builder: Builder, record: Record, kind: str, **fields: object) -> None:
    builder.add_lockup(Lockup(line=record.number, text=record.text, time=record.time, kind=kind, **fields))  # type: ignore[arg-type]


def _soft(builder: Builder, match: re.Match[str], record: Record) -> Section:
    pid = int(match["pid"]) if match["pid"] else None
    cpu = int(match["cpu"])
    _add(builder, record, "soft", cpu=cpu, seconds=float(match["seconds"]), pid=pid, comm=match["comm"])
    return TraceSection(builder, record, "soft-lockup", pid=pid, comm=match["comm"], cpu=cpu, state="R")


def _hard(builder: Builder, match: re.Match[str], record: Record) -> Section:
    _add(builder, record, "hard", cpu=int(match["cpu"]))
    return TraceSection(builder, record, "hard-lockup", cpu=int(match["cpu"]))


def _rcu(builder: Builder, match: re.Match[str], record: Record) -> Section | None:
    _add(builder, record, "rcu-expedited" if match["exp"] else "rcu")
    return TraceSection(builder, record, "rcu-stall") if match["self"] else None


def _workqueue(builder: Builder, match: re.Match[str], record: Record) -> None:
    cpu = int(match["cpu"]) if match["cpu"] else None
    _add(builder, record, "workqueue", cpu=cpu, seconds=float(match["seconds"]))


def _nmi(builder: Builder, match: re.Match[str], record: Record) -> Section | None:
    if match["idle"]:
        return None
    return TraceSection(builder, record, "nmi", cpu=int(match["cpu"]))


FORMATS = (
    Format(
        "soft-lockup", ("soft lockup",), _SOFT, _soft, "2.6.20-7.3", "captures/amd64-6.1-soft-lockup.sample"
    ),
    Format("hard-lockup", ("hard LOCKUP",), _HARD, _hard, "2.6.36-7.3", "formats/hard-lockup.sample"),
    Format("rcu-stall", ("ed stall",), _RCU, _rcu, "2.6.30-7.3", "captures/amd64-6.1-rcu-stall.sample"),
    Format(
        "workqueue-lockup",
        ("workqueue lockup",),
        _WORKQUEUE,
        _workqueue,
        "4.5-7.3",
        "formats/workqueue-lockup.sample",
    ),
    Format(
        "nmi-backtrace",
        ("NMI backtrace for cpu",),
        _NMI,
        _nmi,
        "2.6.30-7.3",
        "captures/amd64-5.10-healthy.sample.xz",
    ),
)

"""The line a kernel prints about one task (sched_show_task), in every era.

| kernel        | form                                                                              |
|---------------|-----------------------------------------------------------------------------------|
| 2.6 - 4.8     | `name            D PC  stack pid ppid 0xflags`, PC 8 or 16 hex digits              |
| 4.9 - 5.9     | the same without the PC; a stack of five digits glues to the state: `D24912  7531` |
| 5.10 - 6.8    | `task:name            state:D stack:    0 pid:   96 ppid:    95 flags:0x00004002`  |
| 6.9 - 6.13    | with `tgid:`                                                                       |
| 6.14 -        | with `task_flags:0x0040`                                                           |
| vendors       | `name      [1] D [e8fbea80] c03bdca8     0   175 0x00000000 ..` (Samsung)          |
"""

from __future__ import annotations

import re

from unkillable.evidence.builder import Builder
from unkillable.evidence.table import Format
from unkillable.evidence.types import SysRq
from unkillable.klog.record import Record

_STATES = "RSDTtZXxKWPINn"
_NEW = re.compile(
    rf"task:(?P<comm>.{{1,64}}?)\s*state:(?P<state>[{_STATES}?])\S*\s+(?:running task\s+)?(?:stack:\s*\d+\s+)?"
    r"pid:\s*(?P<pid>\d+)(?:\s+tgid:\s*(?P<tgid>\d+))?(?:\s+ppid:\s*(?P<ppid>\d+))?"
    r"(?:\s+task_flags:0x(?P<task_flags>[0-9a-f]+))?(?:\s+flags:0x(?P<flags>[0-9a-f]+))?"
)
_OLD = re.compile(
    rf"^(?P<comm>\S.{{0,15}}?)\s+(?P<state>[{_STATES}?])(?:\s+running(?: task)?\s+|\s+(?:0x)?[0-9a-f]{{8}}(?:[0-9a-f]{{8}})?\s+)?"
    r"\s*\d{1,6}\s+(?P<pid>\d{1,7})\s+(?P<ppid>\d{1,7})\s+0x(?P<flags>[0-9a-f]{8,16})(?:\s|$)"
)
# To 2.6.29 without the flags word, with `(NOTLB)` or relatives' pids behind.
_ANCIENT = re.compile(
    rf"^(?P<comm>\S.{{0,15}}?)\s+(?P<state>[{_STATES}])\s+(?:0x)?[0-9a-fA-F]{{8,16}}\s+\d{{1,6}}\s+(?P<pid>\d{{1,7}})"
    r"\s+(?P<ppid>\d{1,7})(?:\s+\d+)*\s*(?:\((?:NOTLB|L-TLB)\))?$"
)
_VENDOR = re.compile(
    rf"^(?P<comm>\S.{{0,15}}?)\s+\[(?P<cpu>\d+)\]\s+(?P<state>[{_STATES}])\s+\[[0-9a-f]+\]\s+[0-9a-f]{{8,16}}\s+\d+\s+"
    r"(?P<pid>\d{1,7})\s+0x(?P<flags>[0-9a-f]{8,16})(?:\s+(?P<relatives>\d[\d ]*\d))?"
)
_FORMS = (_NEW, _OLD, _VENDOR, _ANCIENT)


def parse_task_line(text: str) -> dict[str, object] | None:
    """The fields of a task line (names as in `TaskSighting`), or None if it is none."""
    for form in (_NEW,) if "state:" in text else _FORMS[1:]:
        match = form.search(text) if form is _NEW else form.match(text)
        if match is not None:
            return _fields(match)
    return None


def _fields(match: re.Match[str]) -> dict[str, object]:
    groups = match.groupdict()
    fields: dict[str, object] = {
        "pid": int(groups["pid"]),
        "comm": groups["comm"].strip(),
        "state": None if groups["state"] == "?" else groups["state"],
    }
    for name in ("tgid", "ppid", "cpu"):
        if groups.get(name):
            fields[name] = int(groups[name])
    for name in ("flags",):
        if groups.get(name):
            fields[name] = int(groups[name], 16)
    if groups.get("task_flags"):
        fields["kernel_thread"] = bool(int(groups["task_flags"], 16) & 0x00200000)  # PF_KTHREAD
    return fields


class StateDump:
    """After a sysrq's title: keeps the reader's eye on lines that have no literal, until the dump is over."""

    patience = 60

    def __init__(self, builder: Builder) -> None:
        self.builder = builder

    def feed(self, record: Record) -> bool:
        return _HEADER.match(record.text) is not None

    def close(self) -> None:
        return


_HEADER = re.compile(r"^\s*task\s+PC\s+stack\s+pid\s+father")
_ACTIONS = {  # title printed by the handler (drivers/tty/sysrq.c): what its sightings are called
    "show blocked state": "sysrq-w",
    "show state": "sysrq-t",
    "show backtrace of all active cpus": "sysrq-l",
    "show memory": None,
    "show locks held": None,
    "show all locks held": None,
    "manual oom execution": None,
}


def _sysrq(builder: Builder, match: re.Match[str], record: Record) -> StateDump | None:
    action = match["action"].strip()
    origin = _ACTIONS.get(action.lower())
    snapshot = builder.begin_snapshot(origin) if origin else builder.snapshot
    builder.add_sysrq(
        SysRq(line=record.number, text=record.text, time=record.time, action=action, snapshot=snapshot)
    )
    return StateDump(builder) if origin else None


def _task(builder: Builder, match: re.Match[str], record: Record):  # type: ignore[no-untyped-def]
    from unkillable.evidence.trace import TraceSection

    fields = parse_task_line(record.text)
    if fields is None:
        return None
    origin = builder.snapshot_origin or "trace"
    if origin == "reaper-victim":
        builder.snapshot_origin = None  # oom_reaper shows one task only
    return TraceSection(builder, record, origin, **fields)


_FLAGS = tuple(f"{digit} 0x" for digit in range(10))  # ppid and flags

FORMATS = (
    Format(
        "sysrq",
        ("sysrq: ", "SysRq : "),
        re.compile(r"(?:sysrq: |SysRq : )(?:SysRq : )?(?P<action>[A-Z].*)$"),
        _sysrq,
        "2.6.35-7.3",
        "captures/amd64-5.10-ext4-frozen.sample.xz",
    ),
    Format("task-line", ("ppid:",), _NEW, _task, "5.10-7.3", "captures/amd64-5.10-ext4-frozen.sample.xz"),
    Format("task-line-old", (), _OLD, _task, "2.6.30-5.9", "formats/task-line-old.sample", guard=_FLAGS),
    Format(
        "task-line-vendor",
        (),
        _VENDOR,
        _task,
        "2.6.35",
        "reports/2011-12-23_linux-mm_ajeet-yadav_2.6.35.14_arm.txt",
        guard=_FLAGS,
    ),
    Format(
        "task-line-ancient",
        (),
        _ANCIENT,
        _task,
        "2.6.0-2.6.29",
        "formats/task-line-ancient.sample",
        guard=tuple(f" {state} " for state in _STATES),
    ),
)

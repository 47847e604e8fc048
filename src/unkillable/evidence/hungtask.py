"""khungtaskd's reports: who did not move for how long, and (since 6.16) who owns what it waits for."""

from __future__ import annotations

import re

from unkillable.evidence.builder import Builder
from unkillable.evidence.table import Format, Section
from unkillable.evidence.trace import TraceSection, note_release
from unkillable.evidence.types import Blocker, HungTask
from unkillable.klog.record import Record

# `can't die`: linux-next's check for tasks with a pending SIGKILL.
_HUNG = re.compile(
    r"task (?P<comm>.{1,64}?):(?P<pid>\d+) (?:<[^>]*> )?(?P<verb>blocked|can't die)(?P<io> in I/O wait)? for more than "
    r"(?P<seconds>\d+) ?s"
)
# Linux 6.16's CONFIG_DETECT_HUNG_TASK_BLOCKER, kernel/hung_task.c debug_show_blocker().
_BLOCKER = re.compile(
    r"INFO: task (?P<comm>.{1,64}?):(?P<pid>\d+) (?:<(?P<role>reader|writer)> )?(?:is )?blocked on an? "
    r"(?P<lock>mutex|semaphore|rw-semaphore|rwsem)"
    r"(?:,? but the owner is not found|,? likely (?:last held|owned) by task (?P<owner_comm>.{1,64}?):(?P<owner_pid>\d+)"
    r"(?: <(?P<owner_role>reader|writer)>)?)"
)
_SECOND_LINE = re.compile(r"^\s+(?P<taint>Not tainted|Tainted: [A-Z \[\]=,]*?) +(?P<rest>\d+\.\d+.*)$")
LIMIT_SECONDS = 10**8


class HungSection(TraceSection):
    """The hung task's own lines: taint and release, the echo hint, its task line and backtrace."""

    def feed(self, record: Record) -> bool:
        if not self.stack.frames:
            second = _SECOND_LINE.match(record.text)
            if second is not None:
                note_release(self.builder, second["rest"], second["taint"])
                self.builder.narrow_era("3.11", None)
                return True
        return super().feed(record)


def _hung(builder: Builder, match: re.Match[str], record: Record) -> Section:
    seconds = min(int(match["seconds"]), LIMIT_SECONDS)
    pid, comm = int(match["pid"]), match["comm"].strip()
    builder.add_hung(
        HungTask(
            line=record.number,
            text=record.text,
            time=record.time,
            pid=pid,
            comm=comm,
            seconds=float(seconds),
            io_wait=match["io"] is not None,
        )
    )
    builder.damaged += "INFO: task" not in record.text
    return HungSection(builder, record, "hung-task", pid=pid, comm=comm, io_wait=match["io"] is not None)


def _blocker(builder: Builder, match: re.Match[str], record: Record) -> Section | None:
    lock = match["lock"]
    builder.add_blocker(
        Blocker(
            line=record.number,
            text=record.text,
            time=record.time,
            pid=int(match["pid"]),
            comm=match["comm"].strip(),
            lock="rwsem" if lock.startswith("rw") else lock,
            role=match["role"],
            owner_pid=int(match["owner_pid"]) if match["owner_pid"] else None,
            owner_comm=match["owner_comm"],
            owner_role=match["owner_role"],
        )
    )
    if match["owner_pid"] is None:
        return None
    return TraceSection(builder, record, "blocker", pid=int(match["owner_pid"]), comm=match["owner_comm"])


FORMATS = (
    Format(
        "hung-task", ("more than ",), _HUNG, _hung, "2.6.30-7.3", "captures/amd64-5.10-ext4-frozen.sample.xz"
    ),
    Format(
        "hung-task-blocker",
        ("blocked on a",),
        _BLOCKER,
        _blocker,
        "6.16-7.3",
        "captures/amd64-7.3-io-stall-ext4.sample.xz",
    ),
)

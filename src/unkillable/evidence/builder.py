"""Collects the facts of one boot, bounded: the first and the latest of each kind are kept, the rest counted."""

from __future__ import annotations

from collections import deque
from typing import Any, Generic, TypeVar

import msgspec

from unkillable.evidence import types as t
from unkillable.klog.record import Record

T = TypeVar("T")

KEEP = {  # half of it from the beginning, half from the end
    "tasks": 20_000,
    "hung": 4_000,
    "blockers": 2_000,
    "locks": 8_000,
    "ooms": 600,
    "kills": 4_000,
    "reaps": 2_000,
    "meminfos": 600,
    "allocs": 400,
    "fs_errors": 4_000,
    "lockups": 1_000,
    "crashes": 400,
    "exits": 2_000,
    "io": 2_000,
    "sysrqs": 1_000,
    "pressure": 100,
}


class Kept(Generic[T]):
    """A list that keeps its first and its last entries."""

    def __init__(self, limit: int) -> None:
        self.head: list[T] = []
        self.tail: deque[T] | None = None
        self.limit = limit
        self.room = limit // 2
        self.count = 0

    def add(self, item: T) -> None:
        self.count += 1
        if len(self.head) < self.room:
            self.head.append(item)
            return
        if self.tail is None:
            self.tail = deque(maxlen=self.limit - self.room)
        self.tail.append(item)

    @property
    def dropped(self) -> int:
        return self.count - len(self.head) - len(self.tail or ())

    def all(self) -> tuple[T, ...]:
        return (*self.head, *(self.tail or ()))


class Facts(dict[str, Kept[Any]]):
    """What is kept, by kind; a list begins to be when it is asked for."""

    def __missing__(self, kind: str) -> Kept[Any]:
        kept = self[kind] = Kept(KEEP[kind])
        return kept


class Builder:
    """What the handlers of the format table write to."""

    def __init__(self, source: str, boot: int = 0, live: bool = False) -> None:
        self.source = source
        self.boot = boot
        self.live = live
        self.kept = Facts()
        self.snapshot = 0
        self.snapshot_origin: str | None = None
        self.kernel: dict[str, Any] = {}
        self.filesystems: dict[str, None] = {}
        self.config: dict[str, str] = {}
        self.arch_votes: dict[str, int] = {}
        self.votes_left = 600
        """Lines whose signs of the architecture and the era are still to be counted; none once the release tells."""
        self.eras: list[tuple[str | None, str | None]] = []
        self.first_time: float | None = None
        self.last_time: float | None = None
        self.clock = "boot"
        self.first_wall: float | None = None
        self.wall: float | None = None
        self.first_line = 0
        self.last_line = 0
        self.lines = 0
        self.kernel_lines = 0
        self.unknown = 0
        self.damaged = 0
        self.lost_messages = 0
        self.printed: t.Fact | None = None
        self.unattributed = 0

    def printed_by_program(self, record: Record) -> None:
        """A line without printk's time among lines that have it: init or a program wrote it to the console.

        A line that begins with a bracket is one of the kernel's whose time was damaged.
        """
        if record.time is None and self.first_time is not None and record.text[:1].isalnum():
            self.printed = t.Fact(line=record.number, text=record.text)

    def saw(self, line: int, time: float | None) -> None:
        """Widens the span of lines and times of this boot."""
        if not self.first_line:
            self.first_line = line
        self.last_line = max(self.last_line, line)
        if time is not None:
            if self.last_time is None:
                self.first_time = self.last_time = time
            elif time > self.last_time:
                self.last_time = time

    def passed(self, lines: int) -> None:
        """Lines with text that no row knows and that say nothing of the kernel."""
        self.kernel_lines += lines
        self.unknown += lines
        self.votes_left = max(self.votes_left - lines, 0)

    def dated(self, record: Record) -> Record:
        """A line with a date but without printk's time: seconds since the first such line of the boot.

        Only where printk's times are absent altogether (printk.time=0, the default of many old kernels).
        """
        if self.first_time is not None and self.clock == "boot":
            return record
        self.clock = "log"
        if self.first_wall is None:
            self.first_wall = record.wall
        return msgspec.structs.replace(record, time=(record.wall or 0.0) - (self.first_wall or 0.0))

    def dates(self, record: Record) -> None:
        """Notes when the boot's times were 0, if the line has a date and a time."""
        if record.wall is not None and record.time is not None and record.kernel:
            self.wall = record.wall - record.time

    def begin_snapshot(self, origin: str | None) -> int:
        """A new dump of many tasks starts; sightings until the next one share its number."""
        self.snapshot += 1
        self.snapshot_origin = origin
        return self.snapshot

    def add_task(self, fact: t.TaskSighting) -> None:
        if fact.stack is not None:
            self.damaged += fact.stack.damaged
        self.kept["tasks"].add(fact)

    def add_hung(self, fact: t.HungTask) -> None:
        self.kept["hung"].add(fact)

    def add_blocker(self, fact: t.Blocker) -> None:
        self.kept["blockers"].add(fact)

    def add_lock(self, fact: t.HeldLock) -> None:
        self.kept["locks"].add(fact)

    def add_oom(self, fact: t.OomReport) -> None:
        self.kept["ooms"].add(fact)

    def add_kill(self, fact: t.OomKill) -> None:
        self.kept["kills"].add(fact)

    def add_reap(self, fact: t.OomReap) -> None:
        self.kept["reaps"].add(fact)

    def add_meminfo(self, fact: t.MemInfo) -> None:
        self.kept["meminfos"].add(fact)

    def add_alloc(self, fact: t.AllocProblem) -> None:
        self.kept["allocs"].add(fact)

    def add_fs_error(self, fact: t.FsError) -> None:
        self.kept["fs_errors"].add(fact)

    def add_lockup(self, fact: t.Lockup) -> None:
        self.kept["lockups"].add(fact)

    def add_crash(self, fact: t.Crash) -> None:
        self.kept["crashes"].add(fact)

    def add_exit(self, fact: t.Exit) -> None:
        self.kept["exits"].add(fact)

    def add_io(self, fact: t.IoProblem) -> None:
        self.kept["io"].add(fact)

    def add_sysrq(self, fact: t.SysRq) -> None:
        self.kept["sysrqs"].add(fact)

    def add_pressure(self, fact: t.Pressure) -> None:
        self.kept["pressure"].add(fact)

    def set_kernel(self, **fields: Any) -> None:
        """Keeps the first word on each field: boot lines come before a report's echo of them."""
        for name, value in fields.items():
            if value is not None and name not in self.kernel:
                self.kernel[name] = value

    def vote_arch(self, arch: str, weight: int = 1) -> None:
        self.arch_votes[arch] = self.arch_votes.get(arch, 0) + weight

    def narrow_era(self, since: str | None, until: str | None) -> None:
        """A format was seen that kernels print from `since` up to (not including) `until`."""
        if (since, until) not in self.eras:
            self.eras.append((since, until))

    @property
    def empty(self) -> bool:
        return not any(kept.count for kept in self.kept.values()) and not self.kernel

    def _tasks(self) -> tuple[t.TaskSighting, ...]:
        """The sightings; a trace without a name only where no task has one, as in an excerpt in a mail.

        Elsewhere its head was lost, or another printer's lines came between: nobody can say whose it is.
        """
        tasks: tuple[t.TaskSighting, ...] = self.kept["tasks"].all()
        named = tuple(one for one in tasks if one.pid is not None or one.comm is not None)
        if not named:
            return tasks
        self.unattributed = len(tasks) - len(named)
        return named

    def finish(self) -> t.Evidence:
        from unkillable.evidence.kernelinfo import conclude

        facts = {name: kept.all() for name, kept in self.kept.items()}
        facts["tasks"] = self._tasks()
        return t.Evidence(
            source=self.source,
            boot=self.boot,
            live=self.live,
            kernel=conclude(self),
            clock=self.clock,
            wall=self.wall,
            first_time=self.first_time,
            last_time=self.last_time,
            first_line=self.first_line,
            last_line=self.last_line,
            printed=self.printed,
            coverage=t.Coverage(
                lines=self.lines,
                kernel_lines=self.kernel_lines,
                unknown=self.unknown,
                damaged=self.damaged,
                dropped={
                    name: dropped
                    for name in KEEP
                    if name in self.kept and (dropped := self.kept[name].dropped)
                },
                lost_messages=self.lost_messages,
                unattributed=self.unattributed,
                mixed=sum(one.stack is not None and one.stack.mixed for one in facts["tasks"]),
            ),
            **facts,
        )

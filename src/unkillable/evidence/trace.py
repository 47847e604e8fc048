"""The section that most reports are: who it is about, then a backtrace."""

from __future__ import annotations

import re

from unkillable.evidence.backtrace import StackReader
from unkillable.evidence.builder import Builder
from unkillable.evidence.tasklines import parse_task_line
from unkillable.evidence.types import TaskSighting
from unkillable.klog.record import Record

# dump_stack()'s head: `CPU: 0 UID: 0 PID: 774 Comm: logd Not tainted 4.4.135 #0` (UID since 6.11); to 3.9
# `Pid: 774, comm: logd Not tainted 2.6.32-5-686 #1`.
COMM = re.compile(
    r"(?:CPU: (?P<cpu>\d+) )?(?:UID: \d+ )?(?:PID|Pid): (?P<pid>\d+),? (?:Comm|comm): (?P<comm>.{1,16}?) +"
    r"(?P<taint>Not tainted|Tainted: [A-Z \[\]=,]*?)[ ,]+(?P<rest>\d.*)$"
)
_WORKQUEUE = re.compile(r"^\s*Workqueue: +(?P<item>.+)$")
_STOPPED = re.compile(r"^\s*\(?(?:NOTLB|L-TLB|user thread|kernel thread)\)?$")
_CONTEXT = re.compile(
    r"^\s*(?:Not tainted|Tainted: |\"echo 0 >|Blocked by coredump|Future hung task reports|Sending NMI|NMI backtrace|"
    r"Hardware name: |Modules linked in|Code: |.*\btask PC stack +pid father|Process .* \(pid: \d+|task: [0-9a-f]{8}|"
    r"Stack: |rcu: |\t|irq event stamp|hardirqs last|softirqs last|in_atomic|preempt_count)"
)


class TraceSection:
    """Reads the lines after a head (a task line, a hung task line, `CPU: .. Comm: ..`) up to the next head."""

    patience = 6

    def __init__(self, builder: Builder, record: Record, origin: str, **fields: object) -> None:
        self.builder = builder
        self.record = record
        self.fields: dict[str, object] = {"pid": None, "comm": None, **fields}
        self.origin = origin
        self.snapshot = builder.snapshot
        self.stack = StackReader()

    def feed(self, record: Record) -> bool:
        text = record.text
        if self.stack.feed(record):
            return True
        if "state:" in text or record.hits or text[:1] != " ":
            task = parse_task_line(text)
            if task is not None:
                return self._merge(task, record)
        if self.stack.frames:
            return False
        head = COMM.search(text)
        if head is not None:
            if self.fields["pid"] not in (None, int(head["pid"])):
                return False
            self._head(head)
            return True
        item = _WORKQUEUE.match(text)
        if item is not None:
            self.fields["workqueue"] = item["item"].strip()
            return True
        return _CONTEXT.match(text) is not None or _STOPPED.match(text) is not None

    def _head(self, head: re.Match[str]) -> None:
        self.fields.update(pid=int(head["pid"]), comm=head["comm"])
        if head["cpu"]:
            self.fields["cpu"] = int(head["cpu"])
        note_release(self.builder, head["rest"], head["taint"])

    def _merge(self, task: dict[str, object], record: Record) -> bool:
        """A task line inside a report: the report's own task, or the head of another."""
        if self.stack.frames or self.fields["pid"] not in (None, task["pid"]) or "state" in self.fields:
            return False
        self.fields.update(task)
        self.record = record
        return True

    def close(self) -> None:
        stack = self.stack.finish()
        if stack is None and "state" not in self.fields:
            return
        self.builder.add_task(
            TaskSighting(
                line=self.record.number,
                text=self.record.text,
                time=self.record.time,
                origin=self.origin,
                snapshot=self.snapshot,
                stack=stack,
                **self.fields,  # type: ignore[arg-type]
            )
        )


_RELEASE = re.compile(r"^(?P<release>\d+\.\d+(?:\.\d+)*\S*) ")


def note_release(builder: Builder, rest: str, taint: str | None = None) -> None:
    """The kernel's release as dump_stack() and hung task reports print it: `6.1.0-56-cloud-amd64 #1 Debian 6.1.192-2`."""
    match = _RELEASE.match(rest + " ")
    if match is not None:
        builder.set_kernel(release=match["release"], build=rest)
    if taint:
        builder.set_kernel(tainted=taint.strip())

"""`X invoked oom-killer`: the report, from its first line to the kill."""

from __future__ import annotations

import re
from collections.abc import Callable

from unkillable.evidence.backtrace import StackReader, is_of_trace
from unkillable.evidence.builder import Builder
from unkillable.evidence.gfp import read_mask
from unkillable.evidence.meminfo import MemInfoReader
from unkillable.evidence.numbers import before, hexadecimal, integer
from unkillable.evidence.oom_kill import CHOICE, KILLED, Choice, read_choice, read_kill
from unkillable.evidence.oom_memcg import GROUP, MemcgReader, SlabReader
from unkillable.evidence.oom_tasks import TaskTable
from unkillable.evidence.trace import COMM, note_release
from unkillable.evidence.types import OomKill, OomReport, TaskSighting
from unkillable.klog.record import Record

# To 2.6.17 `oom-killer: gfp_mask=0xd0, order=0` had no name; `from pagefault` is 2.6.29 to 2.6.34.
HEAD = re.compile(
    r"(?:\binvoked |^)oom-killer(?: from pagefault)?: ?(?P<rest>(?:gfp_?mask|order|oom\w{2,12}adj|nodemask)=.*|)$"
)
# The summary line since 5.0. Its parts are separate printks, so another line may stand between them.
SUMMARY = re.compile(r"oom-kill:constraint=(?P<constraint>[A-Z_]{4,40})(?P<rest>.*)$")
_REST = re.compile(r"^,(?:nodemask|cpuset|mems_allowed|global_oom|oom_memcg|task_memcg|task|pid)\b")

_GFP = re.compile(r"gfp_?mask=(?P<mask>(?:0x)?[0-9a-fA-F]{1,16})(?:\((?P<names>[^()]{0,600})(?P<end>\))?)?")
_NODEMASK = re.compile(r"nodemask=(?P<value>\(null\)|\d[\d,-]*\d|\d)")
_ORDER = re.compile(r"order=(?P<value>-?\d{1,3})\b")
_ADJ = re.compile(r"\b(?P<word>oomkilladj|oom_adj|oom_score_adj)=(?P<value>-?\d{1,5})\b")
_CPUSET = re.compile(r"^(?P<comm>.{1,64}?) cpuset=(?P<cpuset>\S{1,200}) mems_allowed=(?P<mems>[\d,-]*)")

_REMARKS = (
    ("compaction", re.compile(r"COMPACTION is disabled!!!")),
    ("slab", re.compile(r"excessive unreclaimable slab but cannot dump stats")),
    ("no_killable", re.compile(r"Out of memory and no killable processes")),
    ("exiting", re.compile(r"OOM victim \d+ \(.{0,64}?\) is already exiting")),
    ("none_eligible", re.compile(r"OOM request ignored")),
)
_PANIC = re.compile(
    r"Kernel panic - not syncing:? (?P<title>(?:Out of memory|System is deadlocked on memory).{0,80})"
)
_REMARK_WORDS = ("COMPACTION", "excessive", "no killable", "already exiting", "request ignored", "panic")
"""One of these is in every remark, and in a panic's line."""
_CONTEXT = re.compile(r"^\s*(?:Hardware name: |Modules linked in|Workqueue: )")
TASK_COMM_LEN = 16
COMM_KEPT = 64  # of what stands before the head: the name, or a program's output and the name
_LIMIT_KILLS = 400  # memory.oom.group kills every task of a control group


class OomSection:
    """One report; a line is offered to its parts in the order in which the kernel prints them."""

    def __init__(self, builder: Builder, record: Record) -> None:
        self.patience = 24  # lines of user output and of other processors between its own, on a slow console
        self.builder = builder
        self.record = record
        self.last = record.number
        self.facts: dict[str, object] = {"comm": ""}
        self.fields: dict[str, str] = {}
        self.stack: StackReader | None = StackReader()
        self.meminfo = MemInfoReader()
        self.tasks = TaskTable()
        self.choice: Choice | None = None
        self.kills: list[OomKill] = []
        self.group = False
        self.memcg = MemcgReader(self.facts, self.fields)
        self.slab = SlabReader()
        self.steps: tuple[Callable[[str, Record], bool], ...] = (
            self._kill, self._table, self._mem, self._head_line, self._plain, self._remark, self._trace,
        )  # fmt: skip

    def head(self, match: re.Match[str]) -> None:
        """The first line."""
        rest = match["rest"]
        adj = _ADJ.search(rest)
        self.facts["comm"] = before(match, COMM_KEPT)
        if adj is not None:
            self.facts["oom_score_adj" if adj["word"] == "oom_score_adj" else "oom_adj"] = integer(
                adj["value"]
            )
        gfp = _GFP.search(rest)
        if gfp is not None:
            mask = hexadecimal(gfp["mask"])
            printed = gfp["names"]
            if printed is not None and gfp["end"] is None:
                printed = ""  # cut inside the list
            names, decoded = read_mask(mask, printed, adj["word"] if adj else "")
            self.facts.update(gfp_mask=mask, gfp_flags=names, gfp_decoded=decoded)
        order = _ORDER.search(rest)
        if order is not None:
            self.facts["order"] = integer(order["value"])
        self._nodemask(rest)
        _note_era(
            self.builder,
            adj["word"] if adj else "",
            gfp is not None and gfp["names"] is not None,
            "nodemask=" in rest,
        )

    def _nodemask(self, text: str) -> None:
        nodes = _NODEMASK.search(text)
        if nodes is not None:
            self.facts["nodemask"] = nodes["value"]

    def feed(self, record: Record) -> bool:
        text = record.text
        if len(text) > 4096 or (self.kills and not self.group and not GROUP.search(text)):
            return False
        if self.stack is not None and is_of_trace(text) and self.stack.feed(record):
            self.last = record.number
            return True
        for step in self.steps:
            if step(text, record):
                self.last = record.number
                return True
        return False

    # --- the end of the report: summary, choice, kill

    def _kill(self, text: str, record: Record) -> bool:
        if "ill" not in text and "," not in text:
            return False
        summary = SUMMARY.search(text)
        if summary is not None:
            return self.summary(summary)
        if _REST.match(text):
            self._summary_rest(text)
            return True
        killed = KILLED.search(text)
        if killed is not None:
            return self._killed(killed, record)
        chosen = CHOICE.search(text)
        if chosen is not None:
            self.choice = read_choice(chosen)
            return self.choice is not None
        group = GROUP.search(text)
        if group is not None:
            self.group = True
            self.patience = 8
            self.fields["oom_group"] = group["memcg"]
            return True
        return False

    def summary(self, match: re.Match[str]) -> bool:
        """`oom-kill:constraint=..`; False where it is another report's."""
        if "constraint" in self.facts:
            return False
        self.facts["constraint"] = match["constraint"]
        self._summary_rest(match["rest"])
        return True

    def _summary_rest(self, text: str) -> None:
        self._nodemask(text)
        if ",global_oom" in text:
            self.fields["scope"] = "global"
        for name, pattern in _SUMMARY_PARTS:
            match = pattern.search(text)
            if match is None:
                continue
            if name in ("cpuset", "memcg", "task_memcg"):
                self.facts[name] = match["value"]
            else:
                self.fields[name] = match["value"]

    def _killed(self, match: re.Match[str], record: Record) -> bool:
        reason = "cgroup-sibling" if self.group and self.kills else None
        if reason is None and self.choice is None and self._by_sysrq():
            reason = "sysrq-f"
        fact = read_kill(match, record, self.choice, reason)
        if fact is None:
            return False
        if len(self.kills) < _LIMIT_KILLS:
            self.kills.append(fact)
        self.builder.add_kill(fact)
        self.patience = min(self.patience, 4)
        return True

    def _by_sysrq(self) -> bool:
        """sysrq-f runs from a work item; since 3.19 its order is -1, to 3.18 only the sysrq line tells."""
        if self.facts.get("order") == -1:
            return True
        last = next(iter(self.builder.kept["sysrqs"].all()[-1:]), None)
        manual = last is not None and "Manual OOM" in last.action and self.record.number - last.line <= 8
        return manual and str(self.facts["comm"]).startswith(("kworker", "events"))

    # --- its parts

    def _table(self, text: str, record: Record) -> bool:
        if "[" not in text and "Tasks state" not in text:
            return False
        if not self.tasks.feed(text):
            return False
        self.stack_done()
        return True

    def _mem(self, text: str, record: Record) -> bool:
        if self.tasks.started or not self.meminfo.feed(record):
            return False
        self.stack_done()
        return True

    def _head_line(self, text: str, record: Record) -> bool:
        match = COMM.search(text)
        if match is not None and "pid" not in self.facts:
            self.facts["pid"] = integer(match["pid"])
            if not 0 < len(str(self.facts["comm"])) < TASK_COMM_LEN:  # lost, or glued to a program's output
                self.facts["comm"] = match["comm"]
            if match["cpu"]:
                self.facts["cpu"] = integer(match["cpu"])
            note_release(self.builder, match["rest"], match["taint"])
            return True
        cpuset = _CPUSET.match(text)
        if cpuset is not None:
            self.facts["cpuset"] = cpuset["cpuset"]
            self.fields["mems_allowed"] = cpuset["mems"]
            return True
        return False

    def _plain(self, text: str, record: Record) -> bool:
        return self.memcg.feed(text) or self.slab.feed(text)

    def _remark(self, text: str, record: Record) -> bool:
        if not any(word in text for word in _REMARK_WORDS):
            return False
        for name, pattern in _REMARKS:
            match = pattern.search(text)
            if match is not None:
                self.fields.setdefault(name, match[0])
                return True
        panic = _PANIC.search(text)
        if panic is not None:
            self.fields.setdefault(
                "panic", panic["title"]
            )  # and the line goes on to the headlines of crashes
        return False

    def _trace(self, text: str, record: Record) -> bool:
        if self.stack is None:
            return False
        return self.stack.feed(record) or _CONTEXT.match(text) is not None

    def stack_done(self) -> None:
        """The stack ends where the memory's state begins; a later trace is somebody else's."""
        if self.stack is None:
            return
        self.facts["stack"] = self.stack.finish()
        self.stack = None

    def close(self) -> None:
        self.stack_done()
        meminfo = self.meminfo.finish()
        if meminfo is not None:
            self.builder.add_meminfo(meminfo)
        if self.choice is not None and not self.kills:
            self.fields["chosen_pid"], self.fields["chosen_comm"] = str(self.choice.pid), self.choice.comm
        adj = self.facts.pop("oom_adj", None)
        if adj is not None:
            self.fields["oom_adj"] = str(adj)
        memcg = "memcg" in self.facts or self.facts.get("constraint") == "CONSTRAINT_MEMCG"
        report = OomReport(
            line=self.record.number,
            text=self.record.text,
            time=self.record.time,
            lines=(self.record.number, self.last),
            meminfo=meminfo,
            tasks=self.tasks.finish(),
            tasks_omitted=self.tasks.omitted,
            kills=tuple(self.kills),
            memcg_usage=self.memcg.usage,
            unreclaimable_slab=self.slab.caches,
            trigger="sysrq" if self._by_sysrq() else "memcg" if memcg else None,
            fields=self.fields,
            **self.facts,  # type: ignore[arg-type]
        )
        self.builder.add_oom(report)
        if report.stack is not None:
            self.builder.add_task(
                TaskSighting(
                    line=report.line, text=report.text, time=report.time, pid=report.pid, comm=report.comm or None,
                    origin="oom-invoker", snapshot=self.builder.snapshot, cpu=report.cpu, stack=report.stack,
                )
            )  # fmt: skip


_SUMMARY_PARTS = (
    ("cpuset", re.compile(r",cpuset=(?P<value>.{0,200}?)(?=,mems_allowed=|$)")),
    ("mems_allowed", re.compile(r",mems_allowed=(?P<value>\d[\d,-]*\d|\d)")),
    ("memcg", re.compile(r",oom_memcg=(?P<value>.{0,400}?)(?=,task_memcg=|$)")),
    ("task_memcg", re.compile(r",task_memcg=(?P<value>.{0,400}?)(?=,task=|$)")),
    ("victim", re.compile(r",task=(?P<value>.{0,64}?)(?=,pid=|$)")),
    ("victim_pid", re.compile(r",pid=(?P<value>\d{1,10})\b")),
    ("victim_uid", re.compile(r",uid=(?P<value>\d{1,10})\b")),
)


def _note_era(builder: Builder, word: str, names: bool, nodemask: bool) -> None:
    """What the head's form says of the kernel's release."""
    if names:
        builder.narrow_era(*(("4.6", "4.20") if nodemask else ("5.0", None)))
    elif word == "oomkilladj":
        builder.narrow_era("2.6.18", "2.6.32")
    elif word == "oom_adj":
        builder.narrow_era("2.6.32", "3.7")

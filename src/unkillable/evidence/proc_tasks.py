"""Tasks through /proc: state, kernel stack, pending SIGKILL; what may block the reader, and how it gets past that.

What /proc/PID tells, and what reading it can do to the reader:

| file   | what for                                | who may          | may wait for                              |
|--------|-----------------------------------------|------------------|-------------------------------------------|
| stat   | comm, state, ppid, PF_* flags, exit code| all              | exec_update_lock (5.10 to 7.3)            |
| status | Tgid, SigPnd, ShdPnd, Kthread (6.8)     | all              | nothing                                   |
| wchan  | the innermost function that sleeps      | owner, root      | exec_update_lock (5.10 to 7.3)            |
| stack  | the kernel stack                        | CAP_SYS_ADMIN    | exec_update_lock; cred_guard_mutex before 5.7 |
| syscall| the user's program counter, last field  | owner, root      | the same                                  |

A task inside execve holds these locks, before 5.7 even while it reads its program from the disk, so that whoever
reads its `stack` sleeps with it. Hence a thread of its own does the reading; if it gets nowhere it is left behind
and another one goes on with the next task. Files that take mmap_lock (cmdline, environ, maps, smaps, exe) are not
touched at all: a task that holds it for writing would take the reader along without a way out.

`stack` and `wchan` leave out the functions of .sched.text (kernel/stacktrace.c
stack_trace_consume_entry_nosched()), hence schedule() and mutex_lock(): a frame `schedule` without an offset is put
on top of the stack of a task that sleeps, which is where it is. The lock's primitive is not to be seen.
"""

from __future__ import annotations

import errno
import os
import re
import threading
from array import array

import msgspec

from unkillable.evidence.backtrace import StackReader
from unkillable.evidence.psi import Buffer
from unkillable.evidence.types import Frame, Stack, TaskSighting
from unkillable.klog.record import Record

_STACKS = 2_000  # per look, of tasks that are neither in D nor killed: reading one costs up to a millisecond
_LEFT_BEHIND = 8  # reading threads stuck in somebody's lock after which no further one is risked
_MOST_PIDS = 4 << 20  # PID_MAX_LIMIT
_MOST_THREADS = 20_000  # of one process
_TICK = 0.05  # seconds between looks at the reading thread
_SIGKILL = 9
_PF_KTHREAD = 0x00200000  # since 2.6.27
_ASLEEP = frozenset("DSITtPK")
_REFUSED = (errno.EPERM, errno.EACCES)

_WORKER = re.compile(r"(kworker/[\w:]{1,20})([+-])(.*)", re.DOTALL)  # wq_worker_comm(), since 4.18
_NEEDED = {False: "run as root", True: "this root lacks CAP_SYS_ADMIN (a container?)"}
_STATUS = re.compile(rb"^(Name|State|Tgid|PPid|Kthread|SigPnd|ShdPnd):[ \t]+(\S{1,64})", re.MULTILINE)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_SCHEDULE = Frame("schedule", "schedule")


class Stat(msgspec.Struct, frozen=True):
    """The fields of /proc/PID/stat that matter."""

    comm: str
    state: str | None = None
    ppid: int | None = None
    flags: int | None = None
    """PF_*."""
    threads: int = 1
    exit_code: int | None = None
    """As wait(2) gives it; 0 where the reader has no right to know."""


def clean_comm(raw: bytes) -> str:
    """A task's name as the kernel's log prints it: control characters as `\\x0a`."""
    return _CONTROL.sub(lambda match: f"\\x{ord(match[0]) & 0xFF:02x}", raw.decode("utf-8", "replace"))[:64]


def parse_stat(data: bytes) -> Stat | None:
    """/proc/PID/stat, also one cut short. The name may hold anything, parentheses and newlines too; None without one."""
    start, end = data.find(b"("), data.rfind(b")")
    if start < 0 or end < start:
        return None
    fields = data[end + 1 :].split()
    numbers = [int(field) if _is_number(field) else None for field in fields[1:50]]
    numbers += [None] * (49 - len(numbers))
    state = (
        fields[0].decode("ascii", "replace")
        if fields and len(fields[0]) == 1 and fields[0].isalpha()
        else None
    )
    return Stat(
        clean_comm(data[start + 1 : end]), state, numbers[0], numbers[5], numbers[16] or 1, numbers[48]
    )


def _is_number(field: bytes) -> bool:
    return len(field) <= 20 and (field[1:] if field[:1] == b"-" else field).isdigit()


def parse_status(data: bytes) -> dict[str, str]:
    """The fields of /proc/PID/status that matter, as text."""
    return {match[1].decode(): match[2].decode("ascii", "replace") for match in _STATUS.finditer(data)}


def parse_stack(data: bytes, asleep: bool) -> Stack | None:
    """/proc/PID/stack; `asleep` says that the functions of the scheduler, which the file leaves out, stand on top."""
    reader = StackReader()
    for line in data.decode("ascii", "replace").split("\n")[:128]:
        if line.strip():
            reader.feed(Record(0, line))
    stack = reader.finish()
    if stack is None or not asleep or stack.frames[0].function in ("schedule", "__schedule"):
        return stack
    return msgspec.structs.replace(stack, frames=(_SCHEDULE, *stack.frames))


def parse_syscall(data: bytes) -> str | None:
    """The user program counter of a blocked task from /proc/PID/syscall (`running` of another): as a console's `RIP: 0033:`."""
    fields = data.split()
    known = len(fields) in (3, 9) and re.fullmatch(rb"0x[0-9a-f]{1,16}", fields[-1])
    return fields[-1].decode() if known else None


def _killed(stat: Stat, status: dict[str, str]) -> bool | None:
    """Whether SIGKILL waits to be taken, or was taken and the task is on its way out; None where it cannot be known."""
    if stat.exit_code and stat.exit_code & 0x7F == _SIGKILL:
        return True  # group_exit_code, or a dying task's own
    known = None
    for name in ("SigPnd", "ShdPnd"):
        try:
            mask = int(status[name], 16)
        except (KeyError, ValueError):
            continue
        known = bool(known) or bool(mask >> (_SIGKILL - 1) & 1)
    return known


class Scan:
    """One look at all tasks."""

    def __init__(self, proc: str, time: float | None, most: int, follow: bool = True) -> None:
        self.proc, self.time, self.most, self._follow = proc, time, most, follow
        self.seen = 0
        self.tasks: list[TaskSighting] = []
        """Tasks in D and killed ones first come; the others as far as there is room."""
        self.left_out = 0
        self.stuck: list[int] = []
        """Processes whose files did not answer."""
        self.refused = 0
        """Stacks that the kernel would not show."""
        self.no_stacks = 0
        self._others: list[TaskSighting] = []
        self._stacks = _STACKS
        self._pids = array("i")
        self._next = 0
        self._generation = 0
        self._done = threading.Event()

    def run(self, patience: float) -> None:
        """Reads every task; one that takes longer than `patience` seconds is left out."""
        self._list()
        while self._generation <= _LEFT_BEHIND:
            threading.Thread(target=self._work, args=(self._generation,), daemon=True).start()
            if self._watch(patience):
                break
            self.stuck.append(self._pids[self._next - 1])
            self._generation += 1
        else:
            self.left_out += len(self._pids) - self._next
        self._generation += 1
        room = max(self.most - len(self.tasks), 0)
        self.left_out += max(len(self._others) - room, 0)
        self.tasks = sorted(self.tasks + self._others[:room], key=lambda task: task.pid or 0)
        self._others = []

    def _list(self) -> None:
        try:
            with os.scandir(self.proc) as entries:
                for entry in entries:
                    if entry.name.isdecimal() and len(entry.name) <= 7 and len(self._pids) < _MOST_PIDS:
                        self._pids.append(int(entry.name))
        except OSError:
            return
        if len(self._pids) > 1 and self._pids[0] > self._pids[-1]:
            self._pids = array("i", sorted(self._pids))

    def _watch(self, patience: float) -> bool:
        """Waits for the reading thread: True when all is read, False when it has been stuck for too long."""
        at, waited = -1, 0.0
        while not self._done.wait(_TICK):
            if self._next == at:
                waited += _TICK
                if waited >= patience:
                    return False
            else:
                at, waited = self._next, 0.0
        return True

    def _work(self, generation: int) -> None:
        buffer = Buffer(1 << 14, self._follow)
        while generation == self._generation and self._next < len(self._pids):
            pid = self._pids[self._next]
            self._next += 1
            self._process(pid, buffer, generation)
        if generation == self._generation:
            self._done.set()

    def _process(self, pid: int, buffer: Buffer, generation: int) -> None:
        base = f"{self.proc}/{pid}"
        stat = parse_stat(buffer.read(f"{base}/stat"))
        if stat is None:
            if buffer.error in (0, *_REFUSED):
                self.left_out += 1  # there, but not readable
            return
        self._task(pid, pid, base, stat, buffer, generation)
        if stat.threads < 2 and self._follow:
            return
        try:
            with os.scandir(f"{base}/task") as entries:
                names = [
                    entry.name
                    for entry, _ in zip(entries, range(_MOST_THREADS), strict=False)
                    if entry.name.isdecimal()
                ]
        except OSError:
            return
        for name in sorted(names, key=int):
            if int(name) != pid:
                stat = parse_stat(buffer.read(f"{base}/task/{name}/stat"))
                if stat is not None:
                    self._task(int(name), pid, f"{base}/task/{name}", stat, buffer, generation)

    def _task(self, pid: int, tgid: int, base: str, stat: Stat, buffer: Buffer, generation: int) -> None:
        status = parse_status(buffer.read(f"{base}/status"))
        state = stat.state or status.get("State", "")[:1] or None
        killed = _killed(stat, status)
        urgent = state == "D" or (killed is True and state not in ("Z", "X"))
        self.seen += 1
        stack, wchan = None, None
        if (urgent or self._stacks > 0) and state not in ("Z", "X"):
            self._stacks -= not urgent
            stack = parse_stack(buffer.read(f"{base}/stack"), state in _ASLEEP)
            self.refused += buffer.error in _REFUSED
            copied = bool(status)  # else nothing was but stat
            self.no_stacks += copied and buffer.error == errno.ENOENT
        if urgent and stack is not None and (pc := parse_syscall(buffer.read(f"{base}/syscall"))):
            stack = msgspec.structs.replace(stack, user_pc=pc)
        if state in _ASLEEP:
            wchan = buffer.read(f"{base}/wchan").decode("ascii", "replace").strip()[:128]
            wchan = None if wchan in ("", "0") or not wchan.isprintable() else wchan
        kernel = status["Kthread"] == "1" if "Kthread" in status else None
        if kernel is None and stat.flags is not None:
            kernel = bool(stat.flags & _PF_KTHREAD)
        worker = _WORKER.fullmatch(stat.comm) if kernel else None
        comm = worker[1] if worker else stat.comm
        text = f"/proc{base.removeprefix(self.proc)}: {comm} is in state {state or '?'}"
        text += (f" in {wchan}" if wchan else "") + (", SIGKILL pending" if killed else "")
        if (
            urgent
            and not kernel
            and (adj := buffer.read(f"{base}/oom_score_adj").strip())
            and _is_number(adj)
        ):
            text += f", oom_score_adj {int(adj)}"
        task = TaskSighting(
            text=text,
            time=self.time,
            pid=pid,
            comm=comm,
            state=state,
            tgid=tgid,
            ppid=stat.ppid,
            workqueue=worker[3] if worker and worker[2] == "+" else None,
            origin="proc",
            stack=stack,
            wchan=wchan,
            killed=killed,
            kernel_thread=kernel,
        )
        if generation != self._generation:
            return  # too late: given up, or the look is over
        kept = self.tasks if urgent else self._others
        if len(kept) < self.most:
            kept.append(task)
        else:
            self.left_out += 1

    def notes(self) -> list[str]:
        """What this look could not see, for the user."""
        notes = []
        if self.refused:
            notes.append(
                f"kernel stacks of {self.refused} tasks are hidden: {_NEEDED[os.geteuid() == 0]}; wchan is used instead"
            )
        if self.seen and self.no_stacks >= self.seen // 2 + 1:
            notes.append(
                "no kernel stacks: the kernel is built without CONFIG_STACKTRACE, or they were not copied"
            )
        if self.stuck:
            names = ", ".join(map(str, self.stuck[:8]))
            notes.append(
                f"/proc files of process {names} did not answer: probably inside execve, whose lock they take"
            )
        if self.left_out:
            notes.append(f"{self.left_out} tasks are left out: too many, not readable, or not reached")
        return notes

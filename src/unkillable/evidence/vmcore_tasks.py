"""Every task of a memory dump or a running guest: state, stack, pending SIGKILL, the lock it waits for.

What changed its place is found by looking, not by version: task_struct.state was renamed __state in 5.14 (drgn's
helper knows), thread_info moved into task_struct in 4.9-4.15 by architecture, signal_struct.oom_mm came with 4.9.

Memory shows what no console does: whether a task in D sleeps killably. Such a task has state K here, the letter that
kernels before 4.14 had for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from unkillable.evidence.drgn_stack import read_blocker, read_stack
from unkillable.evidence.proc_tasks import clean_comm
from unkillable.evidence.types import Blocker, OomKill, Stack, TaskSighting

_SIGKILL = 9
_SIGNAL_GROUP_EXIT = 4  # include/linux/sched/signal.h, since 2.6.12
_PF_KTHREAD = 0x00200000  # since 2.6.27
_MMF_OOM_SKIP = (
    21  # bit of mm_struct.flags from 4.9 to 7.3 (include/linux/sched/coredump.h, later mm_types.h)
)


class Seen(msgspec.Struct, frozen=True):
    """One task, and what else its memory shows."""

    task: TaskSighting
    blocker: Blocker | None = None
    victim: OomKill | None = None
    """Set for the leader of a process that the OOM killer chose (signal_struct.oom_mm)."""
    failed: str | None = None
    """Why its stack could not be unwound."""


def read_tasks(prog: Any, time: float | None, most: int, snapshot: int) -> Iterator[Seen]:
    """All tasks, each on its own: one that cannot be read does not hide the others."""
    import drgn
    from drgn.helpers.linux.pid import for_each_task

    tasks = iter(for_each_task(prog))
    for _ in range(most):
        try:
            task = next(tasks)
        except StopIteration:
            return
        except drgn.FaultError:
            return  # the list itself is not in the dump; a running guest changed it under our hands
        try:
            yield read_task(prog, task, time, snapshot)
        except (drgn.FaultError, LookupError, ValueError, OverflowError):
            continue


def read_task(prog: Any, task: Any, time: float | None, snapshot: int = 0) -> Seen:
    """One `struct task_struct *`."""
    from drgn.helpers.linux.sched import task_state_to_char

    pid, tgid = task.pid.value_(), task.tgid.value_()
    comm = clean_comm(task.comm.string_())
    state = task_state_to_char(task)
    if state == "D" and _wakes_on_kill(task):
        state = "K"
    kernel = bool(task.flags.value_() & _PF_KTHREAD)
    running = bool(_member(task, "on_cpu"))
    stack, blocker, failed = _stack(prog, task, pid, comm, state, running, time)
    killed = is_killed(task)
    text = f"task {comm}:{pid} is in state {state}" + (" on a processor" if running else "")
    sighting = TaskSighting(
        text=text + (", SIGKILL pending" if killed else ""),
        time=time,
        pid=pid,
        comm=comm,
        state=state,
        tgid=tgid,
        ppid=task.real_parent.tgid.value_(),
        flags=_member(task, "thread_info", "flags"),
        origin="vmcore",
        snapshot=snapshot,
        cpu=_member(task, "cpu") if running else None,
        stack=stack,
        wchan=_wchan(stack) if not running else None,
        io_wait=bool(_member(task, "in_iowait")),
        killed=killed,
        kernel_thread=kernel,
    )
    return Seen(sighting, blocker, _victim(task, pid, tgid, comm), failed)


def _stack(
    prog: Any, task: Any, pid: int, comm: str, state: str, running: bool, time: float | None
) -> tuple[Stack | None, Blocker | None, str | None]:
    import drgn

    if state in ("Z", "X"):
        return None, None, None
    try:
        trace = prog.stack_trace(task)
        stack = read_stack(prog, trace, running)
    except (drgn.FaultError, LookupError, ValueError, OverflowError, drgn.UnsupportedOperation) as error:
        return None, None, str(error).split("\n", 1)[0]
    blocker = None
    if state in ("D", "K"):
        try:
            blocker = read_blocker(trace, pid, comm, time)
        except (drgn.FaultError, LookupError):
            blocker = None
    return stack, blocker, None


def _member(task: Any, *path: str) -> int | None:
    """A member that not every kernel has."""
    try:
        for name in path:
            task = task.member_(name)
        value = task.value_()
    except (AttributeError, LookupError):
        return None
    return value if isinstance(value, int) else None


def _wakes_on_kill(task: Any) -> bool:
    """TASK_WAKEKILL of a sleeper: 0x100 since 4.14, 0x80 before; a sleeper has neither bit for another reason."""
    value = _member(task, "__state")
    if value is None:
        value = _member(task, "state")
    return bool((value or 0) & 0x180)


def is_killed(task: Any) -> bool:
    """SIGKILL waits to be taken (by the thread or its process), or was taken and the process is on its way out."""
    bit = 1 << (_SIGKILL - 1)
    if task.pending.signal.sig[0].value_() & bit:
        return True
    if not task.signal:  # released by now
        return False
    if task.signal.shared_pending.signal.sig[0].value_() & bit:
        return True
    leaving = task.signal.flags.value_() & _SIGNAL_GROUP_EXIT
    return bool(leaving) and task.signal.group_exit_code.value_() & 0x7F == _SIGKILL


def _wchan(stack: Stack | None) -> str | None:
    """The first function outside the scheduler."""
    if stack is None:
        return None
    inner = ("__schedule", "schedule", "schedule_timeout", "io_schedule", "schedule_preempt_disabled")
    return next((frame.function for frame in stack.frames if frame.function not in inner), None)


def _victim(task: Any, pid: int, tgid: int, comm: str) -> OomKill | None:
    """Whether the OOM killer chose this process: its memory is noted in signal->oom_mm. When is not noted."""
    if pid != tgid or not task.signal:
        return None
    try:
        mm = task.signal.oom_mm
    except AttributeError:  # before 4.9, which mark the thread: TIF_MEMDIE
        return None
    if not mm:
        return None
    text = f"signal->oom_mm of task {comm}:{pid} is set: the OOM killer chose it"
    try:
        if _flags(mm) >> _MMF_OOM_SKIP & 1:
            text += "; MMF_OOM_SKIP: the reaper is done with its memory or gave up"
    except (AttributeError, LookupError):
        pass
    return OomKill(text=text, pid=pid, comm=comm, oom_score_adj=_member(task, "signal", "oom_score_adj"))


def _flags(mm: Any) -> int:
    """mm_struct.flags: a word up to 6.17, then a bitmap in a structure (`mm_flags_t.__mm_flags`)."""
    flags = mm.flags
    try:
        return int(flags.value_())
    except TypeError:
        return int(flags.member_("__mm_flags")[0].value_())

"""Tasks: what a signal wakes, how a task ends, and why a zombie is no stuck task."""

from __future__ import annotations

from unkillable.model.language import Actor, helper, require, step
from unkillable.model.parameters import Parameters
from unkillable.model.state import At, End, Sleep, State


@helper
def ends_wait(s: State, t: int, state: int) -> bool:
    """signal_pending_state(): a wait in this state does not begin, or does not go on, with the signals that are pending."""
    return (s.killed[t] > 0 and (state == Sleep.INTERRUPTIBLE or state == Sleep.KILLABLE)) or (
        s.caught[t] > 0 and state == Sleep.INTERRUPTIBLE
    )


@helper
def kill(s: State, t: int, by: int) -> None:
    """SIGKILL: complete_signal(), which wakes whom it may."""
    s.killed[t] = by
    if ends_wait(s, t, s.state[t]):
        s.state[t] = Sleep.RUNNING


@step(At.USER, kernel="get_signal", says="{task} is about to return to its program, sees SIGKILL and ends")
def die(s: State, p: Parameters, t: int) -> None:
    require(s.killed[t] > 0)
    s.at[t] = At.EXIT
    s.end[t] = End.SIGKILL


@step(At.USER, kernel="get_signal", says="{task} runs its signal handler")
def handle(s: State, p: Parameters, t: int) -> None:
    require(s.caught[t] > 0 and s.killed[t] == 0)
    s.caught[t] = 0


@step(At.EXIT, kernel="do_exit, exit_mm", says="{task} ends and gives its memory back")
def leave(s: State, p: Parameters, t: int) -> None:
    s.free += s.anon[t]
    s.mapped -= s.anon[t]
    s.anon[t] = 0
    s.at[t] = At.ZOMBIE


@step(
    At.ZOMBIE,
    actor=Actor.PARENT,
    asleep=True,
    kernel="wait_task_zombie",
    says="the parent of {task} takes note of its end; a zombie had no memory any more",
)
def bury(s: State, p: Parameters, t: int) -> None:
    s.at[t] = At.GONE
    s.work[t] = 0
    s.killed[t] = 0
    s.caught[t] = 0
    s.reaped[t] = 0


@step(actor=Actor.OUTSIDE, over="task", asleep=True, kernel="kill", says="somebody sends SIGKILL to {other}")
def kill_from_outside(s: State, p: Parameters, v: int) -> None:
    require(s.kills > 0 and s.killed[v] == 0 and s.at[v] < At.EXIT)
    s.kills -= 1
    kill(s, v, 1)


@step(
    actor=Actor.OUTSIDE,
    over="task",
    asleep=True,
    kernel="kill",
    says="a signal comes for {other}, such as SIGALRM, for which it has a handler",
)
def signal_from_outside(s: State, p: Parameters, v: int) -> None:
    require(s.signals > 0 and s.killed[v] == 0 and s.caught[v] == 0 and s.at[v] < At.EXIT)
    s.signals -= 1
    s.caught[v] = 1
    if ends_wait(s, v, s.state[v]):
        s.state[v] = Sleep.RUNNING


@step(actor=Actor.OUTSIDE, kernel="", says="nobody sends any more signals", asleep=True)
def no_more_signals(s: State, p: Parameters) -> None:
    require(s.kills > 0 or s.signals > 0)
    s.kills = 0
    s.signals = 0

"""The OOM killer and its reaper."""

from __future__ import annotations

from unkillable.model.language import Actor, helper, require, step
from unkillable.model.memory import ALLOCATING, gfp, reclaimable
from unkillable.model.parameters import Parameters
from unkillable.model.state import At, Gfp, Sleep, State
from unkillable.model.tasks import kill


@helper
def victim_pending(s: State, p: Parameters) -> bool:
    """A victim of the OOM killer still has its memory: until it is gone or reaped no other is chosen (kernel: oom_victims,
    TIF_MEMDIE; from 4.6 on the reaper's MMF_OOM_SKIP ends the wait)."""
    return any(s.killed[v] == 2 and s.reaped[v] == 0 and s.at[v] < At.ZOMBIE for v in range(p.tasks))


@helper
def killable_left(s: State, p: Parameters) -> bool:
    return any(s.killed[v] != 2 and s.at[v] < At.EXIT and (p.protected >> v) % 2 == 0 for v in range(p.tasks))


@helper
def kill_largest(s: State, p: Parameters) -> None:
    """select_bad_process(), oom_kill_process(): who has most memory; of equals, who came first."""
    best = p.tasks
    for v in range(p.tasks):
        if (
            s.killed[v] != 2
            and s.at[v] < At.EXIT
            and (p.protected >> v) % 2 == 0
            and (best == p.tasks or s.anon[v] > s.anon[best])
        ):
            best = v
    kill(s, best, 2)


@step(
    *ALLOCATING,
    kernel="out_of_memory, oom_kill_process",
    says="{task} needs memory; there is none, and it may call the OOM killer, which chooses {victim}",
)
def oom_kill(s: State, p: Parameters, t: int) -> None:
    require(s.free == 0 and gfp(s, p, t) == Gfp.KILL and s.killed[t] == 0)
    require(not reclaimable(s, p))
    require(p.panic_on_oom == 0 and p.kill_allocating == 0)
    require(not victim_pending(s, p) and killable_left(s, p))
    kill_largest(s, p)


@step(
    *ALLOCATING,
    kernel="out_of_memory",
    says="{task} needs memory and calls the OOM killer, which kills whoever asks (oom_kill_allocating_task)",
)
def oom_kill_self(s: State, p: Parameters, t: int) -> None:
    require(s.free == 0 and gfp(s, p, t) == Gfp.KILL and s.killed[t] == 0)
    require(not reclaimable(s, p))
    require(p.panic_on_oom == 0 and p.kill_allocating == 1 and (p.protected >> t) % 2 == 0)
    kill(s, t, 2)


@step(
    *ALLOCATING,
    kernel="oom_scan_process_thread",
    says="{task} needs memory and calls the OOM killer, which chooses nobody: its last victim, {pending}, has not ended yet",
)
def oom_refused(s: State, p: Parameters, t: int) -> None:
    require(s.free == 0 and gfp(s, p, t) == Gfp.KILL and s.killed[t] == 0)
    require(not reclaimable(s, p))
    require(p.panic_on_oom == 0 and p.kill_allocating == 0 and victim_pending(s, p))
    s.state[t] = Sleep.RUNNING


@step(
    *ALLOCATING,
    kernel="out_of_memory",
    says="{task} needs memory; the kernel panics: the OOM killer is told to (panic_on_oom), or nobody is left to be killed",
)
def oom_panic(s: State, p: Parameters, t: int) -> None:
    require(s.free == 0 and gfp(s, p, t) == Gfp.KILL and s.killed[t] == 0)
    require(not reclaimable(s, p))
    require(
        p.panic_on_oom == 1
        or (p.kill_allocating == 0 and not victim_pending(s, p) and not killable_left(s, p))
        or (p.kill_allocating == 1 and (p.protected >> t) % 2 == 1)
    )
    s.panicked = 1


@step(
    actor=Actor.EARLY,
    asleep=True,
    kernel="lru_gen_age_node, or a program such as earlyoom",
    says="memory is short: without being asked, {victim} is killed",
)
def kill_early(s: State, p: Parameters) -> None:
    require(p.kill_early == 1 and s.free == 0)
    require(not victim_pending(s, p) and killable_left(s, p))
    kill_largest(s, p)


@helper
def holds_mmap_lock(s: State, p: Parameters, t: int) -> bool:
    """It sleeps or works in a fault with the lock of its memory map: on the second try, or always before 5.1."""
    return s.at[t] >= At.FAULT and s.at[t] <= At.WAIT_PAGE and (p.drops_mmap_lock == 0 or s.ahead[t] == 0)


@step(
    actor=Actor.REAPER,
    over="task",
    asleep=True,
    kernel="oom_reap_task",
    says="the reaper takes the memory of {other}, which need not run for that",
)
def reap(s: State, p: Parameters, v: int) -> None:
    require(p.reaper == 1 and s.killed[v] == 2 and s.reaped[v] == 0 and s.at[v] < At.ZOMBIE)
    require(p.mmap_writer == 0 or not holds_mmap_lock(s, p, v))
    s.free += s.anon[v]
    s.mapped -= s.anon[v]
    s.anon[v] = 0
    s.reaped[v] = 1


@step(
    actor=Actor.REAPER,
    over="task",
    asleep=True,
    kernel="oom_reap_task",
    says="the reaper cannot get the lock of {other}'s memory map, for which a thread waits, and gives up: the next may be killed",
)
def give_up(s: State, p: Parameters, v: int) -> None:
    require(p.reaper == 1 and s.killed[v] == 2 and s.reaped[v] == 0 and s.at[v] < At.ZOMBIE)
    require(p.mmap_writer == 1 and holds_mmap_lock(s, p, v))
    s.reaped[v] = 1

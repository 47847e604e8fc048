"""What the input cannot show, and the commands that would have shown it."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from unkillable.diagnosis.case import Case
from unkillable.diagnosis.types import Missing, Verdict

_SYSRQ = (
    "echo 1 > /proc/sys/kernel/sysrq   # beforehand; on a frozen serial console send BREAK, then the letter"
)
_QUIET = ("no-hang", "zombie", "cached-error")


class Gap(msgspec.Struct, frozen=True):
    """One kind of evidence: when it is missing, why it matters, how to get it."""

    absent: Callable[[Case, Verdict], bool]
    what: str
    why: str
    how: tuple[str, ...]


def _no_full_dump(case: Case, verdict: Verdict) -> bool:
    return not any(
        view.sighting.origin in ("sysrq-t", "proc", "vmcore") for one in case.subjects for view in one.views
    )


GAPS = (
    Gap(
        lambda case, verdict: verdict.kind not in _QUIET and not case.dumps,
        "a list of all blocked tasks",
        "without it only the tasks that khungtaskd or the OOM killer mention are known; a task in submit_bio_wait() or "
        "blk_execute_rq(), often the holder, is never among them: it sleeps in slices of half the timeout",
        (
            _SYSRQ,
            "echo w > /proc/sysrq-trigger   # blocked tasks (BREAK w)",
            "echo t > /proc/sysrq-trigger   # all tasks (BREAK t)",
        ),
    ),
    Gap(
        lambda case, verdict: (
            verdict.kind not in _QUIET and bool(case.dumps) and _no_full_dump(case, verdict)
        ),
        "the tasks that are running or sleeping interruptibly",
        "the holder of what the others wait for may be in state R or S: sysrq-w does not list it",
        (
            "echo t > /proc/sysrq-trigger   # all tasks (BREAK t)",
            "echo l > /proc/sysrq-trigger   # what each processor runs (BREAK l)",
        ),
    ),
    Gap(
        lambda case, verdict: verdict.kind not in _QUIET and len(case.dumps) == 1 and not case.hung,
        "a second dump some seconds later",
        "one picture does not tell a task that is stuck from one that was waiting for a moment",
        ("sleep 20; echo w > /proc/sysrq-trigger   # twice at least",),
    ),
    Gap(
        lambda case, verdict: verdict.kind not in _QUIET and case.memory.short is None,
        "the state of memory during the hang",
        "it decides between a lack of memory and an ordinary wait for I/O or a lock",
        (
            "echo m > /proc/sysrq-trigger   # memory (BREAK m)",
            "cat /proc/pressure/memory /proc/meminfo   # before it freezes",
        ),
    ),
    Gap(
        lambda case, verdict: (
            verdict.kind in ("deadlock", "lock-contention", "insufficient-evidence")
            and not case.holders
            and not case.evidence.locks
            and any(one.killable is False for one in case.waiters)
        ),
        "who holds what the sleeping tasks wait for",
        "wait_event() has no owner; the holder is found by its stack, locks by lockdep",
        (
            "echo t > /proc/sysrq-trigger   # the holder's stack is among all tasks' (BREAK t)",
            "echo d > /proc/sysrq-trigger   # held locks, on a kernel with CONFIG_LOCKDEP=y (BREAK d)",
        ),
    ),
    Gap(
        lambda case, verdict: (
            any(one.fate == "unknown" for one in case.victims) and verdict.kind != "no-hang"
        ),
        "what became of the OOM killer's victim",
        "only a sighting after the kill tells whether it could die",
        (
            "echo t > /proc/sysrq-trigger   # is the victim still listed, and where does it sleep?",
            "dmesg -w > /dev/ttyS0 &   # look for `oom_reaper: reaped process` (since 4.6)",
        ),
    ),
    Gap(
        lambda case, verdict: (
            verdict.kind in ("insufficient-evidence", "lock-contention", "deadlock", "reclaim-livelock")
            and not case.evidence.hung
            and not case.evidence.live
        ),
        "how long the tasks have been asleep",
        "khungtaskd reports tasks that sleep uninterruptibly for longer than a limit",
        (
            "sysctl -w kernel.hung_task_timeout_secs=30 kernel.hung_task_warnings=-1   # needs CONFIG_DETECT_HUNG_TASK",
        ),
    ),
    Gap(
        lambda case, verdict: case.evidence.kernel.release is None,
        "the kernel's release",
        "the state a function sleeps in differs between kernels",
        (
            "uname -a",
            "keep the log from the line `Linux version` on; ramoops or netconsole keep what a reboot loses",
        ),
    ),
    Gap(
        lambda case, verdict: case.evidence.coverage.lost_messages > 0 or case.evidence.coverage.damaged > 3,
        "lines lost on the way",
        "the console was too slow or the log buffer too small, so stacks have gaps",
        ("log_buf_len=4M on the kernel command line", "netconsole or ramoops instead of a slow serial line"),
    ),
)


def missing(case: Case, verdict: Verdict) -> tuple[Missing, ...]:
    """The gaps of this case, most important first."""
    return tuple(Missing(gap.what, gap.why, gap.how) for gap in GAPS if gap.absent(case, verdict))

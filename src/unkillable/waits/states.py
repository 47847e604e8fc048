"""Task states: the letter a kernel prints, the state slept in, and whether SIGKILL wakes it.

The letters: fs/proc/array.c task_state_array and include/linux/sched.h TASK_REPORT; `RSDTtXZPI` since 4.14,
with x, K, W, N, n before.  D stands for TASK_UNINTERRUPTIBLE and TASK_KILLABLE alike: only the place in the
code tells which, and that is what the catalogue is for.
"""

from __future__ import annotations

RUNNING = "TASK_RUNNING"
INTERRUPTIBLE = "TASK_INTERRUPTIBLE"
UNINTERRUPTIBLE = "TASK_UNINTERRUPTIBLE"
KILLABLE = "TASK_KILLABLE"
IDLE = "TASK_IDLE"
STOPPED = "TASK_STOPPED"
TRACED = "TASK_TRACED"
ZOMBIE = "EXIT_ZOMBIE"
DEAD = "EXIT_DEAD"
PARKED = "TASK_PARKED"
FROZEN = "TASK_FROZEN"
"""Since 6.1: asleep in the freezer; before, TASK_UNINTERRUPTIBLE in __refrigerator()."""
RTLOCK_WAIT = "TASK_RTLOCK_WAIT"
"""PREEMPT_RT's spinlocks and rwlocks."""

WAKES_ON_SIGKILL: dict[str, bool] = {
    RUNNING: True,
    INTERRUPTIBLE: True,
    UNINTERRUPTIBLE: False,
    KILLABLE: True,
    IDLE: False,
    STOPPED: True,
    TRACED: True,
    ZOMBIE: False,
    DEAD: False,
    PARKED: False,
    FROZEN: False,
    RTLOCK_WAIT: False,
}

_LETTERS: dict[str, str | None] = {
    "R": RUNNING,
    "S": INTERRUPTIBLE,
    "D": None,  # UNINTERRUPTIBLE or KILLABLE
    "T": STOPPED,
    "t": TRACED,
    "X": DEAD,
    "x": DEAD,
    "Z": ZOMBIE,
    "P": PARKED,
    "I": IDLE,
    "K": KILLABLE,  # 2.6.33-4.13 print WAKEKILL as K in some builds
    "W": None,
    "N": None,
    "n": None,
}


def from_letter(letter: str | None) -> str | None:
    """The state a printed letter stands for, or None where it leaves more than one possible."""
    return _LETTERS.get(letter) if letter else None


def killable(state: str | None) -> bool | None:
    """Whether a task asleep in this state wakes on SIGKILL; None where the state is not known."""
    return WAKES_ON_SIGKILL.get(state) if state else None

"""The verdict: the first rule that holds decides.

Each rule takes a `Case` and returns a `Verdict` or None.  The order is from the most specific and best proved to
the least; a rule says in its docstring what must be shown for it.
"""

from __future__ import annotations

from collections.abc import Callable

from unkillable.diagnosis.cached import cached_error
from unkillable.diagnosis.calm import insufficient, no_hang, zombies
from unkillable.diagnosis.case import Case
from unkillable.diagnosis.rules_memory import (
    oom_deadlock,
    pending_kill,
    reclaim_livelock,
    stalled_allocation,
    unkillable_victim,
)
from unkillable.diagnosis.rules_waits import io_stall, likely_lock_cycle, lock_contention, lock_cycle, lockup
from unkillable.diagnosis.types import Verdict

Rule = Callable[[Case], Verdict | None]

RULES: tuple[Rule, ...] = (
    lock_cycle,
    unkillable_victim,
    pending_kill,
    oom_deadlock,
    reclaim_livelock,
    stalled_allocation,
    cached_error,
    io_stall,
    likely_lock_cycle,
    lock_contention,
    lockup,
    zombies,
    no_hang,
    insufficient,
)


def decide(case: Case) -> Verdict:
    """The verdict of the first rule that holds; the last one always does."""
    for rule in RULES:
        verdict = rule(case)
        if verdict is not None:
            return verdict
    raise AssertionError("the last rule always holds")

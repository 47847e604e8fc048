"""Lists of ways to sleep for the tests of this room, made by hand: no kernel is like this."""

from __future__ import annotations

from typing import Any

from tests.report.given import HOSTILE
from unkillable.ksource.waits_types import Traits, Wait, WaitChange, Waits


def wait(name: str = "rest", **more: Any) -> Wait:
    values: dict[str, Any] = {
        "file": "include/linux/lounge.h",
        "line": 15,
        "family": "lounge",
        "kind": "macro",
        "task_state": "TASK_UNINTERRUPTIBLE",
        "traits": Traits(),
        "wakes_on_sigkill": False,
        "via": ("___rest", "schedule"),
    }
    return Wait(name, **{**values, **more})


KILLABLE = wait("rest_killable", line=21, task_state="TASK_KILLABLE", wakes_on_sigkill=True,
                traits=Traits(killable=True, exclusive=True, timeout=True))  # fmt: skip
CALLERS = wait("rest_in", line=25, task_state="caller", wakes_on_sigkill=None)
UNKNOWN = wait("rest_somehow", line=28, task_state=None, wakes_on_sigkill=None)
INNER = wait("__rest", line=12)
SETTER = wait("enter", file="kernel/sched/lounge.c", kind="function", task_state="caller", wakes_on_sigkill=None,
              role="state", via=())  # fmt: skip
OTHER = wait("gate", file="kernel/gate.c", line=3, family="gate", kind="function")


def waits(
    primitives: tuple[Wait, ...] = (wait(), KILLABLE, CALLERS, UNKNOWN, INNER, SETTER, OTHER), **more: Any
) -> Waits:
    return Waits(**{"kernel": "6.1.192", "primitives": primitives, "tool": "unkillable 1.0", **more})


def against() -> Waits:
    changes = (
        WaitChange("appeared", KILLABLE),
        WaitChange(
            "changed", wait(), ("task_state TASK_KILLABLE -> TASK_UNINTERRUPTIBLE", "traits -killable")
        ),
        WaitChange("vanished", OTHER),
    )
    return waits(against="6.1.100", changes=changes, skipped=("include/linux/x.h: Permission denied",))


def hostile(text: str = HOSTILE, number: int = 1) -> Waits:
    one = wait(text, file=text, family=text, via=(text,) * 3, others=(text,), task_state=text)
    return waits(
        (one,) * number, kernel=text, against=text, changes=(WaitChange("changed", one, (text,)),) * number,
        skipped=(text,) * number, tool=text,
    )  # fmt: skip

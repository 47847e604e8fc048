"""What an expression of TASK_ flags means in a tree."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.ksource.kernel import write
from tests.ksource.small_kernel import SCHED_H
from unkillable.ksource.index import Index
from unkillable.ksource.sources import Sources
from unkillable.ksource.states import State, States
from unkillable.ksource.tree import Tree

OLD = SCHED_H.replace("#define TASK_FREEZABLE			0x00002000\n", "")


def states(tmp_path: Path, header: str = SCHED_H) -> States:
    return States(Sources(Tree(write(tmp_path, {"include/linux/sched.h": header})), Index([])))


@pytest.mark.parametrize(
    ("expression", "state"),
    [
        ("TASK_UNINTERRUPTIBLE", State("TASK_UNINTERRUPTIBLE", killable=False)),
        ("(TASK_UNINTERRUPTIBLE)", State("TASK_UNINTERRUPTIBLE", killable=False)),
        ("TASK_KILLABLE", State("TASK_KILLABLE", killable=True)),
        ("TASK_WAKEKILL | TASK_UNINTERRUPTIBLE", State("TASK_KILLABLE", killable=True)),
        ("TASK_INTERRUPTIBLE", State("TASK_INTERRUPTIBLE", killable=True, interruptible=True)),
        ("TASK_IDLE", State("TASK_IDLE", killable=False, idle=True)),
        (
            "(TASK_INTERRUPTIBLE|TASK_FREEZABLE)",
            State("TASK_INTERRUPTIBLE", killable=True, interruptible=True, freezable=True),
        ),
        (
            "TASK_UNINTERRUPTIBLE | \\\n\tTASK_FREEZABLE",
            State("TASK_UNINTERRUPTIBLE", killable=False, freezable=True),
        ),
        ("0x102", State("TASK_KILLABLE", killable=True)),
        ("TASK_RUNNING", State("TASK_RUNNING", killable=False)),
        ("state", None),
        ("x ? TASK_IDLE : TASK_KILLABLE", None),
        ("x ? TASK_IDLE : TASK_IDLE", State("TASK_IDLE", killable=False, idle=True)),
        (
            "TASK_UNINTERRUPTIBLE | (freeze ? TASK_FREEZABLE : 0)",
            State("TASK_UNINTERRUPTIBLE", killable=False),
        ),
        ("TASK_UNINTERRUPTIBLE | (x ? TASK_WAKEKILL : 0)", None),
        ("TASK_UNINTERRUPTIBLE | (x ? state : 0)", None),
        ("(x ? (y ? TASK_IDLE : TASK_IDLE) : TASK_IDLE)", State("TASK_IDLE", killable=False, idle=True)),
        ("x ? ? : TASK_IDLE", None),
        (" | ".join(["(x ? TASK_IDLE : TASK_IDLE)"] * 40), None),
        ("TASK_NOBODY", None),
        ("TASK_UNINTERRUPTIBLE & ~x", None),
        ("0x8", None),
        ("", None),
    ],
)
def test_state(tmp_path: Path, expression: str, state: State | None) -> None:
    assert states(tmp_path).state(expression) == state


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.text(max_size=60)
    | st.lists(
        st.sampled_from(["TASK_IDLE", "TASK_A", "0", "?", ":", "(", ")", "|", "0x", "&", " "]), max_size=30
    ).map("".join)
)
@example(expression="²")  # a digit, says Python, and no number
def test_any_text_is_read(tmp_path: Path, expression: str) -> None:
    states(tmp_path, SCHED_H + "#define TASK_A (TASK_A | 1)\n").state(expression)


def test_before_there_was_a_flag_for_the_freezer(tmp_path: Path) -> None:
    assert states(tmp_path, OLD).state("TASK_IDLE") == State("TASK_IDLE", killable=False, idle=True)
    assert states(tmp_path, OLD).state("TASK_IDLE | TASK_FREEZABLE") is None


def test_a_definition_that_goes_round(tmp_path: Path) -> None:
    found = states(tmp_path, "#define TASK_A (TASK_B)\n#define TASK_B (TASK_A)\n")
    assert found.state("TASK_A") is None


def test_no_header(tmp_path: Path) -> None:
    assert States(Sources(Tree(write(tmp_path, {"fs/a.c": ""})), Index([]))).state("TASK_IDLE") is None

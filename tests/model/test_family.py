"""Any of the wait_event family at site A."""

from __future__ import annotations

import pytest

from unkillable.errors import UserError
from unkillable.model.eras import era_of
from unkillable.model.family import WaitEvent, family, find, settings, swap
from unkillable.model.state import Sleep


def violated(name: str, era: str = "6.1") -> dict[str, set[str]]:
    return {
        one.returned: {each.property for each in one.explanation.verdicts if each.result == "violated"}
        for one in swap(era_of(era), name)
    }


def test_the_family_is_that_of_the_sources() -> None:
    names = {one.name for one in family()}
    assert sum("7.3.4" in one.kernels and one.name.startswith("wait_event") for one in family()) == 31
    assert sum("6.1.192" in one.kernels and one.name.startswith("wait_event") for one in family()) == 30
    assert sum("5.10.262" in one.kernels and one.name.startswith("wait_event") for one in family()) == 29
    assert {"wait_event", "wait_event_killable", "io_wait_event_killable"} <= names


def test_wait_event_itself_changes_nothing() -> None:
    assert violated("wait_event") == {"ignored": {"starving", "dying", "sigbus", "leaks"}}


def test_interruptible_and_its_return_ignored_spins() -> None:
    found = violated("wait_event_interruptible")
    assert "spins" in found["ignored"]
    # As an error it kills a program that has only been sent a signal that it handles.
    assert "spins" not in found["an error"]
    signal = next(
        one for one in swap(era_of("6.1"), "wait_event_interruptible") if one.returned == "an error"
    )
    told = next(one for one in signal.explanation.verdicts if one.property == "sigbus").story
    assert told


def test_killable_needs_its_return_looked_at() -> None:
    found = violated("wait_event_killable")
    assert "spins" in found["ignored"]
    assert "spins" not in found["an error"]


def test_exclusive_waiters_of_the_family_lose_no_wake_up() -> None:
    """Unlike those that 7.3 writes out: the family looks at the condition before it looks at signals."""
    assert "waiting" not in violated("wait_event_killable_exclusive")["an error"]


def test_a_timeout_only_looks_again() -> None:
    assert violated("wait_event_timeout")["ignored"] >= {"starving", "dying"}


@pytest.mark.parametrize("one", family(), ids=lambda one: one.name)
def test_each_has_a_state_or_says_that_its_caller_gives_it(one: WaitEvent) -> None:
    if one.task_state in ("caller", None):
        with pytest.raises(UserError, match="state that its caller gives"):
            settings(one)
    else:
        assert settings(one)["site_a"] in [state.value for state in Sleep]


def test_other_names_are_refused() -> None:
    with pytest.raises(UserError, match="not of the wait_event family"):
        find("wait_for_completion")

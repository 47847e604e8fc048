"""Which waits must be killable, computed."""

from __future__ import annotations

import pytest

from unkillable.model.eras import era_of
from unkillable.model.sites import minimal
from unkillable.model.state import Decompressors
from unkillable.model.verdicts import Limits


@pytest.mark.parametrize(
    ("decompressors", "sets"),
    [
        (Decompressors.PERCPU, {"ABP"}),
        (Decompressors.SINGLE, {"ABP"}),
        # Nobody who gives a decompressor back can be killed, so none may be allocated under the mutex that he needs for it.
        (Decompressors.MULTI, {"ABCMP"}),
    ],
)
def test_the_minimal_sets_of_6_1(decompressors: Decompressors, sets: set[str]) -> None:
    found = minimal(era_of("6.1"), decompressors)
    assert {"".join(sorted(one)) for one in found.minimal} == sets
    assert not found.undetermined


def test_what_contains_an_answer_is_not_tried() -> None:
    found = minimal(era_of("4.5"), Decompressors.PERCPU)
    assert len(found.minimal) == 1
    assert found.tried < 2 * 2 ** len(found.sites)


def test_a_limit_leaves_it_open() -> None:
    found = minimal(era_of("6.1"), Decompressors.PERCPU, Limits(states=100))
    assert not found.minimal
    assert len(found.undetermined) == 2 ** len(found.sites)

"""SPIN, which knows nothing of our search, finds as many states and says the same of every property."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.model import spin
from tests.model.test_rules import system
from unkillable.model.rows import NEVER, UNTIL
from unkillable.model.search import explore

pytestmark = pytest.mark.skipif(
    not (shutil.which("spin") and shutil.which("gcc")),
    reason="SPIN is not installed: apt-get install spin gcc",
)


@pytest.mark.parametrize(
    ("era", "variant", "experiment", "count"),
    [
        ("4.5", "stock", "crowd", 206_349),
        ("7.3", "stock", "queue", 120_290),
        ("6.1", "stock", "direct", 95_979),
    ],
)
def test_spin_finds_as_many_states(
    era: str, variant: str, experiment: str, count: int, tmp_path: Path
) -> None:
    machine = system(era, variant, experiment)
    assert explore(machine).count == count
    assert spin.states(machine, tmp_path) == count


@pytest.mark.parametrize(
    ("era", "variant", "experiment"),
    [
        ("4.5", "stock", "block"),
        ("6.1", "series", "shortage"),
        ("7.3", "article", "signal"),
        ("6.1", "stock", "decompressors"),
    ],
)
def test_spin_says_the_same(era: str, variant: str, experiment: str, tmp_path: Path) -> None:
    machine = system(era, variant, experiment)
    space = explore(machine)
    spin.prepare(machine, tmp_path)
    ours = {f"never_{name}": space.first[number] >= 0 for number, name in enumerate(NEVER)}
    ours |= {
        f"until_{name}_{task}": space.lasting(name, task) >= 0
        for name in UNTIL
        for task in range(machine.parameters.tasks)
    }
    assert ours == {claim: spin.violated(tmp_path, claim) for claim in ours}

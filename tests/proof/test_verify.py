"""What `fix --verify` runs, and how it is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from unkillable.errors import UserError
from unkillable.lab import variations
from unkillable.lab.scenarios import NAMES, STOCK, Result, Variant
from unkillable.lab.squashfsbuild import Compiled
from unkillable.lab.table_types import CellResult, Comparison
from unkillable.lab.types import ReadBack, Run
from unkillable.proof.types import Check, Fix, SleepChange, Style, Verification
from unkillable.proof.verify import FAULTS, Asked, kernel_of, plan
from unkillable.remedies.types import Series, Step
from unkillable.report.fix_text import render

VARIANTS = (STOCK, Variant("article", "proof/article"), Variant("series", "proof/series"))


def _series(version: str) -> Series:
    return Series(tree="tree", version=version, variant="series", steps=())


def test_the_kernel_is_debians_of_the_series() -> None:
    assert kernel_of(_series("6.1.192")) == "debian:6.1"
    assert kernel_of(_series("7.3.4")) == "debian:7.3"
    with pytest.raises(UserError, match="--kernel"):
        kernel_of(_series(""))


def test_every_form_is_rebuilt_alike_and_stock_is_what_is_compared_with(tmp_path: Path) -> None:
    found = plan(Asked("debian:6.1", 3, tmp_path), VARIANTS)
    assert [one.name for one in found.variations] == ["stock", "article", "series"]
    setups = [variations.setup(found, found.kernels[0], one) for one in found.variations]
    assert [one.module.patches if one.module else "shipped" for one in setups] == [
        None,
        "proof/article",
        "proof/series",
    ]
    assert all(one.read_back and one.kernel == "debian:6.1" for one in setups)
    assert found.runs == 3


def test_scenarios_that_need_a_kernel_of_their_own_are_known() -> None:
    assert set(FAULTS) < set(NAMES)


def test_the_report_tells_each_experiment_and_what_the_storm_left() -> None:
    results = (
        Result(
            scenario="a",
            variant="stock",
            question="Does it stay?",
            defect=True,
            seen="until the disk went on, 8 s",
        ),
        Result(
            scenario="a", variant="series", question="Does it stay?", defect=False, seen="gone after 2 ms"
        ),
        Result(
            scenario="b", variant="series", question="Is it lost?", defect=None, seen="needs another kernel"
        ),
    )
    run = Run(
        outcome="survived",
        why="answered throughout",
        squashfs_errors=2,
        read_back=ReadBack(files=9, kib=90, bad=1, missing=1),
    )
    storms = Comparison(cells=(CellResult(kernel="debian:6.1", variation="series", runs=(run,)),))
    text = render(Fix(series=_series("6.1"), verification=Verification(results, storms)))
    assert text.index("stock: yes") < text.index("series: no") < text.index("series: not seen")
    assert "gone after 2 ms" in text
    assert "series: 2 error lines of squashfs" in text
    assert "files read back in 1 of 1 runs: 2 not as before" in " ".join(text.split())


def _headline(check: Check) -> str:
    step = Step(key="a", subject="a", status="patched", name="0001-a.patch", patch="text")
    series = Series(tree="tree", version="6.1", variant="series", steps=(step,))
    return render(Fix(series=series, check=check)).splitlines()[0]


def test_the_first_line_claims_no_more_than_was_checked() -> None:
    good = Compiled("0001-a.patch", "direct, single")
    bad = Compiled("0001-a.patch", "direct, multi", warnings=("cache.c: unused",))
    change = SleepChange(
        "fs/squashfs/cache.c", "get", 77, "wait_event TASK_UNINTERRUPTIBLE", "x TASK_KILLABLE"
    )
    mutex = SleepChange("fs/squashfs/multi.c", "get", 9, "", "mutex_lock TASK_UNINTERRUPTIBLE")
    assert _headline(Check(compiled=(good,), changes=(change, mutex))).endswith(
        ": they apply and compile, and SIGKILL ends 1 more wait"
    )
    assert "(not compiled)" in _headline(Check(changes=(change,), notes=("not compiled: no gcc",)))
    assert _headline(Check(compiled=(good, bad))).endswith(", with 1 complaint")
    assert _headline(Check(style=(Style("0001-a.patch", ("line 3: WARNING: x",)),))).endswith(
        "with 1 complaint"
    )

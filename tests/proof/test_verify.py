"""What `fix --verify` runs, and how it is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from unkillable.errors import UserError
from unkillable.lab import variations
from unkillable.lab.scenarios import NAMES, STOCK, Result, Variant
from unkillable.lab.setup import Setup
from unkillable.lab.squashfsbuild import Compiled
from unkillable.lab.summary import summarise, versus
from unkillable.lab.table_types import CellResult, Comparison
from unkillable.lab.types import Exit, Kill, ReadBack, Run
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


def _result(scenario: str, variant: str, defect: bool | None, seen: str, outcome: str = "played") -> Result:
    return Result(
        scenario=scenario,
        variant=variant,
        question=f"Does {scenario} stay?",
        outcome=outcome,
        defect=defect,
        seen=seen,
    )


def _cell(name: str, *runs: Run) -> CellResult:
    base = () if name == "stock" else (Run(outcome="stalled", why="", longest_stall_s=20.0),) * len(runs)
    return CellResult(
        kernel="debian:6.1",
        variation=name,
        setup=Setup(kernel="debian:6.1"),
        runs=runs,
        summary=summarise(runs, Setup()),
        versus=versus("stock", base, runs) if base else None,
    )


def _run(**more: object) -> Run:
    given = {
        "outcome": "survived",
        "why": "",
        "longest_stall_s": 2.0,
        "began": 1.0,
        "measured_s": 45.0,
    } | more
    return Run(read_back=given.pop("read_back", ReadBack(files=9, kib=90, bad=0)), **given)  # type: ignore[arg-type]


def _seen(series: tuple[Run, ...], *results: Result) -> Verification:
    stock = [_run(outcome="stalled", longest_stall_s=20.0)] * len(series)
    return Verification(results, Comparison(cells=(_cell("stock", *stock), _cell("series", *series))))


RESULTS = (
    _result("a", "stock", True, "until the disk went on, 8 s"),
    _result("a", "series", False, "gone after 2 ms"),
    _result("b", "stock", False, "nobody computes"),
    _result("b", "series", False, "nobody computes"),
    _result("c", "stock", None, "the guest did not start", "harness-failed"),
)


def _report(found: Verification) -> str:
    step = Step(key="a", subject="a", status="patched", name="0001-a.patch", patch="text")
    series = Series(tree="tree", version="6.1", variant="series", steps=(step,))
    return render(Fix(series=series, verification=found), columns=400)


def test_the_report_answers_first_and_then_tells_each_experiment() -> None:
    text = _report(_seen((_run(),) * 5, *RESULTS))
    assert text.splitlines()[0] == (
        "1 patch for Linux 6.1: in guests 1 of the 1 defects that were seen are gone; the longest stall is 2.0 s (2.0-2.0) "
        "instead of 20.0 s (20.0-20.0): better with 5 runs (p = 0.0079)"
    )
    assert text.index("stock: yes") < text.index("series: no") < text.index("stock: harness failed")
    assert "gone after 2 ms" in text


def test_what_a_storm_left_behind_is_told_for_victims_bystanders_logs_and_files() -> None:
    kills = tuple(Kill(pid, "churn", 5.0, 5.0 + pid / 100) for pid in range(1, 5))
    exits = (*(Exit(6.0, "churn", pid, 9) for pid in range(1, 4)), Exit(7.0, "churn", 50, 15))
    text = _report(_seen((_run(kills=kills, exits=exits),)))
    assert "SIGKILL to exit of 4 victims: half of them within 0.02 s, the last after 0.04 s" in text
    assert "ended by: victims SIGKILL 3; bystanders SIGTERM 1" in text
    assert "SIGKILL to exit: nobody was killed" in text, "on stock"
    assert text.count("error lines of squashfs: none") == 2
    assert text.count("files: all 9 read the same before and after, in 1 of 1 run") == 2


def test_a_victim_that_stays_is_no_victim_that_went() -> None:
    kills = tuple(Kill(pid, "churn", 5.0, None if pid == 1 else 5.1) for pid in range(1, 4))
    text = _report(_seen((_run(kills=kills, outcome="livelock", read_back=None),)))
    assert "of 3 victims: half of them within 0.1 s, 1 not seen to exit before the end" in text
    assert "files: no guest could be asked to read them again" in text


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"squashfs_errors": 2, "squashfs_error_lines": ("SQUASHFS error: x",)}, "2 error lines of squashfs"),
        ({"exits": (Exit(7.0, "churn", 50, 7),)}, "1 program died that nobody had killed"),
        ({"read_back": ReadBack(files=9, kib=90, bad=1, missing=1)}, "files were not read as before"),
        ({"read_back": ReadBack(files=9, kib=90, bad=0, complete=False)}, "files were not read as before"),
    ],
)  # fmt: skip
def test_bad_news_comes_first_and_alone(more: dict[str, object], told: str) -> None:
    first = _report(_seen((_run(**more), *(_run(),) * 4), *RESULTS)).splitlines()[0]
    assert first == f"1 patch for Linux 6.1: in guests, with them: {told}"


def test_a_defect_that_is_left_is_bad_news() -> None:
    first = _report(_seen((_run(),), *RESULTS[:1], _result("a", "series", True, "stays"))).splitlines()[0]
    assert first.endswith("in guests, with them: 1 of 1 experiments still shows a defect")


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

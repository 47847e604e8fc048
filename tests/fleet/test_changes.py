"""What changed between two releases: rates, intervals, tests, and what is not claimed."""

from __future__ import annotations

import math
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import false_discovery_control, fisher_exact
from scipy.stats.contingency import relative_risk

from tests.fleet.made import START, log, sign
from tests.fleet.test_store import filled
from unkillable.errors import UserError
from unkillable.fleet.changes import Counts, adjust, compare, fisher, rate, ratio_interval
from unkillable.fleet.summary import summarise
from unkillable.fleet.types import Log
from unkillable.fleet.views import Window
from unkillable.report import triage_html, triage_text


def verdicts(counts: list[tuple[int, int]], before: int, after: int) -> list[str]:
    given = [Counts(f"{i:012x}", "", *pair) for i, pair in enumerate(counts)]
    return [one.verdict for one in sorted(compare(given, before, after, "device"), key=lambda one: one.cause)]


def test_verdicts_and_what_is_too_few_to_say() -> None:
    assert verdicts([(0, 12), (12, 0), (5, 30), (30, 5), (7, 8)], 100, 100) == [
        "new", "gone", "more", "fewer", "no difference shown",
    ]  # fmt: skip
    assert verdicts([(0, 1), (2, 0), (0, 3)], 100, 100) == ["no difference shown"] * 3
    assert verdicts([(4, 0)], 10, 2) == ["no difference shown"]
    assert compare([], 10, 10, "log") == []


def test_p_is_fishers_and_is_corrected_for_the_number_of_causes() -> None:
    # 1 of 9 against 7 of 9; worked out from the hypergeometric distribution.
    below = sum(math.comb(9, k) * math.comb(9, 8 - k) for k in (0, 1, 7, 8)) / math.comb(18, 8)
    (one,) = compare([Counts("a", "", 1, 7)], 9, 9, "device")
    assert one.p == pytest.approx(below)
    assert one.p_adjusted == pytest.approx(below)
    assert one.verdict == "more"
    many = compare([Counts("a", "", 1, 7), *(Counts(str(i), "", 2, 2) for i in range(9))], 9, 9, "device")
    assert many[0].cause == "a"
    assert many[0].p_adjusted == pytest.approx(10 * below)
    assert many[0].verdict == "no difference shown"


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 60), st.integers(0, 2000), st.integers(0, 60), st.integers(0, 2000))
def test_the_exact_test_is_scipys(x: int, more: int, y: int, others: int) -> None:
    n, m = x + more, y + others
    assert fisher(x, n, y, m) == pytest.approx(
        fisher_exact([[x, n - x], [y, m - y]]).pvalue, rel=1e-6, abs=1e-12
    )


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=50))
def test_the_correction_is_scipys(ps: list[float]) -> None:
    assert adjust(ps) == pytest.approx(list(false_discovery_control(ps)))


def test_ratio_interval_is_the_published_one() -> None:
    # The example of Koopman, Biometrics 40 (1984): 36 of 40 against 16 of 80.
    assert ratio_interval(36, 40, 16, 80) == pytest.approx((2.94, 7.15), abs=0.005)


@pytest.mark.parametrize(("x", "n", "y", "m"), [(500, 1000, 400, 1000), (3000, 90_000, 2500, 80_000)])
def test_ratio_interval_of_large_counts_is_that_of_the_logarithm(x: int, n: int, y: int, m: int) -> None:
    usual = relative_risk(x, n, y, m).confidence_interval(0.95)
    assert ratio_interval(x, n, y, m) == pytest.approx((usual.low, usual.high), rel=0.01)


@pytest.mark.parametrize(
    ("x", "n", "y", "m", "low", "high"),
    [
        (0, 10, 5, 10, 0.0, 1.0),
        (5, 10, 0, 10, 1.0, math.inf),
        (0, 10, 0, 10, 0.0, math.inf),
        (0, 0, 5, 10, 0.0, math.inf),
        (10, 10, 10, 10, 0.5, 2.0),
        (1, 1, 1, 1, 0.1, 10.0),
        (1, 1_000_000, 1, 1_000_000, 0.05, 20.0),
        (20_000, 20_000, 1, 20_000, 1000.0, 200_000.0),
    ],
)
def test_ratio_interval_at_the_edges(x: int, n: int, y: int, m: int, low: float, high: float) -> None:
    found = ratio_interval(x, n, y, m)
    assert low <= found[0] <= found[1] <= high
    if x and y:
        assert found[0] < (x / n) / (y / m) < found[1]
    turned = ratio_interval(y, m, x, n)
    if n and m and (x or y):
        inverse = tuple(math.inf if not one else 0.0 if math.isinf(one) else 1 / one for one in turned)
        assert found == pytest.approx((inverse[1], inverse[0]))


def test_rate_has_the_exact_interval() -> None:
    none = rate(0, 20)
    assert (none.rate, none.low) == (0.0, 0.0)
    assert none.high == pytest.approx(1 - 0.025 ** (1 / 20))
    every = rate(20, 20)
    assert every.low == pytest.approx(0.025 ** (1 / 20))
    assert every.high == 1.0


def releases(path: Path, named: bool = True) -> list[Log]:
    """Of 40 devices on each release 2 hung before and 20 after; one device sent 30 logs of another cause before."""
    logs = []
    for i in range(80):
        after = i >= 40
        hung = i % 40 < (20 if after else 2)
        logs.append(
            log(i, sign(1) if hung else None, "2.0" if after else "1.0", f"device-{i}" if named else "")
        )
    logs += [log(1000 + i, sign(2), "1.0", "device-0" if named else "") for i in range(30)]
    return [msgspec.structs.replace(one, seen=START) for one in logs]


def test_devices_are_counted_where_they_are_known(tmp_path: Path) -> None:
    with filled(tmp_path / "s", releases(tmp_path)).questions() as ask:
        changes = {one.title: one for one in ask.compare("1.0", "2.0")}
        more, noisy = changes[sign(1).title], changes[sign(2).title]
        assert (more.unit, more.before.count, more.before.of, more.after.count, more.after.of) == (
            "device",
            2,
            40,
            20,
            40,
        )
        assert more.verdict == "more"
        assert more.ratio == 10.0
        assert (noisy.before.count, noisy.verdict) == (1, "no difference shown")
        by_log = {one.title: one for one in ask.compare("1.0", "2.0", "log")}[sign(2).title]
        assert (by_log.before.count, by_log.before.of, by_log.verdict) == (30, 70, "gone")
        assert ask.cautions("1.0", "2.0") == ()
        assert "Logs are counted" in ask.cautions("1.0", "2.0", "log")[0]


def test_logs_are_counted_where_devices_are_not_known(tmp_path: Path) -> None:
    with filled(tmp_path / "s", releases(tmp_path, named=False)).questions() as ask:
        assert {one.unit for one in ask.compare("1.0", "2.0")} == {"log"}
        assert "Logs are counted" in ask.cautions("1.0", "2.0")[0]


def test_an_unknown_release_is_told_with_those_there_are(tmp_path: Path) -> None:
    with (
        filled(tmp_path / "s", releases(tmp_path)).questions() as ask,
        pytest.raises(UserError, match=r"no log of release 3.0; the store has 1.0, 2.0"),
    ):
        ask.compare("1.0", "3.0")


def test_a_release_that_was_watched_for_longer_is_told(tmp_path: Path) -> None:
    logs = [log(i, sign(1), "1.0", f"d{i}") for i in range(0, 2000, 100)]
    logs += [log(i, sign(1), "2.0", f"d{i}") for i in range(2001, 2100, 10)]
    store, day = filled(tmp_path / "s", logs), 86400
    with store.questions() as ask:
        (said,) = ask.cautions("1.0", "2.0")
        assert "1.0 was seen for 79 days, 2.0 for 4" in said
    with store.questions(Window(START + 79 * day, START + 88 * day)) as ask:
        (one,) = ask.compare("1.0", "2.0")
        assert (one.before.of, one.after.of) == (1, 10)


def test_cautions_stand_beside_the_changes(tmp_path: Path) -> None:
    with filled(tmp_path / "s", releases(tmp_path, named=False)).questions() as ask:
        told = summarise(ask, None, None, 5, ("1.0", "2.0"))
    assert told.compared.cautions
    assert "Logs are counted, as they do not tell" in " ".join(triage_text.render(told, columns=100).split())
    assert f"<p>{told.compared.cautions[0]}</p>" in triage_html.render(told)

"""Statistics of few runs: against scipy where scipy can, and by hand where values are cut off."""

import itertools
import random
from collections.abc import Sequence

import pytest

from unkillable.lab.stats import (
    Quotient,
    Time,
    closed,
    distribution,
    least_runs,
    needs,
    p_words,
    quotient,
    rank_test,
    runs_for_factor,
    smallest_p,
    spread,
    superiority,
)


def opened(*values: float) -> tuple[Time, ...]:
    return tuple(Time(value, open=True) for value in values)


def test_a_spread_is_the_median_and_the_ends() -> None:
    found = spread(closed([38.2, 22.7, 57.5, 30.0, 40.0]))
    assert found
    assert (found.n, found.median, found.low, found.high) == (5, 38.2, 22.7, 57.5)
    assert (found.open, found.median_open) == (0, False)
    assert spread([]) is None


def test_a_median_is_a_bound_only_where_the_open_ones_could_move_it() -> None:
    above = spread([*closed([10, 20, 30]), *opened(40, 50)])
    assert (above.median, above.median_open, above.open) == (30, False, 2), (
        "two that are longer than 40 stay above 30"
    )
    below = spread([*closed([10, 20, 30]), *opened(5, 5)])
    assert (below.median, below.median_open) == (10, True), "they may be longer than 30"
    assert spread(opened(121, 122)).median_open
    even = spread([*closed([10, 20]), *opened(30, 30)])
    assert even.median_open, "half of it is the mean with an open one"


@pytest.mark.parametrize("sizes", [(3, 3), (5, 5), (5, 4), (2, 7), (8, 8)])
def test_without_ties_it_is_the_mann_whitney_test(sizes: tuple[int, int]) -> None:
    stats = pytest.importorskip("scipy.stats")
    draw = random.Random(str(sizes))  # noqa: S311  numbers, no secrets
    for shift in (0.0, 0.5, 2.0):
        left = [draw.random() for _ in range(sizes[0])]
        right = [draw.random() + shift for _ in range(sizes[1])]
        expected = stats.mannwhitneyu(left, right, alternative="two-sided", method="exact")
        assert rank_test((closed(left), closed(right))) == pytest.approx(expected.pvalue)
        below = expected.statistic / (len(left) * len(right))
        assert superiority((closed(left), closed(right))) == pytest.approx(1 - below)


def test_with_ties_it_is_the_permutation_test_of_the_ranks() -> None:
    stats = pytest.importorskip("scipy.stats")
    left, right = [0.0, 0.0, 1.0, 3.0], [1.0, 3.0, 4.0, 4.0, 4.0]
    ranks = list(stats.rankdata(left + right))
    expected = stats.permutation_test(
        (ranks[:4], ranks[4:]), lambda x, y: sum(x), permutation_type="independent", n_resamples=10_000
    )
    assert rank_test((closed(left), closed(right))) == pytest.approx(expected.pvalue)


def test_a_test_is_as_extreme_as_its_size_allows() -> None:
    low, high = closed([1, 2, 3, 4, 5]), closed([10, 11, 12, 13, 14])
    assert rank_test((low, high)) == pytest.approx(2 / 252) == smallest_p((5, 5))
    assert rank_test((high, low)) == pytest.approx(2 / 252)
    assert rank_test((low, low)) == 1.0
    assert rank_test((closed([1]), closed([2]))) == 1.0
    assert rank_test((low, ())) is None
    assert superiority((low, ())) is None


def test_an_open_value_is_longer_than_all_up_to_its_bound() -> None:
    ended, frozen = closed([20, 25, 30, 35, 40]), opened(121, 121, 121, 121, 121)
    assert rank_test((ended, frozen)) == pytest.approx(2 / 252)
    assert superiority((ended, frozen)) == 1.0
    assert superiority((closed([40]), opened(40))) == 1.0, "the one had ended at 40 s, the other not"


def test_an_open_value_is_not_ranked_below_a_longer_one() -> None:
    assert superiority((opened(10), closed([50]))) == 0.5
    shorter = rank_test((closed([10] * 4), closed([50] * 4)))
    assert shorter is not None
    assert shorter < 0.05
    assert rank_test((opened(10, 10, 10, 10), closed([50] * 4))) == 1.0


def test_a_large_table_is_counted_and_not_listed() -> None:
    left, right = closed(range(40)), closed(range(20, 60))
    p = rank_test((left, right))
    assert p is not None
    assert 0 < p < 1e-6


def test_groups_are_dealt_each_by_itself() -> None:
    """Against the list of all ways to deal two groups, counted by the textbook's ranks."""
    draw = random.Random(5)  # noqa: S311
    for shift in (0.0, 0.3, 1.0):
        sides = [
            ([draw.random() + 5 * n for _ in range(2 + n)], [draw.random() + 5 * n + shift for _ in range(3)])
            for n in (0, 1)
        ]

        def ranks(left: Sequence[float], pooled: Sequence[float]) -> float:
            return sum(2 * sorted(pooled).index(value) - len(pooled) + 1 for value in left)

        ways = [
            [ranks(left, [*one, *other]) for left in itertools.combinations([*one, *other], len(one))]
            for one, other in sides
        ]
        sums = [first + second for first in ways[0] for second in ways[1]]
        seen = sum(ranks(one, [*one, *other]) for one, other in sides)
        tails = (sum(total <= seen + 1e-9 for total in sums), sum(total >= seen - 1e-9 for total in sums))
        groups = [(closed(one), closed(other)) for one, other in sides]
        assert rank_test(*groups) == pytest.approx(min(1.0, 2 * min(tails) / len(sums)))


def test_a_slow_host_is_no_difference() -> None:
    """All of one side on the slow host but one run each: put together they differ, host by host they do not."""
    fast, slow = (
        (closed([12]), closed([9, 10, 11, 13, 14, 15])),
        (closed([38, 39, 40, 42, 43, 44]), closed([41])),
    )
    apart, together = rank_test(fast, slow), rank_test((fast[0] + slow[0], fast[1] + slow[1]))
    assert apart == 1.0
    assert together is not None
    assert together < 0.05


def test_each_host_adds_to_what_is_known() -> None:
    one, three = (closed([1]), closed([9] * 5)), (closed([2, 3]), closed([30, 31, 32]))
    assert rank_test(one) == pytest.approx(2 / 6) == smallest_p((1, 5))
    assert rank_test(one, three) == pytest.approx(2 / 60) == smallest_p((1, 5), (2, 3))
    assert rank_test(one, (closed([5]), ())) == rank_test(one), "a host with one side says nothing"
    assert superiority(one, three) == 1.0


def test_quotients_are_of_one_host() -> None:
    assert quotient((closed([2]), closed([1])), (closed([200, 210]), closed([100, 105]))) == Quotient(2.0)
    assert quotient((closed([6]), opened(120)), (closed([9]), opened(120, 120))) == Quotient(
        9 / 120, "at most"
    )
    assert quotient((opened(120), closed([10])), (opened(120), closed([60, 40]))) == Quotient(3.0, "at least")
    assert quotient((opened(120), opened(120))) is None
    assert quotient((closed([3]), ())) is None


def test_p_is_honest_where_there_is_no_difference() -> None:
    """Over all ways to split six values, at most the share `a` has p <= a."""
    values = closed([1, 2, 3, 4, 5, 6])
    found = [
        rank_test((left, [one for one in values if one not in left]))
        for left in itertools.combinations(values, 3)
    ]
    for level in (0.1, 0.2, 0.5):
        assert sum(p <= level + 1e-9 for p in found if p is not None) / len(found) <= level + 1e-9


def test_how_many_runs_a_difference_needs() -> None:
    assert least_runs() == 4
    assert smallest_p((3, 3)) == pytest.approx(0.1)
    narrow, wide = closed([30, 31, 32, 30, 29]), closed([5, 80, 20, 160, 40])
    few, many = runs_for_factor(narrow), runs_for_factor(wide)
    assert few
    assert many
    assert 4 <= few <= 6
    assert many > 20
    assert (runs_for_factor(narrow, 1.05) or 0) > few
    assert runs_for_factor(closed([30, 31])) is None
    assert runs_for_factor(opened(121, 121, 121)) is None


def test_the_number_of_runs_is_about_right() -> None:
    """As many runs as it says show a factor of two about as often as it says."""
    draw = random.Random(3)  # noqa: S311
    sigma = 0.4
    sample = closed([30 * 2.718 ** (sigma * z) for z in (-1.26, -0.5, 0, 0.5, 1.26)])
    wanted = runs_for_factor(sample)
    assert wanted
    shown = 0
    for _ in range(200):
        left = closed([draw.lognormvariate(0, sigma) for _ in range(wanted)])
        right = closed([2 * draw.lognormvariate(0, sigma) for _ in range(wanted)])
        p = rank_test((left, right))
        shown += p is not None and p < 0.05
    assert 0.7 <= shown / 200 <= 0.97


def test_needs_says_it_in_words() -> None:
    five = needs(closed([30, 31, 32, 30, 29]))
    assert five.startswith("with 5 runs a side the smallest possible two-sided p is 0.0079; ")
    assert "factor of 2 takes about" in str(five)
    assert "no difference can be shown; that takes 4 a side" in str(needs(closed([30, 31])))
    assert "1 run a side" in str(needs(closed([30])))
    assert "not known" in str(needs(opened(121, 121, 121)))
    assert needs(()) is None


def test_p_in_words() -> None:
    assert [p_words(p) for p in (1, 0.333, 0.0996, 0.0476, 0.00794, 1e-9)] == [
        "1.00", "0.33", "0.10", "0.048", "0.0079", "below 0.0001",
    ]  # fmt: skip


def test_a_distribution_counts_the_open_ones() -> None:
    pytest.importorskip("scipy")
    found = distribution([*closed([1, 2, 3]), *opened(10)])
    assert found.seconds[:3] == (1, 2, 3)
    assert found.share[:3] == pytest.approx((0.25, 0.5, 0.75)), "the open one never makes it 1"
    assert max(found.share) < 1
    assert (found.n, found.open) == (4, 1)
    early = distribution([*opened(1.5), *closed([1, 2, 3])])
    assert early.share[0] == pytest.approx(0.25)
    assert max(early.share) == pytest.approx(1), "what was seen for 1.5 s says nothing of later"
    assert distribution(opened(5, 6)).seconds == ()
    assert distribution(()) is None

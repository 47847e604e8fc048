"""Few runs, some of them cut off: what they show and what they cannot.

A stall that had not ended when the measurement did is a lower bound.  It is larger than every ended one up to that bound, its
order to a longer one is not known, and it is never averaged with anything.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from statistics import NormalDist, median, stdev

import msgspec

from unkillable.errors import UserError
from unkillable.lab.types import Spread

ALPHA = 0.05
"""Two-sided p below which a difference is said to be shown."""
POWER = 0.8
"""Chance of showing a difference that exists, for which the number of runs is given."""
_BLINK = 0.1
"""Seconds; shorter stalls are alike, as nobody feels them and their ratios mean nothing."""


class Time(msgspec.Struct, frozen=True):
    """How long something took, or at least took."""

    seconds: float
    open: bool = False
    """The end was not seen: a lower bound."""


Group = tuple[Sequence[Time], Sequence[Time]]
"""Two sides of which only values within the group can be compared, such as those of one host."""


class Quotient(msgspec.Struct, frozen=True):
    """How many times as long one side took as the other."""

    value: float
    bound: str = ""
    """`at least` or `at most` where the value is a bound."""


class Steps(msgspec.Struct, frozen=True):
    """A distribution: the share (0..1) that has ended within so many seconds."""

    seconds: tuple[float, ...]
    share: tuple[float, ...]
    n: int
    open: int
    """How many of the n had not ended."""


def closed(values: Iterable[float]) -> tuple[Time, ...]:
    """Figures that are none of them cut off."""
    return tuple(Time(value) for value in values)


def spread(times: Sequence[Time]) -> Spread | None:
    """Median, smallest and largest; None without a value."""
    if not times:
        return None
    bounds = [one.seconds for one in times]
    middle = median(bounds)
    # Were the open ones as long as can be, would the median be the same?
    longest = median([math.inf if one.open else one.seconds for one in times])
    return Spread(
        len(times),
        middle,
        min(bounds),
        max(bounds),
        open=sum(one.open for one in times),
        median_open=longest != middle,
    )


def _shorter(one: Time, other: Time) -> bool:
    """Whether `one` is certainly the shorter."""
    return not one.open and (one.seconds < other.seconds or (other.open and one.seconds == other.seconds))


def _order(one: Time, other: Time) -> int:
    """-1 shorter, 1 longer, 0 equal or not known."""
    return _shorter(other, one) - _shorter(one, other)


def rank_test(*groups: Group) -> float | None:
    """Two-sided p of the exact rank test; None where no group has both sides.

    Gehan's form of the Wilcoxon-Mann-Whitney test: a value scores the number of values of its group that it exceeds less the
    number that exceed it, where that is known.  p is the share of all ways to deal the scores of each group to its two sides
    that set them apart as far as they are, counted and not drawn, so it holds for any size, with ties and with open values;
    for one group without these it is the textbook test, for several it is that of van Elteren with equal weights.
    """
    ways, seen, deals = Counter({0: 1}), 0, 1
    for left, right in _whole(groups):
        scores = _scores([*left, *right])
        dealt = _dealt(scores, len(left))
        sums: Counter[int] = Counter()
        for total, count in ways.items():
            for more, times in dealt.items():
                sums[total + more] += count * times
        ways = sums
        seen += sum(scores[: len(left)])
        deals *= math.comb(len(scores), len(left))
    if deals == 1:
        return None
    below = sum(count for total, count in ways.items() if total <= seen)
    above = sum(count for total, count in ways.items() if total >= seen)
    return min(1.0, 2 * min(below, above) / deals)


def _whole(groups: Sequence[Group]) -> list[Group]:
    """Those that have both sides."""
    return [(left, right) for left, right in groups if left and right]


def _scores(pooled: Sequence[Time]) -> list[int]:
    return [sum(_order(one, other) for other in pooled) for one in pooled]


def _dealt(scores: Sequence[int], size: int) -> Counter[int]:
    """What so many of the scores can come to -> in how many ways."""
    ways: list[Counter[int]] = [Counter() for _ in range(size + 1)]
    ways[0][0] = 1
    for score in scores:
        for taken in range(size, 0, -1):
            for total, count in ways[taken - 1].items():
                ways[taken][total + score] += count
    return ways[-1]


def superiority(*groups: Group) -> float | None:
    """Chance that a run of the left side is shorter than one of the right side of its group; equal or not known counts
    half."""
    orders = [_order(one, other) for left, right in groups for one in left for other in right]
    return sum((1 - order) / 2 for order in orders) / len(orders) if orders else None


def smallest_p(*sizes: tuple[int, int]) -> float:
    """The smallest two-sided p that groups of so many runs can give, when one side of each is wholly below the other."""
    return min(1.0, 2 / math.prod(math.comb(left + right, left) for left, right in sizes))


def quotient(*groups: Group) -> Quotient | None:
    """How many times as long the left side took: the median of the quotients of two values of one group; None where not
    even a bound of it is known."""
    pairs = [(one, other) for left, right in groups for one in left for other in right if other.seconds > 0]
    if not pairs:
        return None
    low = median(0.0 if other.open else one.seconds / other.seconds for one, other in pairs)
    high = median(math.inf if one.open else one.seconds / other.seconds for one, other in pairs)
    if low == high:
        return Quotient(low)
    if math.isfinite(high) and (high < 1 or low == 0):
        return Quotient(high, "at most")
    return Quotient(low, "at least") if low > 0 else None


def runs_for_factor(times: Sequence[Time], factor: float = 2.0) -> int | None:
    """How many runs a side would show that one side's times are `factor` times the other's, if both spread like these.

    Noether's formula, with the spread of the logarithms taken for normal; None where there are fewer than three values or
    half of them are open, from which no spread can be told.
    """
    if len(times) < 3 or 2 * sum(one.open for one in times) >= len(times):
        return None
    sigma = stdev(math.log(max(one.seconds, _BLINK)) for one in times)
    normal = NormalDist()
    shorter = normal.cdf(math.log(factor) / (sigma * math.sqrt(2))) if sigma else 1.0
    z = normal.inv_cdf(1 - ALPHA / 2) + normal.inv_cdf(POWER)
    return max(math.ceil(z**2 / (6 * (shorter - 0.5) ** 2)), least_runs())


def least_runs() -> int:
    """Runs a side below which no difference can be shown, however large."""
    return next(n for n in range(1, 100) if smallest_p((n, n)) < ALPHA)


def needs(times: Sequence[Time]) -> str | None:
    """What difference that many runs can show, in words."""
    n = len(times)
    if not n:
        return None
    least = smallest_p((n, n))
    text = (
        f"with {n} {'run' if n == 1 else 'runs'} a side the smallest possible two-sided p is {p_words(least)}"
    )
    if least >= ALPHA:
        text += f", so no difference can be shown; that takes {least_runs()} a side"
    wanted = runs_for_factor(times)
    if wanted is not None:
        text += f"; with the spread seen, a factor of 2 takes about {wanted} runs a side to show"
    elif n >= 3:
        text += (
            "; as most stalls had not ended, their spread is not known, nor how many runs a factor of 2 takes"
        )
    return text


def p_words(p: float) -> str:
    """`0.0079`, `0.33`, `below 0.0001`."""
    if p < 0.0001:
        return "below 0.0001"
    return f"{p:.2f}" if p >= 0.0995 else f"{p:.2g}"


def distribution(times: Sequence[Time]) -> Steps | None:
    """How the times are distributed, by Kaplan and Meier's estimate: an open one counts as long as it was seen."""
    if not times:
        return None
    try:
        from scipy.stats import CensoredData, ecdf
    except ImportError:
        raise UserError("scipy is not installed: pip install 'unkillable[lab]'") from None
    ended = [one.seconds for one in times if not one.open]
    cut_off = [one.seconds for one in times if one.open]
    if not ended:
        return Steps((), (), len(times), len(cut_off))
    cdf = ecdf(CensoredData(uncensored=ended, right=cut_off)).cdf
    return Steps(
        tuple(float(x) for x in cdf.quantiles),
        tuple(float(y) for y in cdf.probabilities),
        len(times),
        len(cut_off),
    )

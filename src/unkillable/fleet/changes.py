"""What changed from one release to another, and how sure that is.

Logs of one device are not independent: a device that hangs hangs again and sends a log each time, so ten logs can be one
bad board.  Where devices are known they are counted: on how many of those that run a release a cause was seen.  Fisher's
exact test needs no large numbers; its p values are corrected for the number of causes by Benjamini and Hochberg's method:
of the differences that are said to be shown, one in twenty or fewer is none.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import msgspec

from unkillable.errors import UserError
from unkillable.fleet.answers import Change, Rate

DEVICE, LOG = "device", "log"
ALPHA = 0.05
"""Below this adjusted p a difference is said to be shown."""
NAMELESS = 0.1
"""Up to this share of logs without a device's name, devices are counted, and those logs left out."""
LONGER = 2.0
"""A release that was seen so many times as long as another gave its devices more time to hang."""
_TAIL = 0.025
_HALVINGS = 60
_ALIKE = 1 + 1e-7
"""Tables whose chances differ by less are equally likely."""
_BOUND = 3.8414588206941254
"""The 95th percentile of chi-squared with one degree of freedom."""


class Release(msgspec.Struct, frozen=True):
    """What there is of one release."""

    name: str
    logs: int
    nameless: int
    """Logs that do not tell their device."""
    devices: int
    first_seen: float
    last_seen: float


class Counts(msgspec.Struct, frozen=True):
    """A cause in both releases."""

    cause: str
    title: str
    before: int
    after: int


def unit_for(before: Release, after: Release) -> str:
    """Devices where they are known, otherwise logs."""
    nameless = before.nameless + after.nameless
    return DEVICE if nameless <= NAMELESS * (before.logs + after.logs) else LOG


def cautions(before: Release, after: Release, unit: str) -> tuple[str, ...]:
    """What to keep in mind with a comparison of these releases: sentences for people."""
    found = []
    if unit == LOG:
        found.append(
            "Logs are counted, as they do not tell their devices: a device that hangs often counts often, "
            "and the differences are less certain than they look."
        )
    elif before.nameless + after.nameless:
        found.append(f"{before.nameless + after.nameless} logs that do not tell their device are left out.")
    short, long = sorted((before, after), key=_span)
    if unit == DEVICE and _span(long) > LONGER * max(_span(short), 86400.0):
        found.append(
            f"{long.name} was seen for {_span(long) / 86400:.0f} days, {short.name} for {_span(short) / 86400:.0f}: "
            f"its devices had more time to hang; compare stretches of the same length."
        )
    return tuple(found)


def compare(counts: Sequence[Counts], before: int, after: int, unit: str) -> list[Change]:
    """Each cause's rates among so many devices or logs, the surest difference first."""
    try:
        import scipy.special  # noqa: F401 - told here, once
    except ImportError:
        raise UserError("scipy is not installed: pip install 'unkillable[fleet]'") from None
    if not counts:
        return []
    ps = [fisher(one.before, before, one.after, after) for one in counts]
    changes = [
        _change(one, rate(one.before, before), rate(one.after, after), unit, p, adjusted)
        for one, p, adjusted in zip(counts, ps, adjust(ps), strict=True)
    ]
    return sorted(
        changes, key=lambda one: (one.p_adjusted, one.p, -one.after.count - one.before.count, one.cause)
    )


def _change(one: Counts, before: Rate, after: Rate, unit: str, p: float, adjusted: float) -> Change:
    low, high = ratio_interval(after.count, after.of, before.count, before.of)
    ratio = after.rate / before.rate if before.count else None
    return Change(
        one.cause, one.title, unit, before, after, ratio, low, None if math.isinf(high) else high, p, adjusted,
        _verdict(before, after, adjusted),
    )  # fmt: skip


def _verdict(before: Rate, after: Rate, adjusted: float) -> str:
    if adjusted >= ALPHA:
        return "no difference shown"
    if not before.count:
        return "new"
    if not after.count:
        return "gone"
    return "more" if after.rate > before.rate else "fewer"


def ratio_interval(x: int, n: int, y: int, m: int) -> tuple[float, float]:
    """95 % interval of (x/n) / (y/m), after Koopman: the ratios that a score test does not reject.

    It holds for small counts and for none, where the usual one on the logarithm has no answer.
    """
    if not n or not m or not (x or y):
        return 0.0, math.inf

    def off(log_ratio: float) -> float:
        return _score(math.exp(log_ratio), x, n, y, m) - _BOUND

    # The score grows on both sides of the ratio seen; where that is 0 or infinite there is one side only.
    middle = math.log(max(x, 0.5) / n) - math.log(max(y, 0.5) / m)
    far = math.log(1e4 * (n + m))
    low = math.exp(_bound(off, middle, -1, far)) if x else 0.0
    high = math.exp(_bound(off, middle, 1, far)) if y else math.inf
    return low, high


def _bound(off: Callable[[float], float], middle: float, side: int, far: float) -> float:
    """Where the sign of `off` changes, on one side; by halving, as it is steep here and flat there."""
    # With a count of 0 the middle is only near the interval: step back until within.
    within = middle
    while off(within) > 0:
        within -= side * 0.5
    beyond = middle + side * far
    for _ in range(_HALVINGS):
        between = (within + beyond) / 2
        if off(between) > 0:
            beyond = between
        else:
            within = between
    return within


def _score(ratio: float, x: int, n: int, y: int, m: int) -> float:
    """Koopman's statistic: how badly both proportions fit, where the first is `ratio` times the second."""
    a = ratio * (n + m)
    b = ratio * (n + y) + x + m
    # The likeliest second proportion under that ratio: the smaller root, written so that nothing cancels.
    second = 2 * (x + y) / (b + math.sqrt(max(b * b - 4 * a * (x + y), 0.0)))
    return _misfit(x, n, ratio * second) + _misfit(y, m, second)


def _misfit(x: int, n: int, p: float) -> float:
    spread = n * p * (1 - p)
    if spread <= 0:
        return 0.0 if abs(x - n * p) < 1e-9 else math.inf
    return (x - n * p) ** 2 / spread


def rate(x: int, n: int) -> Rate:
    """x of n with Clopper and Pearson's 95 % interval, which never holds less often than it says."""
    from scipy.special import betaincinv

    low = float(betaincinv(x, n - x + 1, _TAIL)) if x else 0.0
    high = float(betaincinv(x + 1, n - x, 1 - _TAIL)) if x < n else 1.0
    return Rate(x, n, x / n if n else 0.0, low, high)


def fisher(x: int, n: int, y: int, m: int) -> float:
    """Fisher's exact test of x of n against y of m, two-sided: how likely are tables that are no likelier than this one.

    As scipy.stats.fisher_exact, which takes a hundred times as long; there may be hundreds of causes.
    """
    import numpy as np
    from scipy.special import gammaln

    every = x + y
    first = np.arange(max(0, every - m), min(every, n) + 1)
    logs = -sum(gammaln(part + 1) for part in (first, n - first, every - first, m - every + first))
    chances = np.exp(logs - logs.max())
    seen = chances[x - first[0]]
    return min(1.0, float(chances[chances <= seen * _ALIKE].sum() / chances.sum()))


def adjust(ps: Sequence[float]) -> list[float]:
    """Corrected for how many they are, after Benjamini and Hochberg."""
    adjusted = [0.0] * len(ps)
    least = 1.0
    order = sorted(range(len(ps)), key=ps.__getitem__)
    for rank in range(len(ps), 0, -1):
        i = order[rank - 1]
        least = min(least, ps[i] * len(ps) / rank)
        adjusted[i] = least
    return adjusted


def _span(release: Release) -> float:
    return release.last_seen - release.first_seen

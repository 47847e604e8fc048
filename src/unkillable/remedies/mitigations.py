"""What helps without touching the kernel, in the order of what was measured on a kernel of its series."""

from __future__ import annotations

import json
import tomllib
from functools import cache
from importlib.resources import files

import msgspec

from unkillable.versions import version_key, within

EFFECTS = ("helps", "ends it", "not shown", "worse", "reboots", "not measured")
"""helps: the median of its runs is below half of stock's.  ends it: stock never recovered, and this did.  worse: it never
recovered, and stock did."""


class Measured(msgspec.Struct, frozen=True):
    """Runs of one variation on one kernel."""

    runs: int
    outcomes: dict[str, int]
    stall_s: float | None = None
    """Median of the longest times without an answer."""
    open: bool = False
    """It is a lower bound: the stall had not ended when it was left."""


class Mitigation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    variation: str
    title: str
    how: str
    cost: str
    snippets: dict[str, str]
    since: str | None = None
    """First kernel that has it."""


class Ranked(msgspec.Struct, frozen=True):
    """A mitigation with what was measured of it."""

    mitigation: Mitigation
    effect: str
    """One of EFFECTS."""
    measured: Measured | None = None


class Mitigations(msgspec.Struct, frozen=True):
    """What `fix --mitigations` prints."""

    kernel: str
    """As asked for."""
    series: str
    """x.y that was measured and is nearest."""
    stock: Measured | None
    ranked: tuple[Ranked, ...]
    """The best first."""
    schema: str = "unkillable.mitigations/1"


@cache
def table() -> tuple[Mitigation, ...]:
    """All of them."""
    text = (files("unkillable.remedies") / "mitigations.toml").read_text(encoding="utf-8")
    return msgspec.convert(tomllib.loads(text)["mitigation"], tuple[Mitigation, ...])


@cache
def measured() -> dict[str, dict[str, Measured]]:
    """Series to variation to its runs; scripts/measurements.py writes it from docs/measurements/runs."""
    text = (files("unkillable.remedies") / "measured.json").read_text(encoding="utf-8")
    return msgspec.convert(json.loads(text), dict[str, dict[str, Measured]])


def nearest(release: str) -> str:
    """The measured series that is this release's, else the one before it, else the oldest."""
    known = sorted(measured(), key=version_key)
    own = version_key(release)[:2]
    return next((one for one in reversed(known) if version_key(one)[:2] <= own), known[0])


def ranked(release: str) -> Mitigations:
    """What applies to a kernel, the best first."""
    series = nearest(release)
    figures = measured()[series]
    stock = figures.get("stock")
    found = [
        Ranked(one, effect(stock, figures.get(one.variation)), figures.get(one.variation))
        for one in table()
        if within(release, one.since, None)
    ]
    return Mitigations(release, series, stock, tuple(sorted(found, key=_order)))


def effect(stock: Measured | None, own: Measured | None) -> str:
    """What the runs say, held against those of the kernel as it is."""
    if own is None or stock is None or stock.stall_s is None:
        return "not measured"
    if own.outcomes.get("panic"):
        return "reboots"
    if own.stall_s is None:
        return "not measured"
    if own.open:
        return "not shown" if stock.open else "worse"
    if stock.open:
        return "ends it"
    return (
        "helps"
        if own.stall_s < stock.stall_s / 2
        else "not shown"
        if own.stall_s < 2 * stock.stall_s
        else "worse"
    )


def _order(one: Ranked) -> tuple[bool, bool, float]:
    """By how long the box stood still; what reboots it, and what was not measured, after what leaves it running."""
    own = one.measured
    stall = own.stall_s if own is not None and own.stall_s is not None else None
    return (stall is None, bool(own and own.open), stall or 0.0)

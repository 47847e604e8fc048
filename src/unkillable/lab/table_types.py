"""The document that `unkillable compare --format json` prints."""

from __future__ import annotations

import msgspec

from unkillable.lab.setup import Setup
from unkillable.lab.types import Run, Summary

VERDICTS = ("better", "worse", "no difference shown", "not compared")


class Versus(msgspec.Struct, frozen=True):
    """The longest stalls of a cell against those of the baseline cell of the same kernel."""

    baseline: str
    """Name of that variation."""
    ratio: float | None = None
    """Median here divided by the median there; below 1 is better.  None where both are only lower bounds.  Where the runs are
    of several hosts, the median of the quotients of two runs of one host."""
    bound: str = ""
    """`at least` or `at most` where the ratio is a bound, as stalls had not ended."""
    p: float | None = None
    """Two-sided p of the exact rank test, in which a run is ranked among those of its host."""
    superiority: float | None = None
    """Chance that a run here stalls for less than one there; 0.5: no difference."""
    verdict: str = "not compared"
    """One of VERDICTS."""
    hosts: int = 1
    """How many hosts have runs of both sides: a run is compared with those of its own host.  1, too, where none has, or it is
    not known which they were: then all are compared with all."""
    host: float | None = None
    """How fast the host of these runs was, divided by that of the baseline's (medians of Run.host_speed), where it was
    another one by that; None where they are alike, not known, or not to be compared, as the emulator itself was varied."""
    words: str = ""


class CellResult(msgspec.Struct, frozen=True, kw_only=True):
    """One kernel with one variation."""

    kernel: str
    """Its name in the table."""
    variation: str
    why: str = ""
    """What the variation is for."""
    setup: Setup | None = None
    """None where the variation does not apply to the kernel."""
    reason: str | None = None
    """Why there are no runs: it does not apply, or something could not be had."""
    runs: tuple[Run, ...] = ()
    summary: Summary | None = None
    """None without a run."""
    versus: Versus | None = None
    """None for the baseline itself and without a run."""

    @property
    def applies(self) -> bool:
        return self.setup is not None


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """A table: kernels by variations."""

    schema: str = "unkillable.comparison/1"
    tool: str = ""
    sentence: str = ""
    """The answer."""
    answers: tuple[str, ...] = ()
    """The answer for each kernel."""
    baseline: str = ""
    """Name of the variation that the others are compared with."""
    runs_wanted: int = 0
    """Runs asked for in each cell."""
    missing: int = 0
    """Runs still to do; the table is not complete where this is not 0."""
    seed: int = 0
    """Of the order in which the runs were made."""
    cells: tuple[CellResult, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def kernels(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(cell.kernel for cell in self.cells))

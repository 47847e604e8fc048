"""How fast the host of a run was: runs of different hosts say more about these than about what was varied."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from statistics import median

from unkillable.lab.setup import Emulator
from unkillable.lab.table_types import CellResult
from unkillable.lab.types import Run

APART = 1.25
"""Ratio of two speeds from which on they are of different hosts, or of one that was disturbed in one of the two."""
_NAMED = 8
"""Cells that a note names."""


def speed(pages: Sequence[int], spent: Sequence[float]) -> float | None:
    """Pages per processor second of the emulator: the upper quartile of the rounds between the guest's lines.

    What others do on the host makes a round slower, by caches and cores that are shared; a clock that was read late makes
    one look slower and the next one faster.  `pages` and `spent` are totals at each line.  None for a guest that did not
    measure, or told nonsense.
    """
    rounds = sorted(
        (later[0] - first[0]) / (later[1] - first[1])
        for first, later in pairwise(zip(pages, spent, strict=False))
        if later[0] > first[0] and later[1] > first[1]
    )
    return rounds[len(rounds) * 3 // 4] if rounds else None


def speeds(runs: Iterable[Run]) -> list[float]:
    """Of the runs that have one."""
    return [run.host_speed for run in runs if run.host_speed]


def within(runs: Sequence[Run]) -> float | None:
    """The fastest host of these runs against the slowest; None where they are alike or not known."""
    known = speeds(runs)
    ratio = max(known) / min(known) if known else 1.0
    return ratio if ratio >= APART else None


def between(runs: Sequence[Run], base: Sequence[Run]) -> float | None:
    """The host of `runs` against that of `base`, by their medians; None where they are alike or not known."""
    here, there = speeds(runs), speeds(base)
    if not here or not there:
        return None
    ratio = median(here) / median(there)
    return ratio if max(ratio, 1 / ratio) >= APART else None


def alike(one: Emulator, other: Emulator) -> bool:
    """Whether two emulators can be told by their speed to be on one host: these fields change it there, too."""
    return all(getattr(one, name) == getattr(other, name) for name in ("accelerator", "cpus", "icount_shift"))


def words(ratio: float) -> str:
    """`1.4 x as fast`."""
    return f"{ratio:.2g} x as fast"


def notes(cells: Sequence[CellResult]) -> list[str]:
    """What a reader of a table must know of the hosts of its runs."""
    found = []
    mixed = {_name(cell): ratio for cell in cells if (ratio := within(cell.runs)) is not None}
    if mixed:
        found.append(
            f"Runs of one cell were made on hosts of different speed, or on one that was disturbed: "
            f"{_listed(f'{name} (up to {words(ratio)})' for name, ratio in mixed.items())}."
        )
    apart = {_name(cell): cell.versus.host for cell in cells if cell.versus and cell.versus.host}
    if apart:
        found.append(
            f"Compared across hosts of different speed: "
            f"{_listed(f'{name} ({words(ratio)} as that of the baseline)' for name, ratio in apart.items())}."
        )
    if mixed or apart:
        found.append("To compare on one host, make all runs of a table anew, in another --results directory.")
    runs = [run for cell in cells for run in cell.runs if run.boot_s is not None]
    unknown = len(runs) - len(speeds(runs))
    if 0 < unknown < len(runs):
        found.append(
            f"{unknown} of {len(runs)} runs do not say how fast their host was, as an older version made them: "
            "it may be another."
        )
    return found


def _name(cell: CellResult) -> str:
    return f"{cell.kernel} {cell.variation}"


def _listed(names: Iterable[str]) -> str:
    every = list(names)
    more = len(every) - _NAMED
    return ", ".join(every[:_NAMED]) + (f" and {more} more" if more > 0 else "")

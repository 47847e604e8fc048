"""How fast the host of a run was: runs of different hosts say more about these than about what was varied."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path
from statistics import median

from unkillable.lab.setup import Emulator
from unkillable.lab.table_types import CellResult
from unkillable.lab.types import Run

APART = 1.25
"""Ratio of two speeds from which on they are of different hosts, or of one that was disturbed in one of the two."""
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
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


def name() -> str:
    """Names this machine since its start, by a digest of the kernel's random boot id; empty where there is none."""
    try:
        known = _BOOT_ID.read_bytes()
    except OSError:
        return ""
    return hashlib.blake2b(known, digest_size=6, person=b"unkillable host").hexdigest()


def speeds(runs: Iterable[Run]) -> list[float]:
    """Of the runs that have one."""
    return [run.host_speed for run in runs if run.host_speed]


def within(runs: Sequence[Run]) -> float | None:
    """The fastest host of these runs against the slowest, where they go by one name; None where they are alike or not known."""
    most = 1.0
    for host in {run.host for run in runs}:
        known = speeds(run for run in runs if run.host == host)
        most = max(most, max(known) / min(known) if known else 1.0)
    return most if most >= APART else None


def mixed(runs: Sequence[Run]) -> bool:
    """Whether these runs, which do not say what they were made on, are of several hosts by their speed."""
    return within([run for run in runs if not run.host]) is not None


def between(runs: Sequence[Run], base: Sequence[Run]) -> float | None:
    """The host of `runs` against that of `base`, by their medians; None where they are alike or not known, or where both
    have runs of one host and only these are compared."""
    here, there = speeds(runs), speeds(base)
    if not here or not there or any(one[0].host for one, _ in by_host(runs, base)):
        return None
    ratio = median(here) / median(there)
    return ratio if max(ratio, 1 / ratio) >= APART else None


def by_host(runs: Sequence[Run], base: Sequence[Run]) -> list[tuple[Sequence[Run], Sequence[Run]]]:
    """Those of each host that has runs of both; runs that do not name theirs count as of one."""
    return [
        ([run for run in runs if run.host == host], [run for run in base if run.host == host])
        for host in sorted({run.host for run in runs} & {run.host for run in base})
    ]


def alike(one: Emulator, other: Emulator) -> bool:
    """Whether two emulators can be told by their speed to be on one host: these fields change it there, too."""
    return all(getattr(one, name) == getattr(other, name) for name in ("accelerator", "cpus", "icount_shift"))


def words(ratio: float) -> str:
    """`1.4 x as fast`."""
    return f"{ratio:.2g} x as fast"


def notes(cells: Sequence[CellResult]) -> list[str]:
    """What a reader of a table must know of the hosts of its runs."""
    found = []
    wide = {_name(cell): ratio for cell in cells if (ratio := within(cell.runs)) is not None}
    if wide:
        found.append(
            f"Runs of one cell were made on hosts of different speed, or on one that was disturbed: "
            f"{_listed(f'{name} (up to {words(ratio)})' for name, ratio in wide.items())}."
        )
    apart = {_name(cell): cell.versus.host for cell in cells if cell.versus and cell.versus.host}
    if apart:
        found.append(
            f"Compared across hosts of different speed: "
            f"{_listed(f'{name} ({words(ratio)} as that of the baseline)' for name, ratio in apart.items())}."
        )
    several = len({run.host for cell in cells for run in cell.runs if run.host})
    if several > 1 or any(cell.versus and cell.versus.hosts > 1 for cell in cells):
        found.append(
            "The runs are of several hosts, or of one that was started anew: compared are runs of one host, and only medians are of all."
        )
    if apart or any(mixed(cell.runs) for cell in cells):
        found.append("To compare on one host, let --same-host make runs of every cell on it.")
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

"""The series in virtual machines, beside the kernel as it is and the article's approach."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from unkillable.comparison import Comparing
from unkillable.errors import UserError
from unkillable.lab import scenarios
from unkillable.lab.grid import Progress as Running
from unkillable.lab.scenarios import Variant
from unkillable.lab.setup import Module, Setup
from unkillable.lab.variations import Kernel, Plan, Variation
from unkillable.proof.types import Verification
from unkillable.remedies import output
from unkillable.remedies.types import Series
from unkillable.versions import version_key

Preparing = Callable[[str, float | None], None]

SECONDS = 45.0
"""Of a storm, as docs/measurements.md has them."""
FAULTS = ("poisoned-block", "poisoned-fragment", "leaked-lock")
"""Scenarios whose kernel is built from the tree, so that allocations can be made to fail."""


class Asked(msgspec.Struct, frozen=True):
    """What is to be run."""

    kernel: str
    """As `reproduce` takes it: debian:6.1."""
    runs: int
    folder: Path
    """Where patches, finished runs and consoles are kept."""
    faults: bool = False
    """Also FAULTS, for which a kernel is built three times."""


def kernel_of(series: Series) -> str:
    """Debian's kernel of the tree's series."""
    key = version_key(series.version) if series.version else ()
    if len(key) < 2:
        raise UserError(
            f"{series.tree}: does not say which kernel it is: name one with --kernel, such as debian:6.1"
        )
    return f"debian:{key[0]}.{key[1]}"


def verify(
    series: Series, article: Series, asked: Asked, preparing: Preparing, running: Callable[[Running], None]
) -> Verification:
    """Plays the scenarios and runs the storms; what is finished in `asked.folder` is not run again."""
    variants = _variants(series, article, asked.folder)
    names = [name for name in scenarios.NAMES if name not in FAULTS]
    found = scenarios.run(Setup(kernel=asked.kernel), names, variants, asked.folder / "scenarios", preparing)
    if asked.faults:
        own = Setup(kernel=f"source:{series.tree}")
        found += scenarios.run(own, FAULTS, variants, asked.folder / "scenarios", preparing)
    comparing = Comparing(plan(asked, variants), asked.folder / "runs", preparing=preparing)
    comparing.run(running)
    return Verification(scenarios=found, storms=comparing.table())


def plan(asked: Asked, variants: Sequence[Variant]) -> Plan:
    """The storms: each form of squashfs, the first of which is the baseline, interleaved."""
    base = Setup(kernel=asked.kernel, seconds=SECONDS, read_back=True)
    rows = tuple(
        Variation(one.name, {"module": msgspec.to_builtins(Module(patches=one.patches))}) for one in variants
    )
    return Plan(base, (Kernel(asked.kernel),), rows, runs=asked.runs)


def _variants(series: Series, article: Series, folder: Path) -> tuple[Variant, ...]:
    """As it is, and each series that has patches, which are written below `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    found = [scenarios.STOCK]
    for one in (article, series):
        if one.patches:
            output.write(one, folder / one.variant)
            found.append(Variant(one.variant, str(folder / one.variant)))
    return tuple(found)

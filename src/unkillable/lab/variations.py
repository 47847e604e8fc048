"""What is varied: a name and the fields of a Setup that it changes; and the plan of a table, kernels by variations."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from functools import cache, reduce
from importlib.resources import files
from pathlib import Path
from typing import Any

import msgspec

from unkillable.errors import UserError
from unkillable.lab.fields import change
from unkillable.lab.setup import Setup
from unkillable.versions import version_key, within

MOST_CELLS = 1000
_LARGEST = 1 << 20
"""Bytes of a plan."""


class Variation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Changes to a Setup, under a name."""

    name: str
    set: dict[str, Any] = {}
    """Dotted field, or path below /proc/sys or /sys, or sysctl, to its value."""
    why: str = ""
    since: str | None = None
    until: str | None = None
    """Kernel releases that it applies to: `since` or later, before `until`."""


class Kernel(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A row of the table: a kernel, and what else is to differ with it."""

    kernel: str
    """As in a Setup."""
    name: str = ""
    """In the table; empty: the same as `kernel`."""
    version: str | None = None
    """x.y, where `kernel` does not say it: decides which variations apply."""
    set: dict[str, Any] = {}

    @property
    def title(self) -> str:
        return self.name or self.kernel

    @property
    def release(self) -> str | None:
        """The release as far as it is known before anything is fetched."""
        if self.version is None and self.kernel.startswith("debian:"):
            return self.kernel.removeprefix("debian:")
        return self.version


class Plan(msgspec.Struct, frozen=True):
    """Everything that a table is made from."""

    base: Setup
    kernels: tuple[Kernel, ...]
    variations: tuple[Variation, ...]
    """The first is the baseline."""
    runs: int = 5
    seed: int = 1


class _PlanFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    base: dict[str, Any] = {}
    kernels: tuple[str, ...] = ()
    kernel: tuple[Kernel, ...] = ()
    variations: tuple[str, ...] = ()
    variation: tuple[Variation, ...] = ()
    runs: int | None = None
    seed: int | None = None


@cache
def builtin() -> Mapping[str, Variation]:
    """The variations that have a name of their own."""
    text = (files("unkillable.lab") / "data" / "variations.toml").read_text(encoding="utf-8")
    rows = msgspec.convert(tomllib.loads(text)["variation"], tuple[Variation, ...])
    return {row.name: row for row in rows}


def parse(text: str) -> Variation:
    """`NAME:field=value,field=value`, the name of a built-in variation, or several of these joined by `+`."""
    name, colon, changes = text.partition(":")
    if not colon:
        return reduce(_both, [_named(part.strip()) for part in text.split("+")])
    pairs = [pair.partition("=") for pair in changes.split(",")]
    for field, sign, _ in pairs:
        if not (name and field and sign):
            raise UserError(
                f"{text}: a variation is NAME:field=value,field=value or the name of a built-in one"
            )
    return Variation(name.strip(), {field.strip(): value for field, _, value in pairs})


def _named(name: str) -> Variation:
    if name not in builtin():
        raise UserError(
            f"{name}: no such variation; built in are {', '.join(builtin())}; others: NAME:field=value"
        )
    return builtin()[name]


def _both(one: Variation, other: Variation) -> Variation:
    since = max((s for s in (one.since, other.since) if s), key=version_key, default=None)
    until = min((u for u in (one.until, other.until) if u), key=version_key, default=None)
    why = " ".join(why for why in (one.why, other.why) if why)
    return Variation(f"{one.name}+{other.name}", {**one.set, **other.set}, why, since, until)


def read(path: Path, base: Setup | None = None) -> Plan:
    """The plan in a TOML file, over `base`."""
    try:
        with path.open("rb") as stream:
            data = stream.read(_LARGEST + 1)
        if len(data) > _LARGEST:
            raise UserError(f"{path}: larger than 1 MiB, which no plan is")
        found = msgspec.toml.decode(data, type=_PlanFile)
    except OSError as error:
        raise UserError(f"{path}: cannot read it: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, msgspec.DecodeError) as error:
        raise UserError(f"{path}: not a plan: {str(error).splitlines()[0]}") from error
    try:
        return plan(
            change(base or Setup(), found.base, "base"),
            [*(Kernel(name) for name in found.kernels), *found.kernel],
            [*(parse(text) for text in found.variations), *found.variation],
            found.runs,
            found.seed,
        )
    except UserError as error:
        raise UserError(f"{path}: {error}") from error


def plan(
    base: Setup,
    kernels: Sequence[Kernel] = (),
    variations: Sequence[Variation] = (),
    runs: int | None = None,
    seed: int | None = None,
) -> Plan:
    """A plan that holds together: names are unique, and every variation fits a Setup."""
    runs = 5 if runs is None else runs
    if not 1 <= runs <= 1000:
        raise UserError(f"runs = {runs}: must be 1 to 1000")
    rows = tuple(kernels) or (Kernel(base.kernel),)
    columns = tuple(variations) or (builtin()["stock"],)
    for what, names in (
        ("kernel", [row.title for row in rows]),
        ("variation", [one.name for one in columns]),
    ):
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise UserError(f"{twice}: this {what} is given twice; give each a name of its own")
    if len(rows) * len(columns) > MOST_CELLS:
        raise UserError(f"{len(rows)} kernels by {len(columns)} variations are more than {MOST_CELLS} cells")
    found = Plan(base, rows, columns, runs, 1 if seed is None else seed)
    for row in rows:
        for one in columns:
            setup(found, row, one)
    return found


def setup(found: Plan, kernel: Kernel, variation: Variation) -> Setup:
    """The Setup of a cell."""
    own = msgspec.structs.replace(found.base, kernel=kernel.kernel)
    own = change(own, kernel.set, f"kernel {kernel.title}")
    return change(own, variation.set, f"variation {variation.name}")


def why_not(kernel: Kernel, variation: Variation) -> str | None:
    """Why a variation does not apply to a kernel; None where it does."""
    if within(kernel.release, variation.since, variation.until):
        return None
    since = f"from Linux {variation.since} on" if variation.since else ""
    until = f"before Linux {variation.until}" if variation.until else ""
    return f"does not apply: only {' and '.join(part for part in (since, until) if part)}"

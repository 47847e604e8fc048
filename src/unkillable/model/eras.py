"""Parameter sets by kernel, and by what is done about it."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files

import msgspec
from msgspec.structs import replace

from unkillable.errors import UserError
from unkillable.model.parameters import Parameters
from unkillable.model.state import Sleep
from unkillable.versions import version_key
from unkillable.waits.bundled import bundled, nearest


class Era(msgspec.Struct, frozen=True):
    """Kernels that do the same in what matters here."""

    key: str
    """One of them, by which it is named."""
    title: str
    since: str
    until: str
    """The first kernel that is different."""
    why: str
    """With the lines of source."""
    story: str
    """The property whose violation is told first."""
    set: dict[str, int]
    """Parameters."""
    first: str = "shortage"
    """The experiment in which it is."""
    without: tuple[str, ...] = ()
    """Experiments that say nothing about it."""


class Variant(msgspec.Struct, frozen=True):
    """What is done about it."""

    key: str
    title: str
    set: dict[str, int] = {}


class _File(msgspec.Struct, frozen=True):
    era: tuple[Era, ...]
    variant: tuple[Variant, ...]


_SITES = {
    "site_a": ("squashfs_cache_get", "squashfs_cache.wait_queue"),
    "site_b": ("squashfs_cache_get", "squashfs_cache_entry.wait_queue"),
    "site_c": ("get_decomp_stream", "squashfs_stream.wait"),
    "site_d": ("get_decomp_stream", "squashfs_stream.mutex"),
    "site_e": ("squashfs_decompress", "squashfs_stream.mutex"),
}
"""Where each is in a catalogue: the function, and what it waits for."""

_OLDEST = "5.10"
"""What the oldest catalogue is of; squashfs's sleeps were the same before (4.9, 4.19: fs/squashfs/cache.c:90, :165)."""


@cache
def _read() -> _File:
    text = (files("unkillable.model") / "data" / "eras.toml").read_text(encoding="utf-8")
    return msgspec.convert(tomllib.loads(text), _File)


def eras() -> tuple[Era, ...]:
    """The oldest first."""
    return _read().era


def variants() -> tuple[Variant, ...]:
    """What can be done, beginning with nothing."""
    return _read().variant


def era_of(release: str) -> Era:
    """The era of a kernel's release, such as 6.1 or 5.10.0-46-cloud-amd64; a UserError for one that is not known."""
    try:
        key = version_key(release)
    except ValueError:
        key = ()
    for era in eras():
        if key and key < version_key(era.until) and (key >= version_key(era.since) or era is eras()[0]):
            return era
    names = ", ".join(one.key for one in eras())
    raise UserError(
        f"{release}: no kernel release that the model knows; it has {names}, and each stands for its neighbours"
    )


def era_between(since: str | None, until: str | None) -> Era | None:
    """The era of a kernel of which only a range is known: the newest that it can be; None where nothing is."""
    if until:
        return next(
            one for one in reversed(eras()) if one is eras()[0] or version_key(one.since) < version_key(until)
        )
    return era_of(since) if since else None


def variant_of(key: str) -> Variant:
    found = next((one for one in variants() if one.key == key), None)
    if found is None:
        raise UserError(f"{key}: no such variant; there are {', '.join(one.key for one in variants())}")
    return found


def parameters(era: Era, variant: Variant, sizes: dict[str, int]) -> Parameters:
    """An era's system: its ways, how its source sleeps, what is done about it, and how large it is."""
    return replace(Parameters(), **{**era.set, **sleeps(era.key), **variant.set, **sizes})


@cache
def sleeps(era: str) -> dict[str, int]:
    """The task state at each of squashfs's sites, from the catalogue that was made from this kernel's source."""
    catalogue = bundled()
    number = nearest(max(era, _OLDEST, key=version_key), catalogue.kernels)[0]
    found = {}
    for site, (name, resource) in _SITES.items():
        function = catalogue.function(name, number)
        states = {
            sleep.state
            for definition in (function.definitions if function else ())
            for sleep in definition.sleeps
            if sleep.resource == resource
        }
        if len(states) != 1 or None in states:
            raise UserError(f"{catalogue.name}: does not say how {name}() waits for {resource} in {era}")
        found[site] = Sleep[str(states.pop()).removeprefix("TASK_")].value
    return found

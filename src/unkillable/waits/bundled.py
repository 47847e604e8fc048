"""The catalogue that comes with the package, and which of its kernels speaks for a log's."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from unkillable.versions import version_key
from unkillable.waits.generated import Generated

NAME = "linux.catalogue"


@cache
def bundled() -> Generated:
    return Generated((files("unkillable.waits") / "data" / NAME).read_bytes(), NAME)


def nearest(version: str | None, kernels: tuple[str, ...]) -> tuple[int, ...]:
    """Numbers of the kernels (the oldest is 0) in the order in which they are asked about a log's kernel: that of its series, the
    newest before it and so on, then those behind it.  A log that does not say its kernel: the oldest first, as excerpts without
    their head are mostly of old kernels; what came later is found in the later ones."""
    numbers = range(len(kernels))
    if version is None:
        return tuple(numbers)
    series = version_key(version)[:2]
    before = [one for one in numbers if version_key(kernels[one])[:2] <= series]
    return (*reversed(before), *numbers[len(before) :])

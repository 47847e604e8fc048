"""Lines of a box at work, of the kinds that `benchmarks.logs` makes."""

from __future__ import annotations

import random
from functools import cache

from benchmarks.logs import ordinary_lines

POOL = 20_000
SEED = 11


@cache
def pool() -> tuple[bytes, ...]:
    return tuple(line.encode() for line in ordinary_lines(random.Random(SEED), POOL))  # noqa: S311


def before(rng: random.Random, size: int) -> list[bytes]:
    """Lines of some `size` bytes, one after another out of the pool."""
    lines = pool()
    at = rng.randrange(len(lines))
    found = []
    while size > 0:
        line = lines[at % len(lines)]
        found.append(line)
        size -= len(line) + 16
        at += 1
    return found

"""The small systems in which each property is looked at: large enough that what can go wrong does, small enough to try everything."""

from __future__ import annotations

from typing import NamedTuple

from unkillable.errors import UserError


class Experiment(NamedTuple):
    key: str
    says: str
    sizes: dict[str, int]
    properties: tuple[str, ...]
    """Those of rows.NEVER and rows.UNTIL that it is about."""


# The largest comes last: where smaller ones violate all that it is about, it need not be searched.
EXPERIMENTS = (
    Experiment(
        "shortage",
        "two programs that want more memory together than there is, whose code is on two blocks; one cache entry",
        {"tasks": 2, "memory": 4, "want": 2, "work": 1, "entries": 1, "blocks": 2},
        ("starving", "dying", "sigbus"),
    ),
    Experiment(
        "block",
        "two programs whose code is on two pages of one block, too little memory, and somebody who kills one of them",
        {
            "tasks": 2,
            "memory": 3,
            "want": 1,
            "work": 1,
            "entries": 1,
            "blocks": 1,
            "pages_per_block": 2,
            "kills": 1,
        },
        ("starving", "dying", "sigbus"),
    ),
    Experiment(
        "decompressors",
        "two programs, two decompressors of which one is not allocated yet (DECOMP_MULTI), two cache entries, too little memory",
        {
            "tasks": 2,
            "memory": 4,
            "want": 1,
            "work": 1,
            "entries": 2,
            "blocks": 2,
            "decompressors": 2,
            "streams": 2,
            "kills": 1,
        },
        ("starving", "dying", "sigbus"),
    ),
    Experiment(
        "direct",
        "two programs whose code is on two pages of one block, read past the cache (FILE_DIRECT of 6.0 and later)",
        {"tasks": 2, "memory": 4, "want": 3, "work": 2, "blocks": 1, "pages_per_block": 2, "direct": 1},
        ("leaks", "dying", "starving"),
    ),
    Experiment(
        "queue",
        "three programs with enough memory whose code is on three blocks, and somebody who kills one of them; one cache entry",
        {"tasks": 3, "memory": 12, "want": 0, "work": 1, "entries": 1, "blocks": 3, "kills": 1},
        ("waiting", "dying", "spins"),
    ),
    Experiment(
        "signal",
        "two programs with enough memory, and a signal for which one of them has a handler; one cache entry",
        {"tasks": 2, "memory": 8, "want": 0, "work": 1, "entries": 1, "blocks": 2, "signals": 1},
        ("spins", "waiting", "sigbus"),
    ),
    Experiment(
        "crowd",
        "three programs that want more memory together than there is, whose code is on two blocks; one cache entry",
        {"tasks": 3, "memory": 3, "want": 1, "work": 1, "entries": 1, "blocks": 2},
        ("starving", "dying", "sigbus"),
    ),
)


def find(key: str) -> Experiment:
    """The experiment of this name."""
    found = next((one for one in EXPERIMENTS if one.key == key), None)
    if found is None:
        raise UserError(f"{key}: no such experiment; there are {', '.join(one.key for one in EXPERIMENTS)}")
    return found

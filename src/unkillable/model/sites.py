"""Which of squashfs's waits must be killable for "a killed task ends" to hold: the minimal sets, by trying."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import combinations

from unkillable.model.eras import Era, parameters, variant_of
from unkillable.model.experiments import EXPERIMENTS
from unkillable.model.machine import Machine
from unkillable.model.parameters import Parameters
from unkillable.model.search import explore
from unkillable.model.state import Decompressors, OnKill, Sleep
from unkillable.model.types import SiteSets
from unkillable.model.verdicts import EVERYTHING, Limits

CHANGES: dict[str, tuple[str, dict[str, int]]] = {
    "A": ("the wait for a free cache entry", {"site_a": Sleep.KILLABLE, "on_kill": OnKill.FAIL}),
    "B": ("the wait for a block that another task reads", {"site_b": Sleep.KILLABLE}),
    "C": ("the wait for a decompressor (MULTI)", {"site_c": Sleep.KILLABLE}),
    "D": ("the mutex of get_decomp_stream() (MULTI)", {"site_d": Sleep.KILLABLE}),
    "E": ("the mutex of the only decompressor (SINGLE)", {"site_e": Sleep.KILLABLE}),
    "P": ("the page lock in a page fault, which is killable since 2.6.38", {"site_p": Sleep.KILLABLE}),
    "M": (
        "no wait: decompressors are allocated outside the mutex that put_decomp_stream() takes (MULTI)",
        {"under_mutex": 0},
    ),
}
"""What can be done, by letter: what it is, and what it changes."""

_MATTER = {Decompressors.PERCPU: "ABP", Decompressors.SINGLE: "ABEP", Decompressors.MULTI: "ABCDPM"}
_SYSTEMS = {
    Decompressors.PERCPU: "shortage block",
    Decompressors.SINGLE: "shortage block decompressors",
    Decompressors.MULTI: "shortage block decompressors",
}
"""Experiments in which these waits come about."""
_NOTHING = {
    "site_a": 2,
    "site_b": 2,
    "site_c": 2,
    "site_d": 2,
    "site_e": 2,
    "site_p": 2,
    "on_kill": OnKill.AGAIN,
}


def minimal(era: Era, decompressors: Decompressors, limits: Limits = EVERYTHING) -> SiteSets:
    """Tries the sets by their size.  What contains a set that is enough is enough, and is not tried."""
    begin = time.monotonic()
    letters = _MATTER[decompressors]
    enough: list[frozenset[str]] = []
    unknown: list[tuple[str, ...]] = []
    tried = states = 0
    for size in range(len(letters) + 1):
        for chosen in combinations(letters, size):
            if any(one <= set(chosen) for one in enough):
                continue
            answer = "holds"
            for system in _systems(era, decompressors, chosen):
                space = explore(Machine(system), states=limits.states, engine=limits.engine, tell=limits.tell)
                tried, states = tried + 1, states + space.count
                if not space.complete:
                    answer = "undetermined"
                elif any(space.lasting("dying", t) >= 0 for t in range(system.tasks)):
                    answer = "violated"
                    break
            if answer == "holds":
                enough.append(frozenset(chosen))
            elif answer == "undetermined":
                unknown.append(chosen)
    return SiteSets(
        era=era.key,
        title=era.title,
        decompressors=decompressors.name,
        sites={letter: CHANGES[letter][0] for letter in letters},
        minimal=tuple(tuple(sorted(one)) for one in enough),
        tried=tried,
        states=states,
        undetermined=tuple(unknown),
        seconds=time.monotonic() - begin,
    )


def _systems(era: Era, decompressors: Decompressors, chosen: tuple[str, ...]) -> Iterator[Parameters]:
    """The experiments with these waits killable and no others, the smallest first."""
    changes = {name: value for letter in chosen for name, value in CHANGES[letter][1].items()}
    for key in _SYSTEMS[decompressors].split():
        sizes = next(one.sizes for one in EXPERIMENTS if one.key == key)
        yield parameters(
            era, variant_of("stock"), {**_NOTHING, **sizes, **changes, "decompressors": decompressors}
        )

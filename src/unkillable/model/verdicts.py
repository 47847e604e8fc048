"""What holds in a kernel, and how what does not comes about."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import msgspec

from unkillable.errors import UserError
from unkillable.model import stories
from unkillable.model.casting import Casting
from unkillable.model.eras import Era, Variant, parameters
from unkillable.model.experiments import EXPERIMENTS, Experiment
from unkillable.model.machine import Machine
from unkillable.model.parameters import Parameters
from unkillable.model.rows import NEVER
from unkillable.model.search import Space, Tell, engines, explore
from unkillable.model.state import At
from unkillable.model.types import Answer, Explanation

QUESTIONS = {
    "starving": "Whoever asks for memory gets it at last, or is told that there is none",
    "dying": "A task that is killed ends",
    "sigbus": "Nobody dies of SIGBUS whom nobody has killed",
    "leaks": "No page stays locked for ever",
    "spins": "Nobody goes round and round because a signal is pending",
    "waiting": "Whoever waits for squashfs goes on at last",
}
"""What is asked, by property."""

_KINDS = {"sigbus": "sigbus", "leaks": "leak", "spins": "spin"}


class Limits(NamedTuple):
    """How far to go."""

    states: int | None = None
    """States of an experiment; None: as many as fit (`search`)."""
    engine: str | None = None
    tell: Tell | None = None
    place: int = At.WAIT_ENTRY
    """Where somebody is to be in a story of something that lasts (At), if there is such a one; -1: the shortest of all."""


EVERYTHING = Limits()
"""As far as there is room."""


def explain(
    era: Era,
    variant: Variant,
    changes: Mapping[str, int] | None = None,
    *,
    only: str | None = None,
    limits: Limits = EVERYTHING,
    names: Casting | None = None,
) -> Explanation:
    """The verdicts on all properties, the era's own story first.  `changes`: parameters, of sizes and settings, that are to be
    different.  `only`: an experiment's name."""
    begin = time.monotonic()
    chosen = [one for one in EXPERIMENTS if one.key not in era.without and only in (None, one.key)]
    chosen.sort(key=lambda one: one.key != era.first)
    if not chosen:
        raise UserError(
            f"{only}: no experiment of {era.key}; there are {', '.join(one.key for one in EXPERIMENTS)}"
        )
    found: dict[str, list[Answer]] = {}
    looked = []
    for experiment in chosen:
        if all(any(one.story for one in found.get(name, [])) for name in experiment.properties):
            continue
        looked.append(experiment.says)
        system = parameters(era, variant, checked({**experiment.sizes, **(changes or {})}))
        for verdict in _verdicts(experiment, system, limits, names):
            found.setdefault(verdict.property, []).append(verdict)
    order = sorted(found, key=lambda name: (name != era.story, list(QUESTIONS).index(name)))
    return Explanation(
        era=era.key,
        title=era.title,
        variant=variant.key,
        bound=(*looked, *([_said(changes)] if changes else [])),
        parameters={
            name: int(value)
            for name, value in msgspec.structs.asdict(parameters(era, variant, dict(changes or {}))).items()
        },
        engine=limits.engine or engines()[0],
        seconds=time.monotonic() - begin,
        verdicts=tuple(_joined(found[name]) for name in order),
    )


def checked(changes: Mapping[str, int]) -> dict[str, int]:
    """Parameters by their names, if all of them exist."""
    names = [one.name for one in msgspec.structs.fields(Parameters)]
    for name in changes:
        if name not in names:
            raise UserError(f"{name}: no parameter of the model; there are {', '.join(names)}")
    return dict(changes)


def _said(changes: Mapping[str, int]) -> str:
    return "with " + ", ".join(f"{name}={value}" for name, value in changes.items())


def _verdicts(
    experiment: Experiment, system: Parameters, limits: Limits, names: Casting | None
) -> Iterator[Answer]:
    space = explore(Machine(system), states=limits.states, engine=limits.engine, tell=limits.tell)
    for name in experiment.properties:
        number, task = _violation(space, name, limits.place)
        story = None
        if number >= 0 and name in NEVER:
            story = stories.broken(space, number, _KINDS[name], names)
        elif number >= 0:
            story = stories.lasting(space, number, name, task, names)
        result = "violated" if story else "holds" if space.complete else "undetermined"
        yield Answer(
            property=name,
            question=QUESTIONS[name],
            result=result,
            states=space.count,
            steps=space.depth,
            story=story,
        )


def _violation(space: Space, name: str, place: int) -> tuple[int, int]:
    """The nearest state that breaks a property, and of which task; -1 if there is none."""
    if name in NEVER:
        return space.first[NEVER.index(name)], 0
    if not space.complete:
        return -1, 0
    tasks = range(space.machine.parameters.tasks)
    for wanted in dict.fromkeys((place, -1)):
        if found := [(n, t) for t in tasks if (n := space.lasting(name, t, wanted)) >= 0]:
            return min(found)
    return -1, 0


def _joined(verdicts: list[Answer]) -> Answer:
    """Of several experiments: the first that violates it, which is the one that is nearest to what people meet; it holds if it holds
    in all."""
    bad = next((one for one in verdicts if one.story), None)
    if bad:
        return bad
    worst = "undetermined" if any(one.result == "undetermined" for one in verdicts) else "holds"
    return Answer(
        property=verdicts[0].property, question=verdicts[0].question, result=worst,
        states=sum(one.states for one in verdicts), steps=max(one.steps for one in verdicts),
    )  # fmt: skip

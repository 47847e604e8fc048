"""A system with its parameters: the state it begins in, and what can happen next."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple

import msgspec

from unkillable.errors import UserError
from unkillable.model.language import Actor, Rule
from unkillable.model.parameters import Parameters
from unkillable.model.reading import system
from unkillable.model.rows import Layout, text, vector
from unkillable.model.state import FIELDS, At, Decompressors, Gfp, OnKill, Sleep

MOST = Layout(tasks=8, entries=8, pages=16)
"""The largest system.  A row of more would still be right, but no search of it would end."""
_SIZES = frozenset("tasks memory want work entries blocks pages_per_block kills signals streams".split())
_OTHERS = (Actor.REAPER, Actor.EARLY, Actor.PARENT, Actor.OUTSIDE)


class Step(NamedTuple):
    """One rule applied by somebody to something."""

    rule: int
    task: int
    choice: int
    arguments: tuple[int, ...]
    """What its rule is about, as the rule's function wants it."""
    process: int
    """Who takes it, for fairness: a task's number, and behind them the reaper, the early killer, the parents, the outside."""


class Machine:
    """One system."""

    def __init__(self, parameters: Parameters) -> None:
        check(parameters)
        self.parameters = parameters
        self.layout = Layout(parameters.tasks, parameters.entries, parameters.pages)
        self.vector = vector(parameters)
        self.rules: tuple[Rule, ...] = tuple(rule for rule, _ in system().rules)
        self.processes = parameters.tasks + len(_OTHERS)
        self._code = _code(self.layout)
        self._functions = [self._code[f"rule_{number}"] for number in range(len(self.rules))]
        self._offsets = self.layout.offsets
        self._steps = tuple(self._instances())
        self._by_place = {
            (task, place): tuple(
                one for one in self._steps if place in self.rules[one.rule].at and one.task == task
            )
            for task in range(parameters.tasks)
            for place in At
        }
        self._others = tuple(one for one in self._steps if not self.rules[one.rule].at)

    @property
    def steps(self) -> tuple[Step, ...]:
        """All that could ever happen: every rule with everybody and everything it can be about."""
        return self._steps

    def initial(self) -> bytes:
        """Nobody has touched anything yet."""
        p = self.parameters
        row = bytearray(self.layout.width)
        row[self._offsets["free"]] = p.memory
        row[self._offsets["kills"]] = p.kills
        row[self._offsets["signals"]] = p.signals
        if p.decompressors == Decompressors.MULTI:
            # squashfs_decompressor_create() makes one when the file system is mounted.
            row[self._offsets["streams"]] = row[self._offsets["idle_streams"]] = 1
        for t in range(p.tasks):
            row[self._offsets["work"] + t] = p.work
        return bytes(row)

    def next(self, row: bytes) -> Iterator[tuple[Step, bytes]]:
        """What can happen, and the state afterwards."""
        if self.holds("panics", row):
            return
        work = bytearray(row)
        for step in self._possible(row):
            if self._functions[step.rule](work, self.vector, *step.arguments):
                yield step, bytes(work)
                work = bytearray(row)

    def _possible(self, row: bytes) -> Iterator[Step]:
        at, asleep = self._offsets["at"], self._offsets["state"]
        for task in range(self.parameters.tasks):
            for step in self._by_place[task, At(row[at + task])]:
                if not row[asleep + task] or self.rules[step.rule].asleep:
                    yield step
        yield from self._others

    def holds(self, name: str, row: bytes, *arguments: int) -> bool:
        """What a helper says of a state."""
        return bool(self._code[name](row, self.vector, *arguments))

    def broken(self, row: bytes) -> int:
        """The properties of NEVER that a state breaks, as bits."""
        return int(self._code["broken"](row, self.vector))

    def value(self, row: bytes, field: str, number: int = 0) -> int:
        """A field of a state."""
        return row[self._offsets[field] + number]

    def describe(self, row: bytes) -> dict[str, Any]:
        """All fields by their names: numbers, and lists of numbers by task, entry or page."""
        counts = {
            "task": self.parameters.tasks,
            "entry": self.parameters.entries,
            "page": self.parameters.pages,
        }
        return {
            one.name: [self.value(row, one.name, n) for n in range(counts[one.each])]
            if one.each
            else self.value(row, one.name)
            for one in FIELDS
        }

    def _instances(self) -> Iterator[Step]:
        p = self.parameters
        for number, rule in enumerate(self.rules):
            own = rule.actor in (Actor.TASK, Actor.PARENT)
            choices = {"": 1, "task": p.tasks, "page": p.pages}[rule.over]
            for task in range(p.tasks if own else 1):
                process = task if rule.actor is Actor.TASK else p.tasks + _OTHERS.index(rule.actor)
                for choice in range(choices):
                    arguments = ((task,) if own else ()) + ((choice,) if rule.over else ())
                    yield Step(number, task, choice, arguments, process)


def check(parameters: Parameters) -> None:
    """Refuses what is not a system."""
    p = parameters
    bounds = (
        ("tasks", p.tasks, 1, MOST.tasks),
        ("cache entries", p.entries, 1, MOST.entries),
        ("pages of memory", p.memory, 1, 64),
        ("blocks", p.blocks, 1, MOST.pages // 2),
        ("pages in a block", p.pages_per_block, 1, 2),
        ("runs of code", p.work, 0, 15),
        ("pages that a program wants", p.want, 0, 64),
        ("decompressors", p.streams, 1, 8),
        ("SIGKILLs", p.kills, 0, 8),
        ("signals", p.signals, 0, 8),
    )
    for name, value, least, most in bounds:
        if not least <= value <= most:
            raise UserError(f"{value} {name}: the model takes {least} to {most}")
    for name in msgspec.structs.asdict(p):
        most = _most(name)
        least = 1 if name.startswith("site_") else 0
        if not least <= getattr(p, name) <= most:
            raise UserError(f"{name}={getattr(p, name)}: {least} to {most}")


def _most(name: str) -> int:
    """The largest value of a parameter that is no size."""
    kinds = {"site_": Sleep, "gfp_": Gfp, "on_": OnKill, "decompressors": Decompressors}
    values = next((kind for begin, kind in kinds.items() if name.startswith(begin)), None)
    if values:
        return max(values)
    return {"protected": 255, "commit": 64}.get(name, 64 if name in _SIZES else 1)


@cache
def _code(layout: Layout) -> dict[str, Any]:
    """The rules' text, as it is."""
    names: dict[str, Any] = {}
    exec(compile(text(layout), f"<rules for {layout}>", "exec"), names)  # noqa: S102 - our own rules
    return names

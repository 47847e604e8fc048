"""All states of a system, breadth first: as machine code where there is a compiler, else in Python, which is slower and the same."""

from __future__ import annotations

import ctypes
import os
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from unkillable.errors import UserError
from unkillable.model import native
from unkillable.model.components import components, fair
from unkillable.model.language import Actor
from unkillable.model.machine import Machine
from unkillable.model.rows import NEVER, UNTIL

STATES = 20_000_000
"""The most states that are kept, unless told otherwise or there is not so much memory."""
_BESIDE = 36
"""Bytes that a state takes beside its row at most: its parent, its place in a table that has just grown, its steps."""
_SHARE = 0.7
"""Of the memory that is available, what a search may take."""
PYTHON_STATES = 300_000
_SLICE = 200_000
"""States between two looks at the clock and at Ctrl-C."""

Tell = Callable[[int, int], None]
"""Is told how many states were found, and how many of them were looked at."""


class Space(Protocol):
    """What was found.  States have numbers, in the order of finding: the nearest first."""

    machine: Machine
    count: int
    edges: int
    depth: int
    """Steps to the farthest state."""
    complete: bool
    """Every state was found; else the search met its limit."""
    first: tuple[int, ...]
    """For each property of NEVER the nearest state that breaks it, or -1."""

    def row(self, number: int) -> bytes:
        """A state."""

    def parent(self, number: int) -> int:
        """The state from which it was found; -1: it is the first."""

    def number(self, row: bytes) -> int:
        """A state's number; -1 where it was not found."""

    def lasting(self, which: str, task: int, place: int = -1) -> int:
        """The nearest state in which a property of UNTIL can begin to hold for ever for a task, although whoever could go on all the
        time does at times go on; -1 if there is none.  `place`: in which somebody is there (At).  The space must be complete."""


def way(space: Space, number: int) -> list[int]:
    """The states on a shortest way there, the first among them."""
    found = [number]
    while (before := space.parent(found[-1])) >= 0:
        found.append(before)
    return found[::-1]


def engines() -> tuple[str, ...]:
    """What can search here, the best first."""
    return ("native", "python") if native.compiler() else ("python",)


def explore(
    machine: Machine,
    *,
    states: int | None = None,
    engine: str | None = None,
    tell: Tell | None = None,
) -> Space:
    """The states of a system: all, or as many as there is room for."""
    name = engine or engines()[0]
    if name == "native":
        return _Native(machine, _room(machine, states), tell)
    if name == "python":
        return _Python(machine, states or PYTHON_STATES, tell)
    raise UserError(f"{name}: no such engine; there are native and python")


def _room(machine: Machine, wanted: int | None) -> int:
    """States for which there is memory: as many as are wanted, or an error before any work."""
    each = machine.layout.width + _BESIDE
    room = int(available() * _SHARE) // each
    if wanted and wanted > room:
        raise UserError(
            f"{wanted:,} states need up to {wanted * each / 2**30:.1f} GiB, and {available() / 2**30:.1f} GiB are available:"
            f" --states {room}"
        )
    return wanted or min(STATES, room)


def available() -> int:
    """Bytes of memory that a program can have now; as Linux says, or all of it where it does not."""
    try:
        text = Path("/proc/meminfo").read_text(encoding="ascii")
        return int(text.partition("MemAvailable:")[2].split()[0]) * 1024
    except (OSError, IndexError, ValueError):
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


class _Python:
    def __init__(self, machine: Machine, most: int, tell: Tell | None) -> None:
        begin = machine.initial()
        self.machine = machine
        self._rows, self._parents, self._numbers = [begin], [-1], {begin: 0}
        self.edges = self.depth = 0
        self._graph: tuple[list[int], list[int], list[int]] | None = None
        first = [-1] * len(NEVER)
        self.complete = self._search(most, first, tell)
        self.first = tuple(first)
        self.count = len(self._rows)

    def _search(self, most: int, first: list[int], tell: Tell | None) -> bool:
        level = 0
        for number, row in enumerate(self._rows):
            if tell and number % 5000 == 0:
                tell(len(self._rows), number)
            if number == level:
                self.depth, level = self.depth + (number > 0), len(self._rows)
            bits = self.machine.broken(row)
            for k in range(len(NEVER)):
                if bits >> k & 1 and first[k] < 0:
                    first[k] = number
            for _step, other in self.machine.next(row):
                self.edges += 1
                if other not in self._numbers:
                    if len(self._rows) >= most:
                        return False
                    self._numbers[other] = len(self._rows)
                    self._rows.append(other)
                    self._parents.append(number)
        return True

    def row(self, number: int) -> bytes:
        return self._rows[number]

    def parent(self, number: int) -> int:
        return self._parents[number]

    def number(self, row: bytes) -> int:
        return self._numbers.get(row, -1)

    def lasting(self, which: str, task: int, place: int = -1) -> int:
        if self._graph is None:
            self._graph = self._connect()
        starts, targets, movers = self._graph
        owner = components([self.machine.holds(which, row, task) for row in self._rows], starts, targets)
        good = fair(owner, starts, targets, movers, (1 << self.machine.processes) - 1)
        return next(
            (n for n, own in enumerate(owner) if own >= 0 and good[own] and self._somebody_at(n, place)), -1
        )

    def _somebody_at(self, number: int, place: int) -> bool:
        look = self.machine
        return place < 0 or any(
            look.value(self._rows[number], "at", t) == place for t in range(look.parameters.tasks)
        )

    def _connect(self) -> tuple[list[int], list[int], list[int]]:
        starts, targets, movers = [0], [], []
        for row in self._rows:
            for step, other in self.machine.next(row):
                targets.append(self._numbers[other])
                movers.append(step.process)
            starts.append(len(targets))
        return starts, targets, movers


class _Native:
    def __init__(self, machine: Machine, most: int, tell: Tell | None) -> None:
        self.machine = machine
        self._code = code = native.library(machine.layout)
        places, rules, others = _tables(machine)
        # They are only pointed to, and must live as long as this.
        self._kept = (places, rules, others)
        vector = (ctypes.c_int * len(machine.vector))(*machine.vector)
        self._space = code.space_new(
            machine.initial(),
            most,
            vector,
            machine.parameters.tasks,
            machine.processes,
            places,
            rules,
            others,
            len(others),
        )
        if not self._space:
            raise UserError(f"no memory for {most:,} states: give a smaller bound")
        weakref.finalize(self, code.space_free, self._space)
        while (answer := code.space_expand(self._space, _SLICE)) == 2:
            if tell:
                tell(code.space_count(self._space), code.space_done(self._space))
        self.complete = answer == 0
        self.count: int = code.space_count(self._space)
        self.edges: int = code.space_edges(self._space)
        self.depth: int = code.space_depth(self._space)
        self.first = tuple(code.space_first(self._space, k) for k in range(len(NEVER)))
        self._connected = False

    def row(self, number: int) -> bytes:
        return ctypes.string_at(self._code.space_row(self._space, number), self.machine.layout.width)

    def parent(self, number: int) -> int:
        return int(self._code.space_parent(self._space, number))

    def number(self, row: bytes) -> int:
        return int(self._code.space_number(self._space, row))

    def lasting(self, which: str, task: int, place: int = -1) -> int:
        if not self._connected:
            self._enough(self._code.space_connect(self._space) == 0)
            self._connected = True
        answer = int(self._code.space_lasting(self._space, UNTIL.index(which), task, place))
        self._enough(answer != -2)
        return answer

    def _enough(self, good: bool) -> None:
        if not good:
            raise UserError(f"no memory for the steps of {self.count:,} states: give a smaller bound")


def _tables(machine: Machine) -> tuple[Any, Any, Any]:
    """The rules as engine.c wants them: where those of a task at each place begin, these, and those of nobody's tasks."""
    choices = {"": 1, "task": machine.parameters.tasks, "page": machine.parameters.pages}
    owners = {step.rule: step.process for step in machine.steps}
    rows: list[native.RuleRow] = []
    begins = [0]
    for place in range(1 + max(place for rule in machine.rules for place in rule.at)):
        rows += [
            native.RuleRow(n, choices[rule.over], rule.asleep, -1 if rule.actor is Actor.TASK else owners[n])
            for n, rule in enumerate(machine.rules)
            if place in rule.at
        ]
        begins.append(len(rows))
    begins.append(len(rows))
    others = [
        native.RuleRow(n, choices[rule.over], 1, owners[n])
        for n, rule in enumerate(machine.rules)
        if not rule.at
    ]
    return (
        (ctypes.c_int * len(begins))(*begins),
        (native.RuleRow * len(rows))(*rows),
        (native.RuleRow * len(others))(*others),
    )

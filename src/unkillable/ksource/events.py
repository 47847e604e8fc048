"""What happens in a body, in its order, as far as sleeping goes: a state is stored, the scheduler is called, a sleeper is."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache

import msgspec

from unkillable.ksource.calls import Call
from unkillable.ksource.facts import HANDED
from unkillable.ksource.index import Index
from unkillable.ksource.sources import Sources
from unkillable.ksource.states import State, States

TASK_HEADER = "include/linux/sched.h"
"""Where the task's state is a member, and the macros are that store it."""
SCHEDULE = "schedule"

_STORED = re.compile(r"\bcurrent\s*->\s*(?:__)?state\b\s*(?:,|=(?!=))\s*([^;]*)")
"""The member is `state` before 5.14."""
_CALLED = re.compile(r"([A-Za-z_]\w*)\s*\(")
_IDENTIFIER = re.compile(r"[A-Za-z_]\w*\Z")
_POINTED = re.compile(r"\(\s*\*\s*(\w+)\s*\)\s*\(")


class Sleeper(msgspec.Struct, frozen=True):
    """How a definition sleeps."""

    function: int
    state: State | None
    parameter: int | None
    """Its parameter that is the state."""
    called: str | None
    """The sleeper that it calls; None if it sleeps itself."""
    ends: tuple[str, ...] = ()
    statements: tuple[int, ...] = ()
    """Parameters of a macro that are run as statements, one of which has to call the scheduler."""


class Event(msgspec.Struct, frozen=True):
    kind: str
    """set, schedule or sleep."""
    at: int
    end: int
    name: str
    state: State | None = None
    parameter: int | None = None
    open_coded: bool = False
    queue: str | None = None
    statements: tuple[int, ...] = ()


class Events:
    def __init__(self, index: Index, sources: Sources, states: States) -> None:
        self.index = index
        self.sources = sources
        self.states = states
        self.setters: dict[str, int] = dict(self._roots())
        """Name to the parameter that is the state."""
        self.schedulers: set[str] = {SCHEDULE}
        self.handing: dict[str, list[int]] = {}
        """Macros that call what they are given."""
        for macro in index.callers([HANDED]).tolist():
            self.handing.setdefault(index.name(macro), []).append(macro)
        self.sleepers: Mapping[str, Sequence[Sleeper]] = {}
        self.of = lru_cache(maxsize=50_000)(self._of)

    def forget(self) -> None:
        """What is known has changed."""
        self.of.cache_clear()

    def _roots(self) -> Iterator[tuple[str, int]]:
        for function in range(len(self.index.functions)):
            if self.index.is_macro(function) and self.index.path(function) == TASK_HEADER:
                parameters = self.sources.parameters(function)
                for match in _STORED.finditer(self.sources.code(function)):
                    for number, parameter in enumerate(parameters):
                        if re.search(rf"\b{re.escape(parameter)}\b", match[1]):
                            yield self.index.name(function), number

    def _of(self, function: int) -> tuple[Event, ...]:
        raw = sorted(self._raw(function), key=lambda one: one.at)
        sets = [one for one in raw if one.kind == "set"]
        found: list[Event] = []
        for one in raw:
            if one.kind != "schedule" or not sets:
                found.append(one)
                continue
            # The state stored last before it, or, in a loop that ends with it, the first behind.
            before = [other for other in sets if other.at < one.at]
            chosen = before[-1] if before else sets[0]
            found.append(
                Event(
                    "sleep",
                    one.at,
                    one.end,
                    one.name,
                    chosen.state,
                    chosen.parameter,
                    True,
                    chosen.queue,
                    one.statements,
                )
            )
        return tuple(found)

    def _raw(self, function: int) -> Iterator[Event]:
        parameters = self.sources.parameters(function)
        for call in self.calls(function):
            if call.through is not None:
                continue
            if call.name in self.setters:
                yield from self._set(function, parameters, call)
            elif call.name in self.schedulers:
                yield Event("schedule", call.at, call.end, call.name)
            elif call.name in self.sleepers:
                event = self._sleep(function, parameters, call)
                if event is not None:
                    yield event
            elif call.name in parameters:
                # __wait_for_common(x, action, ...): timeout = action(timeout)
                yield Event("schedule", call.at, call.end, call.name)
        yield from self._written(function, parameters)

    def calls(self, function: int) -> Iterator[Call]:
        """Calls, and those that a macro makes of what it is given: LOCK_CONTENDED(sem, try, lock) calls lock(sem)."""
        for call in self.sources.calls(function):
            yield call
            if call.through is None and call.name in self.handing:
                for macro in self.handing[call.name]:
                    yield from self._handed(macro, call)

    def _handed(self, macro: int, call: Call) -> Iterator[Call]:
        given = dict(zip(self.sources.parameters(macro), call.arguments, strict=False))
        for inner in self.sources.calls(macro):
            name = given.get(inner.name)
            if name is not None and _IDENTIFIER.match(name):
                arguments = tuple(given.get(one, one) for one in inner.arguments)
                yield Call(name, arguments, call.at, call.end, None)

    def _set(self, function: int, parameters: Sequence[str], call: Call) -> Iterator[Event]:
        number = self.setters[call.name]
        if number >= len(call.arguments):
            return
        state, parameter = self._state(function, parameters, call.arguments[number])
        if state is not None and state.name == "TASK_RUNNING":
            return
        queue = call.arguments[0] if number > 0 else None
        yield Event("set", call.at, call.end, call.name, state, parameter, queue=queue)

    def _sleep(self, function: int, parameters: Sequence[str], call: Call) -> Event | None:
        """A call of something that sleeps, with the state that this call makes it sleep in."""
        results: set[tuple[State | None, int | None]] = set()
        statements: set[int] = set()
        for sleeper in self.sleepers[call.name]:
            if self._returns_first(sleeper.function, call.arguments):
                continue
            if sleeper.statements:
                given = [call.arguments[one] for one in sleeper.statements if one < len(call.arguments)]
                handed = {
                    number
                    for number, name in enumerate(parameters)
                    for one in given
                    if re.search(rf"(?:^|;)\s*{re.escape(name)}\s*(?:;|$)", one)
                }
                direct = any(
                    re.search(rf"\b{re.escape(name)}\s*\(", one) for name in self.schedulers for one in given
                ) or any(self._schedules(function, one) for one in given)
                if not direct and not handed:
                    continue
                if not direct:
                    statements |= handed
            if sleeper.parameter is None:
                results.add((sleeper.state, None))
            elif sleeper.parameter < len(call.arguments):
                results.add(self._state(function, parameters, call.arguments[sleeper.parameter]))
        if not results:
            return None
        state, parameter = results.pop() if len(results) == 1 else (None, None)
        if state is not None and state.name == "TASK_RUNNING":
            return None
        queue = call.arguments[0] if call.arguments else None
        return Event(
            "sleep", call.at, call.end, call.name, state, parameter, False, queue, tuple(sorted(statements))
        )

    def _schedules(self, function: int, statement: str) -> bool:
        """Whether a statement calls a function of the same file that calls a scheduler: ext4_wait_dax_page(inode)."""
        here = self.index.path(function)
        return any(
            call.through is None and call.name in self.schedulers
            for name in _CALLED.findall(statement)
            for one in self.index.defined(name).tolist()
            if self.index.is_static(one) and self.index.path(one) == here
            for call in self.sources.calls(one)
        )

    def _returns_first(self, function: int, arguments: Sequence[str]) -> bool:
        """Whether a function returns without sleeping because of a constant that it is given: __percpu_down_read(sem, true) only
        tries."""
        if "true" not in arguments:
            return False
        parameters, code = self.sources.parameters(function), self.sources.code(function)
        return any(
            one == "true" and re.search(rf"\bif\s*\(\s*{re.escape(parameter)}\s*\)\s*\{{?\s*return\b", code)
            for parameter, one in zip(parameters, arguments, strict=False)
        )

    def _written(self, function: int, parameters: Sequence[str]) -> Iterator[Event]:
        """Stores and calls without a name: current->state = X, (*action)(...), a macro's parameter that is a statement."""
        code = self.sources.code(function)
        at = 0 if self.index.is_macro(function) else self.sources.span(function)[0]
        if self.index.path(function) != TASK_HEADER:
            for match in _STORED.finditer(code):
                state, parameter = self._state(function, parameters, match[1].rstrip(") \n"))
                if state is None or state.name != "TASK_RUNNING":
                    yield Event("set", at + match.start(), at + match.end(), "state", state, parameter)
        for match in _POINTED.finditer(code):
            if match[1] in parameters:
                yield Event("schedule", at + match.start(), at + match.end(), match[1])
        if self.index.is_macro(function):
            for number, name in enumerate(parameters):
                if name == "...":
                    continue
                found = re.search(rf"[;{{}})]\s*{re.escape(name)}\s*;", code)
                if found:
                    yield Event("schedule", found.start(), found.end(), name, statements=(number,))

    def _state(
        self, function: int, parameters: Sequence[str], expression: str
    ) -> tuple[State | None, int | None]:
        """A state, or the parameter that decides it."""
        state = self.states.state(expression)
        if state is not None:
            return state, None
        word = expression.strip("() \t\n")
        if word in parameters:
            return None, parameters.index(word)
        if _IDENTIFIER.match(word):
            return self._variable(function, word), None
        return None, None

    def _variable(self, function: int, name: str) -> State | None:
        """A local variable that is given one state only."""
        assigned = re.findall(rf"\b{re.escape(name)}\s*=(?!=)\s*([^;,]+)[;,]", self.sources.code(function))
        states = {self.states.state(one.strip()) for one in assigned}
        return states.pop() if len(states) == 1 else None

"""Where a function puts its own task to sleep, and in which state.

Nothing but the scheduler's own two ends is named here: the macros that store the task's state, and schedule().  Whatever
stores a state that it is given is a setter (prepare_to_wait_event), whatever calls schedule() without a state of its own
is a scheduler (io_schedule), whatever does both sleeps; and what does nothing but call a sleeper sleeps, too.  Of
these the ones that headers offer are the primitives; all other sleeps are sites.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache

import msgspec

from unkillable.ksource.events import SCHEDULE, Event, Events, Sleeper
from unkillable.ksource.index import Index
from unkillable.ksource.offered import Offered, is_public
from unkillable.ksource.sources import Sources
from unkillable.ksource.states import State, States
from unkillable.ksource.wrappers import Wrappers

_SHARED = ("kernel", "mm", "block", "lib", "fs", "include", "init", "ipc")
"""Directories whose functions can be primitives; below fs/ and drivers/ everything that sleeps is somebody's own."""
_OWN = ("fs", "mm", "block")
"""Of these the files themselves, not the directories below."""
_SCHEDULERS = ("kernel/sched", "kernel/time", "include/linux", "block")
"""Where functions that call schedule() in their caller's state are looked for; elsewhere such a call is a preemption point."""
_SCHEDULERS_FOUND, _SETTERS_FOUND, _OFTEN = 0.15, 0.2, 64
"""Shares of the time at which these are found, and functions between two reports; of the rounds the first take longest."""
_ROUNDS = 6
"""Wrappers around wrappers that are followed; down_read is the fourth."""


class Point(msgspec.Struct, frozen=True):
    """One sleep in one function."""

    at: int
    """Offset in the file, of the call."""
    line: int
    primitive: str | None
    """What is called; None where the loop is written out."""
    state: State | None
    """None: not known, or the caller's."""
    parameter: int | None
    """The function's own parameter that decides the state."""
    open_coded: bool
    queue: str | None
    """What is waited for, as it is written: &stream->mutex, cache->wait_queue."""


class Primitive(msgspec.Struct, frozen=True):
    """A way to sleep that a header offers."""

    name: str
    function: int
    """Number of the definition in the index."""
    file: str
    line: int
    header: str
    """Where it is offered."""
    state: State | None
    parameter: int | None
    """Which parameter is the state, where the caller decides."""
    via: tuple[str, ...]
    """The calls from it to schedule()."""


class Sleeps:
    def __init__(
        self, index: Index, sources: Sources, progress: Callable[[float], None] | None = None
    ) -> None:
        """`progress` is called with the share (0..1) that is over."""
        self._told = progress or (lambda _share: None)
        self.index = index
        self.sources = sources
        self.states = States(sources)
        self.events = Events(index, sources, self.states)
        self.offered = Offered(sources)
        self.wrappers = Wrappers(index, sources, self.events)
        self._known: dict[str, list[Sleeper]] = defaultdict(list)
        self._sleepers: dict[int, Sleeper] = {}
        self._told(0)
        self._schedulers()
        self._told(_SCHEDULERS_FOUND)
        # Who sleeps by itself is no setter, though it stores the state that it is given; what a setter is decides again who
        # sleeps.
        names = set(self.events.setters)
        while names:
            callers = self.index.callers(names).tolist()
            self._direct(callers)
            names = self._setters(callers)
        self._recheck()
        self._wrappers()
        self._primitives = self._offer()
        self._inside = self._internal()
        self.points = lru_cache(maxsize=100_000)(self._points)

    def primitives(self) -> Mapping[str, tuple[Primitive, ...]]:
        """By name; several where a configuration or an architecture chooses between definitions."""
        return self._primitives

    @property
    def sleepers(self) -> Mapping[str, Sequence[Sleeper]]:
        """Everything that sleeps, by its name: the primitives and what they are made of."""
        return self._known

    def is_sleep(self, name: str) -> bool:
        """Whether what is called by this name sleeps or calls the scheduler."""
        return name in self._known or name in self.events.schedulers

    def takes_time(self, name: str) -> bool:
        """Whether this is a scheduler that returns after a time."""
        if name not in self.events.schedulers:
            return False
        functions = [one for one in self.index.defined(name).tolist() if not self.index.is_macro(one)]
        declared = [self.sources.declarations(one)[:1] for one in functions]
        return any(one and one[0] != "void" and "struct" not in one[0] for one in declared)

    def candidates(self) -> list[int]:
        """Functions that can have points."""
        given = (name for name in self._known if self.is_given(name))
        names = {*self._primitives, *self.events.setters, *self.events.schedulers, *given}
        return [one for one in self.index.callers(names).tolist() if not self.index.is_macro(one)]

    def _shared(self, function: int) -> bool:
        folder = self.index.path(function).rpartition("/")[0]
        top = folder.partition("/")[0]
        return top in _SHARED and (top not in _OWN or folder == top)

    def _setters(self, callers: Sequence[int]) -> set[str]:
        """Whatever hands a state on to what stores it, and does not sleep."""
        found = {}
        for function in callers:
            name = self.index.name(function)
            if name in self.events.setters or name in self._known or not self._shared(function):
                continue
            events = self.events.of(function)
            handed = [one for one in events if one.kind == "set" and one.parameter is not None]
            if handed and not any(one.kind in ("schedule", "sleep") for one in events):
                found[name] = handed[0].parameter or 0
        self.events.setters.update(found)
        self.events.forget()
        return set(found)

    def _schedulers(self) -> None:
        """Whatever headers offer and sleeps in the state that its caller has set.  A macro that is given schedule() as an
        argument does not count: what it does with it is seen where it is called."""
        for _ in range(_ROUNDS):
            found = []
            for function in self.index.callers(self.events.schedulers).tolist():
                name, path = self.index.name(function), self.index.path(function)
                if (
                    name in self.events.schedulers
                    or self.index.is_macro(function)
                    or not path.startswith(_SCHEDULERS)
                    or (self.index.is_static(function) and not self.index.is_header(function))
                ):
                    continue
                if self._is_scheduler(function):
                    found.append(name)
            more = {name for name in found if self.offered.header(name)}
            if not more:
                return
            self.events.schedulers |= more
            self.events.forget()

    def _recheck(self) -> None:
        """Takes back schedulers that have a state of their own after all: what they store it with was no setter yet when they were
        found (bd_prepare_to_claim() of 6.1, and with it whoever calls that)."""
        while True:
            wrong = {
                name
                for name in self.events.schedulers - {SCHEDULE}
                if not any(self._is_scheduler(one) for one in self.index.defined(name).tolist())
            }
            if not wrong:
                return
            self.events.schedulers -= wrong
            self.events.forget()

    def _is_scheduler(self, function: int) -> bool:
        kinds = {one.kind for one in self.events.of(function)}
        return "schedule" in kinds and not kinds & {"set", "sleep"}

    def _direct(self, callers: Sequence[int]) -> None:
        """What stores a state and calls a scheduler."""
        found = {}
        for function in callers:
            if function not in self._sleepers and self._shared(function):
                own = [one for one in self.events.of(function) if one.kind == "sleep" and one.open_coded]
                if own:
                    found[function] = _agreed(function, own)
        self._add(found)

    def _wrappers(self) -> None:
        """What calls nothing but one sleeper, what calls nothing but that, and so on."""
        names = set(self._known)
        handed = set(self.index.callers(self.events.handing).tolist())
        self._told(_SETTERS_FOUND)
        for turn in range(_ROUNDS):
            found = {}
            functions = sorted({*self.index.callers(names).tolist(), *handed})
            for number, function in enumerate(functions):
                if number % _OFTEN == 0:
                    share = (turn + number / len(functions)) / _ROUNDS
                    self._told(_SETTERS_FOUND + (1 - _SETTERS_FOUND) * share ** (1 / 3))
                if function not in self._sleepers and self._shared(function):
                    called = [one for one in self.events.of(function) if one.kind == "sleep"]
                    if called and (
                        self.index.is_macro(function) or self.wrappers.wraps(function, called, self._known)
                    ):
                        found[function] = _agreed(function, called)
            if not found:
                return
            self._add(found)
            names = {self.index.name(one) for one in found}

    def _add(self, found: Mapping[int, Sleeper]) -> None:
        self._sleepers.update(found)
        for function, sleeper in found.items():
            name = self.index.name(function)
            self._known[name].append(sleeper)
            self.events.setters.pop(name, None)
        self.events.sleepers = self._known
        self.events.forget()

    def _offer(self) -> dict[str, tuple[Primitive, ...]]:
        found: defaultdict[str, list[Primitive]] = defaultdict(list)
        for function, sleeper in self._sleepers.items():
            name, path = self.index.name(function), self.index.path(function)
            header = self._header(function)
            if header is None:
                continue
            if sleeper.called is None and not (
                self.wrappers.is_small(function) and self.wrappers.is_light(function, self._known)
            ):
                continue
            via = self._via(sleeper)
            found[name].append(
                Primitive(
                    name,
                    function,
                    path,
                    self.index.line(function),
                    header,
                    sleeper.state,
                    sleeper.parameter,
                    via,
                )
            )
        return {name: tuple(ones) for name, ones in sorted(found.items())}

    def _header(self, function: int) -> str | None:
        """The header that offers a definition to everybody."""
        path = self.index.path(function)
        header = path if is_public(path) else self.offered.header(self.index.name(function))
        return None if self.index.is_static(function) and header != path else header

    def offers(self, names: Iterable[str]) -> dict[str, list[tuple[int, str]]]:
        """Of these names those that headers offer: definitions, each with its header."""
        found: dict[str, list[tuple[int, str]]] = {}
        for name in sorted(names):
            for function in self.index.defined(name).tolist():
                header = self._header(function)
                if header is not None:
                    found.setdefault(name, []).append((function, header))
        return found

    def way(self, name: str) -> tuple[str, ...]:
        """Names between a sleeper and schedule(), from the outside, by whatever definition of each: without lockdep
        down_write_nested() is a macro for down_write()."""
        found: dict[str, None] = {}
        queue = [name]
        for each in queue:
            for one in self._known.get(each, ()):
                names = one.ends if one.called is None else (one.called,)
                queue += [called for called in names if called not in found and called != name]
                found.update(dict.fromkeys(names))
        return tuple(found)

    def _via(self, sleeper: Sleeper) -> tuple[str, ...]:
        """Names down to schedule()."""
        names: list[str] = []
        seen: set[int] = set()
        while True:
            if sleeper.function in seen:
                return tuple(names)
            seen.add(sleeper.function)
            if sleeper.called is None:
                return (*names, *sleeper.ends)
            names.append(sleeper.called)
            known = self._known.get(sleeper.called)
            if not known:
                return tuple(names)
            sleeper = known[0]

    def _internal(self) -> set[int]:
        """Definitions that are primitives or lie inside of one."""
        inside = {one.function for ones in self._primitives.values() for one in ones}
        queue = list(inside)
        while queue:
            called = self._sleepers[queue.pop()].called
            for sleeper in self._known.get(called or "", ()):
                if sleeper.function not in inside:
                    inside.add(sleeper.function)
                    queue.append(sleeper.function)
        return inside

    def _points(self, function: int) -> tuple[Point, ...]:
        """Sleeps of a function by its own calls; none of a primitive and of what is inside of one."""
        if function in self._inside:
            return ()
        return tuple(one for one in self.own(function) if one.open_coded or one.primitive in self._primitives)

    def own(self, function: int) -> tuple[Point, ...]:
        """Sleeps of a function by its own calls, be it a primitive, and be they of a helper that is given the state."""
        found = []
        for one in self.events.of(function):
            if one.kind != "sleep":
                continue
            if not one.open_coded and one.name not in self._primitives and not self.is_given(one.name):
                continue
            found.append(
                Point(
                    at=one.at,
                    line=self.sources.line(function, one.at),
                    primitive=None if one.open_coded else one.name,
                    state=one.state,
                    parameter=one.parameter,
                    open_coded=one.open_coded,
                    queue=one.queue,
                )
            )
        return tuple(found)

    def is_given(self, name: str) -> bool:
        """Whether what sleeps by this name does so in a state that its caller hands over."""
        return any(one.parameter is not None for one in self._known.get(name, ()))


def _agreed(function: int, events: list[Event]) -> Sleeper:
    """What several sleeps of one function have in common."""
    first = events[0]
    same = all((one.state, one.parameter) == (first.state, first.parameter) for one in events)
    return Sleeper(
        function=function,
        state=first.state if same else None,
        parameter=first.parameter if same else None,
        called=None if first.open_coded else first.name,
        ends=(first.name,) if first.open_coded else (),
        statements=tuple(sorted({index for one in events for index in one.statements})),
    )

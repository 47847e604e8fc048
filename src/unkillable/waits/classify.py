"""From a stack to the wait: where the task sleeps, in which state, for what, how it got there, what it holds."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import msgspec

from unkillable.waits import states
from unkillable.waits.catalogue import Catalogue, Entry, Internal, Names, Resource, Site, applies, load

# Layers of `internals.toml` that lie between the scheduler and the sleeper.
_ASLEEP = frozenset(
    {"scheduler", "timer", "wait", "bitwait", "completion", "lock", "percpu-rwsem", "futex", "iowait"}
)
_ON_TOP = frozenset({"dump", "interrupt", "tracing"})


class Call(msgspec.Struct, frozen=True, gc=False):
    """A frame as far as classification needs it."""

    function: str
    reliable: bool = True


class Hold(msgspec.Struct, frozen=True):
    """A resource that a stack's frames show to be held."""

    resource: str
    function: str
    """The frame by which it was recognised."""


class Wait(msgspec.Struct, frozen=True):
    """What one stack says."""

    function: str | None
    """The function that sleeps, scheduler, lock and wait internals skipped; of a running task: where it runs."""
    primitive: str | None
    task_state: str | None
    """TASK_...; None where neither the place nor the task line tells."""
    killable: bool | None
    resource: str | None
    entered_by: str | None
    asleep: bool
    """False for a task caught running or preempted."""
    runnable: bool = False
    """The stack sleeps but the task line says R: woken, waiting for a processor."""
    holds: tuple[Hold, ...] = ()
    allocates: bool = False
    """Inside the page allocator."""
    reclaims: bool = False
    """In direct reclaim, or throttled before it."""
    path: tuple[str, ...] = ()
    """The functions from the sleeper outwards to the entry."""
    inferred: bool = False
    """No reliable frame: the whole reading is a guess."""
    site: Site | None = None


class Classifier:
    """A catalogue prepared for look-ups."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.catalogue = catalogue
        self.internals = Names([(row.name, row) for row in catalogue.internals])
        self.sites = Names([(row.function, row) for row in catalogue.sites])
        self.entries = Names([(frame, row) for row in catalogue.entries for frame in row.frames])
        self.holders: list[tuple[Resource, tuple[Names, ...]]] = [
            (row, tuple(Names([(name, row)]) for name in pattern)) for row in catalogue.resources for pattern in row.holder
        ]

    def internal(self, function: str) -> Internal | None:
        rows = self.internals.get(function)
        return rows[0] if rows else None

    def site(self, function: str, path: Sequence[str], version: str | None, primitive: str | None) -> Site | None:
        """The site row of a function for this kernel; one whose primitive agrees first."""
        rows = [row for row in self.sites.get(function) if applies(row, version)]
        rows = [row for row in rows if row.under is None or row.under in path]
        if not rows:
            return None
        rows.sort(key=lambda row: (row.primitive != primitive, row.under is None))
        return rows[0]

    def classify(self, calls: Sequence[Call], letter: str | None = None, version: str | None = None,
                 interrupted: bool = False) -> Wait:
        """Reads a stack (innermost first) of a task whose task line shows state `letter`."""
        solid = [call.function for call in calls if call.reliable]
        guessed = len(solid) < 3 and len(calls) > len(solid) + 2
        names = self._from_sleep([call.function for call in calls]) if guessed else solid
        start, crossed = (0, []) if interrupted else self._skip(names)
        asleep = any(row.layer in _ASLEEP for row in crossed) and not any(row.state == "running" for row in crossed)
        path = tuple(names[start:])
        primitive, state, resource = self._from_internals(crossed)
        function = path[0] if path else (names[-1] if names else None)
        site = self._site(path, version, primitive) if asleep else None
        if site is not None:
            function = site.function if "*" not in site.function else function
            resource = site.resource
            primitive = primitive or site.primitive
            state = state if state not in (None, "caller") else site.state
        state = self._settle(state, letter)
        allocates = any(name.startswith(("__alloc_pages", "__alloc_frozen_pages")) for name in path)
        reclaims = any(name in _RECLAIM for name in path) and "kswapd" not in path
        return Wait(
            function=function,
            primitive=primitive,
            task_state=state if asleep else (states.RUNNING if letter in (None, "R") else states.from_letter(letter)),
            killable=states.killable(state) if asleep else None,
            resource=self._resource(resource, path, asleep, reclaims),
            entered_by=self.entered_by(names),
            asleep=asleep,
            runnable=asleep and letter == "R",
            holds=self.holds(path),
            allocates=allocates,
            reclaims=reclaims,
            path=path,
            inferred=guessed,
            site=site,
        )

    def _from_sleep(self, names: list[str]) -> list[str]:
        """Of a stack of guesses: from the outermost of the innermost run of sleep internals on."""
        for index, name in enumerate(names[:24]):
            row = self.internal(name)
            if row is not None and row.layer in _ASLEEP:
                return names[index:]
        return names

    def _skip(self, names: Sequence[str]) -> tuple[int, list[Internal]]:
        """Index of the first frame that is no internal, and the internals crossed."""
        crossed: list[Internal] = []
        for index, name in enumerate(names):
            row = self.internal(name)
            if row is None or (row.layer in _ON_TOP and any(seen.layer in _ASLEEP for seen in crossed)):
                return index, crossed
            crossed.append(row)
        return len(names), crossed

    @staticmethod
    def _from_internals(crossed: Sequence[Internal]) -> tuple[str | None, str | None, str | None]:
        """The outermost internal knows best: mutex_lock_killable over __mutex_lock over schedule."""
        primitive = state = resource = None
        for row in crossed:
            primitive = row.primitive or primitive
            if row.state is not None and not (row.state == "caller" and state not in (None, "caller")):
                state = row.state
            resource = row.resource or resource
        return primitive, state, resource

    def _site(self, path: Sequence[str], version: str | None, primitive: str | None) -> Site | None:
        if not path:
            return None
        return self.site(path[0], path, version, primitive)

    @staticmethod
    def _settle(state: str | None, letter: str | None) -> str | None:
        """The task line and the place together: S and I are certain, D leaves two."""
        printed = states.from_letter(letter)
        if printed is not None and printed != states.RUNNING:
            return printed
        if state in (None, "caller", "running"):
            return None
        return state

    def _resource(self, resource: str | None, path: Sequence[str], asleep: bool, reclaims: bool) -> str | None:
        if not asleep:
            return "memory" if reclaims else None
        if resource in (None, "timer", "event") and reclaims:
            return "memory"
        return resource

    def holds(self, path: Sequence[str]) -> tuple[Hold, ...]:
        """Resources whose holder patterns occur in order, outermost first, in this stack."""
        found: dict[str, Hold] = {}
        outer_first = tuple(reversed(path))
        for row, pattern in self.holders:
            if row.key not in found:
                index = 0
                for name in outer_first:
                    if pattern[index].get(name):
                        index += 1
                        if index == len(pattern):
                            found[row.key] = Hold(row.key, name)
                            break
        return tuple(found.values())

    def entered_by(self, names: Sequence[str]) -> str | None:
        """How the task got into the kernel; the entry with the highest priority among its frames."""
        best: Entry | None = None
        for name in names:
            for row in self.entries.get(name):
                if best is None or row.priority > best.priority:
                    best = row
        return best.key if best else None


_RECLAIM = frozenset(
    "try_to_free_pages do_try_to_free_pages throttle_direct_reclaim __perform_reclaim shrink_zones shrink_all_zones "
    "try_to_free_mem_cgroup_pages reclaim_throttle __alloc_pages_direct_reclaim shrink_inactive_list".split()
)


@lru_cache(maxsize=4)
def classifier(catalogue: Catalogue | None = None) -> Classifier:
    """The classifier of a catalogue (the package's own by default)."""
    return Classifier(catalogue or load())

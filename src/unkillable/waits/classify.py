"""From a stack to the wait: where the task sleeps, in which state, for what, how it got there, what it holds."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import msgspec

from unkillable.waits import states
from unkillable.waits.bundled import bundled, nearest
from unkillable.waits.catalogue import Catalogue, Entry, Internal, Names, Resource, Site, load
from unkillable.waits.generated import Generated
from unkillable.waits.known import Known

_ASLEEP = frozenset({"scheduler", "wait", "helper"})
"""Layers that lie between the scheduler and the sleeper."""
_ON_TOP = frozenset({"dump", "interrupt", "tracing"})
_PREEMPTED = "preempted"
_GUESS_DEPTH = 32
_KNOWN_LIMIT = 20_000  # stacks; a dump of thousands of idle workers has few different ones


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
    """What is known of a log's kernel, prepared for look-ups."""

    def __init__(self, catalogue: Catalogue, known: Known) -> None:
        self.catalogue = catalogue
        self.functions = known
        self.known: dict[object, Wait] = {}
        self.holders: list[tuple[Resource, int]] = []
        steps: list[tuple[str, tuple[int, int]]] = []
        for row in catalogue.resources:
            for pattern in row.holder:
                steps += [(name, (len(self.holders), index)) for index, name in enumerate(pattern)]
                self.holders.append((row, len(pattern)))
        self.holder_steps = Names(steps)
        """Function -> (which holder pattern, which of its names)."""

    def site(self, function: str, crossed: Sequence[Internal], letter: str | None) -> Site | None:
        """The sleep of a function that a stack shows: the printed state and the frames above it choose among several.  Where these
        leave sleeps in several states, the state stays open."""
        sites = self.functions.sites(function)
        if not sites:
            return None
        outer = next((row for row in reversed(crossed) if row.layer in ("scheduler", "wait")), None)
        ranks = [(not _agrees(one.state, letter), not self._fits(one, outer), bool(one.of)) for one in sites]
        best = min(ranks)
        if best[1] and (best[0] or (outer is not None and outer.layer == "wait")):
            return None  # The stack shows a lock or a wait that this function is not known to have.
        chosen = [one for one, rank in zip(sites, ranks, strict=True) if rank == best]
        certain = not best[0] and len({one.state for one in chosen}) == 1
        return chosen[0] if certain else msgspec.structs.replace(chosen[0], state=None)

    def _fits(self, site: Site, outer: Internal | None) -> bool:
        """Whether a sleep shows as what lies outermost between the function and the scheduler."""
        if outer is None or outer.layer == "scheduler":
            return site.primitive is None or not self.functions.shows(site.primitive)
        if site.primitive is None:
            return False
        names = (site.primitive, *self.functions.way(site.primitive))
        return outer.name in names or (outer.primitive in names and outer.primitive != outer.name)

    def classify(
        self,
        calls: Sequence[Call],
        letter: str | None = None,
        interrupted: bool = False,
        plain: bool = False,
    ) -> Wait:
        """Reads a stack (innermost first) of a task whose task line shows state `letter`.

        `plain`: the state is known to be TASK_UNINTERRUPTIBLE proper: a memory dump shows it, and khungtaskd
        reports no other (it skips TASK_WAKEKILL and TASK_NOLOAD: 6.1.192 kernel/hung_task.c:206).
        """
        key = (tuple(calls), letter, interrupted, plain)
        known = self.known.get(key)
        if known is None:
            if len(self.known) >= _KNOWN_LIMIT:
                self.known.clear()
            known = self.known[key] = self._classify(calls, letter, interrupted, plain)
        return known

    def _classify(self, calls: Sequence[Call], letter: str | None, interrupted: bool, plain: bool) -> Wait:
        solid = [call.function for call in calls if call.reliable]
        guessed = len(solid) < 3 and len(calls) > len(solid) + 2
        names = self._from_sleep([call.function for call in calls]) if guessed else solid
        start, crossed = (0, []) if interrupted else self._skip(names)
        asleep = _sleeps(crossed)
        path = tuple(names[start:])
        primitive, state = self._from_internals(crossed)
        function = path[0] if path else (names[-1] if names else None)
        site = self.site(path[0], crossed, letter) if asleep and path else None
        resource = self._resource(function, site, crossed)
        if site is not None:
            primitive = site.primitive or primitive
            state = state if state not in (None, "caller") else site.state
        state = states.UNINTERRUPTIBLE if plain and asleep else self._settle(state, letter)
        reclaims = any(name in _RECLAIM for name in path) and "kswapd" not in path
        if reclaims and resource in (None, "timer", "event"):
            resource = "memory"
        return Wait(
            function=function,
            primitive=primitive,
            task_state=state if asleep or letter == "D" else (states.from_letter(letter) or states.RUNNING),
            killable=states.killable(state) if asleep else None,
            resource=resource if asleep or reclaims else None,
            entered_by=self.entered_by(names),
            asleep=asleep,
            holds=self.holds(path, resource if asleep else None),
            allocates=any(name.startswith(("__alloc_pages", "__alloc_frozen_pages")) for name in path),
            reclaims=reclaims,
            path=path,
            inferred=guessed,
            site=site,
        )

    def _resource(self, function: str | None, site: Site | None, crossed: Sequence[Internal]) -> str | None:
        """What is waited for: what the sleep says, else the outermost frame above it that says anything (wait_on_bit says nothing,
        bit_wait_io below it does), else what the function or the kind of primitive is known for."""
        if site is not None and site.resource is not None:
            return site.resource
        names = (name for row in reversed(crossed) for name in (row.name, row.primitive))
        found = next((key for name in names if (key := self.functions.of_primitive(name)) is not None), None)
        if found is None and crossed and function is not None:
            found = self.functions.of_function(function)
        return found or (self.functions.of_kind(site.kind) if site is not None else None)

    def _from_sleep(self, names: list[str]) -> list[str]:
        """Of a stack of guesses: the innermost sleep internal, then the first known site after it.

        What lies between is left over from earlier calls.
        """
        for index, name in enumerate(names[:_GUESS_DEPTH]):
            row = self.functions.internal(name)
            if row is not None and row.layer in _ASLEEP:
                if not _sleeps(self._skip(names[index:])[1]):  # __schedule, preempt_schedule: preempted
                    return names[index:]
                for place in range(index + 1, min(index + _GUESS_DEPTH, len(names))):
                    if self.functions.sleeps(names[place]):
                        return [name, *names[place:]]
                return names[index:]
        return names

    def _skip(self, names: Sequence[str]) -> tuple[int, list[Internal]]:
        """Index of the first frame that is no internal, and the internals crossed."""
        crossed: list[Internal] = []
        for index, name in enumerate(names):
            row = self.functions.internal(name)
            if row is None or (row.layer in _ON_TOP and _sleeps(crossed)):
                return index, crossed
            crossed.append(row)
        return len(names), crossed

    @staticmethod
    def _from_internals(crossed: Sequence[Internal]) -> tuple[str | None, str | None]:
        """The outermost internal knows best: mutex_lock_killable over __mutex_lock over schedule."""
        primitive = state = None
        for row in crossed:
            primitive = row.primitive or primitive
            if row.state is not None and not (row.state == "caller" and state not in (None, "caller")):
                state = row.state
        return primitive, state

    @staticmethod
    def _settle(state: str | None, letter: str | None) -> str | None:
        """The task line and the place together: S and I are certain, D leaves two."""
        printed = states.from_letter(letter)
        if printed is not None and printed != states.RUNNING:
            return printed
        if state in (None, "caller"):
            return None
        return state

    def holds(self, path: Sequence[str], waits_for: str | None = None) -> tuple[Hold, ...]:
        """Resources whose holder patterns occur in order, outermost first, in this stack.

        A task that waits for the resource at its innermost frame is a waiter, not a holder.
        """
        found: dict[str, Hold] = {}
        progress: dict[int, int] = {}
        for name in reversed(path):
            for number, index in self.holder_steps.get(name):
                if progress.get(number, 0) != index:
                    continue
                progress[number] = index + 1
                row, length = self.holders[number]
                if (
                    index + 1 == length
                    and row.key not in found
                    and not (length == 1 and row.key == waits_for and name == path[0])
                ):
                    found[row.key] = Hold(row.key, name)
        return tuple(found.values())

    def entered_by(self, names: Sequence[str]) -> str | None:
        """How the task got into the kernel; the entry with the highest priority among its frames."""
        best: Entry | None = None
        for name in names:
            for row in self.catalogue.by_entry.get(name):
                if best is None or row.priority > best.priority:
                    best = row
        return best.key if best else None


def _sleeps(crossed: Sequence[Internal]) -> bool:
    """Whether these frames are a sleeper's.  One that was preempted only waits for its turn: below an interrupt that took
    the processor away (irqentry_exit, preempt_schedule_irq) its own frames are still to come."""
    return any(row.layer in _ASLEEP for row in crossed) and not any(
        row.layer == _PREEMPTED for row in crossed
    )


def _agrees(state: str | None, letter: str | None) -> bool:
    """Whether a sleep in this state can print as this letter (D: uninterruptible or killable)."""
    if letter not in ("S", "I", "D") or state in (None, "caller"):
        return True
    if letter == "D":
        return state in (states.UNINTERRUPTIBLE, states.KILLABLE)
    return state == states.from_letter(letter)


_RECLAIM = frozenset(
    "try_to_free_pages do_try_to_free_pages throttle_direct_reclaim __perform_reclaim shrink_zones shrink_all_zones "
    "try_to_free_mem_cgroup_pages reclaim_throttle __alloc_pages_direct_reclaim shrink_inactive_list".split()
)


@lru_cache(maxsize=64)  # a fleet's kernels
def classifier(version: str | None = None, own: Generated | None = None) -> Classifier:
    """The classifier for a kernel; `own` is its catalogue, if it was made."""
    tables, several = load(), bundled()
    views = [(own, number) for number in nearest(version, own.kernels)] if own is not None else []
    views += [(several, number) for number in nearest(version, several.kernels)]
    return Classifier(tables, Known(tables, tuple(views), version))

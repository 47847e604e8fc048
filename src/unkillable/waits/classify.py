"""From a stack to the wait: where the task sleeps, in which state, for what, how it got there, what it holds."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, lru_cache

import msgspec

from unkillable.versions import within
from unkillable.waits import states
from unkillable.waits.catalogue import Catalogue, Entry, Internal, Names, Resource, Site, load
from unkillable.waits.generated import Generated, nearest, of
from unkillable.waits.own import Own

# Layers of `internals.toml` that lie between the scheduler and the sleeper.
_ASLEEP = frozenset(
    {"scheduler", "timer", "wait", "bitwait", "completion", "lock", "percpu-rwsem", "futex", "iowait"}
)
_GUESS_DEPTH = 32
_KNOWN_LIMIT = 20_000  # stacks; a dump of thousands of idle workers has few different ones
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
    """A catalogue prepared for look-ups, with what was found in the source of the log's own kernel or one like it."""

    def __init__(self, catalogue: Catalogue, generated: Generated | None = None) -> None:
        self.catalogue = catalogue
        self.own = Own(catalogue, generated) if generated is not None else None
        self.internals = Names([(row.name, row) for row in catalogue.internals])
        self.sites = Names([(row.function, row) for row in catalogue.sites])
        self.known: dict[object, Wait] = {}
        self.entries = Names([(frame, row) for row in catalogue.entries for frame in row.frames])
        self.holders: list[tuple[Resource, int]] = []
        steps: list[tuple[str, tuple[int, int]]] = []
        for row in catalogue.resources:
            for pattern in row.holder:
                steps += [(name, (len(self.holders), index)) for index, name in enumerate(pattern)]
                self.holders.append((row, len(pattern)))
        self.holder_steps = Names(steps)
        """Function -> (which holder pattern, which of its names)."""

    def internal(self, function: str) -> Internal | None:
        rows = self.internals.get(function)
        # submit_bio_wait is a way to sleep in the source, and in a report the one that waits for the device.
        if not rows and self.own is not None and not self.sites.get(function):
            return self.own.internal(function)
        return rows[0] if rows else None

    def site(
        self,
        function: str,
        path: Sequence[str],
        version: str | None,
        primitive: str | None,
        letter: str | None,
    ) -> Site | None:
        """The site row of a function for this kernel: the printed state and the primitive choose among several."""
        rows = [
            row
            for row in self.sites.get(function)
            if within(version, row.since, row.until) and (row.under is None or row.under in path)
        ]
        if self.own is not None:
            rows = self.own.sites(function, rows)
        if not rows:
            return None
        printed = states.from_letter(letter)
        best: Site = min(
            rows,
            key=lambda row: (
                letter in ("S", "I", "D") and not _agrees(row.state, letter, printed),
                row.primitive != primitive,
                row.under is None,
                version is not None and row.since is None and row.until is None,
            ),
        )
        return best

    def classify(
        self,
        calls: Sequence[Call],
        letter: str | None = None,
        version: str | None = None,
        interrupted: bool = False,
        plain: bool = False,
    ) -> Wait:
        """Reads a stack (innermost first) of a task whose task line shows state `letter`.

        `plain`: the state is known to be TASK_UNINTERRUPTIBLE proper: a memory dump shows it, and khungtaskd
        reports no other (it skips TASK_WAKEKILL and TASK_NOLOAD: 6.1.192 kernel/hung_task.c:206).
        """
        key = (tuple(calls), letter, version, interrupted, plain)
        known = self.known.get(key)
        if known is None:
            if len(self.known) >= _KNOWN_LIMIT:
                self.known.clear()
            known = self.known[key] = self._classify(calls, letter, version, interrupted, plain)
        return known

    def _classify(
        self, calls: Sequence[Call], letter: str | None, version: str | None, interrupted: bool, plain: bool
    ) -> Wait:
        solid = [call.function for call in calls if call.reliable]
        guessed = len(solid) < 3 and len(calls) > len(solid) + 2
        names = self._from_sleep([call.function for call in calls]) if guessed else solid
        start, crossed = (0, []) if interrupted else self._skip(names)
        asleep = _sleeps(crossed)
        path = tuple(names[start:])
        primitive, state = self._from_internals(crossed)
        function = path[0] if path else (names[-1] if names else None)
        site = self.site(path[0], path, version, primitive, letter) if asleep and path else None
        # The outermost that says anything: wait_on_bit says nothing, bit_wait_io below it does.
        resource = next((row.resource for row in reversed(crossed) if row.resource is not None), None)
        if site is not None:
            resource = site.resource
            primitive = (
                primitive
                if primitive not in (None, "schedule", "io_schedule")
                else site.primitive or primitive
            )
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

    def _from_sleep(self, names: list[str]) -> list[str]:
        """Of a stack of guesses: the innermost sleep internal, then the first known site after it.

        What lies between is left over from earlier calls.
        """
        for index, name in enumerate(names[:_GUESS_DEPTH]):
            row = self.internal(name)
            if row is not None and row.layer in _ASLEEP and row.state != "running":
                if not _sleeps(self._skip(names[index:])[1]):  # __schedule, preempt_schedule: preempted
                    return names[index:]
                for place in range(index + 1, min(index + _GUESS_DEPTH, len(names))):
                    if self._known_site(names[place]) and self.internal(names[place]) is None:
                        return [name, *names[place:]]
                return names[index:]
        return names

    def _known_site(self, function: str) -> bool:
        return bool(self.sites.get(function)) or (self.own is not None and self.own.knows(function))

    def _skip(self, names: Sequence[str]) -> tuple[int, list[Internal]]:
        """Index of the first frame that is no internal, and the internals crossed."""
        crossed: list[Internal] = []
        for index, name in enumerate(names):
            row = self.internal(name)
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
        if state in (None, "caller", "running"):
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
            for row in self.entries.get(name):
                if best is None or row.priority > best.priority:
                    best = row
        return best.key if best else None


def _sleeps(crossed: Sequence[Internal]) -> bool:
    """Whether these frames are a sleeper's.  One that was preempted only waits for its turn: below an interrupt that took
    the processor away (irqentry_exit, preempt_schedule_irq) its own frames are still to come."""
    return any(row.layer in _ASLEEP for row in crossed) and not any(row.state == "running" for row in crossed)


def _agrees(state: str | None, letter: str, printed: str | None) -> bool:
    """Whether a row's state can print as this letter (D: uninterruptible or killable)."""
    if letter == "D":
        return state in (states.UNINTERRUPTIBLE, states.KILLABLE, "caller", None)
    return state in (printed, "caller", None)


_RECLAIM = frozenset(
    "try_to_free_pages do_try_to_free_pages throttle_direct_reclaim __perform_reclaim shrink_zones shrink_all_zones "
    "try_to_free_mem_cgroup_pages reclaim_throttle __alloc_pages_direct_reclaim shrink_inactive_list".split()
)


def classifier(version: str | None = None) -> Classifier:
    """The classifier for a kernel, with the bundled catalogue that is nearest to it."""
    return _classifier(nearest(version))


@lru_cache(maxsize=4)
def own_classifier(catalogue: Generated) -> Classifier:
    """The classifier for a kernel whose catalogue was made."""
    return Classifier(load(), catalogue)


@cache
def _classifier(version: str | None) -> Classifier:
    return Classifier(load(), of(version) if version is not None else None)

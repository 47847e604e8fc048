"""From states to a story: what the tasks are called, what each step says, what goes on for ever."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

from unkillable.model.casting import Casting, roles
from unkillable.model.components import components
from unkillable.model.language import Actor
from unkillable.model.machine import Machine, Step
from unkillable.model.scenes import Cast, Look, scene
from unkillable.model.search import Space, way
from unkillable.model.types import Event, Scene, Story

_REFUSED = "oom_scan_process_thread"
_AROUND = 20_000
"""States that are looked at for what goes on for ever."""


def broken(space: Space, number: int, kind: str, names: Casting | None = None) -> Story:
    """How a state comes about that must not be."""
    rows = [space.row(one) for one in way(space, number)]
    return _story(space.machine, rows, [], kind, names)


def lasting(space: Space, number: int, which: str, task: int, names: Casting | None = None) -> Story:
    """How something comes about that lasts for ever."""
    machine = space.machine
    rows = [space.row(one) for one in way(space, number)]
    cycle = _cycle(machine, rows[-1], which, task)
    return _story(machine, rows, cycle, _kind(machine, rows[-1], task), names)


def _kind(machine: Machine, row: bytes, task: int) -> str:
    look = Look(machine, row)
    if any(look.of("killed", t) and look.sleeps(t) for t in range(look.p.tasks)):
        return "deadlock"
    return "livelock" if any(look.short(t) for t in range(look.p.tasks)) else "starvation"


def _story(
    machine: Machine,
    rows: Sequence[bytes],
    cycle: Sequence[tuple[Step, bytes]],
    kind: str,
    names: Casting | None,
) -> Story:
    cast = (names or roles)(machine, rows[-1])
    events = tuple(_events(machine, rows[0], _steps(machine, rows), cast))
    around = tuple(_events(machine, rows[-1], cycle, cast))
    begin = scene(machine, rows[0], cast)
    last = events[-1].scene if events else begin
    return Story(title=title(kind, last, around), kind=kind, begin=begin, events=events, cycle=around)


def _steps(machine: Machine, rows: Sequence[bytes]) -> Iterator[tuple[Step, bytes]]:
    for before, after in pairwise(rows):
        yield next((step, other) for step, other in machine.next(before) if other == after)


def _events(machine: Machine, row: bytes, steps: Iterable[tuple[Step, bytes]], cast: Cast) -> Iterator[Event]:
    for step, after in steps:
        rule = machine.rules[step.rule]
        who = cast.names[step.task] if rule.actor in (Actor.TASK, Actor.PARENT) else rule.actor.value
        text = rule.says.format(**_words(machine, row, after, step, cast))
        if not rule.says.startswith("{"):
            text = text[0].upper() + text[1:]
        yield Event(who=who, kernel=rule.kernel, text=text, scene=scene(machine, after, cast))
        row = after


def _words(machine: Machine, before: bytes, after: bytes, step: Step, cast: Cast) -> dict[str, object]:
    old, new = Look(machine, before), Look(machine, after)
    t = step.task
    page = old.of("page", t)
    chosen = [v for v in range(old.p.tasks) if new.of("killed", v) == 2 and old.of("killed", v) != 2]
    return {
        "task": cast.names[t],
        "other": cast.names[min(step.choice, old.p.tasks - 1)],
        "choice": step.choice + 1,
        "page": page + 1,
        "block": page // old.p.pages_per_block + 1,
        "victim": " ".join("itself" if v == t else cast.names[v] for v in chosen),
        "pending": " and ".join(cast.names[v] for v in old.victims()),
    }


def _cycle(machine: Machine, row: bytes, which: str, task: int) -> list[tuple[Step, bytes]]:
    """A way round from a state to itself on which everybody moves who always could: what goes on for ever."""
    numbers, rows = {row: 0}, [row]
    starts, targets, steps = [0], [], []
    for one in rows:
        for step, other in machine.next(one):
            if not machine.holds(which, other, task) or (other not in numbers and len(rows) >= _AROUND):
                continue
            if other not in numbers:
                numbers[other] = len(rows)
                rows.append(other)
            targets.append(numbers[other])
            steps.append(step)
        starts.append(len(targets))
    owner = components([True] * len(rows), starts, targets)
    inside = {
        n: [(steps[e], targets[e]) for e in range(starts[n], starts[n + 1]) if owner[targets[e]] == owner[0]]
        for n in range(len(rows))
        if owner[n] == owner[0]
    }
    wanted = {step.process for edges in inside.values() for step, _ in edges}
    found: list[tuple[Step, bytes]] = []
    place = 0
    while wanted:
        leg = _leg(inside, place, wanted)
        found += [(step, rows[n]) for step, n in leg]
        wanted -= {step.process for step, _ in leg}
        place = leg[-1][1]
    return found + [(step, rows[n]) for step, n in (_leg(inside, place, set()) if place else [])]


def _leg(inside: dict[int, list[tuple[Step, int]]], begin: int, wanted: set[int]) -> list[tuple[Step, int]]:
    """The shortest walk whose last step is one of these processes'; of none: that leads back to the first state."""
    ways: dict[int, list[tuple[Step, int]]] = {begin: []}
    queue = [begin]
    for node in queue:
        for step, other in inside[node]:
            if step.process in wanted or (not wanted and other == 0):
                return [*ways[node], (step, other)]
            if other not in ways:
                ways[other] = [*ways[node], (step, other)]
                queue.append(other)
    raise AssertionError("a component is connected")


def title(kind: str, last: Scene, cycle: Sequence[Event] = ()) -> str:
    """What happens, in a sentence."""
    victims = [
        one for one in last.tasks if one.killed and one.task_state in ("TASK_UNINTERRUPTIBLE", "TASK_IDLE")
    ]
    short = [
        one.name
        for one in last.tasks
        if any(a.source == one.name and a.target == "memory" for a in last.arrows)
    ]
    if kind == "deadlock" and victims:
        one = victims[0]
        held = [a.target for a in last.arrows if a.source == one.name]
        return (
            f"{one.name} has been killed and cannot end: it sleeps in {one.kernel}(), {one.task_state}"
            + (f", until {held[0]} goes on" if held else "")
            + (f"; {held[0]} waits for memory" if held and held[0] in short else "")
            + (f", of which {one.name} has {one.pages} page{'s' * (one.pages > 1)}" if one.pages else "")
            + (
                "; and until it ends the OOM killer chooses nobody else"
                if any(e.kernel == _REFUSED for e in cycle)
                else ""
            )
        )
    if kind == "livelock":
        others = sum(one.task_state not in ("TASK_RUNNING", "EXIT_ZOMBIE", "EXIT_DEAD") for one in last.tasks)
        who = " and ".join(short)
        return (
            f"There is no memory, and nobody is killed: {who} can neither call the OOM killer nor fail, and asks again for ever"
            + (
                f", while {others} others wait for it"
                if others > 1
                else ", while another waits for it"
                if others
                else ""
            )
        )
    bad = next((one.name for one in last.tasks if one.ended_by == "SIGBUS"), "")
    return {
        "sigbus": f"{bad} dies of SIGBUS although nobody has killed it",
        "spin": "A task goes round and round with a signal pending: it computes all of the time and gets nowhere",
        "leak": "A page stays locked, and nobody will ever unlock it",
        "starvation": _starved(last),
        "deadlock": "A killed task waits for ever",
    }[kind]


def _starved(last: Scene) -> str:
    one = next(
        (each for each in last.tasks if each.task_state not in ("TASK_RUNNING", "EXIT_ZOMBIE", "EXIT_DEAD")),
        None,
    )
    if one is None:
        return "A task goes round for ever"
    lost = one.kernel == "squashfs_cache_get" and any(not entry.references for entry in last.entries)
    return f"{one.name} sleeps in {one.kernel}() for ever" + (
        ", though a cache entry is free: the wake-up that was meant for it went to a task that was killed"
        if lost
        else ""
    )

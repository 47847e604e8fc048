"""A scene as boxes: tasks, cache entries and pages, with what is new in them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from unkillable.model.types import EntryView, Event, Scene, Story, TaskView
from unkillable.report.explain_html import words
from unkillable.report.explain_html.arrows import Path, paths

__all__ = ["Shot", "shots"]

MEMORY = "memory"
"""What arrows call it."""
_TASKS, _ENTRIES, _PAGES, _STEPS = 8, 8, 64, 400
"""Of each on the page; the model is searched with fewer."""


class Box(NamedTuple):
    """A task."""

    number: int
    task: TaskView
    look: words.Look
    mark: str
    """About SIGKILL; "" if there is none."""
    has: str
    waits: tuple[str, ...]
    new: frozenset[str]
    """Which of its lines have changed: where, state, mark, has, waits."""
    acts: bool
    """This step is its own."""


class Slot(NamedTuple):
    """An entry of the cache."""

    number: int
    words: str
    used: bool
    new: bool


class Square(NamedTuple):
    """A page of memory."""

    kind: str
    """own, free, code, locked or kernel."""
    label: str
    killed: bool
    """Its program is killed and has not ended."""
    new: bool


class Shot(NamedTuple):
    """A scene with the step that led to it."""

    step: int
    """From 0, the beginning."""
    text: str
    kernel: str
    again: bool
    """Of what goes on for ever."""
    boxes: tuple[Box, ...]
    more: int
    """Tasks left out."""
    slots: tuple[Slot, ...]
    squares: tuple[Square, ...]
    memory: str
    paths: tuple[Path, ...]
    said: tuple[str, ...]
    """What has changed, for who cannot see it."""
    still: bool
    """Nothing has changed."""

    @property
    def rows(self) -> int:
        return len(self.boxes)


def shots(story: Story) -> list[Shot]:
    """The beginning, each step, then each step of what goes on for ever."""
    found = [_shot(0, story.begin, story.begin, None, False, not story.events and _closed(story))]
    before = story.begin
    stem, around = story.events[:_STEPS], story.cycle[:_STEPS]
    for step, event in enumerate((*stem, *around), 1):
        closed = step >= len(stem) and _closed(story)
        found.append(_shot(step, before, event.scene, event, step > len(stem), closed))
        before = event.scene
    return found


def _closed(story: Story) -> bool:
    """Its circle of waiting is one that nobody breaks.  Before a story's end it can still be broken: by a kill, by a dropped page."""
    return story.kind in words.LASTING


def _shot(step: int, before: Scene, scene: Scene, event: Event | None, again: bool, closed: bool) -> Shot:
    tasks = scene.tasks[:_TASKS]
    rows = {one.name: number for number, one in reversed([*enumerate(tasks, 1)])}
    rows[MEMORY] = len(tasks) + 2
    who = event.who if event else ""
    return Shot(
        step=step,
        text=event.text if event else words.beginning(scene.memory),
        kernel=event.kernel if event else "",
        again=again,
        boxes=tuple(_box(n, before, scene, one.name == who) for n, one in enumerate(tasks)),
        more=len(scene.tasks) - len(tasks),
        slots=tuple(_slots(before, scene)),
        squares=tuple(_new(list(_squares(before)), list(_squares(scene)))),
        memory=words.memory(scene.memory),
        paths=tuple(paths(scene.arrows, rows, closed)),
        said=tuple(words.changes(before.tasks, scene.tasks)),
        still=event is not None and before == scene,
    )


def _box(number: int, before: Scene, scene: Scene, acts: bool) -> Box:
    now, old = _lines(scene, number), _lines(before, number) if number < len(before.tasks) else {}
    task = scene.tasks[number]
    return Box(
        number=number + 1,
        task=task,
        look=words.look(task, _asks(scene, task)),
        mark=_mark(task),
        has=words.has(task),
        waits=_waits(scene, task),
        new=frozenset(name for name, line in now.items() if line != old.get(name)),
        acts=acts,
    )


def _lines(scene: Scene, number: int) -> Mapping[str, object]:
    task = scene.tasks[number]
    return {
        "where": (task.where, task.kernel),
        "state": (task.task_state, _asks(scene, task)),
        "mark": _mark(task),
        "has": words.has(task),
        "waits": _waits(scene, task),
    }


def _waits(scene: Scene, task: TaskView) -> tuple[str, ...]:
    return tuple(
        "memory: there is none" if one.target == MEMORY else f"{one.target} {one.why}"
        for one in scene.arrows
        if one.source == task.name
    )


def _asks(scene: Scene, task: TaskView) -> bool:
    """It waits for memory: awake, in a loop."""
    return any(one.source == task.name and one.target == MEMORY for one in scene.arrows)


def _mark(task: TaskView) -> str:
    if task.ended_by:
        return f"ended by {task.ended_by}"
    if task.killed:
        return "killed by the OOM killer" if task.by_oom_killer else "SIGKILL pending"
    return "signal pending" if task.signal else ""


def _slots(before: Scene, scene: Scene) -> Iterator[Slot]:
    nothing = EntryView(block=0, references=0, pending=False, error="")
    for number, one in enumerate(scene.entries[:_ENTRIES]):
        old = before.entries[number] if number < len(before.entries) else nothing
        yield Slot(number + 1, words.entry(one), one.references > 0, one != old)


def _squares(scene: Scene) -> Iterator[Square]:
    """Programs' own pages fill memory from one end, the others from the other end, with what is free between."""
    m = scene.memory
    for task in scene.tasks:
        killed = task.killed and not task.ended_by
        yield from (Square("own", task.name, killed, False) for _ in range(task.pages))
    yield from (Square("free", "free", False, False) for _ in range(m.free))
    code = [(kind, f"page {n}") for n, kind in enumerate(scene.pages, 1) if kind != "absent"]
    yield from (Square("locked" if kind == "locked" else "code", label, False, False) for kind, label in code)
    yield from (Square("kernel", "kernel", False, False) for _ in range(m.kernel))


def _new(before: list[Square], now: list[Square]) -> list[Square]:
    """Marks those that there were fewer of."""
    left = Counter(before)
    found = []
    for one in now[:_PAGES]:
        found.append(one._replace(new=left[one] <= 0))
        left[one] -= 1
    return found

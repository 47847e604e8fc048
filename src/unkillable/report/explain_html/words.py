"""What the page says in words of its own: names of states and outcomes, and what a scene shows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from unkillable.model.types import EntryView, MemoryView, TaskView

__all__ = [
    "HEADLINE", "HOLDS", "LASTING", "RESULT", "STATES", "VARIANT", "Look", "changes", "has", "look", "pages",
]  # fmt: skip


class Look(NamedTuple):
    """How a task's state is shown."""

    shape: str
    """Class and picture: running, asking, waiting, stuck, zombie or gone."""
    words: str


STATES: dict[str, Look] = {
    "TASK_RUNNING": Look("running", "running"),
    "TASK_INTERRUPTIBLE": Look("waiting", "asleep; any signal wakes it"),
    "TASK_KILLABLE": Look("waiting", "asleep; SIGKILL can wake it"),
    "TASK_UNINTERRUPTIBLE": Look("stuck", "asleep; SIGKILL cannot wake it"),
    "TASK_IDLE": Look("stuck", "asleep; SIGKILL cannot wake it"),
    "EXIT_ZOMBIE": Look("zombie", "zombie: it has ended, its memory is free"),
    "EXIT_DEAD": Look("gone", "gone"),
}

HEADLINE: dict[str, str] = {
    "deadlock": "Deadlock",
    "livelock": "Livelock",
    "starvation": "Somebody waits for ever",
    "sigbus": "A bystander dies",
    "spin": "A task spins",
    "leak": "A page stays locked",
    "panic": "The kernel panics",
}
"""A kind of story in two words."""

LASTING = frozenset({"deadlock", "livelock", "starvation"})
"""Kinds that end in a state that lasts for ever."""

RESULT: dict[str, tuple[str, str]] = {
    "holds": ("holds", "good"),
    "violated": ("violated", "bad"),
    "undetermined": ("not decided", "unsure"),
}
"""A verdict's word, and its tone."""

VARIANT: dict[str, str] = {
    "stock": "as released",
    "article": "with the article's patch",
    "series": "with the series of patches that unkillable fix writes",
}

HOLDS = (
    "Holds means: the model was put into every state that it can reach, and in none of them, nor for ever on any way on from them, "
    "was it otherwise. It is said of systems of the stated sizes, and of the model. It is no promise about larger systems, nor about "
    "what the model leaves out of a kernel."
)
"""What a verdict says, and what it does not."""


def look(task: TaskView, asks: bool = False) -> Look:
    """How its state is shown; `asks`: it goes round in a loop until there is memory."""
    if asks and task.task_state == "TASK_RUNNING":
        return Look("asking", "running, asks again and again")
    return STATES.get(task.task_state, Look("waiting", "asleep"))


def pages(number: int) -> str:
    return f"{number} page{'' if number == 1 else 's'}"


def has(task: TaskView) -> str:
    """What a task has that others may need."""
    own = (f"{pages(task.pages)} of memory",) if task.pages else ()
    return _list([*own, *task.holds])


def _list(parts: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(parts[:-1]), *parts[-1:])))


def beginning(one: MemoryView) -> str:
    if one.free == one.total:
        return f"At the beginning all of memory, {pages(one.total)}, is free"
    return (
        f"At the beginning {one.free} of {pages(one.total)} of memory {'is' if one.free == 1 else 'are'} free"
    )


def entry(one: EntryView) -> str:
    """What is in an entry of the cache."""
    if not one.block and not one.references:
        return "empty"
    parts = [
        f"block {one.block}" if one.block else "no block",
        "being read" if one.pending else "",
        f"in use by {one.references} task{'' if one.references == 1 else 's'}"
        if one.references
        else "not in use",
        f"error {one.error} kept" if one.error else "",
    ]
    return ", ".join(filter(None, parts))


def memory(one: MemoryView) -> str:
    if one.free == one.total:
        return f"{pages(one.total)}, all free"
    parts = [
        f"{one.own} of programs" if one.own else "",
        f"{one.code} of code" if one.code else "",
        f"{one.locked} of code that is being read" if one.locked else "",
        f"{one.kernel} of the kernel" if one.kernel else "",
        f"{one.free or 'none'} free",
    ]
    return f"{pages(one.total)}: {', '.join(filter(None, parts))}"


def changes(before: tuple[TaskView, ...], after: tuple[TaskView, ...]) -> list[str]:
    """For each task that has changed: what is new, for who cannot see it."""
    found = []
    for old, new in zip(before, after, strict=False):
        parts = [
            new.where if new.where != old.where else "",
            look(new).words if new.task_state != old.task_state else "",
            "SIGKILL is pending" if new.killed and not old.killed else "",
            f"has {has(new) or 'nothing'}" if has(new) != has(old) else "",
        ]
        if any(parts):
            found.append(f"{new.name}: {', '.join(filter(None, parts))}")
    return found

"""Explanations for the tests of this room: made by hand, shorter than any that the model tells; and some of those."""

from __future__ import annotations

from functools import cache
from typing import Any

from unkillable.model.eras import era_of, variant_of
from unkillable.model.types import (
    Answer,
    Arrow,
    EntryView,
    Event,
    Explanation,
    MemoryView,
    Scene,
    Story,
    TaskView,
)
from unkillable.model.verdicts import explain

SITE_A = {"where": "waits for a free cache entry (site A)", "kernel": "squashfs_cache_get"}
FILLING = {"where": "needs memory to read a block", "kernel": "squashfs_bio_read"}


def task(name: str, **more: Any) -> TaskView:
    values: dict[str, Any] = {
        "pid": None, "where": "runs its program", "kernel": "", "task_state": "TASK_RUNNING", "killed": False, "by_oom_killer": False,
        "signal": False, "pages": 0, "holds": (), "ended_by": "",
    }  # fmt: skip
    return TaskView(name=name, **{**values, **more})


def entry(block: int = 0, references: int = 0, pending: bool = False, error: str = "") -> EntryView:
    return EntryView(block=block, references=references, pending=pending, error=error)


def memory(free: int = 4, own: int = 0, code: int = 0, locked: int = 0, kernel: int = 0) -> MemoryView:
    return MemoryView(
        total=free + own + code + locked + kernel, free=free, own=own, code=code, locked=locked, kernel=kernel
    )


def scene(*tasks: TaskView, **more: Any) -> Scene:
    values: dict[str, Any] = {
        "entries": (entry(),),
        "pages": ("absent", "absent"),
        "memory": memory(),
        "arrows": (),
    }
    return Scene(tasks=tasks, **{**values, **more})


def deadlock(victim: str = "Victim", holder: str = "Holder", text: str = "") -> Story:
    """Victim waits for Holder, Holder for memory, memory is Victim's; Hog asks for memory as well."""
    begin = scene(task(victim), task("Hog"), task(holder))
    filling = task(holder, **FILLING, holds=("cache entry 1", "the lock of page 2"))
    full = {
        "entries": (entry(2, 1, pending=True),),
        "pages": ("locked", "locked"),
        "memory": memory(0, own=2, locked=2),
    }
    shortage = (
        Arrow("Hog", "memory", "asks for memory"),
        Arrow(holder, "memory", "asks for memory"),
        Arrow("memory", victim, "has pages of its own"),
    )
    hog = task("Hog", where="needs a page of memory of its own", kernel="do_anonymous_page")
    killed = {"killed": True, "by_oom_killer": True, "pages": 2, "holds": ("the lock of page 1",)}
    asks = scene(task(victim, pages=2, holds=("the lock of page 1",)), hog, filling, arrows=shortage, **full)
    kills = scene(task(victim, **killed), hog, filling, arrows=shortage, **full)
    asleep = task(victim, task_state="TASK_UNINTERRUPTIBLE", **SITE_A, **killed)
    stuck = scene(
        asleep, hog, filling, arrows=(Arrow(victim, holder, "has the cache entry"), *shortage), **full
    )
    return Story(
        title=f"{victim} has been killed and cannot end",
        kind="deadlock",
        begin=begin,
        events=(
            Event(who=holder, kernel="squashfs_cache_get", text=text or f"{holder} takes the entry", scene=asks),
            Event(who="Hog", kernel="out_of_memory, oom_kill_process", text=text or f"The OOM killer chooses {victim}", scene=kills),
            Event(who=victim, kernel="squashfs_cache_get", text=text or f"{victim} waits for an entry", scene=stuck),
        ),
        cycle=(
            Event(who="Hog", kernel="oom_scan_process_thread", text=text or "Hog asks, and nobody is chosen", scene=stuck),
            Event(who=holder, kernel="__alloc_pages_slowpath", text=text or f"{holder} asks again", scene=stuck),
        ),
    )  # fmt: skip


def sigbus() -> Story:
    """A story that ends: an error stays in an entry, and somebody else dies of it."""
    kept = {"entries": (entry(1, error="-ENOMEM"),), "memory": memory(2, own=2)}
    zombie = task(
        "Victim",
        where="has ended",
        kernel="do_exit",
        task_state="EXIT_ZOMBIE",
        killed=True,
        by_oom_killer=True,
        ended_by="SIGKILL",
    )
    return Story(
        title="Bystander dies of SIGBUS although nobody has killed it",
        kind="sigbus",
        begin=scene(zombie, task("Bystander", pages=2), **kept),
        events=(
            Event(
                who="Bystander", kernel="filemap_fault", text="Bystander dies of SIGBUS",
                scene=scene(zombie, task("Bystander", where="is ending", kernel="do_exit", pages=2, ended_by="SIGBUS"), **kept),
            ),
        ),
    )  # fmt: skip


def verdict(name: str, story: Story | None = None, **more: Any) -> Answer:
    values: dict[str, Any] = {
        "question": f"Question {name}",
        "result": "violated" if story else "holds",
        "states": 1234,
        "steps": 46,
    }
    return Answer(property=name, story=story, **{**values, **more})


def explanation(*verdicts: Answer, **more: Any) -> Explanation:
    values: dict[str, Any] = {
        "era": "4.5", "title": "Linux up to 4.5", "variant": "stock", "bound": ("three programs", "two programs"), "parameters": {"tasks": 3},
        "engine": "c", "seconds": 1.25,
    }  # fmt: skip
    return Explanation(verdicts=verdicts, **{**values, **more})


def two() -> Explanation:
    return explanation(verdict("dying", deadlock()), verdict("leaks"), verdict("sigbus", sigbus()))


@cache
def real(era: str, variant: str, experiment: str) -> Explanation:
    """What the model tells."""
    return explain(era_of(era), variant_of(variant), only=experiment)


def hostile(text: str) -> Explanation:
    """Everything that is text is this."""
    story = deadlock(text, f"{text}2", text)
    odd = Story(
        title=text, kind=text, cycle=(),
        begin=scene(task(text, pid=7, where=text, kernel=text, task_state=text, holds=(text,), ended_by=text), entries=(entry(1, 1, error=text),), pages=(text,)),
        events=(Event(who=text, kernel=text, text=text, scene=scene(arrows=(Arrow(text, text, text), Arrow("nobody", text, text)))),),
    )  # fmt: skip
    return explanation(
        verdict(text, story, question=text), verdict(text, odd, result=text),
        era=text, title=text, variant=text, bound=(text,), parameters={text: 1}, engine=text, tool=text,
    )  # fmt: skip

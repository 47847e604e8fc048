"""A state as people look at it: who is where, who holds what, who waits for whom."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from unkillable.model.machine import Machine
from unkillable.model.memory import ALLOCATING
from unkillable.model.pagecache import partner
from unkillable.model.places import PLACES, STATES
from unkillable.model.state import At, Decompressors, End, Error, Page, Sleep
from unkillable.model.types import Arrow, EntryView, MemoryView, Scene, TaskView

MEMORY = "memory"
_ERRORS = {Error.NONE: "", Error.EINTR: "-EINTR", Error.ENOMEM: "-ENOMEM"}
_PAGES = {Page.ABSENT: "absent", Page.LOCKED: "locked", Page.UPTODATE: "in memory"}
_ENDS = {End.NOT_YET: "", End.SIGKILL: "SIGKILL", End.SIGBUS: "SIGBUS"}


class Cast(NamedTuple):
    """What the tasks are called."""

    names: tuple[str, ...]
    pids: tuple[int | None, ...]


def scene(machine: Machine, row: bytes, cast: Cast) -> Scene:
    """The whole state."""
    look = Look(machine, row)
    p = machine.parameters
    return Scene(
        tasks=tuple(_task(look, t, cast) for t in range(p.tasks)),
        entries=tuple(
            EntryView(
                block=look.of("block", i),
                references=look.of("refs", i),
                pending=bool(look.of("pending", i)),
                error=_ERRORS[Error(look.of("failed", i))],
            )
            for i in range(p.entries)
        ),
        pages=tuple(_PAGES[Page(look.of("cached", q))] for q in range(p.pages)),
        memory=_memory(look),
        arrows=tuple(arrows(look, cast.names)),
    )


class Look:
    """A row's fields, and what follows from them."""

    def __init__(self, machine: Machine, row: bytes) -> None:
        self.machine, self.row, self.p = machine, row, machine.parameters

    def of(self, field: str, number: int = 0) -> int:
        return self.machine.value(self.row, field, number)

    def tasks(self, *places: At) -> list[int]:
        """Who is at one of these places."""
        return [t for t in range(self.p.tasks) if self.of("at", t) in places]

    def sleeps(self, t: int) -> bool:
        return self.of("state", t) != Sleep.RUNNING

    def pages_of(self, t: int) -> list[int]:
        """Pages of code that a task has locked."""
        if not At.GET <= self.of("at", t) <= At.UNLOCK:
            return []
        page = self.of("page", t)
        return [page, partner(page)] if self.of("more", t) else [page]

    def victims(self) -> list[int]:
        """Who was chosen by the OOM killer and still has its memory."""
        return [
            t
            for t in range(self.p.tasks)
            if self.of("killed", t) == 2 and not self.of("reaped", t) and self.of("at", t) < At.ZOMBIE
        ]

    def short(self, t: int) -> bool:
        """It asks for memory, and there is none."""
        return self.of("at", t) in ALLOCATING and self.of("free") == 0


def _task(look: Look, t: int, cast: Cast) -> TaskView:
    at = At(look.of("at", t))
    ended = {At.ZOMBIE: "EXIT_ZOMBIE", At.GONE: "EXIT_DEAD"}.get(at)
    return TaskView(
        name=cast.names[t],
        pid=cast.pids[t],
        where=PLACES[at].words,
        kernel=PLACES[at].kernel,
        task_state=ended or STATES[Sleep(look.of("state", t))],
        killed=look.of("killed", t) > 0,
        by_oom_killer=look.of("killed", t) == 2,
        signal=look.of("caught", t) > 0,
        pages=look.of("anon", t),
        holds=tuple(_holds(look, t)),
        ended_by=_ENDS[End(look.of("end", t))],
    )


def _holds(look: Look, t: int) -> Iterator[str]:
    if look.of("entry", t):
        yield f"cache entry {look.of('entry', t)}"
    for page in look.pages_of(t):
        yield f"the lock of page {page + 1}"
    if look.of("mutex") == t + 1:
        yield (
            "the only decompressor"
            if look.p.decompressors == Decompressors.SINGLE
            else "the decompressors' mutex"
        )
    elif look.p.decompressors == Decompressors.MULTI and look.of("at", t) in (At.DECOMPRESS, At.PUT_STREAM):
        yield "a decompressor"


def _memory(look: Look) -> MemoryView:
    p = look.p
    pages = [look.of("cached", q) for q in range(p.pages)]
    free, own = look.of("free"), sum(look.of("anon", t) for t in range(p.tasks))
    code, locked = pages.count(Page.UPTODATE), pages.count(Page.LOCKED)
    return MemoryView(
        total=p.memory,
        free=free,
        own=own,
        code=code,
        locked=locked,
        kernel=p.memory - free - own - code - locked,
    )


def arrows(look: Look, names: Sequence[str]) -> Iterator[Arrow]:
    """Who waits for whom."""
    for t in range(look.p.tasks):
        for other, why in _awaited(look, t):
            if other != t:
                yield Arrow(names[t], MEMORY if other < 0 else names[other], why)
    if any(look.short(t) for t in range(look.p.tasks)):
        for t in range(look.p.tasks):
            if look.of("anon", t):
                yield Arrow(MEMORY, names[t], "has pages of its own")


def _awaited(look: Look, t: int) -> Iterator[tuple[int, str]]:
    """Task numbers, -1 for memory."""
    at = look.of("at", t)
    everybody = range(look.p.tasks)
    if at == At.WAIT_ENTRY:
        yield from ((v, "has the cache entry") for v in everybody if look.of("entry", v))
    elif at == At.WAIT_FILL:
        readers = [
            v
            for v in everybody
            if look.of("entry", v) == look.of("entry", t) and At.FILL <= look.of("at", v) <= At.FILLED
        ]
        yield from ((v, "reads the block") for v in readers if look.of("at", v) != At.WAIT_FILL)
    elif at == At.WAIT_PAGE:
        yield from ((v, "has the page locked") for v in everybody if look.of("page", t) in look.pages_of(v))
    elif at in (At.STREAM, At.PUT_STREAM) and look.sleeps(t):
        yield from ((v, "has the mutex") for v in everybody if look.of("mutex") == v + 1)
    elif at == At.WAIT_STREAM:
        yield from ((v, "has a decompressor") for v in look.tasks(At.DECOMPRESS, At.PUT_STREAM))
    elif look.short(t):
        yield -1, "asks for memory"

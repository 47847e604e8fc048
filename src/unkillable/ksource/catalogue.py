"""The catalogue of a tree: what `diagnose` has to know of a kernel's sleeps to read its stacks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable

import numpy as np

from unkillable.ksource.audit import Progress
from unkillable.ksource.events import SCHEDULE
from unkillable.ksource.index import Index
from unkillable.ksource.kinds import kind_of
from unkillable.ksource.load import load
from unkillable.ksource.resources import Resources
from unkillable.ksource.sleeps import Point, Sleeps
from unkillable.ksource.sources import Sources
from unkillable.ksource.tree import Tree
from unkillable.waits.generated import Definition, Function, Inner, Kernel, Primitive, Sleep

__all__ = ["catalogue"]


def catalogue(
    tree: Tree,
    generator: str,
    arch: str | None = None,
    drivers: bool = True,
    progress: Progress | None = None,
) -> Kernel:
    """Every sleep of every function; `generator` is the version of this program."""
    told: Callable[[str, float], None] = progress or (lambda _what, _share: None)
    index = load(tree, tree.scope(arch, drivers), progress=lambda share: told("reading", share))
    sources = Sources(tree, index)
    sleeps, resources = Sleeps(index, sources), Resources(index, sources)
    inner = _inner(sleeps)
    own: dict[int, tuple[Sleep, ...]] = {}
    candidates = [
        one for one in sleeps.candidates() if index.name(one) not in inner and not _in_header(sleeps, one)
    ]
    for number, function in enumerate(candidates):
        told("looking for sleeps", number / len(candidates))
        found = tuple(_sleep(function, point, resources) for point in sleeps.own(function))
        if found:
            own[function] = found
    functions = _functions(index, own, _inlined(index, own))
    functions |= {name: Function((), one) for name, one in inner.items()}
    return Kernel(tree.version, generator, dict(sorted(functions.items())), _primitives(sleeps))


def _sleep(function: int, point: Point, resources: Resources) -> Sleep:
    resource = resources.of(function, point.queue).key if point.queue else None
    return Sleep(
        line=point.line,
        primitive=point.primitive or "",
        state=point.state.name if point.state else None,
        resource=resource or None,
    )


def _functions(
    index: Index, own: dict[int, tuple[Sleep, ...]], inlined: dict[int, set[int]]
) -> dict[str, Function]:
    """By name; definitions of one file are one: a configuration chooses among them."""
    rows: defaultdict[str, defaultdict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for one in sorted({*own, *inlined}):
        rows[index.name(one)][index.path(one)].append(one)
    return {
        name: Function(
            tuple(
                Definition(
                    file=path,
                    sleeps=tuple(sleep for one in ones for sleep in own.get(one, ())),
                    inlined=tuple(
                        sorted({index.name(each) for one in ones for each in inlined.get(one, ())})
                    ),
                )
                for path, ones in files.items()
            )
        )
        for name, files in rows.items()
    }


def _in_header(sleeps: Sleeps, function: int) -> bool:
    """Whether this is a primitive that its callers have in themselves."""
    index = sleeps.index
    return (
        index.is_header(function)
        and index.is_static(function)
        and index.name(function) in sleeps.primitives()
    )


_MACHINERY = ("kernel/sched/", "kernel/locking/", "kernel/time/")
"""Where functions are nobody's own wait.  Elsewhere what waits is told by its name, be it offered to all: mnt_want_write."""
_PAGES = "mm/filemap.c", "pagemap"
"""Waits for pages lie among the functions that read files: of this file those that this header offers, and what they are made of."""


def _inner(sleeps: Sleeps) -> dict[str, Inner]:
    """Functions that a stack shows above the one that waits: what primitives are made of, and whatever sleeps in a state that it is
    given.  Macros are in no stack."""
    index = sleeps.index
    users: defaultdict[str, set[str]] = defaultdict(set)
    for name, ones in sleeps.primitives().items():
        for one in ones:
            for each in one.via:
                users[each].add(name)
    found = {}
    for name, known in sleeps.sleepers.items():
        functions = [one for one in known if not index.is_macro(one.function)]
        places = [index.path(one.function) for one in functions]
        offered = name in sleeps.primitives() or bool(users[name])
        if (functions and sleeps.is_given(name)) or (
            offered
            and (
                any(path.startswith(_MACHINERY) or sleeps.offered.public(path) for path in places)
                or (_PAGES[0] in places and _of_pages(sleeps, name, users[name]))
            )
        ):
            states = {
                "caller" if one.parameter is not None else one.state.name if one.state else None
                for one in functions
            }
            primitive = (
                name if name in sleeps.primitives() else _common(sleeps, name, users[name], set(places))
            )
            found[name] = Inner(primitive, next(iter(states)) if len(states) == 1 else None)
    for name in sleeps.events.schedulers:
        if any(not index.is_macro(one) for one in index.defined(name).tolist()):
            found.setdefault(name, Inner(SCHEDULE, "caller"))
    return found


def _common(sleeps: Sleeps, own: str, users: set[str], files: set[str]) -> str:
    """What several primitives of one kind are called together: the plainest of those that lie in the same file."""
    here = {
        name
        for name in users
        if any(
            one.file in files and not sleeps.index.is_macro(one.function) for one in sleeps.primitives()[name]
        )
    }
    return min(here or users or {own}, key=lambda name: (name.startswith("_"), len(name), name))


def _of_pages(sleeps: Sleeps, name: str, users: set[str]) -> bool:
    names = {name} if name in sleeps.primitives() else users
    headers = {one.header for each in names for one in sleeps.primitives().get(each, ())}
    return any(header.endswith(f"/{_PAGES[1]}.h") for header in headers)


def _primitives(sleeps: Sleeps) -> dict[str, Primitive]:
    """What sleeps name as their primitive: what headers offer, and helpers that are given the state."""
    offered = sleeps.primitives()
    return {
        name: Primitive(
            kind_of(name, offered[name][0].header) if name in offered else "other", sleeps.way(name)
        )
        for name in sleeps.sleepers
        if name in offered or sleeps.is_given(name)
    }


_SMALL, _TINY = 800, 400
"""Bytes of source up to which a compiler puts a static function into several callers, and one that is not static into those of
its file; a static function with an only caller it puts into that, however long."""
_DEEP = 4
"""Functions in functions in functions that are followed."""


def _inlined(index: Index, own: dict[int, tuple[Sleep, ...]]) -> dict[int, set[int]]:
    """Of each function those that sleep, or have such in them, and that a compiler may have put into it: of the same file or a
    header."""
    names = index.calls[:, 1]
    sizes = index.functions[:, 3] - index.functions[:, 2]
    found: defaultdict[int, set[int]] = defaultdict(set)
    fresh = set(own)
    for _ in range(_DEEP):
        by_name: defaultdict[int, list[int]] = defaultdict(list)
        for one in fresh:
            if not index.is_macro(one) and (index.is_static(one) or sizes[one] <= _TINY):
                by_name[int(index.functions[one, 0])].append(one)
        callers: defaultdict[int, set[int]] = defaultdict(set)
        for caller, name in index.calls[np.isin(names, list(by_name)), :2].tolist():
            for one in by_name[name]:
                near = index.is_header(one) or index.path(one) == index.path(caller)
                if near and caller != one and not index.is_macro(caller):
                    callers[one].add(caller)
        fresh = set()
        for one, ones in callers.items():
            if len(ones) == 1 or sizes[one] <= _SMALL or index.is_header(one):
                for caller in ones:
                    found[caller].add(one)
                fresh |= ones
    return found

"""The list of ways to sleep that a tree offers."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import PurePosixPath

import msgspec

from unkillable.ksource.calls import calls
from unkillable.ksource.flatten import Flatten
from unkillable.ksource.load import load
from unkillable.ksource.sleeps import Primitive, Sleeps
from unkillable.ksource.sources import Sources
from unkillable.ksource.traits import Written, traits
from unkillable.ksource.tree import Tree
from unkillable.ksource.waits_types import Traits, Wait, WaitChange, Waits

Progress = Callable[[str, float], None]
"""Called with what is being done, and the share (0..1) that is over."""

_NEEDED = ("include/linux", "include/linux/sched.h", "kernel/sched")
"""Without these little is found: what is missing of half a tree is said."""
_SCOPE = ("include", "kernel", "mm", "fs", "block", "lib", "ipc", "init")
"""Where waits that everybody uses are defined."""


def waits(tree: Tree, progress: Progress | None = None) -> Waits:
    """All primitives of a tree."""
    told = progress or (lambda _what, _share: None)
    scope = [name for name in _SCOPE if (tree.root / name).is_dir()]
    index = load(tree, scope, progress=lambda share: told("reading", share))
    sources = Sources(tree, index)
    sleeps = Sleeps(index, sources, lambda share: told("looking for what sleeps", share))
    found = tuple(_listed(sleeps, sources, told))
    missing = [f"{name}: is not there" for name in _NEEDED if not (tree.root / name).exists()]
    return Waits(kernel=tree.version, primitives=found, skipped=(*missing, *tree.skipped))


def _listed(sleeps: Sleeps, sources: Sources, told: Progress) -> list[Wait]:
    flatten = Flatten(sources, sleeps.events, sleeps.sleepers)
    primitives = sleeps.primitives().values()
    found = []
    for number, ones in enumerate(primitives):
        told("reading off traits", number / len(primitives))
        found.append(_wait(ones, sources, flatten, sleeps))
    found += [_part(ones, role, sources, flatten, sleeps) for role, ones in _parts(sleeps)]
    return sorted(found, key=lambda one: (one.family, one.file, one.line, one.name))


def _wait(ones: Sequence[Primitive], sources: Sources, flatten: Flatten, sleeps: Sleeps) -> Wait:
    # A macro in a header is what a caller sees of it.
    first = min(ones, key=lambda one: (one.file != one.header, one.file, one.line))
    state = first.state if len({one.state for one in ones}) == 1 else None
    parameters = sources.parameters(first.function)
    callers = first.parameter is not None
    written = Written(flatten.text(first.function), parameters, state, sleeps.takes_time, sleeps.is_sleep)
    return Wait(
        name=first.name,
        file=first.file,
        line=first.line,
        family=_family(first.header),
        kind=_kind(first.function, sources),
        task_state="caller" if callers else state.name if state else None,
        traits=traits(written),
        wakes_on_sigkill=None if callers or state is None else state.killable,
        via=_via(first, written, sleeps),
        others=tuple(f"{one.file}:{one.line}" for one in ones if one is not first),
    )


def _via(one: Primitive, written: Written, sleeps: Sleeps) -> tuple[str, ...]:
    """The calls down to the scheduler: the one that is meant where a parameter stands for it."""
    *names, last = one.via or ("",)
    if last not in sleeps.events.schedulers:
        called = (call.name for call in calls(written.text) if call.through is None)
        last = next((name for name in called if name in sleeps.events.schedulers), last)
    return (*names, last)


def _parts(sleeps: Sleeps) -> Iterator[tuple[str, list[tuple[int, str]]]]:
    """What sleeps are written out with: role, and definitions with the header that offers them."""
    for role, names in (("state", sleeps.events.setters), ("schedule", sleeps.events.schedulers)):
        for name, ones in sleeps.offers(names).items():
            if name not in sleeps.primitives():
                yield role, ones


def _part(
    ones: Sequence[tuple[int, str]], role: str, sources: Sources, flatten: Flatten, sleeps: Sleeps
) -> Wait:
    index = sources.index
    (first, header), *others = sorted(
        ones, key=lambda one: (index.path(one[0]) != one[1], index.path(one[0]))
    )
    # A queue of another kind is told by the type of what is put into it, and a scheduler's time by its own parameter.
    text = "\n".join((*sources.declarations(first), flatten.text(first)))
    written = Written(text, sources.parameters(first), None, sleeps.takes_time, sleeps.is_sleep)
    found = traits(written)
    if role == "schedule" and sleeps.takes_time(index.name(first)):
        found = msgspec.structs.replace(found, timeout=not found.hrtimeout)
    return Wait(
        name=index.name(first),
        file=index.path(first),
        line=index.line(first),
        family=_family(header),
        kind=_kind(first, sources),
        task_state="caller",
        traits=found,
        wakes_on_sigkill=None,
        others=tuple(f"{index.path(one)}:{index.line(one)}" for one, _ in others),
        role=role,
    )


def _family(header: str) -> str:
    return PurePosixPath(header).stem


def _kind(function: int, sources: Sources) -> str:
    return "macro" if sources.index.is_macro(function) else "function"


def of_families(found: Waits, families: Collection[str]) -> Waits:
    """What these headers offer, and what has changed of that."""
    return msgspec.structs.replace(
        found,
        primitives=tuple(one for one in found.primitives if one.family in families),
        changes=tuple(one for one in found.changes if one.wait.family in families),
    )


def changes(before: Waits, after: Waits) -> tuple[WaitChange, ...]:
    """What differs, by name; a definition that only moved is no change."""
    old = {one.name: one for one in before.primitives}
    new = {one.name: one for one in after.primitives}
    found = [WaitChange("appeared", new[name]) for name in new if name not in old]
    found += [WaitChange("vanished", old[name]) for name in old if name not in new]
    for name in new:
        if name in old and (what := _differences(old[name], new[name])):
            found.append(WaitChange("changed", new[name], what))
    return tuple(sorted(found, key=lambda one: (one.kind, one.wait.family, one.wait.name)))


def _differences(old: Wait, new: Wait) -> tuple[str, ...]:
    states = (old.task_state or "not known", new.task_state or "not known")
    return (
        *((f"task_state {states[0]} -> {states[1]}",) if states[0] != states[1] else ()),
        *(
            f"traits {'+' if getattr(new.traits, name) else '-'}{name}"
            for name in Traits.__struct_fields__
            if getattr(old.traits, name) != getattr(new.traits, name)
        ),
    )

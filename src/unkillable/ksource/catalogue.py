"""The catalogue of a tree: what `diagnose` has to know of a kernel's sleeps to read its stacks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable

from unkillable.ksource.audit import Progress, kind
from unkillable.ksource.load import load
from unkillable.ksource.resources import Resources
from unkillable.ksource.sleeps import Sleeps
from unkillable.ksource.sources import Sources
from unkillable.ksource.tree import Tree
from unkillable.waits.generated import Generated, Inner, Sleep

__all__ = ["catalogue"]


def catalogue(
    tree: Tree,
    generator: str,
    arch: str | None = None,
    drivers: bool = True,
    progress: Progress | None = None,
) -> Generated:
    """Every sleep of every function; `generator` is the version of this program."""
    told: Callable[[str, float], None] = progress or (lambda _what, _share: None)
    index = load(tree, tree.scope(arch, drivers), progress=lambda share: told("reading", share))
    sources = Sources(tree, index)
    sleeps, resources = Sleeps(index, sources), Resources(index, sources)
    files: dict[str, int] = {}
    found: defaultdict[str, list[Sleep]] = defaultdict(list)
    candidates = sleeps.candidates()
    for number, function in enumerate(candidates):
        told("looking for sleeps", number / len(candidates))
        for point in sleeps.points(function):
            resource = resources.of(function, point.queue).key if point.queue else None
            found[index.name(function)].append(
                Sleep(
                    file=files.setdefault(index.path(function), len(files)),
                    line=point.line,
                    primitive=point.primitive or "",
                    state=point.state.name if point.state else None,
                    resource=resource if resource and not resource.startswith("?") else None,
                    kind=kind(point, sleeps),
                )
            )
    return Generated(
        kernel=tree.version,
        generator=generator,
        files=tuple(files),
        sleeps={name: tuple(ones) for name, ones in sorted(found.items())},
        inner=_inner(sleeps),
    )


_MACHINERY = ("kernel/sched/", "kernel/locking/", "kernel/time/")
"""Where functions are nobody's own wait.  Elsewhere what waits is told by its name, be it offered to all: mnt_want_write."""


def _inner(sleeps: Sleeps) -> dict[str, Inner]:
    """Functions that a stack shows above the one that waits; macros are in no stack."""
    index = sleeps.index
    states: defaultdict[str, set[str | None]] = defaultdict(set)
    owners: defaultdict[str, set[str]] = defaultdict(set)
    for name, ones in sleeps.primitives().items():
        for one in ones:
            state = "caller" if one.parameter is not None else one.state.name if one.state else None
            for each in (name, *one.via):
                places = [index.path(one) for one in index.defined(each).tolist() if not index.is_macro(one)]
                if any(path.startswith(_MACHINERY) for path in places):
                    owners[each].add(name)
                    if each == name:
                        states[each].add(state)
    found = {}
    for name, primitives in sorted(owners.items()):
        known = states.get(name, {"caller"})
        own = (
            name if name in sleeps.primitives() else next(iter(primitives)) if len(primitives) == 1 else None
        )
        found[name] = Inner(own, next(iter(known)) if len(known) == 1 else None)
    return found

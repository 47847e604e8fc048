"""Every sleep of a tree, whether SIGKILL ends it, how a task gets there, and what a holder may need meanwhile."""

from __future__ import annotations

import hashlib
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple

import msgspec
import numpy as np

from unkillable.errors import UserError
from unkillable.ksource import entries, releases
from unkillable.ksource.allocations import Allocations
from unkillable.ksource.areas import Areas
from unkillable.ksource.audit_types import FINDINGS, MISSING, RANKS, Audit, Coverage, Holder, Site, Step
from unkillable.ksource.conventions import Conventions
from unkillable.ksource.entries import FAULT, Entry
from unkillable.ksource.gfp import Flags
from unkillable.ksource.graph import Graph
from unkillable.ksource.graph import Step as Call
from unkillable.ksource.holders import Holders, Taken, waits
from unkillable.ksource.index import Index
from unkillable.ksource.kinds import kind_of
from unkillable.ksource.load import load
from unkillable.ksource.resources import Resource, Resources
from unkillable.ksource.scopes import NO_KILL, Scopes
from unkillable.ksource.sleeps import Point, Sleeps
from unkillable.ksource.sources import Sources
from unkillable.ksource.tree import Tree
from unkillable.ksource.ways import Ways

Progress = Callable[[str, float], None]
"""Called with what is being done, and the share (0..1) that is over."""


class Options(msgspec.Struct, frozen=True):
    within: tuple[str, ...] = ()
    """Directories or files to report on; empty: all that is read."""
    entries: tuple[str, ...] = ()
    """Keys of entries, or functions; empty: all."""
    arch: str | None = "x86"
    drivers: bool = False
    """Read everything, not only the core and `within`."""


class Sleep(NamedTuple):
    """A point with what is known of it."""

    function: int
    point: Point
    resource: Resource


def audit(
    tree: Tree,
    options: Options,
    progress: Progress | None = None,
    keep: Callable[[Index], Index] | None = None,
) -> Audit:
    """Audits a tree.  `keep` takes away what a configuration leaves out."""
    began = time.monotonic()
    told = progress or (lambda _what, _share: None)
    scope = _scope(tree, options)
    index = load(tree, scope, progress=lambda share: told("reading", share))
    return Auditor(tree, keep(index) if keep else index, options, told).audit(scope, began)


def _scope(tree: Tree, options: Options) -> tuple[str, ...]:
    scope = tree.scope(options.arch, options.drivers)
    missing = [one for one in options.within if not (tree.root / one).exists()]
    if missing:
        raise UserError(
            f"{tree.root}: has no {missing[0]}; --in takes a path below the tree, such as fs/squashfs"
        )
    more = [one for one in options.within if not any(_below(one, name) for name in scope)]
    return (*scope, *more)


def _below(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")


class Group(NamedTuple):
    """Sleeps that the same holders end."""

    area: str | int
    """As Taken.area."""
    key: str
    family: str


class Auditor:
    def __init__(self, tree: Tree, index: Index, options: Options, told: Progress) -> None:
        self.tree = tree
        self.index = index
        self.options = options
        self.told = told
        self.graph = Graph(index)
        self.sources = Sources(tree, index)
        self.sleeps = Sleeps(index, self.sources, lambda share: told("looking for what sleeps", share))
        self.resources = Resources(index, self.sources)
        self.areas = Areas(self.graph)
        self.scopes = Scopes(self.graph)
        self.holders = Holders(
            self.graph,
            self.areas,
            self.sources,
            self.resources,
            Allocations(self.graph, self.sources, Flags(self.sources)),
        )
        self.entries = entries.chosen(options.entries, index)
        self.ways = Ways(self.graph, self.areas, self.entries)
        self._held = lru_cache(maxsize=None)(self._held_by)
        self.conventions = Conventions(self.graph, self.sleeps, self.ways)

    def audit(self, scope: tuple[str, ...], began: float) -> Audit:
        sleeps = self._sleeps()
        taken = self._taken(sleeps)
        sites = []
        for number, one in enumerate(sleeps):
            self.told("judging", number / len(sleeps))
            sites.append(self._site(one, taken))
        sites.sort(key=_order)
        return Audit(
            kernel=self.tree.version,
            scope=scope,
            within=self.options.within,
            entries=tuple(entries.point(one, self.index) for one in self.entries),
            sites=tuple(sites),
            coverage=Coverage(
                files=len(self.index.paths),
                functions=len(self.index.functions),
                calls=len(self.index.calls) + len(self.index.members),
                unknown_pointers=self.graph.unknown,
                skipped=tuple(self.tree.skipped),
                seconds=round(time.monotonic() - began, 1),
            ),
        )

    def _sleeps(self) -> list[Sleep]:
        files = np.array(
            [
                not self.options.within or any(_below(path, one) for one in self.options.within)
                for path in self.index.paths
            ]
            or [False]
        )
        candidates = [one for one in self.sleeps.candidates() if files[self.index.functions[one, 5]]]
        found = []
        for number, function in enumerate(candidates):
            self.told("looking for sleeps", number / len(candidates))
            for point in self.sleeps.points(function):
                resource = self.resources.of(function, point.queue) if point.queue else Resource("", True)
                found.append(Sleep(function, point, resource))
        return found

    def _taken(self, sleeps: Iterable[Sleep]) -> dict[Group, Taken]:
        """Sleeps for one thing, where those can be who hold it."""
        groups: defaultdict[Group, list[tuple[int, int, str]]] = defaultdict(list)
        for one in sleeps:
            if one.resource.key and not one.resource.local and self._is_one_thing(one):
                groups[self._group(one)].append((one.function, one.point.at, one.point.primitive or ""))
        return {group: Taken(group.key, group.area, tuple(places)) for group, places in groups.items()}

    def _is_one_thing(self, one: Sleep) -> bool:
        """Whether all who wait like this wait for the same: a page's lock, but not whatever of a page is waited for."""
        return not self.resources.is_structure(one.resource.key) or bool(
            releases.release(one.point.primitive or "")
        )

    def _group(self, one: Sleep) -> Group:
        key = one.resource.key
        # A page or an inode is waited for in many ways, a member of a structure for one thing.
        family = "" if "." in key else releases.family(one.point.primitive or "")
        if self.resources.is_public(key):
            return Group(int(self.areas.of[one.function]), key, family)
        return Group(self.index.path(one.function).rpartition("/")[0], key, family)

    def _site(self, sleep: Sleep, taken: dict[Group, Taken]) -> Site:
        function, point = sleep.function, sleep.point
        way = self.ways.to(function)
        steps = way.reach.path(function) if way.reach else ()
        killable = point.state.killable if point.state else None
        holders: tuple[Holder, ...] = ()
        group = taken.get(self._group(sleep))
        if killable is False and way.led and group is not None:
            holders = self._held(group)
        missing = (
            self._missing(way.led, holders, releases.shares(point.primitive or ""))
            if killable is False and way.led
            else ()
        )
        name, file = self.index.name(function), self.index.path(function)
        return Site(
            file=file,
            line=point.line,
            function=name,
            primitive=point.primitive or "schedule",
            task_state=point.state.name if point.state else None,
            killable=killable,
            open_coded=point.open_coded,
            rank=_rank(killable, bool(way.led), not missing),
            missing=missing,
            kind=kind(point, self.sleeps),
            queue=point.queue,
            resource=sleep.resource.key or None,
            entries=tuple(entry.key for entry in way.led),
            path=self._path(steps),
            detour=way.detour,
            scope=self.scopes.on(steps),
            holders=holders,
            convention=self.conventions.of(point.primitive)
            if point.primitive and killable is False
            else None,
            fingerprint=_fingerprint(file, name, sleep.resource.key or point.primitive or "schedule"),
        )

    def _held_by(self, group: Taken) -> tuple[Holder, ...]:
        return tuple(self._scoped(one) for one in self.holders.find(group))

    def _scoped(self, holder: Holder) -> Holder:
        """GFP_KERNEL may not call the OOM killer between memalloc_nofs_save() and its restore, which a fault runs in."""
        nodes = [
            one for one in self.index.defined(holder.function).tolist() if self.index.path(one) == holder.file
        ]
        steps = [way.reach.path(one) for one in nodes for way in (self.ways.to(one),) if way.reach]
        scope = {name for path in steps for name in self.scopes.on(path)}
        if not scope & NO_KILL:
            return holder
        allocations = (
            msgspec.structs.replace(one, kills=False, scope=tuple(sorted(scope))) if one.kills else one
            for one in holder.allocations
        )
        return msgspec.structs.replace(holder, allocations=tuple(allocations))

    def _path(self, calls: Sequence[Call]) -> tuple[Step, ...]:
        """Functions only: a slot between two of them is said with the second."""
        found: list[Step] = []
        through: Call | None = None
        for call in calls:
            if self.graph.is_slot(call.node):
                through = call
                continue
            line = through.line if through else call.line
            found.append(
                Step(
                    function=self.graph.name(call.node),
                    file=self.index.path(call.node),
                    line=line or self.index.line(call.node),
                    through=self.graph.name(through.node) if through else None,
                )
            )
            through = None
        return tuple(found)

    def _missing(self, led: Sequence[Entry], holders: Sequence[Holder], shares: bool) -> tuple[str, ...]:
        """What it lacks to be red; `shares`: it waits for what readers share."""
        certain = [one for one in holders if waits(one)]
        lacks = {
            "alone": bool(certain) and shares and all(one.shared for one in certain),
            "flags": bool(holders) and not certain,
            "fault": not self._counts(led),
            "holder": not holders,
        }
        return tuple(one for one in MISSING if lacks[one])

    def _counts(self, led: Sequence[Entry]) -> bool:
        """Whether it is a page fault that leads there: everybody takes them.  Other entries count where only they are asked for."""
        asked = {one.key for one in self.entries}
        return FAULT in {one.key for one in led} or FAULT not in asked


def kind(point: Point, sleeps: Sleeps) -> str:
    """What kind of thing is waited for: one of audit_types.KINDS."""
    ones = sleeps.primitives().get(point.primitive or "", ())
    return kind_of(ones[0].name, ones[0].header) if ones else "queue" if point.queue else "other"


def _order(one: Site) -> tuple[int | str, ...]:
    """The worst first: of the findings what lacks least, then what many entries lead to on a short way."""
    rank = RANKS.index(one.rank)
    if one.rank not in FINDINGS:
        return rank, one.file, one.line
    lacks = sum(1 << MISSING.index(each) for each in one.missing)
    near = len(one.missing), lacks, one.detour, len(one.path), -len(one.entries)
    return rank, *near, one.file, one.line


def _rank(killable: bool | None, led: bool, red: bool) -> str:
    if killable is None or not led:
        return "grey"
    if killable:
        return "green"
    return "red" if red else "amber"


def _fingerprint(*parts: str) -> str:
    return hashlib.blake2b("\0".join(parts).encode(), digest_size=8).hexdigest()

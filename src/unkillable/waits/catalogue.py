"""What catalogues made from source do not say: words for what is waited for, how a task came into the kernel, frames that are
no sleeps, and what kernels were like that are older than the oldest catalogue.

The rows are data (waits/data/*.toml), each table with its reason in its head.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from functools import cache, cached_property
from importlib.resources import files
from typing import Any

import msgspec


class Cite(msgspec.Struct, frozen=True):
    kernel: str
    file: str
    line: int = 0


class Internal(msgspec.Struct, frozen=True):
    """A function between the scheduler and the place that really waits."""

    name: str
    """Function name, or a pattern with `*`."""
    layer: str
    """dump, interrupt, tracing: above a sleep's own frames.  scheduler, wait: of a sleep.  preempted: of a task that can run."""
    primitive: str | None = None
    state: str | None = None
    """TASK_..., or `caller` (its caller's argument)."""
    since: str | None = None
    until: str | None = None
    note: str | None = None
    cite: tuple[Cite, ...] = ()


class Site(msgspec.Struct, frozen=True):
    """A sleep of a function."""

    function: str
    resource: str | None = None
    """None: what kind of primitive it is tells."""
    state: str | None = None
    primitive: str | None = None
    """None: the loop around the scheduler is written out."""
    file: str | None = None
    since: str | None = None
    until: str | None = None
    kind: str = "other"
    """As in a generated catalogue."""
    of: str = ""
    """The function whose sleep it is, if a compiler may have put that into this one."""
    cite: tuple[Cite, ...] = ()
    note: str | None = None


class Resource(msgspec.Struct, frozen=True):
    """What a task can wait for."""

    key: str
    title: str
    kind: str = "lock"
    """cache-entry, lock, io, memory, server, event, timer."""
    who: str = ""
    """Who can hold it, in a sentence."""
    holder: tuple[tuple[str, ...], ...] = ()
    """Frame patterns, outermost first, that make a stack a holder's."""
    needs: tuple[str, ...] = ()
    """Resources a holder may need before it lets go."""
    unbounded: bool = False
    """A holder may never finish by itself."""
    members: tuple[str, ...] = ()
    """What it is in the source: structure.member, a structure, or a variable; patterns with `*`."""
    primitives: tuple[str, ...] = ()
    """Ways to sleep that are for nothing else; patterns."""
    functions: tuple[str, ...] = ()
    """Functions whose sleeps are for it, where neither structure nor primitive tells; patterns."""
    kinds: tuple[str, ...] = ()
    """Kinds of primitives that are for it unless something better is known."""
    note: str | None = None
    cite: tuple[Cite, ...] = ()


class Entry(msgspec.Struct, frozen=True):
    """How a task came into the kernel."""

    key: str
    frames: tuple[str, ...]
    priority: int = 0
    arch: str | None = None
    note: str | None = None
    cite: tuple[Cite, ...] = ()


class Frames(msgspec.Struct, frozen=True):
    """Functions that are nobody's wait."""

    layer: str
    names: tuple[str, ...]
    """Function names, or patterns with `*`."""
    primitive: str | None = None
    state: str | None = None
    note: str | None = None


class Names:
    """Looks a function up among exact names and `*` patterns; exact names first."""

    def __init__(self, rows: Iterable[tuple[str, Any]]) -> None:
        self.exact: dict[str, list[Any]] = {}
        self.patterns: list[tuple[re.Pattern[str], Any]] = []
        for name, row in rows:
            if "*" in name:
                self.patterns.append((re.compile(re.escape(name).replace(r"\*", ".*") + r"\Z"), row))
            else:
                self.exact.setdefault(name, []).append(row)
        self.known: dict[str, list[Any]] = {}

    def get(self, function: str) -> list[Any]:
        found = self.known.get(function)
        if found is None:
            found = [
                *self.exact.get(function, ()),
                *(row for pattern, row in self.patterns if pattern.match(function)),
            ]
            if len(self.known) < 100_000:
                self.known[function] = found
        return found

    def first(self, function: str) -> Any:
        return next(iter(self.get(function)), None)


class Catalogue:
    """The tables."""

    def __init__(
        self,
        frames: tuple[Frames, ...],
        internals: tuple[Internal, ...],
        sites: tuple[Site, ...],
        resources: tuple[Resource, ...],
        entries: tuple[Entry, ...],
    ) -> None:
        self.frames, self.internals, self.sites = frames, internals, sites
        """Of these the latter two are history."""
        self.resources, self.entries = resources, entries
        self._by_key = {row.key: row for row in resources}

    def resource(self, key: str | None) -> Resource | None:
        return self._by_key.get(key) if key else None

    @cached_property
    def by_frame(self) -> Names:
        return Names(
            (name, Internal(name, row.layer, row.primitive, row.state))
            for row in self.frames
            for name in row.names
        )

    @cached_property
    def by_internal(self) -> Names:
        return Names((row.name, row) for row in self.internals)

    @cached_property
    def by_site(self) -> Names:
        return Names((row.function, row) for row in self.sites)

    @cached_property
    def by_entry(self) -> Names:
        return Names((frame, row) for row in self.entries for frame in row.frames)

    @cached_property
    def by_function(self) -> Names:
        return Names((name, row.key) for row in self.resources for name in row.functions)

    @cached_property
    def by_member(self) -> Names:
        return Names((name, row.key) for row in self.resources for name in row.members)

    @cached_property
    def by_primitive(self) -> Names:
        return Names((name, row.key) for row in self.resources for name in row.primitives)

    @cached_property
    def by_kind(self) -> Names:
        return Names((name, row.key) for row in self.resources for name in row.kinds)


class _Frames(msgspec.Struct, frozen=True):
    frames: tuple[Frames, ...]


class _History(msgspec.Struct, frozen=True):
    internal: tuple[Internal, ...]
    site: tuple[Site, ...]


class _Resources(msgspec.Struct, frozen=True):
    resource: tuple[Resource, ...]


class _Entries(msgspec.Struct, frozen=True):
    entry: tuple[Entry, ...]


@cache
def load() -> Catalogue:
    """The tables that come with the package."""
    history = _table("history", _History)
    return Catalogue(
        frames=_table("frames", _Frames).frames,
        internals=history.internal,
        sites=history.site,
        resources=_table("resources", _Resources).resource,
        entries=_table("entries", _Entries).entry,
    )


def _table(name: str, kind: type[Any]) -> Any:
    text = (files("unkillable.waits") / "data" / f"{name}.toml").read_text(encoding="utf-8")
    return msgspec.convert(tomllib.loads(text), kind)

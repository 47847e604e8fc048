"""The wait catalogue: which functions sleep, in which state, for what, and who can hold it.

The rows are data (waits/data/*.toml), each with the kernel source it was read from.  A catalogue generated
from a kernel tree has the same four tables and takes this one's place.
"""

from __future__ import annotations

import re
import tomllib
from functools import cache
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
    """dump, interrupt, scheduler, timer, wait, bitwait, completion, lock, percpu-rwsem, futex, iowait, tracing."""
    primitive: str | None = None
    state: str | None = None
    """TASK_..., `caller` (its caller's argument), or `running` (a preemption point: not asleep)."""
    resource: str | None = None
    """What a wait by it is for where no site row knows its caller."""
    since: str | None = None
    until: str | None = None
    arch: str | None = None
    note: str | None = None
    cite: tuple[Cite, ...] = ()


class Site(msgspec.Struct, frozen=True):
    """A function whose own wait this is."""

    function: str
    resource: str
    state: str | None = None
    primitive: str | None = None
    file: str | None = None
    since: str | None = None
    until: str | None = None
    under: str | None = None
    """Only where this function called it."""
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
    """What it is in a catalogue that was made from source: structure.member, or a pattern with `*`."""
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


class Catalogue(
    msgspec.Struct, frozen=True, eq=False
):  # compared by identity: hashing thousands of rows is slow
    internals: tuple[Internal, ...]
    sites: tuple[Site, ...]
    resources: tuple[Resource, ...]
    entries: tuple[Entry, ...]

    def resource(self, key: str | None) -> Resource | None:
        return _by_key(self).get(key) if key else None


class Names:
    """Looks a function up among exact names and `*` patterns; exact names first."""

    def __init__(self, rows: list[tuple[str, Any]]) -> None:
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


_TABLES = {
    "internals": ("internal", Internal),
    "sites": ("site", Site),
    "resources": ("resource", Resource),
    "entries": ("entry", Entry),
}


@cache
def load() -> Catalogue:
    """The catalogue that comes with the package."""
    data = files("unkillable.waits") / "data"
    parts: dict[str, Any] = {}
    for table, (key, row_type) in _TABLES.items():
        document = tomllib.loads((data / f"{table}.toml").read_text(encoding="utf-8"))
        parts[table] = tuple(msgspec.convert(row, row_type) for row in document.get(key, ()))
    return Catalogue(**parts)


@cache
def _by_key(catalogue: Catalogue) -> dict[str, Resource]:
    return {row.key: row for row in catalogue.resources}

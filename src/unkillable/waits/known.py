"""What is known of functions in the kernel of one log.

Its own catalogue first, if it was made, then those of the bundled kernels, the nearest first: the first that has the function
speaks for it.  History holds against them where it has a row for exactly this kernel, and stands in where nobody knows
the function.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

import msgspec

from unkillable.versions import within
from unkillable.waits.catalogue import Catalogue, Cite, Internal, Site
from unkillable.waits.generated import SCHEDULE, Definition, Function, Generated, Sleep

_SYSTEM_CALL = re.compile(
    r"(?:__(?:do|se|x64|ia32|x32|arm|arm64|riscv|s390|s390x|loongarch|powerpc)_)?"
    r"(?P<compat>compat_|C_)?(?:sys|SyS|SYSC)_(?P<name>\w+)\Z"
)
"""What SYSCALL_DEFINE makes of a name: SyS_, SYSC_ and C_SYSC_ before 4.17, prefixes of the architecture since."""

View = tuple[Generated, int]
"""A catalogue, and the number of a kernel in it."""


class Known:
    def __init__(self, catalogue: Catalogue, views: tuple[View, ...], version: str | None) -> None:
        self.catalogue = catalogue
        self.views = views
        self.version = version
        self.internal = lru_cache(maxsize=10_000)(self._internal)
        self.sites = lru_cache(maxsize=10_000)(self._sites)
        self.way = lru_cache(maxsize=2_000)(self._way)
        self.shows = lru_cache(maxsize=2_000)(self._shows)

    def _internal(self, function: str) -> Internal | None:
        """A function that is nobody's own wait."""
        rows = (*self.catalogue.by_frame.get(function), *self.catalogue.by_internal.get(function))
        row: Internal
        for row in rows:
            if within(self.version, row.since, row.until):
                return row
        found = self._function(function)
        if found is None:
            return None
        inner = found[1].inner
        if inner is None:
            return None
        layer = "scheduler" if inner.primitive == SCHEDULE else "wait"
        return Internal(function, layer, inner.primitive, inner.state)

    def _sites(self, function: str) -> tuple[Site, ...]:
        """The sleeps that a function may be in."""
        rows = self._rows(function)
        if rows and self.version is not None:
            return rows
        found = self._function(function)
        if found is None:
            return rows
        view, known = found
        return tuple(
            site for one in known.definitions for site in self._of_definition(function, one, view, {function})
        )

    def _of_definition(
        self, function: str, definition: Definition, view: View, seen: set[str]
    ) -> Iterator[Site]:
        """A definition's own sleeps, and those of what a compiler may have put into it."""
        for sleep in definition.sleeps:
            yield self._site(function, definition.file, sleep, view)
        for name in definition.inlined:
            known = view[0].function(name, view[1]) if name not in seen else None
            for one in known.definitions if known is not None else ():
                if one.file == definition.file or one.file.endswith(".h"):
                    seen.add(name)
                    for site in self._of_definition(name, one, view, seen):
                        yield msgspec.structs.replace(site, of=site.of or name)

    def sleeps(self, function: str) -> bool:
        """Whether a function sleeps by itself, by what the nearest kernel says: others may have put a sleep into a function that has
        none here.  Where the log's kernel is not known, any will do."""
        if self._rows(function):
            return True
        found = self._function(function, self.views[:1] if self.version is not None else self.views)
        return found is not None and any(one.sleeps for one in found[1].definitions)

    def _rows(self, function: str) -> tuple[Site, ...]:
        """History."""
        rows = self.catalogue.by_site.get(function)
        return tuple(row for row in rows if within(self.version, row.since, row.until))

    def _function(self, function: str, views: tuple[View, ...] | None = None) -> tuple[View, Function] | None:
        called = _SYSTEM_CALL.match(function)
        names = (
            (function, f"{'compat_' if called['compat'] else ''}sys_{called['name']}")
            if called
            else (function,)
        )
        for generated, kernel in self.views if views is None else views:
            for name in names:
                found = generated.function(name, kernel)
                if found is not None:
                    return (generated, kernel), found
        return None

    def _site(self, function: str, file: str, sleep: Sleep, view: View) -> Site:
        primitive = view[0].primitives.get(sleep.primitive)
        return Site(
            function=function,
            resource=self._resource(function, sleep),
            state=sleep.state,
            primitive=sleep.primitive or None,
            file=file,
            kind=primitive.kind if primitive is not None else "other",
            cite=(Cite(view[0].kernels[view[1]], file, sleep.line),),
        )

    def _resource(self, function: str, sleep: Sleep) -> str | None:
        tables = self.catalogue
        found: str | None = tables.by_function.first(function)
        if found is None and sleep.resource:
            found = tables.by_member.first(sleep.resource)
        return (
            found
            or (self.way(function) and tables.by_primitive.first(function))
            or self.of_primitive(sleep.primitive)
        )

    def of_primitive(self, name: str | None) -> str | None:
        """What a wait by this primitive is for, if that is for one thing: what it is called, or what it calls."""
        if not name:
            return None
        names = (name, *self.way(name))
        return next((key for one in names for key in self.catalogue.by_primitive.get(one)), None)

    def of_function(self, name: str) -> str | None:
        """What a function waits for of which no more is known."""
        found: str | None = self.catalogue.by_function.first(name)
        return found

    def of_kind(self, kind: str) -> str | None:
        found: str | None = self.catalogue.by_kind.first(kind)
        return found

    def _way(self, primitive: str) -> tuple[str, ...]:
        """Names between a primitive and schedule()."""
        ones = (view[0].primitives.get(primitive) for view in self.views)
        return next((one.way for one in ones if one is not None), ())

    def _shows(self, primitive: str) -> bool:
        """Whether a stack shows more of this primitive than the scheduler: mutex_lock() does, wait_event() is a macro."""
        for name in (primitive, *self.way(primitive)):
            row, found = self.internal(name), self._function(name)
            if (row is not None and row.layer == "wait") or (found is not None and found[1].definitions):
                return True
        return False

"""All facts of a tree in arrays: who defines a name, who calls it, what a structure's pointers may call."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from unkillable.ksource.facts import HEADER, MACRO, STATIC
from unkillable.ksource.names import DIGEST, Names
from unkillable.ksource.parts import WIDTHS, Part, join_tables

Array = NDArray[np.int32]


class Index:
    """Functions (macros too) are numbered; names are numbered too, 0 is no name.

    `functions` has the columns name, line, at, end, flags, file; `calls` caller, name, line; `members` caller, reached by,
    member, line, structure; `values` structure, member, name, line, file; `fields` structure, member, other structure,
    is a pointer to a function, file; `handed` caller, called, position, name, line.
    """

    def __init__(self, parts: Iterable[Part]) -> None:
        parts = list(parts)
        self.names = Names([(one.names, one.digests) for one in parts])
        self.paths = [path for one in parts for path in one.paths]
        counts = [len(one.digests) // DIGEST for one in parts]
        tables, owners = join_tables(parts, self.names.places, counts, WIDTHS)
        self.functions, self.calls, self.members = tables["functions"], tables["calls"], tables["members"]
        self.values, self.fields, self.handed = tables["values"], tables["fields"], tables["handed"]
        first = np.cumsum([0, *(len(one.paths) for one in parts)], dtype=np.int32)
        self.functions[:, 5] += first[owners["functions"]]
        self.values[:, 4] += first[owners["values"]]
        self.fields[:, 4] += first[owners["fields"]]
        self.conditions = {
            int(first[number]) + file: found
            for number, one in enumerate(parts)
            for file, found in one.conditions.items()
        }
        self.left_out: dict[str, tuple[tuple[int, int], ...]] = {}
        """Path to first and last line of what a configuration leaves out (`configured.apply`)."""

    @cached_property
    def _by_name(self) -> tuple[Array, Array]:
        order = np.argsort(self.functions[:, 0], kind="stable").astype(np.int32)
        return order, self.functions[order, 0]

    def defined(self, name: str) -> Array:
        """Functions and macros of this name."""
        number = self.names.number(name)
        if not number:
            return np.zeros(0, np.int32)
        order, sorted_names = self._by_name
        begin, end = np.searchsorted(sorted_names, [number, number + 1])
        return order[begin:end]

    def name(self, function: int) -> str:
        return self.names[int(self.functions[function, 0])]

    def path(self, function: int) -> str:
        return self.paths[int(self.functions[function, 5])]

    def line(self, function: int) -> int:
        return int(self.functions[function, 1])

    def is_macro(self, function: int) -> bool:
        return bool(self.functions[function, 4] & MACRO)

    def is_static(self, function: int) -> bool:
        return bool(self.functions[function, 4] & STATIC)

    def is_header(self, function: int) -> bool:
        return bool(self.functions[function, 4] & HEADER)

    @cached_property
    def _by_called(self) -> tuple[Array, Array]:
        order = np.argsort(self.calls[:, 1], kind="stable")
        return self.calls[order, 0], self.calls[order, 1]

    def callers(self, names: Iterable[str]) -> Array:
        """Functions that call one of these names."""
        callers, called = self._by_called
        numbers = np.array([one for name in names if (one := self.names.number(name))], np.int32)
        begin, end = np.searchsorted(called, numbers), np.searchsorted(called, numbers, side="right")
        return np.unique(np.concatenate([callers[:0], *map(callers.__getitem__, map(slice, begin, end))]))

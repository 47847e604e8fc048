"""All facts of a tree in arrays: who defines a name, who calls it, what a structure's pointers may call."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from unkillable.ksource.facts import HEADER, MACRO, STATIC, Facts

Array = NDArray[np.int32]


class Index:
    """Functions (macros too) are numbered; names are numbered too, 0 is no name.

    `functions` has the columns name, line, at, end, flags, file; `calls` caller, name, line; `members` caller, reached by,
    member, line, structure; `values` structure, member, name, line, file; `fields` structure, member, other structure,
    is a pointer to a function.
    """

    def __init__(self, files: Iterable[tuple[str, Facts]]) -> None:
        self.paths: list[str] = []
        self.ids: dict[str, int] = {"": 0}
        self.conditions: dict[int, tuple[tuple[int, str, str], ...]] = {}
        self.left_out: dict[str, tuple[tuple[int, int], ...]] = {}
        """Path to first and last line of what a configuration leaves out (`configured.apply`)."""
        parts: dict[str, list[Array]] = {
            "functions": [],
            "calls": [],
            "members": [],
            "values": [],
            "fields": [],
        }
        count = 0
        for path, one in files:
            number = len(self.paths)
            self.paths.append(path)
            if not one.names:
                continue
            if one.conditions:
                self.conditions[number] = one.conditions
            ids = self.ids
            names = np.array([ids.setdefault(name, len(ids)) for name in one.names], np.int32)
            functions = one.table("functions")
            parts["functions"].append(_column(_named(functions, names, 0), number))
            for table, columns in (("calls", (1,)), ("members", (1, 2, 4))):
                rows = _named(one.table(table), names, *columns)
                rows[:, 0] += count
                parts[table].append(rows)
            parts["values"].append(_column(_named(one.table("values"), names, 0, 1, 2), number))
            parts["fields"].append(_named(one.table("fields"), names, 0, 1, 2))
            count += len(functions)
        widths = {"functions": 6, "calls": 3, "members": 5, "values": 5, "fields": 4}
        joined = {
            name: np.concatenate(rows) if rows else np.zeros((0, widths[name]), np.int32)
            for name, rows in parts.items()
        }
        self.functions, self.calls, self.members = joined["functions"], joined["calls"], joined["members"]
        self.values, self.fields = joined["values"], joined["fields"]

    @cached_property
    def names(self) -> list[str]:
        return list(self.ids)

    @cached_property
    def _by_name(self) -> tuple[Array, Array]:
        order = np.argsort(self.functions[:, 0], kind="stable").astype(np.int32)
        return order, self.functions[order, 0]

    def defined(self, name: str) -> Array:
        """Functions and macros of this name."""
        number = self.ids.get(name)
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

    def callers(self, names: Iterable[str]) -> Array:
        """Functions that call one of these names."""
        numbers = [self.ids[name] for name in names if name in self.ids]
        return np.unique(self.calls[np.isin(self.calls[:, 1], numbers), 0])


def _named(rows: Array, names: Array, *columns: int) -> Array:
    """A copy whose columns of names have the names' numbers in all the tree."""
    rows = rows.copy()
    for column in columns:
        rows[:, column] = names[rows[:, column]]
    return rows


def _column(rows: Array, value: int) -> Array:
    return np.concatenate([rows, np.full((len(rows), 1), value, np.int32)], axis=1)

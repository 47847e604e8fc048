"""Facts of many files in one piece: their tables one below the other, over one list of names.

Files are joined to the part of a directory, which is kept, and parts to a tree.  Numbers follow from the order of files alone:
what a part out of the store gives is what its files give that are read now.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import NamedTuple

import msgspec
import numpy as np

from unkillable.ksource.facts import COLUMNS, Facts, Table
from unkillable.ksource.names import digests

_IN_FILES = ("functions", "values", "fields")
"""Tables that have the file's number behind the columns of a file's facts."""
WIDTHS = {name: width + (name in _IN_FILES) for name, width in COLUMNS.items()}
"""Columns of a part's tables."""
_NAMES = {
    "functions": (0,),
    "calls": (1,),
    "members": (1, 2, 4),
    "values": (0, 1, 2),
    "fields": (0, 1, 2),
    "handed": (1, 3),
}
"""Columns that hold names."""
_CALLERS = ("calls", "members", "handed")
"""Tables whose first column is a row of the functions."""


class Part(msgspec.Struct, frozen=True, array_like=True):
    """Tables as in Facts, of several files."""

    key: bytes
    """Names what it was made of: paths and the digests of contents."""
    paths: tuple[str, ...]
    names: str
    """One to a line; the first is no name."""
    digests: bytes
    """Of the names."""
    functions: bytes
    calls: bytes
    members: bytes
    values: bytes
    fields: bytes
    handed: bytes
    conditions: Mapping[int, tuple[tuple[int, str, str], ...]]
    """By the number of the file."""


class Joined(NamedTuple):
    tables: dict[str, Table]
    owners: dict[str, Table]
    """For each row of a table: which of those that were joined it comes from."""


def part(files: Sequence[tuple[str, Facts]], key: bytes = b"") -> Part:
    """Files to a part, in this order."""
    facts = [one for _, one in files]
    names = dict.fromkeys(chain(("",), *(one.names for one in facts)))
    numbers = dict(zip(names, range(len(names)), strict=True))
    places = np.fromiter((numbers[name] for one in facts for name in one.names), np.int32)
    tables, owners = join_tables(facts, places, [len(one.names) for one in facts], COLUMNS)
    for table in _IN_FILES:
        tables[table] = np.concatenate([tables[table], owners[table][:, None]], axis=1)
    return Part(
        key=key,
        paths=tuple(path for path, _ in files),
        names="\n".join(names),
        digests=digests(names),
        functions=tables["functions"].tobytes(),
        calls=tables["calls"].tobytes(),
        members=tables["members"].tobytes(),
        values=tables["values"].tobytes(),
        fields=tables["fields"].tobytes(),
        handed=tables["handed"].tobytes(),
        conditions={number: one.conditions for number, one in enumerate(facts) if one.conditions},
    )


def join_tables(
    parts: Sequence[Facts] | Sequence[Part], numbers: Table, names: Sequence[int], widths: Mapping[str, int]
) -> Joined:
    """Tables one below the other, with the numbers of names and functions that hold for all: `numbers` of each part's names,
    of which it has so many (`names`)."""
    first_name = _begins(names)
    tables, owners = {}, {}
    first_function = np.zeros(0, np.int32)
    for table, width in widths.items():
        blobs = [getattr(one, table) for one in parts]
        rows = np.frombuffer(bytearray().join(blobs), np.int32).reshape(-1, width)
        counts = [len(one) // (rows.itemsize * width) for one in blobs]
        owner = np.repeat(np.arange(len(blobs), dtype=np.int32), counts)
        for column in _NAMES[table]:
            rows[:, column] = numbers[rows[:, column] + first_name[owner]]
        if table == "functions":
            first_function = _begins(counts)
        elif table in _CALLERS:
            rows[:, 0] += first_function[owner]
        tables[table], owners[table] = rows, owner
    return Joined(tables, owners)


def _begins(counts: Sequence[int]) -> Table:
    """Where each begins, one behind the other."""
    sums = np.cumsum(np.array(counts, np.int32), dtype=np.int32)
    return sums - np.array(counts, np.int32)

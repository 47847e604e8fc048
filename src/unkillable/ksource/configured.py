"""An index without what a configuration leaves out."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from unkillable.ksource.conditions import left_out
from unkillable.ksource.configuration import Configuration
from unkillable.ksource.index import Array, Index
from unkillable.ksource.kbuild import built
from unkillable.ksource.text import Text
from unkillable.ksource.tree import LARGEST, Tree

__all__ = ["apply", "usual"]

Ranges = tuple[tuple[int, int], ...]
Mask = NDArray[np.bool_]


def apply(index: Index, tree: Tree, configuration: Configuration) -> Index:
    """Files that are not built, and lines that an #if leaves out, with all that stands in them."""
    files = np.array(built(tree, configuration, index.paths), np.bool_)
    ranges = {
        number: found
        for number, conditions in index.conditions.items()
        if files[number] and (found := left_out(conditions, configuration))
    }
    return _reduced(index, tree, files, ranges)


def usual(index: Index, tree: Tree, asked: Sequence[str] = ()) -> Index:
    """Without alternatives that few kernels have, as these would be added to what they take the place of: where no configuration
    says otherwise there is a memory management unit, and hardware (um is a kernel that runs as a program, and has a part in
    other architectures' directories).  What is asked for by its path stays."""
    named = tuple(one for one in asked if _UNUSUAL.search(f"{one}/"))
    files = np.array([not _UNUSUAL.search(path) or path.startswith(named) for path in index.paths], np.bool_)
    return index if files.all() else _reduced(index, tree, files, {})


_UNUSUAL = re.compile(r"nommu\w*\.c/?\Z|^arch/(?!um/)\w+/um/")


def _reduced(index: Index, tree: Tree, files: Mask, ranges: Mapping[int, Ranges]) -> Index:
    functions = _kept(index.functions[:, 5], index.functions[:, 1], files, ranges)
    again = _Again(index, tree, ranges)
    result = Index(())
    result.names = index.names
    result.paths = [path for path, keep in zip(index.paths, files.tolist(), strict=True) if keep]
    new_file = _numbers(files)
    result.conditions = {
        int(new_file[number]): found for number, found in index.conditions.items() if files[number]
    }
    result.left_out = {index.paths[number]: found for number, found in ranges.items()}
    result.functions = index.functions[functions]
    result.functions[:, 5] = new_file[result.functions[:, 5]]
    new_function = _numbers(functions)
    for name, line, pattern in (("calls", 2, _CALL), ("members", 3, _MEMBER)):
        rows = again.rows(getattr(index, name), functions, line, pattern)
        rows[:, 0] = new_function[rows[:, 0]]
        setattr(result, name, rows)
    handed = index.handed[functions[index.handed[:, 0]]]
    everything = np.ones(len(index.paths), np.bool_)
    handed = handed[_kept(index.functions[handed[:, 0], 5], handed[:, 4], everything, ranges)]
    handed[:, 0] = new_function[handed[:, 0]]
    result.handed = handed
    values = _kept(index.values[:, 4], index.values[:, 2 + 1], files, ranges)
    result.values = index.values[values]
    result.values[:, 4] = new_file[result.values[:, 4]]
    result.fields = index.fields[files[index.fields[:, 4]]]
    result.fields[:, 4] = new_file[result.fields[:, 4]]
    return result


_CALL, _MEMBER = r"(?<![\w.>])%s\s*\(", r"(?:\.|->)\s*%s\s*\("


def _numbers(keep: Mask) -> Array:
    """New numbers of what is kept."""
    return (np.cumsum(keep) - 1).astype(np.int32)


def _kept(file: Array, line: Array, files: Mask, ranges: Mapping[int, Ranges]) -> Mask:
    """Rows in files that are built, and in none of the ranges."""
    keep: Mask = files[file] if len(file) else np.zeros(0, np.bool_)
    if not ranges or not len(file):
        return keep
    # One sorted list of all ranges: a place is a file and a line, as one number.
    width = np.int64(1 << 32)
    begin = np.array([number * width + first for number in sorted(ranges) for first, _ in ranges[number]])
    end = np.array([number * width + last for number in sorted(ranges) for _, last in ranges[number]])
    place = file.astype(np.int64) * width + line
    at = np.searchsorted(begin, place, side="right") - 1
    out: Mask = (at >= 0) & (place <= end[np.maximum(at, 0)])
    return keep & ~out


class _Again:
    """Calls are known by the first in a function.  Where that is left out, the function's text has to say whether there are
    more."""

    def __init__(self, index: Index, tree: Tree, ranges: Mapping[int, Ranges]) -> None:
        self.index, self.tree, self.ranges = index, tree, ranges

    def rows(self, rows: Array, functions: Mask, line: int, pattern: str) -> Array:
        """Those that stay, with the line of the first call that does."""
        index = self.index
        rows = rows[functions[rows[:, 0]]]
        if not len(rows):
            return rows
        files = index.functions[rows[:, 0], 5]
        everything = np.ones(len(index.paths), np.bool_)
        keep = _kept(files, rows[:, line], everything, self.ranges)
        doubtful = np.flatnonzero(~keep)
        doubtful = doubtful[np.argsort(files[doubtful], kind="stable")]
        name, last, text = line - 1, -1, Text(b"")
        for row in doubtful.tolist():
            if files[row] != last:
                last = int(files[row])
                text = self._text(last)
            function = index.functions[rows[row, 0]]
            word = re.escape(index.names[int(rows[row, name])])
            match = re.compile(pattern % word).search(text.code, int(function[2]), int(function[3]))
            if match:
                rows[row, line] = text.line(match.start())
                keep[row] = True
        return rows[keep]

    def _text(self, number: int) -> Text:
        try:
            with (self.tree.root / self.index.paths[number]).open("rb") as file:
                return Text(file.read(LARGEST), self.ranges[number])
        except OSError:
            return Text(b"")

"""Joins of number columns, the way a database does them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.int64]


_SPARSE = 4
"""Keys are looked up in a list of all numbers up to the largest, if that is at most so many times as long as what is joined."""


def join(left: NDArray[np.integer], right: NDArray[np.integer]) -> tuple[Numbers, Numbers]:
    """Row numbers of all pairs whose keys are equal, none negative; pairs of one left row follow each other, in right's order."""
    order = np.argsort(right, kind="stable")
    size = int(right.max(initial=-1)) + 1
    if size <= _SPARSE * (len(left) + len(right)):
        counts = np.bincount(right, minlength=size + 1)  # the last is of what is not there
        keys = np.minimum(left, size)
        count, begin = counts[keys], (np.cumsum(counts) - counts)[keys]
    else:
        keys = right[order]
        begin = np.searchsorted(keys, left, side="left")
        count = np.searchsorted(keys, left, side="right") - begin
    rows = np.repeat(np.arange(len(left)), count)
    within = np.arange(len(rows)) - np.repeat(np.cumsum(count) - count, count)
    return rows, order[np.repeat(begin, count) + within]


def pair(first: NDArray[np.integer], second: NDArray[np.integer], size: int) -> Numbers:
    """One key for two columns; `size` is above every value of the second."""
    return first.astype(np.int64) * size + second

"""Which definition a name means where it is used: an edge of the call graph for each that it may mean.

C's rules without the preprocessor: what a file defines itself hides the rest; static functions of other files are out of
reach; another architecture's headers and another directory's private headers are not included.  Several definitions can
be left (an #ifdef's two sides, one per architecture): then all count.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from unkillable.ksource.facts import HEADER, MACRO, STATIC
from unkillable.ksource.index import Array, Index
from unkillable.ksource.join import Numbers, join


class Resolver:
    def __init__(self, index: Index) -> None:
        self.index = index
        areas: dict[str, int] = {}
        arches: dict[str, int] = {"": 0}
        self.area = np.array(
            [areas.setdefault(_area(path), len(areas)) for path in index.paths] or [0], np.int32
        )
        self.arch = np.array(
            [arches.setdefault(_arch(path), len(arches)) for path in index.paths] or [0], np.int32
        )
        self.public = np.array([_public(path) for path in index.paths] or [True], np.bool_)
        flags, self.file = index.functions[:, 4], index.functions[:, 5]
        self.names = index.functions[:, 0]
        # A static function or a macro of a .c file cannot be meant from elsewhere.
        self.shared = ((flags & (STATIC | MACRO)) == 0) | ((flags & HEADER) != 0)

    def pairs(self, files: Array, names: Array) -> tuple[Numbers, Numbers]:
        """For names as they are used in files: row numbers of uses, and the functions meant."""
        rows, found = join(names, self.names)
        user, definer = files[rows], self.file[found]
        own = user == definer
        has_own = np.zeros(len(files), np.bool_)
        has_own[rows[own]] = True
        meant = own | (~has_own[rows] & self.shared[found] & self._reaches(user, definer))
        return rows[meant], found[meant]

    def _reaches(self, user: Array, definer: Array) -> NDArray[np.bool_]:
        arch = self.arch[definer]
        fits = (arch == 0) | (self.arch[user] == 0) | (arch == self.arch[user])
        reaches: NDArray[np.bool_] = fits & (self.public[definer] | (self.area[definer] == self.area[user]))
        return reaches


def _area(path: str) -> str:
    """Files that may include each other's private headers."""
    return "/".join(path.split("/")[:-1][:2])


def _arch(path: str) -> str:
    return path.split("/")[1] if path.startswith("arch/") else ""


def _public(path: str) -> bool:
    """Whether everybody can use what this file defines."""
    return (
        path.endswith(".c")
        or path.startswith("include/")
        or (path.startswith("arch/") and "/include/" in path)
    )

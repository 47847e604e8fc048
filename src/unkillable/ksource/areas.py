"""Which files belong together: a walk into one file system should not come by way of another.

A directory below fs/ that registers no file system (fs/iomap, fs/netfs, fs/notify) serves all of them, like fs/ itself.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from unkillable.ksource.graph import Graph

_REGISTERS = "register_filesystem"
_SEPARATE = ("fs", "drivers", "net", "sound")
"""Directories whose subdirectories do not call each other."""


class Areas:
    def __init__(self, graph: Graph) -> None:
        index = graph.index
        registering = {_area(index.path(one)) for one in index.callers([_REGISTERS]).tolist()}
        names: dict[str, int] = {"": 0}
        numbers = []
        for path in index.paths:
            area = _area(path)
            generic = area.startswith("fs/") and area not in registering
            numbers.append(0 if generic else names.setdefault(area, len(names)))
        self.names = names
        """Area to number; 0 is what all share."""
        by_file = np.array(numbers or [0], np.int32)
        self.of = np.zeros(len(graph.begin) - 1, np.int32)
        """The area of each node; slots are everybody's."""
        self.of[: graph.count] = by_file[index.functions[:, 5]]

    def allowed(self, area: int) -> NDArray[np.bool_]:
        """Nodes of this area, and of what all share."""
        mask: NDArray[np.bool_] = (self.of == 0) | (self.of == area)
        return mask


def _area(path: str) -> str:
    """The subdirectory that a file belongs to; "" for what all share."""
    parts = path.split("/")
    if parts[0] not in _SEPARATE or len(parts) < 3:
        return ""
    return "/".join(parts[:2])

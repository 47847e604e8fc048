"""How others in the tree sleep so that SIGKILL ends it."""

from __future__ import annotations

from functools import lru_cache

from unkillable.ksource.audit_types import Convention
from unkillable.ksource.graph import Graph
from unkillable.ksource.sleeps import Sleeps
from unkillable.ksource.ways import Ways


class Conventions:
    def __init__(self, graph: Graph, sleeps: Sleeps, ways: Ways) -> None:
        self.graph = graph
        self.ways = ways
        self._killable = {
            name.replace("_killable", ""): name
            for name, ones in sleeps.primitives().items()
            if "_killable" in name and any(one.state is not None and one.state.killable for one in ones)
        }
        self.of = lru_cache(maxsize=1000)(self._of)

    def _of(self, primitive: str) -> Convention | None:
        """The killable form of a primitive, and the use of it that is nearest to an entry."""
        sibling = self._killable.get(primitive)
        if sibling is None:
            return None
        index = self.graph.index
        uses = [
            one
            for one in index.callers([sibling]).tolist()
            if not index.is_macro(one) and not index.is_header(one)
        ]
        for entry in self.ways.entries:
            walk = self.ways.walk(entry, None)
            reached = [one for one in uses if walk.has(one)]
            if reached:
                nearest = min(reached, key=lambda one: (int(walk.depth[one]), index.path(one)))
                line = next(
                    int(row[2])
                    for row in index.calls[index.calls[:, 0] == nearest].tolist()
                    if index.names[row[1]] == sibling
                )
                return Convention(sibling, index.name(nearest), index.path(nearest), line)
        return Convention(sibling)

"""Allocation scopes on a path: what runs between memalloc_nofs_save() and its restore may not call the file system again."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from unkillable.ksource.graph import Graph, Step

NO_KILL = frozenset(("nofs", "noio"))
"""Scopes that take __GFP_FS from every allocation, and with it the right to call the OOM killer."""
_SAVE = re.compile(r"memalloc_(\w+)_save\Z")


class Scopes:
    def __init__(self, graph: Graph) -> None:
        index = graph.index
        kinds = {number: match[1] for number, name in enumerate(index.names) if (match := _SAVE.match(name))}
        self._entered: defaultdict[int, list[tuple[str, int]]] = defaultdict(list)
        rows = index.calls[np.isin(index.calls[:, 1], list(kinds))]
        for caller, name, line in rows.tolist():
            self._entered[caller].append((kinds[name], line))

    def on(self, path: Sequence[Step]) -> tuple[str, ...]:
        """Scopes that the calls of a path are made in."""
        found = {
            kind
            for step, following in pairwise(path)
            for kind, line in self._entered.get(step.node, ())
            if line <= following.line
        }
        return tuple(sorted(found))

"""Who can call whom in a tree, through structures of function pointers too, and the shortest way there.

Nodes are the index's functions, then the slots: a slot is a member of a structure that holds a pointer to a function
(address_space_operations.readahead).  Who calls through such a member has an edge to the slot; the slot has one to
every function that an initialiser or an assignment stores there, whoever the object belongs to.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from unkillable.ksource import callbacks
from unkillable.ksource.index import Index
from unkillable.ksource.join import Numbers, join, pair
from unkillable.ksource.resolve import Resolver

_GUESSES = 3
"""A call through a member of a structure that is not known: at most this many structures with such a member may be meant."""


class Step(NamedTuple):
    """One call of a path."""

    node: int
    line: int
    """Where the node before calls it; 0 for the first, and behind a slot where it was stored."""


class Graph:
    def __init__(self, index: Index) -> None:
        self.index = index
        self.count = len(index.functions)
        self._resolver = Resolver(index)
        self._size = len(index.names)
        pointers = index.fields[index.fields[:, 3] == 1]
        self.slots = np.unique(pair(pointers[:, 0], pointers[:, 1], self._size))
        """Structure and member, as one number."""
        self.unknown = 0
        """Calls through pointers whose structure is not known."""
        edges = np.concatenate(
            [self._calls(), self._through(), self._stored(), callbacks.edges(index, self._resolver)]
        )
        nodes = self.count + len(self.slots)
        edges = edges[np.argsort(pair(edges[:, 0], edges[:, 1], nodes), kind="stable")]
        self.targets, self.lines = edges[:, 1].copy(), edges[:, 2].copy()
        self.begin = np.concatenate([[0], np.cumsum(np.bincount(edges[:, 0], minlength=nodes))])

    def _calls(self) -> Numbers:
        calls = self.index.calls
        uses, meant = self._resolver.pairs(self.index.functions[calls[:, 0], 5], calls[:, 1])
        return np.stack([calls[uses, 0].astype(np.int64), meant, calls[uses, 2]], axis=1)

    def _through(self) -> Numbers:
        """From callers to slots."""
        members, size = self.index.members, self._size
        known = members[:, 4] != 0
        rows = [np.flatnonzero(known)]
        keys = [pair(members[known, 4], members[known, 2], size)]
        # item->ops->run(): what structures are members called "ops" of?
        chained = np.flatnonzero(~known & (members[:, 1] != 0))
        typed = self.index.fields[self.index.fields[:, 2] != 0]
        named, kinds = np.divmod(np.unique(pair(typed[:, 1], typed[:, 2], size)), size)
        left, right = join(members[chained, 1], named)
        rows.append(chained[left])
        keys.append(pair(kinds[right], members[chained[left], 2], size))
        row, slot = self._known(np.concatenate(rows), np.concatenate(keys))
        # What is left: by the member's name alone, if few structures have one.
        missing = np.setdiff1d(np.arange(len(members)), row)
        left, right = join(members[missing, 2], (self.slots % size).astype(np.int32))
        few = (
            np.bincount(left, minlength=len(missing))[left] <= _GUESSES
            if len(left)
            else left.astype(np.bool_)
        )
        row = np.concatenate([row, missing[left[few]]])
        slot = np.concatenate([slot, right[few]])
        self.unknown = len(members) - len(np.unique(row))
        return np.stack([members[row, 0], slot + self.count, members[row, 3]], axis=1)

    def _stored(self) -> Numbers:
        """From slots to functions."""
        values, size = self.index.values, self._size
        uses, meant = self._resolver.pairs(values[:, 4], values[:, 2])
        kind, member = values[uses, 0], values[uses, 1]
        named = kind != 0
        rows, slot = self._known(np.flatnonzero(named), pair(kind[named], member[named], size))
        # item->run = function; the structure is not known: every slot of that name where there are few.
        loose = np.flatnonzero(~named)
        left, right = join(member[loose], (self.slots % size).astype(np.int32))
        few = (
            np.bincount(left, minlength=len(loose))[left] <= _GUESSES if len(left) else left.astype(np.bool_)
        )
        rows = np.concatenate([rows, loose[left[few]]])
        slot = np.concatenate([slot, right[few]])
        return np.stack([slot + self.count, meant[rows], values[uses[rows], 3]], axis=1)

    def _known(self, rows: Numbers, keys: Numbers) -> tuple[Numbers, Numbers]:
        """Those rows whose key is a slot, and the slot."""
        at = np.searchsorted(self.slots, keys)
        at[at == len(self.slots)] = 0
        found = self.slots[at] == keys if len(self.slots) else np.zeros(len(keys), np.bool_)
        return rows[found], at[found]

    def name(self, node: int) -> str:
        """A function's name, or structure.member."""
        if node < self.count:
            return self.index.name(node)
        slot = int(self.slots[node - self.count])
        return f"{self.index.names[slot // self._size]}.{self.index.names[slot % self._size]}"

    def is_slot(self, node: int) -> bool:
        return node >= self.count

    def callees(self, node: int) -> NDArray[np.int64]:
        return self.targets[self.begin[node] : self.begin[node + 1]]

    @cached_property
    def _backwards(self) -> tuple[Numbers, Numbers]:
        order = np.argsort(self.targets, kind="stable")
        nodes = len(self.begin) - 1
        callers = np.repeat(np.arange(nodes), np.diff(self.begin))[order]
        return callers, np.concatenate([[0], np.cumsum(np.bincount(self.targets, minlength=nodes))])

    def callers(self, node: int) -> NDArray[np.int64]:
        """Nodes with an edge to this one."""
        callers, begin = self._backwards
        return callers[begin[node] : begin[node + 1]]

    def reach(
        self, sources: Iterable[int], closed: Iterable[int] = (), allowed: NDArray[np.bool_] | None = None
    ) -> Reach:
        """Everything that can be called from these, shortest first; what is `closed` is reached and not left,
        what is not `allowed` is not reached."""
        return Reach(self, np.array(sorted(set(sources)), np.int64), closed, allowed)


class Reach:
    """The result of a walk, breadth first."""

    def __init__(
        self, graph: Graph, sources: Numbers, closed: Iterable[int], allowed: NDArray[np.bool_] | None
    ) -> None:
        self.graph = graph
        size = len(graph.begin) - 1
        self.depth = np.full(size, -1, np.int16)
        self.edge = np.full(size, -1, np.int32)
        """The edge by which a node was reached first."""
        self.depth[sources] = 0
        shut = np.zeros(size, np.bool_)
        shut[list(closed)] = True
        frontier, level = sources, 0
        while len(frontier):
            level += 1
            frontier = frontier[~shut[frontier]]
            begin, end = graph.begin[frontier], graph.begin[frontier + 1]
            count = end - begin
            edges = np.repeat(begin - np.cumsum(count) + count, count) + np.arange(count.sum())
            targets = graph.targets[edges]
            new = self.depth[targets] < 0
            if allowed is not None:
                new &= allowed[targets]
            targets, edges = targets[new], edges[new]
            self.depth[targets] = level
            self.edge[targets[::-1]] = edges[::-1]  # of several edges the first is written last, and stays
            frontier = np.flatnonzero(self.depth == level)

    def has(self, node: int) -> bool:
        return bool(self.depth[node] >= 0)

    def path(self, node: int) -> Sequence[Step]:
        """From a source to the node; empty if it was not reached."""
        if not self.has(node):
            return ()
        steps: list[Step] = []
        while True:
            edge = int(self.edge[node])
            if edge < 0:
                steps.append(Step(node, 0))
                return tuple(reversed(steps))
            steps.append(Step(node, int(self.graph.lines[edge])))
            node = int(np.searchsorted(self.graph.begin, edge, side="right")) - 1

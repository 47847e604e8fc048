"""Edges to functions that are handed on as arguments: from who hands one to somebody that calls it.

Who calls its parameter, or hands it on to somebody who does, calls what it is given while its caller waits for it.  Who
stores it (INIT_WORK, request_irq) does not: what is stored is called by another task.
"""

from __future__ import annotations

import numpy as np

from unkillable.ksource.facts import HANDED
from unkillable.ksource.index import Index
from unkillable.ksource.join import Numbers, pair
from unkillable.ksource.resolve import Resolver

_MOST = 64
"""Above the position of every parameter."""
_FARTHEST = 8
"""Functions that hand a parameter on to each other, at most."""


def edges(index: Index, resolver: Resolver) -> Numbers:
    """Caller, function and line, for each function that is handed to what calls it."""
    handed, own = index.handed, _positions(index)
    rows, to = resolver.pairs(index.functions[handed[:, 0], 5], handed[:, 1])
    into = pair(to, np.minimum(handed[rows, 2], _MOST - 1), _MOST)
    passed = own[handed[rows, 3]]
    called = own[index.calls[:, 1]]
    live = np.zeros(len(index.functions) * _MOST, np.bool_)
    live[pair(index.calls[called >= 0, 0], called[called >= 0], _MOST)] = True
    live[_kept(index, own)] = True
    on = passed >= 0
    reached_by, reached = into[on], pair(handed[rows[on], 0], passed[on], _MOST)
    for _ in range(_FARTHEST):
        live[reached[live[reached_by]]] = True
    given = np.unique(rows[~on & live[into]])
    uses, meant = resolver.pairs(index.functions[handed[given, 0], 5], handed[given, 3])
    found = handed[given[uses]]
    return np.stack([found[:, 0].astype(np.int64), meant, found[:, 4]], axis=1)


def _positions(index: Index) -> Numbers:
    """Of every name the position of the parameter that it stands for ("()2"), or -1."""
    found = np.full(len(index.names), -1, np.int64)
    for position in range(_MOST):
        number = index.names.number(f"{HANDED}{position}")
        if number:
            found[number] = position
    return found


def _kept(index: Index, own: Numbers) -> Numbers:
    """Parameters that a function keeps on its stack, in a member of a structure that somebody calls."""
    called = set(map(tuple, np.unique(index.members[:, [4, 2]], axis=0).tolist()))
    found = [
        caller * _MOST + int(own[name])
        for caller, to, _, name, _ in index.handed[own[index.handed[:, 3]] >= 0].tolist()
        if len(parts := index.names[to].split(".")) == 2
        for member in (index.names.number(parts[1]),)
        if member and not called.isdisjoint({(index.names.number(parts[0]), member), (0, member)})
    ]
    return np.array(found, np.int64)

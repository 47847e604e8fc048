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

_MOST = 256
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
    live = np.unique(
        np.concatenate(
            [
                pair(index.calls[called >= 0, 0], called[called >= 0], _MOST),
                _kept(index, own),
            ]
        )
    )
    for _ in range(_FARTHEST):
        on = (passed >= 0) & np.isin(into, live)
        more = np.union1d(live, pair(handed[rows[on], 0], passed[on], _MOST))
        if len(more) == len(live):
            break
        live = more
    given = np.unique(rows[(passed < 0) & np.isin(into, live)])
    uses, meant = resolver.pairs(index.functions[handed[given, 0], 5], handed[given, 3])
    found = handed[given[uses]]
    return np.stack([found[:, 0].astype(np.int64), meant, found[:, 4]], axis=1)


def _positions(index: Index) -> Numbers:
    """Of every name the position of the parameter that it stands for ("()2"), or -1."""
    found = np.full(len(index.ids), -1, np.int64)
    for position in range(_MOST):
        number = index.ids.get(f"{HANDED}{position}")
        if number is not None:
            found[number] = position
    return found


def _kept(index: Index, own: Numbers) -> Numbers:
    """Parameters that a function keeps on its stack, in a member of a structure that somebody calls."""
    called = set(map(tuple, np.unique(index.members[:, [4, 2]], axis=0).tolist()))
    found = [
        caller * _MOST + int(own[name])
        for caller, to, _, name, _ in index.handed[own[index.handed[:, 3]] >= 0].tolist()
        if len(parts := index.names[to].split(".")) == 2
        for member in (index.ids.get(parts[1], 0),)
        if member and not called.isdisjoint({(index.ids.get(parts[0], 0), member), (0, member)})
    ]
    return np.array(found, np.int64)

"""Where a search can go round for ever: strongly connected components, and which of them a fair scheduler can stay in.

In Python, for machines without a compiler; `engine.c` has the same.
"""

from __future__ import annotations

from collections.abc import Sequence


def components(mask: Sequence[bool], starts: Sequence[int], targets: Sequence[int]) -> list[int]:
    """The number of each state's strongly connected component among the marked states, -1 where it is not marked (Tarjan's way,
    without recursion)."""
    order, low, owner = [-1] * len(mask), [0] * len(mask), [-1] * len(mask)
    work, edge, stack = [0] * len(mask), [0] * len(mask), [0] * len(mask)
    found = 0
    counter = 0
    depth = 0
    for root in range(len(mask)):
        if not mask[root] or order[root] >= 0:
            continue
        top = 0
        work[0] = root
        edge[0] = starts[root]
        order[root] = low[root] = counter
        counter += 1
        stack[depth] = root
        depth += 1
        while top >= 0:
            node = work[top]
            if edge[top] < starts[node + 1]:
                other = targets[edge[top]]
                edge[top] += 1
                if not mask[other]:
                    continue
                if order[other] < 0:
                    order[other] = low[other] = counter
                    counter += 1
                    stack[depth] = other
                    depth += 1
                    top += 1
                    work[top] = other
                    edge[top] = starts[other]
                elif owner[other] < 0 and order[other] < low[node]:
                    low[node] = order[other]
                continue
            if low[node] == order[node]:
                while True:
                    depth -= 1
                    other = stack[depth]
                    owner[other] = found
                    if other == node:
                        break
                found += 1
            top -= 1
            if top >= 0 and low[node] < low[work[top]]:
                low[work[top]] = low[node]
    return owner


def fair(
    owner: Sequence[int], starts: Sequence[int], targets: Sequence[int], movers: Sequence[int], everybody: int
) -> list[bool]:
    """Of each component whether one can stay in it for ever although nobody who could always go on is left waiting.

    For that everybody moves within the component, or is at times unable to move.
    """
    found = max(owner, default=-1) + 1
    moved, still, whole = [0] * found, [0] * found, [False] * found
    for number, own in enumerate(owner):
        if own < 0:
            continue
        able = 0
        for k in range(starts[number], starts[number + 1]):
            able |= 1 << movers[k]
            if owner[targets[k]] == own:
                moved[own] |= 1 << movers[k]
                whole[own] = True
        if starts[number] == starts[number + 1]:
            # Nobody can move at all: it stays as it is.
            whole[own] = True
        still[own] |= everybody & ~able
    return [whole[one] and (moved[one] | still[one]) & everybody == everybody for one in range(found)]

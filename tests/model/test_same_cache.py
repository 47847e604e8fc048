"""The cache that is searched and the cache that runs real images are the same: random orders of events, through both."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.model.test_rules import system
from unkillable.model.blockcache import INVALID, BlockCache, Got
from unkillable.model.machine import Machine
from unkillable.model.state import At

PENDING = {At.FILL, At.STREAM, At.DECOMPRESS, At.PUT_STREAM, At.FILLED}
"""Where a task is that reads a block."""


def entries(cache: BlockCache) -> list[tuple[int, int, bool]]:
    return [(0 if one.block == INVALID else one.block + 1, one.refcount, one.pending) for one in cache.entry]


def searched(machine: Machine, row: bytes) -> list[tuple[int, int, bool]]:
    now = machine.describe(row)
    return list(zip(now["block"], now["refs"], map(bool, now["pending"]), strict=True))


def is_get(machine: Machine, row: bytes, task: int) -> bool:
    return machine.value(row, "at", task) == At.GET


@pytest.mark.parametrize("era", ["6.1", "7.3"])
@settings(max_examples=120, deadline=None)
@given(picks=st.lists(st.integers(0, 1000), max_size=120), entry_count=st.integers(1, 2))
def test_both_do_the_same(era: str, picks: list[int], entry_count: int) -> None:
    machine = system(
        era, "stock", "queue", kills=0, work=3, blocks=4, pages_per_block=2, entries=entry_count, memory=20
    )
    cache = BlockCache("data", entry_count, keyed=era == "7.3")
    row = machine.initial()
    woken = -1
    for pick in picks:
        # BlockCache looks at wait_event()'s condition and for the block in one call: nobody comes between them here.
        steps = [
            one
            for one in machine.next(row)
            if woken in (-1, one[0].task) and (woken < 0 or is_get(machine, row, woken))
        ]
        if not steps:
            break
        step, after = steps[pick % len(steps)]
        task, rule = step.task, machine.rules[step.rule].name
        block = machine.value(row, "page", task) // 2
        if rule in ("get_hit", "get_free", "get_wait"):
            answer = cache.get(block, task)
            at = machine.value(after, "at", task)
            assert (answer.got is Got.FILL) == (rule == "get_free")
            assert (answer.got is Got.WAIT_ENTRY) == (at == At.WAIT_ENTRY)
            assert (answer.got is Got.WAIT_FILL) == (at == At.WAIT_FILL)
            if rule != "get_wait":
                assert machine.value(after, "entry", task) == answer.entry + 1
        elif rule == "filled":
            cache.filled(machine.value(row, "entry", task) - 1)
        elif rule == "release":
            cache.put(machine.value(row, "entry", task) - 1)
        woken = task if rule == "entry_woken" else -1
        row = after
        assert entries(cache) == searched(machine, row)
        readers = sum(machine.value(row, "at", t) in PENDING for t in range(3))
        assert readers == sum(one.pending for one in cache.entry)

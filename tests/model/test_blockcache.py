"""The block cache: what the kernel's source says of single cases, and the same as a transcript of it whatever is done."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.model.cache_c import Cache, KeyedCache, Task
from unkillable.model.blockcache import INVALID, BlockCache, Got

ENOMEM = -12
TASKS = st.integers(0, 5)
BLOCKS = st.integers(100, 105)


def fill(cache: BlockCache, block: int, who: str = "a") -> int:
    answer = cache.get(block, who)
    assert answer.got is Got.FILL
    cache.filled(answer.entry)
    return answer.entry


def test_a_block_is_filled_once_and_stays_when_it_is_put() -> None:
    cache = BlockCache("fragment", 3)
    cache.put(fill(cache, 7))
    again = cache.get(7, "b")
    assert (again.got, again.error) == (Got.HIT, 0)
    assert (cache.counts.lookups, cache.counts.fills, cache.counts.hits) == (2, 1, 1)


def test_entries_are_taken_in_turn_and_not_by_age_of_use() -> None:
    cache = BlockCache("fragment", 3)
    for block in (1, 2, 3):
        cache.put(fill(cache, block))
    cache.put(cache.get(1, "a").entry)  # used just now, and yet the next to go
    cache.put(fill(cache, 4))
    assert [one.block for one in cache.entry] == [4, 2, 3]
    assert cache.counts.evictions == 1
    cache.put(fill(cache, 1))
    assert cache.counts.refills == 1


def test_whoever_finds_all_entries_used_sleeps_until_one_is_put() -> None:
    cache = BlockCache("data", 1)
    held = fill(cache, 1)
    assert cache.get(2, "b").got is Got.WAIT_ENTRY
    assert cache.num_waiters == 1
    assert cache.put(held) == ("b",)
    assert cache.get(2, "b").got is Got.FILL
    assert (cache.num_waiters, cache.counts.entry_waits) == (0, 1)


def test_whoever_finds_its_block_being_filled_sleeps_for_that() -> None:
    cache = BlockCache("data", 2)
    first = cache.get(1, "a")
    second = cache.get(1, "b")
    assert (second.got, second.entry) == (Got.WAIT_FILL, first.entry)
    assert cache.filled(first.entry).woken == ("b",)
    got = cache.waited(second.entry)
    assert got is not None
    assert got.error == 0
    assert (cache.counts.shared, cache.counts.fills) == (1, 1)


def test_an_error_stays_under_the_blocks_number() -> None:
    """fs/squashfs/cache.c keeps entry->block: everybody after gets the error that was one task's own."""
    cache = BlockCache("fragment", 3)
    index = cache.get(1, "victim").entry
    cache.get(1, "waiter")
    cache.filled(index, ENOMEM)
    got = cache.waited(index)
    assert got is not None
    assert got.error == ENOMEM
    cache.put(index)
    cache.put(index)
    late = cache.get(1, "bystander")
    assert (late.got, late.error) == (Got.HIT, ENOMEM)


def test_mended_an_error_is_for_nobody_else() -> None:
    cache = BlockCache("fragment", 3, mended=True)
    index = cache.get(1, "victim").entry
    cache.get(1, "waiter")
    assert cache.filled(index, ENOMEM).error == ENOMEM
    assert cache.waited(index) is None
    cache.put(index)
    cache.put(index)
    assert cache.get(1, "waiter").got is Got.FILL
    assert cache.get(1, "bystander").got is Got.WAIT_FILL


def test_up_to_7_2_all_sleepers_wake_and_one_gets_the_entry() -> None:
    cache = BlockCache("data", 1)
    held = fill(cache, 1)
    for who in ("b", "c", "d"):
        cache.get(2, who)
    assert cache.put(held) == ("b", "c", "d")
    assert cache.get(2, "c").got is Got.FILL
    # The block is there now, but who sleeps for an entry looks at nothing else.
    assert cache.get(2, "b").got is Got.WAIT_ENTRY
    assert cache.num_waiters == 2


def test_7_3_wakes_one_and_those_who_share_its_block() -> None:
    cache = BlockCache("data", 1, keyed=True)
    held = fill(cache, 1)
    for who, block in (("b", 2), ("c", 3), ("d", 2)):
        assert cache.get(block, who).got is Got.WAIT_ENTRY
    assert cache.put(held) == ("b",)
    claimed = cache.get(2, "b")
    assert (claimed.got, claimed.woken) == (Got.FILL, ("d",))
    assert cache.get(2, "d").got is Got.WAIT_FILL


def test_7_3_hands_a_wake_up_on_that_was_not_needed() -> None:
    cache = BlockCache("data", 2, keyed=True)
    one, two = fill(cache, 1), fill(cache, 2)
    assert cache.get(3, "b").got is Got.WAIT_ENTRY
    assert cache.get(3, "c").got is Got.WAIT_ENTRY
    assert cache.get(4, "d").got is Got.WAIT_ENTRY
    assert cache.put(one) == ("b",)
    assert cache.put(two) == ("c",)
    assert cache.get(3, "b").got is Got.FILL
    # c finds b's fill and shares it: the entry that was meant for c is d's.
    shared = cache.get(3, "c")
    assert (shared.got, shared.woken) == (Got.WAIT_FILL, ("d",))


def test_without_the_hand_on_the_last_sleeper_would_be_left() -> None:
    cache = BlockCache("data", 2, keyed=True)
    one, two = fill(cache, 1), fill(cache, 2)
    cache.get(3, "b")
    cache.get(4, "d")
    cache.put(one)
    cache.put(two)
    assert cache.get(3, "b").woken == ()
    assert cache.get(4, "d").got is Got.FILL


class Agreement(RuleBasedStateMachine):
    """Tasks get and put blocks in any order, in BlockCache and in the transcript of the C."""

    @initialize(entries=st.integers(1, 4), keyed=st.booleans(), mended=st.booleans())
    def begin(self, entries: int, keyed: bool, mended: bool) -> None:
        self.ours = BlockCache("any", entries, keyed=keyed, mended=mended)
        self.theirs = (KeyedCache if keyed else Cache)(entries, mended)
        self.tasks: dict[int, Task] = {}
        self.doing: dict[int, str] = {}
        self.blocks: dict[int, int] = {}
        self.waits: dict[int, int] = {}
        self.held: list[int] = []
        self.runnable: set[object] = set()

    @rule(who=TASKS, block=BLOCKS)
    def get(self, who: int, block: int) -> None:
        if who in self.tasks:
            return
        self.tasks[who] = self.theirs.get(block, who)
        self.blocks[who] = block
        self._step_theirs(who, None)
        self._look(who)

    @rule(who=TASKS)
    def run(self, who: int) -> None:
        if who not in self.runnable:
            return
        self.runnable.discard(who)
        self.theirs.runnable.discard(who)
        waited = self.doing[who] == "filled"
        self._step_theirs(who, None)
        if not waited:
            self._look(who)
            return
        index = self.waits.pop(who)
        answer = self.ours.waited(index)
        if answer is None:
            self.runnable |= set(self.ours.put(index))
            self._look(who)
        else:
            self._holds(who, index, answer.error)

    @precondition(lambda self: "fill" in getattr(self, "doing", {}).values())
    @rule(data=st.data(), error=st.sampled_from([0, 0, ENOMEM]))
    def finish(self, data: st.DataObject, error: int) -> None:
        who = data.draw(st.sampled_from(sorted(one for one, what in self.doing.items() if what == "fill")))
        index = self.waits.pop(who)
        self._step_theirs(who, error)
        answer = self.ours.filled(index, error)
        self.runnable |= set(answer.woken)
        self._holds(who, index, error)

    @precondition(lambda self: bool(getattr(self, "held", None)))
    @rule(data=st.data())
    def put(self, data: st.DataObject) -> None:
        index = self.held.pop(data.draw(st.integers(0, len(self.held) - 1)))
        self.theirs.put(index)
        self.runnable |= set(self.ours.put(index))

    def _step_theirs(self, who: int, error: int | None) -> None:
        try:
            self.doing[who] = next(self.tasks[who]) if error is None else self.tasks[who].send(error)
        except StopIteration as end:
            self.doing[who] = f"holds {end.value}"

    def _look(self, who: int) -> None:
        answer = self.ours.get(self.blocks[who], who)
        self.runnable |= set(answer.woken)
        expected = {Got.WAIT_ENTRY: "entry", Got.FILL: "fill", Got.WAIT_FILL: "filled"}.get(answer.got)
        if expected is None:
            self._holds(who, answer.entry, answer.error)
            return
        assert self.doing[who] == expected
        self.waits[who] = answer.entry

    def _holds(self, who: int, index: int, error: int) -> None:
        assert self.doing.pop(who) == f"holds {index}"
        assert self.theirs.entry[index].error == error
        del self.tasks[who]
        self.held.append(index)

    @invariant()
    def same(self) -> None:
        if not hasattr(self, "ours"):
            return
        ours, theirs = self.ours, self.theirs
        assert [
            (one.block, one.refcount, one.pending, one.error, len(one.waiters)) for one in ours.entry
        ] == [
            (one.block, one.refcount, bool(one.pending), one.error, len(one.sleepers)) for one in theirs.entry
        ]
        assert (ours.unused, ours.next_blk, ours.curr_blk, ours.num_waiters) == (
            theirs.unused, theirs.next_blk, theirs.curr_blk, theirs.num_waiters,
        )  # fmt: skip
        assert self.runnable == theirs.runnable

    @invariant()
    def nobody_is_forgotten(self) -> None:
        """While an entry is unused, somebody who sleeps for one is on the way."""
        if hasattr(self, "ours") and self.ours.unused and "entry" in self.doing.values():
            assert any(self.doing.get(who) == "entry" for who in self.runnable if isinstance(who, int))


TestAgreement = Agreement.TestCase
TestAgreement.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)


@pytest.mark.parametrize("keyed", [False, True])
def test_an_entry_without_a_block_is_none_of_anybodys(keyed: bool) -> None:
    cache = BlockCache("data", 1, keyed=keyed)
    assert cache.entry[0].block == INVALID
    assert cache.get(0, "a").got is Got.FILL, "a block may begin anywhere but at INVALID"

"""fs/squashfs/cache.c once more, line by line, with a task as a coroutine: what BlockCache is held against.

A task yields where it would sleep or read: "entry", "fill", "filled".  It is told the error of its fill.
"""

from __future__ import annotations

from collections.abc import Generator, Hashable

INVALID = -1
Task = Generator[str, int, int]


class Entry:
    def __init__(self) -> None:
        self.block = INVALID
        self.refcount = 0
        self.pending = 0
        self.num_waiters = 0
        self.error = 0
        self.sleepers: list[Hashable] = []


class Cache:
    def __init__(self, entries: int, transient: bool) -> None:
        self.entry = [Entry() for _ in range(entries)]
        self.entries = entries
        self.unused = entries
        self.curr_blk = self.next_blk = self.num_waiters = 0
        self.transient = transient
        self.runnable: set[Hashable] = set()
        self.sleepers: list[Hashable] = []

    def lookup(self, block: int) -> tuple[int, int]:
        i, n = self.curr_blk, 0
        while n < self.entries:
            if self.entry[i].block == block:
                self.curr_blk = i
                break
            i = (i + 1) % self.entries
            n += 1
        return i, n

    def choose(self, block: int) -> Entry:
        i, n = self.next_blk, 0
        while n < self.entries:
            if self.entry[i].refcount == 0:
                break
            i = (i + 1) % self.entries
            n += 1
        self.next_blk = (i + 1) % self.entries
        entry = self.entry[i]
        self.unused -= 1
        entry.block = block
        entry.refcount = 1
        entry.pending = 1
        entry.num_waiters = 0
        entry.error = 0
        return entry

    def publish(self, entry: Entry, error: int) -> None:
        entry.error = error
        if error and self.transient:
            entry.block = INVALID
        entry.pending = 0
        if entry.num_waiters:
            self.runnable |= set(entry.sleepers)
            entry.sleepers.clear()

    def get(self, block: int, who: Hashable) -> Task:
        """squashfs_cache_get() of 5.10 to 7.2; returns the index of the entry."""
        while True:
            i, n = self.lookup(block)
            if n == self.entries:
                if self.unused == 0:
                    self.num_waiters += 1
                    while not self.unused:
                        self.sleepers.append(who)
                        yield "entry"
                    self.num_waiters -= 1
                    continue
                entry = self.choose(block)
                error = yield "fill"
                self.publish(entry, error)
                return self.entry.index(entry)
            entry = self.entry[i]
            if entry.refcount == 0:
                self.unused -= 1
            entry.refcount += 1
            if entry.pending:
                entry.num_waiters += 1
                while entry.pending:
                    entry.sleepers.append(who)
                    yield "filled"
                if entry.error and self.transient:
                    self.put(i)
                    continue
            return i

    def put(self, i: int) -> None:
        entry = self.entry[i]
        entry.refcount -= 1
        if entry.refcount == 0:
            self.unused += 1
            if self.num_waiters:
                self.wake_up()

    def wake_up(self) -> None:
        self.runnable |= set(self.sleepers)
        self.sleepers.clear()


class KeyedCache(Cache):
    """That of 7.3."""

    def __init__(self, entries: int, transient: bool) -> None:
        super().__init__(entries, transient)
        self.queue: list[tuple[Hashable, int]] = []
        self.capacity: dict[Hashable, bool] = {}

    def get(self, block: int, who: Hashable) -> Task:
        capacity_wake = False
        while True:
            i, n = self.lookup(block)
            if n == self.entries:
                if self.unused == 0:
                    self.num_waiters += 1
                    self.queue.append((who, block))
                    yield "entry"
                    capacity_wake = self.capacity.pop(who)
                    self.num_waiters -= 1
                    continue
                entry = self.choose(block)
                if self.num_waiters > 0:
                    mine = [one for one, wanted in self.queue if wanted == block]
                    for one in mine:
                        self.wake(one, False)
                error = yield "fill"
                self.publish(entry, error)
                return self.entry.index(entry)
            entry = self.entry[i]
            if entry.refcount == 0:
                self.unused -= 1
                capacity_wake = False
            entry.refcount += 1
            pending = entry.pending
            if pending:
                entry.num_waiters += 1
            if capacity_wake and self.unused and self.num_waiters:
                self.wake_up()
            if pending:
                while entry.pending:
                    entry.sleepers.append(who)
                    yield "filled"
                if entry.error and self.transient:
                    self.put(i)
                    capacity_wake = False
                    continue
            return i

    def wake_up(self) -> None:
        if self.queue:
            self.wake(self.queue[0][0], True)

    def wake(self, who: Hashable, capacity: bool) -> None:
        self.queue = [one for one in self.queue if one[0] != who]
        self.capacity[who] = capacity
        self.runnable.add(who)

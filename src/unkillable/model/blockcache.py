"""The block cache of squashfs (fs/squashfs/cache.c): a few entries, filled by whoever misses, evicted in turn.

It decides and never sleeps.  `get` says what a task must do next: go on, fill the entry, or sleep; `filled` and `put` say
whom they wake.  Whoever drives it (a replay of a trace, a search for hangs) lets tasks sleep and calls again.

| step | kernel |
|---|---|
| `get` | squashfs_cache_get() up to squashfs_read_data(), and a sleeper's way out of its wait for an entry |
| `filled` | squashfs_cache_get() after squashfs_read_data() |
| `waited` | squashfs_cache_get() after the wait for somebody else's fill |
| `put` | squashfs_cache_put() |

Up to 7.2 a sleeper is in `wait_event(cache->wait_queue, cache->unused)`: every put wakes all of them, and they look for
their block again only if an entry is unused.  7.3 (`keyed`) wakes one per entry that gets free, and those that want a block
as soon as somebody fills it; whoever then shares an entry instead of taking the free one hands the wake-up on.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from enum import Enum

INVALID = -1
"""SQUASHFS_INVALID_BLK: an entry without a block."""


class Got(Enum):
    """What a task that looked a block up must do."""

    HIT = "use the entry"
    FILL = "read the block, then call filled()"
    WAIT_ENTRY = "sleep until woken, then call get() again"
    WAIT_FILL = "sleep until woken, then call waited()"


@dataclass(frozen=True, slots=True)
class Answer:
    got: Got
    entry: int = INVALID
    """Index of the entry that the task holds; none while it waits for one."""
    error: int = 0
    """entry->error: what the fill failed with, as a negative errno."""
    woken: tuple[Hashable, ...] = ()


@dataclass(slots=True)
class Entry:
    """struct squashfs_cache_entry."""

    block: int = INVALID
    refcount: int = 0
    pending: bool = False
    error: int = 0
    waiters: list[Hashable] = field(default_factory=list)
    """entry->wait_queue; its length is entry->num_waiters."""


@dataclass(slots=True)
class Counts:
    """What happened since the cache was made."""

    lookups: int = 0
    """Calls of squashfs_cache_get() that have got an entry."""
    hits: int = 0
    """Of these, those that found the block, filled."""
    shared: int = 0
    """Those that found it being filled, and waited for that."""
    fills: int = 0
    """Those that filled an entry."""
    refills: int = 0
    """Of the fills, those of a block that had been filled before."""
    evictions: int = 0
    """Of the fills, those that took the entry of another block."""
    entry_waits: int = 0
    """Sleeps for want of an unused entry."""
    errors: int = 0
    """Of the lookups, those that got an error, from their own fill or one of before."""


class BlockCache:
    """struct squashfs_cache of `entries` entries.

    `mended`: a fill that failed says so to those who wait for it and to nobody after them, as the series of `unkillable fix`
    has it for errors that are a task's own; the waiters then look the block up again.
    """

    def __init__(self, name: str, entries: int, *, keyed: bool = False, mended: bool = False) -> None:
        self.name = name
        self.entry = [Entry() for _ in range(entries)]
        self.unused = entries
        self.curr_blk = 0
        self.next_blk = 0
        self.counts = Counts()
        self._keyed = keyed
        self._mended = mended
        self._queue: dict[Hashable, int] = {}
        """cache->wait_queue: who sleeps there, in order, and for which block."""
        self._roused: dict[Hashable, bool] = {}
        """7.3: who was taken off the queue and has not run since, and whether because an entry became free (capacity_wake)."""
        self._filled: set[int] = set()

    @property
    def num_waiters(self) -> int:
        """cache->num_waiters: a sleeper counts until it runs again, not until it is woken."""
        return len(self._queue) + len(self._roused)

    def waiting(self, who: Hashable) -> bool:
        """Whether a task is on its way through the wait for an entry."""
        return who in self._queue or who in self._roused

    def get(self, block: int, who: Hashable) -> Answer:
        """Looks a block up for a task; one that slept for an entry calls it again when it is woken."""
        if not self._keyed and who in self._queue and not self.unused:
            return Answer(Got.WAIT_ENTRY)  # wait_event() looks at nothing else
        self._queue.pop(who, None)
        capacity_wake = self._roused.pop(who, False)
        index = self._find(block)
        if index is not None:
            return self._share(index, who, capacity_wake)
        if not self.unused:
            self.counts.entry_waits += 1
            self._queue[who] = block
            return Answer(Got.WAIT_ENTRY)
        return self._claim(block)

    def _find(self, block: int) -> int | None:
        for n in range(len(self.entry)):
            index = (self.curr_blk + n) % len(self.entry)
            if self.entry[index].block == block:
                self.curr_blk = index
                return index
        return None

    def _share(self, index: int, who: Hashable, capacity_wake: bool) -> Answer:
        entry = self.entry[index]
        if entry.refcount == 0:
            self.unused -= 1
            capacity_wake = False
        entry.refcount += 1
        woken = self._wake_one() if capacity_wake and self.unused else ()
        if entry.pending:
            entry.waiters.append(who)
            return Answer(Got.WAIT_FILL, index, woken=woken)
        self.counts.hits += 1
        return self._got(Got.HIT, index, woken)

    def _claim(self, block: int) -> Answer:
        index = self.next_blk
        while self.entry[index].refcount:
            index = (index + 1) % len(self.entry)
        self.next_blk = (index + 1) % len(self.entry)
        entry = self.entry[index]
        self.counts.fills += 1
        self.counts.refills += block in self._filled
        self.counts.evictions += entry.block != INVALID
        self._filled.add(block)
        self.unused -= 1
        self.entry[index] = Entry(block, refcount=1, pending=True)
        return Answer(Got.FILL, index, woken=self._wake_block(block))

    def filled(self, index: int, error: int = 0) -> Answer:
        """The fill is done, or failed; everybody who waited for it is woken, and holds the entry."""
        entry = self.entry[index]
        entry.error = error
        if error and self._mended:
            entry.block = INVALID
        entry.pending = False
        woken = tuple(entry.waiters)
        entry.waiters.clear()
        return self._got(Got.HIT, index, woken)

    def waited(self, index: int) -> Answer | None:
        """What a task has got after somebody else's fill, or None: it must put the entry and look the block up again."""
        if self._mended and self.entry[index].error:
            return None
        self.counts.shared += 1
        return self._got(Got.HIT, index, ())

    def put(self, index: int) -> tuple[Hashable, ...]:
        """Gives an entry back; returns who is woken.  Its block stays until the entry is wanted for another."""
        entry = self.entry[index]
        entry.refcount -= 1
        if entry.refcount:
            return ()
        self.unused += 1
        return self._wake_one() if self._keyed else tuple(self._queue)

    def _got(self, got: Got, index: int, woken: tuple[Hashable, ...]) -> Answer:
        error = self.entry[index].error
        self.counts.lookups += 1
        self.counts.errors += error != 0
        return Answer(got, index, error, woken)

    def _wake_one(self) -> tuple[Hashable, ...]:
        """squashfs_cache_wake_function() without a key: the first of the exclusive sleepers, because an entry is free."""
        if not self._queue:
            return ()
        who = next(iter(self._queue))
        del self._queue[who]
        self._roused[who] = True
        return (who,)

    def _wake_block(self, block: int) -> tuple[Hashable, ...]:
        """squashfs_cache_wake_block() of 7.3: all who want this block share the entry that was just claimed for it."""
        if not self._keyed:
            return ()
        woken = tuple(who for who, wanted in self._queue.items() if wanted == block)
        for who in woken:
            del self._queue[who]
            self._roused[who] = False
        return woken

"""Tasks that take turns, on a machine with the caches of one squashfs mount.

A task is a generator: it yields how long it is busy, SLEEP to wait until somebody wakes it, or TURN to let the others go on.
Time decides only who comes first; its unit is a microsecond of a flash chip that reads 50 MB/s and a processor that
decompresses 100 MB/s.
"""

from __future__ import annotations

import heapq
from collections import Counter, deque
from collections.abc import Generator, Iterable
from typing import Any

from unkillable.model.blockcache import BlockCache
from unkillable.model.image.eras import Era
from unkillable.model.image.image import File, Image
from unkillable.model.image.layout import Extent, Layout
from unkillable.model.image.pages import LOCKED, Pages
from unkillable.model.image.types import Mount

Task = Generator[int, None, None]
"""What a task does."""
Step = Generator[int, None, Any]
"""A part of it, with a result."""

SLEEP = -1
TURN = 0
_DISK_US = 20
_UNPACK_US = 10
"""Microseconds per KiB."""
SECTOR = 1024
"""SQUASHFS_DEVBLK_SIZE: what is read of the disk begins and ends at a multiple of it (4096 where the disk's blocks are)."""


class Direct:
    """Blocks that are decompressed into the page cache, past the block cache."""

    def __init__(self) -> None:
        self.fills = 0
        self.refills = 0
        self.errors = 0
        self._filled: set[int] = set()

    def note(self, block: int) -> None:
        self.fills += 1
        self.refills += block in self._filled
        self._filled.add(block)


class Machine:
    def __init__(self, image: Image, layout: Layout, kernel: Mount, era: Era, pages: Pages) -> None:
        self.image = image
        self.layout = layout
        self.kernel = kernel
        self.era = era
        self.pages = pages
        self.metadata = BlockCache("metadata", kernel.metadata_entries, keyed=era.keyed)
        self.fragments = BlockCache("fragment", kernel.fragment_entries, keyed=era.keyed)
        self.data = BlockCache("data", kernel.data_entries, keyed=era.keyed) if kernel.data_entries else None
        self.direct = Direct()
        self.streams = kernel.streams
        self._stream_sleepers: deque[int] = deque()
        self.stream_waits = 0
        self.page_waits = 0
        self.beyond = 0
        """Pages added behind the ends of files."""
        self.disk_bytes = 0
        self.metadata_bytes = 0
        self.data_bytes = 0
        """What data blocks and fragments decompressed to."""
        self.spent: Counter[int] = Counter()
        """Of these, what each task had decompressed."""
        self.reads: list[tuple[int, int]] | None = None
        """If a list: every squashfs_read_data(), address and bytes on disk, in order."""
        self.known: set[tuple[int, bytes]] = set()
        """Names and inodes that were looked up: the dentry and inode caches, which lose nothing here."""
        self._now = 0
        self._ready: deque[int] = deque()
        self._busy: list[tuple[int, int, int]] = []
        self._asleep: set[int] = set()
        self._order = 0

    def run(self, tasks: dict[int, Task]) -> None:
        """Runs tasks to their ends."""
        self._ready.extend(tasks)
        while tasks:
            if not self._ready:
                if not self._busy:
                    raise RuntimeError(f"tasks {sorted(tasks)} sleep and nobody is left to wake them")
                self._now, _, who = heapq.heappop(self._busy)
                self._ready.append(who)
            who = self._ready.popleft()
            try:
                wants = next(tasks[who])
            except StopIteration:
                del tasks[who]
                continue
            self._after(who, wants)

    def _after(self, who: int, wants: int) -> None:
        if wants > 0:
            self._order += 1
            heapq.heappush(self._busy, (self._now + wants, self._order, who))
        elif wants == TURN:
            self._ready.append(who)
        else:
            self._asleep.add(who)

    def wake(self, tasks: Iterable[Any]) -> None:
        """Lets sleepers go on.  Whoever is not asleep looks for itself, as everybody does who wakes."""
        for who in tasks:
            if who in self._asleep:
                self._asleep.discard(who)
                self._ready.append(who)

    def lock(self, who: int, page: int) -> Step:
        """Locks a page; False if it went while the task slept."""
        waited = False
        while self.pages.has(page, LOCKED):
            self.page_waits += not waited
            waited = True
            self.pages.sleep(page, who)
            yield SLEEP
        if page not in self.pages:
            return False
        self.pages.set(page, LOCKED)
        return True

    def unlock(self, page: int) -> None:
        self.wake(self.pages.unlock(page))

    def read_data(self, who: int, extent: Extent, metadata: bool = False) -> Step:
        """squashfs_read_data(): reads a block and decompresses it; returns its error."""
        if self.reads is not None:
            self.reads.append((extent.address, extent.stored))
        if extent.error:
            return extent.error
        begin = extent.address + 2 * metadata
        size = -(-(begin + extent.stored) // SECTOR) * SECTOR - begin // SECTOR * SECTOR
        if metadata:  # its length is read first
            size += -(-begin // SECTOR) * SECTOR - extent.address // SECTOR * SECTOR
            self.metadata_bytes += extent.length
        else:
            self.data_bytes += extent.length
            self.spent[who] += extent.length
        self.disk_bytes += size
        yield max(1, size * _DISK_US // 1024)
        if extent.compressed:
            yield from self._unpack(who, extent.length)
        return 0

    def _unpack(self, who: int, length: int) -> Step:
        """squashfs_decompress(): at most as many at a time as there are streams."""
        waited = False
        while not self.streams:
            self.stream_waits += not waited
            waited = True
            self._stream_sleepers.append(who)
            yield SLEEP
        self.streams -= 1
        yield max(1, length * _UNPACK_US // 1024)
        self.streams += 1
        if self._stream_sleepers:
            self.wake((self._stream_sleepers.popleft(),))

    def tail(self, file: File) -> int | None:
        """The block of a file that is in a fragment."""
        return file.inode.size // self.layout.block_size if self.layout.has_tail(file) else None

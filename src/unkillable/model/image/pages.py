"""The page cache: which pages of which files are in memory, locked, filled."""

from __future__ import annotations

from collections.abc import Hashable

PAGE = 4096
"""PAGE_SIZE: bytes."""

LOCKED = 1
UPTODATE = 2
READAHEAD = 4
"""PG_readahead: whoever comes here starts the next readahead."""
USED = 8
"""Somebody wanted it since it was read."""


def key(number: int, index: int) -> int:
    """A page's name: the file's inode number and the page's place in it."""
    return number << 52 | index


class Pages:
    """Pages by key.  With a limit the one that was used longest ago goes, as if the kernel's lists were one."""

    def __init__(self, limit: int | None = None) -> None:
        """`limit` is in pages; locked ones stay even beyond it."""
        self._flags: dict[int, int] = {}
        self._limit = limit
        self._sleepers: dict[int, list[Hashable]] = {}
        self.added = 0
        self.used_bytes = 0
        """What somebody wanted of the pages that were added, before they went; no more than the file has of them."""
        self.evicted = 0

    def __contains__(self, page: int) -> bool:
        return page in self._flags

    def __len__(self) -> int:
        return len(self._flags)

    def has(self, page: int, flag: int) -> bool:
        return bool(self._flags.get(page, 0) & flag)

    def add(self, page: int, flags: int = 0) -> None:
        """Puts a locked page in."""
        if self._limit is not None:
            self._shrink(self._limit - 1)
        self._flags[page] = LOCKED | flags
        self.added += 1

    def grab(self, page: int) -> bool:
        """grab_cache_page_nowait(): the page locked, added if it was not there; False if somebody has it locked."""
        flags = self._flags.get(page)
        if flags is None:
            self.add(page)
        elif flags & LOCKED:
            return False
        else:
            self._flags[page] = flags | LOCKED
        return True

    def set(self, page: int, flag: int) -> None:
        self._flags[page] |= flag

    def clear(self, page: int, flag: int) -> None:
        self._flags[page] &= ~flag

    def unlock(self, page: int) -> tuple[Hashable, ...]:
        """Unlocks a page, and says who slept for it."""
        self._flags[page] &= ~LOCKED
        return tuple(self._sleepers.pop(page, ()))

    def sleep(self, page: int, who: Hashable) -> None:
        """Notes that a task sleeps until the page is unlocked."""
        self._sleepers.setdefault(page, []).append(who)

    def use(self, page: int, size: int) -> None:
        """A task has what it wanted of the page, of which the file has `size` bytes."""
        flags = self._flags[page]
        if not flags & USED:
            self._flags[page] = flags | USED
            self.used_bytes += size
        if self._limit is not None:
            self._flags[page] = self._flags.pop(page)  # the last to go

    def remove(self, page: int) -> tuple[Hashable, ...]:
        """Takes a page out, if it is there, and says who slept for it."""
        self._flags.pop(page, None)
        return tuple(self._sleepers.pop(page, ()))

    def _shrink(self, limit: int) -> None:
        if len(self._flags) <= limit:
            return
        excess = len(self._flags) - limit
        victims = []
        for page, flags in self._flags.items():
            if not flags & LOCKED:
                victims.append(page)
                if len(victims) == excess:
                    break
        for page in victims:
            del self._flags[page]
        self.evicted += len(victims)

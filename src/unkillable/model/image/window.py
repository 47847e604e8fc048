"""struct file_ra_state: what readahead remembers of an open file."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Window:
    start: int = 0
    size: int = 0
    async_size: int = 0
    """Pages."""
    mmap_miss: int = 0
    prev_pos: int = -1
    """Byte behind the last that was read."""

    def initial(self, request: int, most: int) -> int:
        """get_init_ra_size(): pages of a first window for a request of so many."""
        size = 1 << (request - 1).bit_length()
        if size <= most // 32:
            return size * 4
        return size * 2 if size <= most // 4 else most

    def next(self, most: int) -> int:
        """get_next_ra_size()."""
        if self.size < most // 16:
            return 4 * self.size
        return 2 * self.size if self.size <= most // 2 else most

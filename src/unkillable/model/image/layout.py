"""Where the blocks of files are: as the image has them, or as mksquashfs would lay them out in blocks of another size."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate
from typing import Protocol

from unkillable.model.image.image import File, Image, stored
from unkillable.model.image.inodes import NONE
from unkillable.model.image.metadata import Damaged

EIO = 5
_NO_FRAGMENTS = 1 << 4
_ALWAYS_FRAGMENTS = 1 << 5
"""Bits of the superblock's flags."""
_INDEXES = 2048
"""SQUASHFS_META_INDEXES: entries of a block list per step of the index that the kernel makes of a large file."""
_SLOT = 127
"""SQUASHFS_META_ENTRIES."""
_MOST_SKIP = 7
"""SQUASHFS_CACHED_BLKS - 1."""


@dataclass(frozen=True, slots=True)
class Extent:
    """What has to be decompressed for a block of a file."""

    address: int
    """Where it begins in the image; its name in the caches.  A hole (`length` 0) has none."""
    stored: int
    """Bytes on disk."""
    length: int
    """Bytes that it decompresses to."""
    fragment: bool = False
    compressed: bool = True
    error: int = 0
    """What reading it fails with, where that can be told without its data: a negative errno."""


HOLE = Extent(0, 0, 0)


class Layout(Protocol):
    block_size: int
    """Bytes."""

    def extent(self, file: File, index: int) -> Extent:
        """What holds block `index` of a file."""

    def gets(self, file: File, index: int) -> list[int]:
        """Metadata that the kernel reads to find that block (read_blocklist())."""

    def data_blocks(self, file: File) -> Iterator[int]:
        """Which blocks of a file are no holes."""

    def has_tail(self, file: File) -> bool:
        """Whether a file's end is in a fragment."""

    def tail_offset(self, file: File) -> int:
        """Where it is in the fragment, in bytes."""


class Stored:
    """The image as it is."""

    def __init__(self, image: Image) -> None:
        self.block_size = image.info.block_size
        self.image = image
        self._starts: dict[int, array[int]] = {}
        self._reached: dict[int, int] = {}
        """Inode number -> entry of the block list up to which the kernel has indexed it."""

    def data_blocks(self, file: File) -> Iterator[int]:
        words = self.image.words(file)
        yield from (index for index, word in enumerate(words) if word)
        if self.has_tail(file):
            yield len(words)

    def has_tail(self, file: File) -> bool:
        return file.inode.fragment != NONE

    def tail_offset(self, file: File) -> int:
        return file.inode.offset

    def extent(self, file: File, index: int) -> Extent:
        inode = file.inode
        whole, tail = divmod(inode.size, self.block_size)
        if index == whole and inode.fragment != NONE:
            return self._extent(
                self.image.fragments[inode.fragment].start,
                self.image.fragments[inode.fragment].word,
                self.image.tails[inode.fragment],
                fragment=True,
            )
        words = self.image.words(file)
        starts = self._starts.get(inode.number)
        if starts is None:
            sums = accumulate((stored(word) for word in words[:-1]), initial=inode.start)
            starts = self._starts[inode.number] = array("Q", (at & (1 << 64) - 1 for at in sums))
        length = self.block_size if index < whole else tail
        return self._extent(starts[index], words[index], length) if words[index] else HOLE

    def _extent(self, start: int, word: int, length: int, *, fragment: bool = False) -> Extent:
        size = stored(word)
        # squashfs_block_size(), and what squashfs_read_data() looks at before it reads.
        bad = word >> 25 or not 0 < size <= self.block_size or start + size > self.image.info.bytes_used
        return Extent(start, size, length, fragment, size == word, -EIO if bad else 0)

    def gets(self, file: File, index: int) -> list[int]:
        step = _INDEXES * min(_MOST_SKIP, self.image.blocks(file) // ((_SLOT + 1) * _INDEXES) + 1)
        base = index // step * step
        reached = self._reached.get(file.inode.number, 0)
        gets = []
        if base > reached:
            gets = self.image.list_gets(file, reached, base)
            self._reached[file.inode.number] = base
        if base < index:
            gets += self.image.list_gets(file, base, index)
        return gets + self.image.list_gets(file, index, index + 1)


class Planned:
    """The same files in blocks of another size.

    How well a block compresses is taken from what the file (or all of the image) has now: larger blocks compress a little
    better than that, smaller ones worse.
    """

    def __init__(self, image: Image, block_size: int) -> None:
        self.block_size = block_size
        self.image = image
        self._ratio = _ratio(image)
        self._first: dict[int, int] = {}
        """Inode number -> address of its first block."""
        self._tail: dict[int, tuple[list[int], int]] = {}
        """Inode number -> its fragment, bytes before it there."""
        self._fragments: list[list[int]] = []
        """Address and bytes."""
        self._open: dict[bool, list[int]] = {}
        """The fragments that are being packed: one of tails of larger files, one of whole small files."""
        self._end = 0
        seen: dict[tuple[int, int, int, int], File] = {}
        for file in image.files:
            inode = file.inode
            # mksquashfs stores equal files once.
            same = seen.setdefault((inode.size, inode.start, inode.fragment, inode.offset), file)
            self._place(file, same if inode.size else file)
        for tails in (True, False):
            self._close(tails)

    def _place(self, file: File, same: File) -> None:
        number = file.inode.number
        if same is not file:
            self._first[number] = self._first[same.inode.number]
            if same.inode.number in self._tail:
                self._tail[number] = self._tail[same.inode.number]
            return
        self._first[number] = self._end
        whole, tail = divmod(file.inode.size, self.block_size)
        packed = tail and self._packs(whole)
        self._end += whole * self.block_size + (0 if packed else tail)
        if packed:
            fragment = self._open.get(whole > 0)
            if fragment is None or fragment[1] + tail > self.block_size:
                self._close(whole > 0)
                fragment = self._open[whole > 0] = [0, 0]
                self._fragments.append(fragment)
            self._tail[number] = (fragment, fragment[1])
            fragment[1] += tail

    def _packs(self, whole: int) -> bool:
        """Whether mksquashfs puts the tail of a file of so many whole blocks into a fragment."""
        flags = self.image.flags
        return not flags & _NO_FRAGMENTS and (not whole or bool(flags & _ALWAYS_FRAGMENTS))

    def _close(self, tails: bool) -> None:
        fragment = self._open.pop(tails, None)
        if fragment is not None:
            fragment[0] = self._end
            self._end += fragment[1]

    def data_blocks(self, file: File) -> Iterator[int]:
        count = -(-file.inode.size // self.block_size)
        yield from (index for index in range(count) if not self._is_hole(file, index))

    def _is_hole(self, file: File, index: int) -> bool:
        """Whether all that the image has of a block is holes now."""
        now = self.image.info.block_size
        end = min((index + 1) * self.block_size, file.inode.size)
        words = self.image.words(file)
        last = (end - 1) // now
        return last < len(words) and not any(words[index * self.block_size // now : last + 1])

    def has_tail(self, file: File) -> bool:
        return file.inode.number in self._tail

    def tail_offset(self, file: File) -> int:
        return self._tail[file.inode.number][1]

    def extent(self, file: File, index: int) -> Extent:
        number = file.inode.number
        whole, tail = divmod(file.inode.size, self.block_size)
        if index == whole and number in self._tail:
            address, length = self._tail[number][0]
            return self._extent(address, length, fragment=True)
        if self._is_hole(file, index):
            return HOLE
        length = self.block_size if index < whole else tail
        return self._extent(self._first[number] + index * self.block_size, length)

    def _extent(self, address: int, length: int, *, fragment: bool = False) -> Extent:
        return Extent(address, max(1, round(length * self._ratio)), length, fragment, self._ratio < 1)

    def gets(self, file: File, index: int) -> list[int]:
        # The list would begin where it does; how long it would be decides only for files of 256 MiB and more.
        return [file.inode.rest.block]

    @property
    def fragments(self) -> int:
        """How many there are."""
        return len(self._fragments)


def _ratio(image: Image) -> float:
    """Bytes on disk per byte of data."""
    disk = sum(stored(fragment.word) for fragment in image.fragments)
    size = sum(image.tails)
    for file in image.files:
        try:
            words = image.words(file)
        except Damaged:
            continue
        disk += sum(map(stored, words))
        size += file.inode.size - (
            file.inode.size % image.info.block_size if file.inode.fragment != NONE else 0
        )
    return min(1.0, disk / size) if size else 1.0


def layout_of(image: Image, block_size: int | None) -> Layout:
    """Where the image's files are, or would be in blocks of another size."""
    if block_size is None or block_size == image.info.block_size:
        return Stored(image)
    return Planned(image, block_size)

"""Directories of a squashfs image, and what the kernel reads to find a name in one (squashfs_lookup())."""

from __future__ import annotations

import struct
from typing import NamedTuple

from unkillable.model.image.inodes import Inode
from unkillable.model.image.metadata import Damaged, Metadata, Position

_HEADER = struct.Struct("<3I")
"""Entries less one, block of the inode table, number of an inode."""
_ENTRY = struct.Struct("<HhHH")
"""Offset in the block, number relative to the header's, type, length of the name less one."""
_INDEX = struct.Struct("<3I")
"""Bytes of the listing before it, block, length of the name less one."""
_NAME = 256
"""SQUASHFS_NAME_LEN."""
_COUNT = 256
"""SQUASHFS_DIR_COUNT: entries that follow one header."""
_DOTS = 3
"""What a directory's size has more than its listing."""


class Child(NamedTuple):
    ref: int
    """Reference of its inode."""
    kind: int
    gets: int
    """How many squashfs_cache_get()s reading the listing up to and with it takes."""


class Directory:
    """A listing."""

    def __init__(self, metadata: Metadata, table: int, inode: Inode, most: int) -> None:
        """`table` is where the directory table begins; more than `most` entries are not read: Damaged."""
        self._most = most
        self.children: dict[bytes, Child] = {}
        self._gets: list[int] = []
        self._headers: dict[int, int] = {}
        """Bytes of the listing before a header -> gets before it."""
        self._index: list[tuple[bytes, int, int]] = []
        """Name, bytes of the listing before it, gets that reading the index so far takes."""
        self._index_gets: list[int] = []
        self._read(metadata, Position(table + inode.start, inode.offset), inode.size - _DOTS)
        self._read_index(metadata, inode)

    def _read(self, metadata: Metadata, at: Position, size: int) -> None:
        done = 0
        while done < size:
            self._headers[done] = len(self._gets)
            data, at = metadata.read(at, _HEADER.size, self._gets)
            done += _HEADER.size
            count, block, _ = _HEADER.unpack(data)
            if count >= _COUNT:
                raise Damaged(f"is damaged: {count + 1} directory entries below one header")
            self._take(count + 1)
            for _ in range(count + 1):
                data, at = metadata.read(at, _ENTRY.size, self._gets)
                offset, _, kind, length = _ENTRY.unpack(data)
                if length >= _NAME:
                    raise Damaged(f"is damaged: a name of {length + 1} bytes")
                name, at = metadata.read(at, length + 1, self._gets)
                done += _ENTRY.size + length + 1
                if name in (b".", b"..") or b"/" in name or b"\0" in name:
                    raise Damaged("is damaged: a name that no file can have")
                self.children.setdefault(name, Child(block << 16 | offset, kind, len(self._gets)))

    def _read_index(self, metadata: Metadata, inode: Inode) -> None:
        at = inode.rest
        self._take(inode.index)
        for _ in range(inode.index):
            data, at = metadata.read(at, _INDEX.size, self._index_gets)
            before, _, length = _INDEX.unpack(data)
            if length >= _NAME:
                break
            name, at = metadata.read(at, length + 1, self._index_gets)
            self._index.append((name, before, len(self._index_gets)))

    def _take(self, entries: int) -> None:
        self._most -= entries
        if self._most < 0:
            raise Damaged("has more files than are read, or directories that share their listings")

    @property
    def entries(self) -> int:
        """Of the listing and its index."""
        return len(self.children) + len(self._index)

    def lookup(self, name: bytes) -> list[int]:
        """The squashfs_cache_get()s of finding a name that is there."""
        begin, read = 0, 0
        for first, before, gets in self._index:
            read = gets
            if first > name:
                break
            begin = self._headers.get(before, begin)
        return self._index_gets[:read] + self._gets[begin : self.children[name].gets]

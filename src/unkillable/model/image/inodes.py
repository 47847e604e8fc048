"""Inodes of a squashfs image, read as squashfs_read_inode() reads them."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from unkillable.model.image.metadata import SIZE, Damaged, Metadata, Position

NONE = 0xFFFFFFFF
"""SQUASHFS_INVALID_FRAG and SQUASHFS_INVALID_XATTR."""
TARGET = 4096
"""The longest target of a symbolic link that the kernel takes: a page."""

_BASE = struct.Struct("<4H2I")
"""Type, mode, uid, gid; time, number."""
_REG = struct.Struct("<4I")
_LREG = struct.Struct("<3Q4I")
_DIR = struct.Struct("<2I2HI")
_LDIR = struct.Struct("<4I2HI")
_LINK = struct.Struct("<2I")

_NOWHERE = Position(0, 0)
DIRECTORY, FILE, SYMLINK = 1, 2, 3
_LONG = 7
"""What an extended inode's type has more than the basic one's."""


@dataclass(frozen=True, slots=True)
class Inode:
    """What is read of any inode; where the kind has no such field, it is 0."""

    number: int
    kind: int
    """DIRECTORY, FILE, SYMLINK; anything else is a device, pipe or socket."""
    size: int = 0
    """Bytes: of a file, of a symbolic link's target; of a directory's listing and 3."""
    start: int = 0
    """Of a file, where its first block begins in the image; of a directory, its block in the directory table."""
    fragment: int = NONE
    offset: int = 0
    """Where its tail begins in the fragment, or its listing in the block."""
    rest: Position = _NOWHERE
    """What follows the inode: the list of blocks, the directory's index, the link's target."""
    index: int = 0
    """Entries of a directory's index."""


class Inodes:
    """The inode table, and the tables that an inode points to."""

    def __init__(self, metadata: Metadata, table: int, ids: Table, fragments: Table) -> None:
        self._metadata = metadata
        self._table = table
        self._ids = ids
        self._fragments = fragments

    def read(self, ref: int) -> tuple[Inode, list[int]]:
        """An inode by its reference (block << 16 | offset), and the squashfs_cache_get()s of reading it."""
        gets: list[int] = []
        start = Position(self._table + (ref >> 16), ref & 0xFFFF)
        data, rest = self._metadata.read(start, _BASE.size, gets)
        kind, _, uid, gid, _, number = _BASE.unpack(data)
        gets += [self._ids.at(uid).block, self._ids.at(gid).block]
        if not 1 <= kind <= 2 * _LONG:
            raise Damaged(f"is damaged: an inode of type {kind}")
        reader = _READERS.get(kind)
        if reader is None:
            return Inode(number, kind - _LONG if kind > _LONG else kind), gets
        layout, make = reader
        data, rest = self._metadata.read(start, _BASE.size + layout.size, gets)
        inode: Inode = make(number, layout.unpack_from(data, _BASE.size), rest)
        if inode.kind == FILE and inode.fragment != NONE:
            gets.append(self._fragments.at(inode.fragment).block)
        return inode, gets

    def target(self, link: Inode) -> tuple[bytes, list[int]]:
        """What a symbolic link leads to, and the squashfs_cache_get()s of reading it."""
        if link.size > TARGET:
            raise Damaged(f"is damaged: a symbolic link of {link.size} bytes")
        gets: list[int] = []
        return self._metadata.read(link.rest, link.size, gets)[0], gets


class Table:
    """A table of equal records in metadata blocks, which an array of their addresses leads to."""

    def __init__(self, metadata: Metadata, start: int, count: int, size: int) -> None:
        """`count` records of `size` bytes; `start` is where the array is."""
        self._metadata = metadata
        self._size = size
        self.count = count
        blocks = -(-count * size // SIZE)
        self._blocks = struct.unpack(f"<{blocks}Q", metadata.raw(start, 8 * blocks)) if count else ()

    def at(self, number: int) -> Position:
        """Where a record is."""
        if number >= self.count:
            raise Damaged(f"is damaged: it points to record {number} of a table of {self.count}")
        block, offset = divmod(number * self._size, SIZE)
        return Position(self._blocks[block], offset)

    def read(self, number: int) -> bytes:
        """A record."""
        return self._metadata.read(self.at(number), self._size)[0]


def _reg(number: int, fields: tuple[int, ...], rest: Position) -> Inode:
    start, fragment, offset, size = fields
    return Inode(number, FILE, size, start, fragment, offset, rest)


def _lreg(number: int, fields: tuple[int, ...], rest: Position) -> Inode:
    start, size, _, _, fragment, offset, _ = fields
    if size >> 63:
        raise Damaged(f"is damaged: a file of {size} bytes")
    return Inode(number, FILE, size, start, fragment, offset, rest)


def _dir(number: int, fields: tuple[int, ...], rest: Position) -> Inode:
    start, _, size, offset, _ = fields
    return Inode(number, DIRECTORY, size, start, NONE, offset, rest)


def _ldir(number: int, fields: tuple[int, ...], rest: Position) -> Inode:
    _, size, start, _, index, offset, _ = fields
    return Inode(number, DIRECTORY, size, start, NONE, offset, rest, index)


def _link(number: int, fields: tuple[int, ...], rest: Position) -> Inode:
    return Inode(number, SYMLINK, fields[1], rest=rest)


_READERS = {
    DIRECTORY: (_DIR, _dir),
    FILE: (_REG, _reg),
    SYMLINK: (_LINK, _link),
    DIRECTORY + _LONG: (_LDIR, _ldir),
    FILE + _LONG: (_LREG, _lreg),
    SYMLINK + _LONG: (_LINK, _link),
}

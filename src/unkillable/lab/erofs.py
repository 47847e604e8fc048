"""Names in an erofs image: directories are never compressed, so a few structures lead from the root to any file.

dump.erofs does not follow symbolic links and does not say where one leads, hence this reader.  The image is a stranger's:
every offset is checked by the read itself, and every size is bounded.
"""

from __future__ import annotations

import os
import stat
import struct
from pathlib import Path

import msgspec

from unkillable.errors import UserError

_SUPER = 1024
_INODE = 32
"""Bytes of a slot for inodes: an inode's number counts them."""
_PLAIN, _INLINE = 0, 2
"""Layouts of a file's data: in blocks of its own; the same with its end behind the inode."""
MAX_DIRECTORY = 16 << 20
"""Bytes of a directory: some 300,000 names."""
_MAX_TARGET = 4096
_METADATA_BOX = 0x100
"""Incompatible feature: inodes may be compressed (6.17)."""
_BIG_NUMBERS = 0x80


class Inode(msgspec.Struct, frozen=True):
    mode: int
    size: int
    layout: int
    block: int
    """First block of the data."""
    behind: int
    """Offset in the image of what follows the inode."""


class Image:
    """An open image; use as a context."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        log, _, root = struct.unpack("<BBH", self._read(_SUPER + 12, 4))
        (self._meta,) = struct.unpack("<I", self._read(_SUPER + 40, 4))
        (features,) = struct.unpack("<I", self._read(_SUPER + 80, 4))
        if features & (_METADATA_BOX | _BIG_NUMBERS):
            raise UserError(
                f"{path}: this erofs uses a layout that is not read here; its kernel may still mount it"
            )
        self._log = log
        self.root = self.inode(root)

    def __enter__(self) -> Image:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._handle)

    def inode(self, number: int) -> Inode:
        at = (self._meta << self._log) + number * _INODE
        form, attributes, mode = struct.unpack("<HHH", self._read(at, 6))
        (size,) = struct.unpack("<Q", self._read(at + 8, 8))
        (block,) = struct.unpack("<I", self._read(at + 16, 4))
        long = form & 1
        # A header of 12 bytes and words of 4, counted from 1.
        xattrs = 12 + 4 * (attributes - 1) if attributes else 0
        behind = at + (64 if long else 32) + xattrs
        return Inode(mode, size if long else size & 0xFFFFFFFF, form >> 1 & 7, block, behind)

    def find(self, directory: Inode, name: str) -> Inode | None:
        """A name in a directory."""
        data = self._content(directory, MAX_DIRECTORY)
        for start in range(0, len(data), 1 << self._log):
            number = _search(data[start : start + (1 << self._log)], name.encode())
            if number is not None:
                return self.inode(number)
        return None

    def target(self, link: Inode) -> str:
        """Where a symbolic link leads."""
        return self._content(link, _MAX_TARGET).decode(errors="replace")

    def _content(self, inode: Inode, limit: int) -> bytes:
        if inode.layout not in (_PLAIN, _INLINE) or inode.size > limit:
            raise self._damaged()
        start = inode.block << self._log
        if inode.layout == _PLAIN:
            return self._read(start, inode.size)
        tail = inode.size & ((1 << self._log) - 1)
        return self._read(start, inode.size - tail) + self._read(inode.behind, tail)

    def _read(self, at: int, size: int) -> bytes:
        data = os.pread(self._handle, size, at) if at < 1 << 62 else b""
        if len(data) != size:
            raise self._damaged()
        return data

    def _damaged(self) -> UserError:
        return UserError(f"{self.path} is a damaged erofs image")


def _search(block: bytes, name: bytes) -> int | None:
    """A name's inode number in one block of a directory: entries of 12 bytes, then the names."""
    if len(block) < 12:
        return None
    count = struct.unpack_from("<H", block, 8)[0] // 12
    starts: list[int] = []
    numbers: list[int] = []
    for entry in range(min(count, len(block) // 12)):
        number, start = struct.unpack_from("<QH", block, entry * 12)
        numbers.append(number)
        starts.append(start)
    for number, start, end in zip(numbers, starts, [*starts[1:], len(block)], strict=True):
        if block[start:end].rstrip(b"\0") == name:
            return number
    return None


def kind(inode: Inode) -> str:
    """directory, link or file."""
    if stat.S_ISDIR(inode.mode):
        return "directory"
    return "link" if stat.S_ISLNK(inode.mode) else "file"

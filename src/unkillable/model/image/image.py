"""A squashfs image: its files, where their blocks are, and what the kernel reads to get there.

The image is a stranger's: nothing in it is believed, and what is read of it is bounded.  Data is not read at all.
"""

from __future__ import annotations

import os
import struct
from array import array
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

from unkillable.errors import UserError
from unkillable.model.image.directories import Directory
from unkillable.model.image.inodes import DIRECTORY, FILE, NONE, SYMLINK, Inode, Inodes, Table
from unkillable.model.image.metadata import Damaged, Metadata
from unkillable.superblocks import SQUASHFS_COMPRESSORS, ImageInfo, inspect

MOST = 1_000_000
"""Names that are read: a Debian with a desktop has 200,000."""
FINDINGS = 20
"""Faults of an image that are kept."""
_BLOCKS = 1 << 24
"""Blocks of files that are read: 2 TiB in blocks of 128 KiB."""
_PATH = 4096
"""PATH_MAX: bytes of a path that are told."""
_LINKS = 40
"""MAXSYMLINKS."""

_SUPER = struct.Struct("<4s4I6H8Q")
_ID = 4
_FRAGMENT = struct.Struct("<QII")
_WORD = 24
_PLAIN = 1 << _WORD
"""SQUASHFS_COMPRESSED_BIT_BLOCK: set in a block's size if it is not compressed."""


@dataclass(slots=True)
class File:
    """A regular file.  A file of several names is one of the first of them."""

    inode: Inode
    parent: Folder
    name: bytes
    sizes: array[int] | None = None
    """The words of its block list, once it was read."""

    @property
    def path(self) -> str:
        return _path(self.parent, self.name)


@dataclass(slots=True)
class Folder:
    """A directory that the walk reached."""

    listing: Directory
    ref: int
    parent: Folder | None = None
    name: bytes = b""


@dataclass(frozen=True, slots=True)
class Fragment:
    start: int
    word: int
    """Size on disk, and whether it is compressed, as on disk."""


@dataclass(frozen=True, slots=True)
class Found:
    """Where a path leads."""

    file: File | None
    steps: tuple[tuple[tuple[int, bytes], tuple[int, ...]], ...]
    """What the kernel does once on its way: a directory's and a name, or an inode's, and its squashfs_cache_get()s."""


@dataclass(slots=True)
class _Way:
    steps: list[tuple[tuple[int, bytes], tuple[int, ...]]] = field(default_factory=list)
    links: int = 0


class Image:
    """An open image.  UserError for what is no squashfs that the kernel reads, or cannot be read at all."""

    def __init__(self, path: str | Path) -> None:
        self.path = str(path)
        self.info = _squashfs(path)
        self.findings: list[str] = []
        """What is wrong with the image, where the rest of it could be read."""
        self.files: list[File] = []
        """In the order of the walk: that in which mksquashfs lays files out."""
        self.by_number: dict[int, File] = {}
        self._handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            self._open()
        except Damaged as fault:
            os.close(self._handle)
            raise UserError(f"{path} {fault}") from None
        except BaseException:
            os.close(self._handle)
            raise

    def __enter__(self) -> Image:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._handle)

    def _open(self) -> None:
        head = os.pread(self._handle, _SUPER.size, 0)
        (
            _, _, _, _, fragments, compressor, _, self.flags, ids, _, _, root, used, id_table, _, inodes, folders, tails, _,
        ) = _SUPER.unpack(head)  # fmt: skip
        if fragments > MOST:
            raise Damaged(f"has {fragments} fragments, more than are read")
        self.metadata = Metadata(self._handle, used, SQUASHFS_COMPRESSORS[compressor][0])
        self._folders = folders
        fragment_table = Table(self.metadata, tails, fragments, _FRAGMENT.size)
        self._inodes = Inodes(self.metadata, inodes, Table(self.metadata, id_table, ids, _ID), fragment_table)
        self.fragments = [self._fragment(fragment_table, number) for number in range(fragments)]
        self.tails = [0] * fragments
        """Bytes of each fragment that files use: what it decompresses to."""
        self._left = MOST
        self._words = _BLOCKS
        self._read = {root: self._inodes.read(root)}
        if self._read[root][0].kind != DIRECTORY:
            raise Damaged("is damaged: its root is no directory")
        self.mount_gets = self._read[root][1]
        self.root = Folder(self._listing(self._read[root][0]), root)
        self._walk()

    def _fragment(self, table: Table, number: int) -> Fragment:
        start, word, _ = _FRAGMENT.unpack(table.read(number))
        return Fragment(start, word)

    def _listing(self, inode: Inode) -> Directory:
        found = Directory(self.metadata, self._folders, inode, self._left)
        self._left -= found.entries
        return found

    def _walk(self) -> None:
        """Every file below the root: depth first, each directory in the order of its listing."""
        self._folder = {self.root.ref: self.root}
        numbers: set[int] = set()
        waiting = [(self.root, iter(list(self.root.listing.children)))]
        while waiting:
            folder, names = waiting[-1]
            name = next(names, None)
            if name is None:
                waiting.pop()
                continue
            try:
                made = self._visit(folder, name, numbers)
            except Damaged as fault:
                self._finding(f"{_path(folder, name)} {fault}")
                continue
            if made is not None:
                waiting.append((made, iter(list(made.listing.children))))

    def _visit(self, folder: Folder, name: bytes, numbers: set[int]) -> Folder | None:
        """Takes a file, or returns the directory that is to be walked next; `numbers` are the inodes of files seen so far."""
        ref = folder.listing.children[name].ref
        inode = self.inode(ref)[0]
        if inode.kind == DIRECTORY:
            if ref in self._folder:
                raise Damaged("is a directory that is in itself or in two places")
            made = self._folder[ref] = Folder(self._listing(inode), ref, folder, name)
            return made
        if inode.kind == FILE and inode.number not in numbers:
            numbers.add(inode.number)
            self._add(File(inode, folder, name))
        return None

    def _add(self, file: File) -> None:
        inode = file.inode
        if inode.fragment != NONE:
            tail = inode.offset + inode.size % self.info.block_size
            if not inode.size % self.info.block_size or tail > self.info.block_size:
                raise Damaged("is damaged: its tail is not within its fragment")
            self.tails[inode.fragment] = max(self.tails[inode.fragment], tail)
        self.files.append(file)
        self.by_number[inode.number] = file

    def _finding(self, text: str) -> None:
        if len(self.findings) < FINDINGS:
            self.findings.append(text)

    def inode(self, ref: int) -> tuple[Inode, list[int]]:
        """An inode by its reference, and the squashfs_cache_get()s of reading it."""
        found = self._read.get(ref)
        if found is None:
            found = self._read[ref] = self._inodes.read(ref)
        return found

    def find(self, path: str) -> Found:
        """A path within the image, with symbolic links followed as in a root; no file if it leads to none."""
        way = _Way()
        try:
            end = self._follow(self.root, _parts(os.fsencode(path)), way)
        except Damaged:
            end = None
        return Found(end if isinstance(end, File) else None, tuple(way.steps))

    def _follow(self, at: Folder, parts: list[bytes], way: _Way) -> File | Folder | None:
        while parts:
            name = parts.pop(0)
            if name == b"..":
                at = at.parent or self.root
                continue
            child = at.listing.children.get(name)
            if child is None:
                return None
            inode, gets = self.inode(child.ref)
            way.steps.append(((at.ref, name), tuple(at.listing.lookup(name))))
            way.steps.append(((child.ref, b""), tuple(gets)))
            if inode.kind == SYMLINK:
                way.links += 1
                if way.links > _LINKS:
                    return None
                target, gets = self._inodes.target(inode)
                way.steps.append(((child.ref, b"/"), tuple(gets)))
                at = self.root if target.startswith(b"/") else at
                parts[:0] = _parts(target)
                continue
            folder = self._folder.get(child.ref)
            if folder is None:
                return self.by_number.get(inode.number) if not parts else None
            at = folder
        return at

    def blocks(self, file: File) -> int:
        """Entries of a file's block list."""
        whole, tail = divmod(file.inode.size, self.info.block_size)
        return whole + (tail > 0 and file.inode.fragment == NONE)

    def words(self, file: File) -> array[int]:
        """Sizes of a file's blocks as they are on disk."""
        if file.sizes is None:
            count = self.blocks(file)
            self._words -= count
            if self._words < 0:
                raise Damaged("has more blocks than are read")
            data, _ = self.metadata.read(file.inode.rest, 4 * count)
            file.sizes = array("I")
            file.sizes.frombytes(data)
        return file.sizes

    def list_gets(self, file: File, begin: int, end: int) -> list[int]:
        """The squashfs_cache_get()s of reading a file's block list from entry `begin` to `end` (read_indexes())."""
        gets: list[int] = []
        data, at = self.metadata.read(file.inode.rest, 4 * begin)
        while begin < end:
            some = min(end - begin, 1024)
            data, at = self.metadata.read(at, 4 * some, gets)
            begin += some
        del data
        return gets


def stored(word: int) -> int:
    """Bytes on disk of a block, by its size in a block list."""
    return word & ~_PLAIN


def _parts(path: bytes) -> list[bytes]:
    return [part for part in path.split(b"/") if part not in (b"", b".")]


def _path(folder: Folder | None, name: bytes) -> str:
    parts, size = [name], len(name)
    while folder is not None and folder.parent is not None:
        parts.append(folder.name)
        size += len(folder.name) + 1
        folder = folder.parent if size < _PATH else None
    return "/" + os.fsdecode(b"/".join(reversed(parts)))


def _squashfs(path: str | Path) -> ImageInfo:
    info = inspect(path)
    if info.fs != "squashfs":
        raise UserError(f"{path} is an {info.fs} image: only squashfs has the caches that are looked at here")
    return info

"""The metadata of a squashfs image: blocks of 8 KiB, each compressed, read as squashfs_read_metadata() reads them."""

from __future__ import annotations

import lzma
import os
import zlib
from collections.abc import Callable
from typing import NamedTuple

import lz4.block
import zstandard

from unkillable.model.image import lzo

SIZE = 8192
"""SQUASHFS_METADATA_SIZE."""
MOST = 256 << 20
"""Bytes of decompressed metadata that are kept: 60 times what a Debian of 100,000 files has."""
_XZ_MEMORY = 16 << 20
"""Bytes for a decoder of xz.  The dictionary is no larger than a block, which is 1 MiB at most."""
_ZSTD_WINDOW = 8 << 20
_PLAIN = 1 << 15
"""SQUASHFS_COMPRESSED_BIT: set if a block is not compressed."""


class Damaged(Exception):
    """What is wrong with an image: the end of a sentence that begins with its path."""


def _gzip(data: bytes) -> bytes:
    stream = zlib.decompressobj()
    return _whole(stream.decompress(data, SIZE), stream.eof)


def _xz(data: bytes) -> bytes:
    stream = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_XZ_MEMORY)
    return _whole(stream.decompress(data, SIZE), stream.eof)


def _lzo(data: bytes) -> bytes:
    return lzo.decompress(data, SIZE)


def _lz4(data: bytes) -> bytes:
    made: bytes = lz4.block.decompress(data, uncompressed_size=SIZE)
    return made


def _zstd(data: bytes) -> bytes:
    # What a frame says of its own size is not believed: the stream makes no more than is asked for.
    with zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW).stream_reader(data) as stream:
        made = stream.read(SIZE)
        return _whole(made, not stream.read(1))


def _whole(data: bytes, ended: bool) -> bytes:
    if not ended:
        raise ValueError("cut off, or more than one block")
    return data


COMPRESSORS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": _gzip,
    "xz": _xz,
    "lzo": _lzo,
    "lz4": _lz4,
    "zstd": _zstd,
}
_FAILURES = (
    ValueError,
    IndexError,
    EOFError,
    zlib.error,
    lzma.LZMAError,
    lz4.block.LZ4BlockError,
    zstandard.ZstdError,
)


class Block(NamedTuple):
    data: bytes
    next: int
    """Where the next block begins."""
    stored: int
    """Bytes on disk, without the two that say so."""
    compressed: bool


class Position(NamedTuple):
    """A byte of the metadata."""

    block: int
    """Where its block begins in the image."""
    offset: int
    """In the decompressed block."""


class Metadata:
    """Blocks of metadata by where they begin, read and decompressed when they are asked for."""

    def __init__(self, handle: int, end: int, compressor: str) -> None:
        """`handle` is an open file, `end` what the superblock says the image has."""
        self._handle = handle
        self._end = end
        self._decompress = COMPRESSORS[compressor]
        self._blocks: dict[int, Block] = {}
        self._kept = 0

    def block(self, start: int) -> Block:
        """The block that begins at a byte of the image."""
        found = self._blocks.get(start)
        if found is None:
            found = self._blocks[start] = self._load(start)
            self._kept += len(found.data)
            if self._kept > MOST:
                raise Damaged(f"has more than {MOST >> 20} MiB of metadata, which is more than is read")
        return found

    def raw(self, start: int, size: int) -> bytes:
        """Bytes of the image as they are."""
        if start < 0 or start + size > self._end:
            raise Damaged(f"is damaged: it points to byte {start}, and has {self._end}")
        data = os.pread(self._handle, size, start)
        if len(data) < size:
            raise Damaged(f"is truncated: byte {start + len(data)} is not there")
        return data

    def _load(self, start: int) -> Block:
        word = int.from_bytes(self.raw(start, 2), "little")
        # A size of 0 stands for 32 KiB, which no block of 8 KiB has.
        size = word & ~_PLAIN
        if not 0 < size <= SIZE:
            raise Damaged(f"is damaged: no block of metadata begins at byte {start}")
        data = self.raw(start + 2, size)
        if not word & _PLAIN:
            try:
                data = self._decompress(data)
            except _FAILURES:
                raise Damaged(f"is damaged: the metadata at byte {start} cannot be decompressed") from None
        return Block(data, start + 2 + size, size, not word & _PLAIN)

    def read(self, at: Position, size: int, gets: list[int] | None = None) -> tuple[bytes, Position]:
        """`size` bytes from a position, and the position after them.

        Each squashfs_cache_get() that the kernel would make for it is added to `gets`.
        """
        block, offset = at
        if not 0 <= offset < SIZE:
            raise Damaged(f"is damaged: it points to byte {offset} of a block of metadata")
        parts = []
        while size:
            found = self.block(block)
            if gets is not None:
                gets.append(block)
            if offset >= len(found.data):
                raise Damaged(f"is damaged: the metadata at byte {block} ends too early")
            part = found.data[offset : offset + size]
            parts.append(part)
            size -= len(part)
            offset += len(part)
            if offset == len(found.data):
                block, offset = found.next, 0
        return (parts[0] if len(parts) == 1 else b"".join(parts)), Position(block, offset)

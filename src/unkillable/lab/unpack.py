"""Streams of gzip, xz, lzma, zstd, lz4, bzip2 and LZO of untrusted files, in pieces and with a bound on the memory they take."""

from __future__ import annotations

import bz2
import lzma
import struct
import zlib
from collections.abc import Callable, Iterator

import lz4.block
import zstandard

from unkillable import commands

PIECE = 8 << 20
"""Bytes of a piece at most."""
DAMAGED = (
    OSError, EOFError, ValueError, RuntimeError, struct.error,
    zlib.error, lzma.LZMAError, zstandard.ZstdError, lz4.block.LZ4BlockError,
)  # fmt: skip
"""What a damaged stream raises."""
_LZMA_MEMORY = 192 << 20
"""Bytes: `xz -9` takes 65 MiB, larger dictionaries exist only to hurt."""
_ZSTD_WINDOW = 128 << 20
_LZO_SECONDS = 60.0
_LZO_MIB = 256
"""lzop takes two blocks of at most 64 MiB."""
_ZSTD_INPUT = 4 << 10
"""Bytes handed over at once: a block of at most 128 KiB of data takes at least four, so this is at most 128 MiB of output."""


def whole(data: bytes, most: int) -> bytes | None:
    """All of a compressed file, or of one that is not compressed; None if that is more than `most` bytes."""
    unpack = next((unpack for magic, unpack in STREAMS if data.startswith(magic)), None)
    if unpack is None:
        return data if len(data) <= most else None
    pieces, size = [], 0
    for piece in unpack(memoryview(data)):
        size += len(piece)
        if size > most:
            return None
        pieces.append(piece)
    return b"".join(pieces)


def _gzip(data: bytes | memoryview) -> Iterator[bytes]:
    stream = zlib.decompressobj(zlib.MAX_WBITS | 16)
    while piece := stream.decompress(data, PIECE):
        data = stream.unconsumed_tail
        yield piece
    _ended(stream.eof)


def _lzma(data: bytes | memoryview) -> Iterator[bytes]:
    stream = lzma.LZMADecompressor(memlimit=_LZMA_MEMORY)
    yield from _steps(stream, data)


def _bzip2(data: bytes | memoryview) -> Iterator[bytes]:
    yield from _steps(bz2.BZ2Decompressor(), data)


def _steps(stream: lzma.LZMADecompressor | bz2.BZ2Decompressor, data: bytes | memoryview) -> Iterator[bytes]:
    while not stream.eof and (piece := stream.decompress(data, PIECE)):
        data = b""
        yield piece
    _ended(stream.eof)


def _ended(eof: bool) -> None:
    if not eof:
        raise EOFError("the compressed data ends too early")


def _zstd(data: bytes | memoryview) -> Iterator[bytes]:
    stream = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW).decompressobj()
    for start in range(0, len(data), _ZSTD_INPUT):
        if stream.eof:
            return
        yield stream.decompress(data[start : start + _ZSTD_INPUT])
    _ended(stream.eof)


def _lz4(data: bytes | memoryview) -> Iterator[bytes]:
    """The legacy frame, which the kernel's build makes: after the magic number, blocks of 8 MiB with their sizes."""
    at = 4
    while at + 4 <= len(data):
        (size,) = struct.unpack_from("<I", data, at)
        if not 0 < size <= PIECE + (1 << 20):
            return
        yield lz4.block.decompress(data[at + 4 : at + 4 + size], uncompressed_size=PIECE)
        at += 4 + size


def _lzo(data: bytes | memoryview) -> Iterator[bytes]:
    """By lzop, whose container it is and which Debian has: a library would be one more dependency for the few kernels that
    are packed so.  It stops at what follows the stream, and warns."""
    _, version, _, method = struct.unpack_from(">9sH4sB", data)
    # The magic number is also in the code that unpacks an LZO initramfs (lib/decompress_unlzo.c).
    if not (0x0940 <= version < 0x2000 and 1 <= method <= 3):
        raise ValueError("no head of an lzop file")
    yield from commands.stream(
        ["lzop", "-dc"], "lzop", data, piece=PIECE, seconds=_LZO_SECONDS, memory_mib=_LZO_MIB
    )


STREAMS: tuple[tuple[bytes, Callable[[memoryview], Iterator[bytes]]], ...] = (
    (b"\x1f\x8b\x08", _gzip),
    (b"\xfd7zXZ\x00", _lzma),
    (b"\x28\xb5\x2f\xfd", _zstd),
    (b"\x02\x21\x4c\x18", _lz4),
    (b"BZh", _bzip2),
    (b"\x5d\x00\x00\x00", _lzma),
    (b"\x89LZO\x00\r\n\x1a\n", _lzo),
)
"""By magic number: what CONFIG_KERNEL_* and CONFIG_MODULE_COMPRESS_* offer.  The last needs a program that may be missing, so
all others are tried before."""

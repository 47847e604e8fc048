"""What a kernel image says of itself: its banner and its configuration, in the open or in its compressed payload."""

from __future__ import annotations

import bz2
import io
import lzma
import re
import struct
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import lz4.block
import msgspec
import zstandard

LARGEST = 512 << 20
"""Bytes of an image, and of all that is decompressed from it.  A vmlinux with debugging information is larger, but its
banner is in .rodata, before that."""
_TRIES = 16
"""Places that are tried for each compressor: the bytes of its magic number may also be code."""
_CHUNK = 1 << 20
_LZMA_MEMORY = 192 << 20
_ZSTD_WINDOW = 128 << 20
_OVERLAP = 4096
"""Bytes kept of a chunk, so that what is searched for is found across a border."""
_BANNER = re.compile(rb"Linux version (\d[\w.+~-]{2,80}) ([^\0\n]{0,400})")
_DEBIAN = re.compile(r" Debian (\d+\.[\d.]+(?:~rc\d+)?)")
_NUMBERS = re.compile(r"\d+\.\d+(?:\.\d+)?(?:-rc\d+)?")
_CONFIG = re.compile(rb"IKCFG_ST(\x1f\x8b.{16,262144}?)IKCFG_ED", re.DOTALL)
_DAMAGED = (
    OSError,
    EOFError,
    ValueError,
    RuntimeError,
    zlib.error,
    lzma.LZMAError,
    zstandard.ZstdError,
    struct.error,
)


class Identity(msgspec.Struct, frozen=True):
    release: str
    """uname -r."""
    version: str
    """x.y.z of the source: a release of Debian's up to 6.1 names only its series, with 0 as the third number."""


def identify(image: Path) -> Identity | None:
    """What kernel an image is; None where the file is no kernel that we can read."""
    data = _read(image)
    text = _x86(data)
    if text is None:
        match = next((found for part in _texts(data) if (found := _BANNER.search(part))), None)
        if match is None:
            return None
        text = (match[1] + b" " + match[2]).decode("ascii", "replace")
    release = text.partition(" ")[0]
    numbers, debian = _NUMBERS.match(release), _DEBIAN.search(text)
    if debian:
        return Identity(release, debian[1].replace("~", "-"))
    return Identity(release, numbers[0] if numbers else release)


def configuration(image: Path) -> str | None:
    """The kernel's .config, where it was built in (CONFIG_IKCONFIG=y)."""
    for part in _texts(_read(image)):
        if match := _CONFIG.search(part):
            try:
                return zlib.decompressobj(31).decompress(match[1], 4 << 20).decode("ascii", "replace")
            except zlib.error:
                continue
    return None


def _read(image: Path) -> bytes:
    with image.open("rb") as file:
        return file.read(LARGEST)


def _x86(data: bytes) -> str | None:
    """Documentation/arch/x86/boot.rst: `HdrS` at 0x202, and at 0x20e the offset of the version, less 0x200."""
    if data[0x202:0x206] != b"HdrS":
        return None
    at = int.from_bytes(data[0x20E:0x210], "little") + 0x200
    text = data[at : at + 400].partition(b"\0")[0].decode("ascii", "replace")
    return text if _NUMBERS.match(text) else None


def _texts(data: bytes) -> Iterator[bytes]:
    """Overlapping pieces of an image as it is, and of everything in it that can be decompressed."""
    yield data
    left = LARGEST
    for magic, unpack in _MAGIC:
        at = -1
        for _ in range(_TRIES):
            at = data.find(magic, at + 1)
            if at < 0:
                break
            tail = b""
            try:
                for chunk in unpack(memoryview(data)[at:]):
                    left -= len(chunk)
                    yield tail + chunk
                    tail = chunk[-_OVERLAP:]
                    if left < 0:
                        return
            except _DAMAGED:
                continue


def _zlib(data: bytes | memoryview) -> Iterator[bytes]:
    stream = zlib.decompressobj(31)
    while not stream.eof:
        chunk = stream.decompress(data, _CHUNK << 3)
        if not chunk:
            return
        data = stream.unconsumed_tail
        yield chunk


def _lzma(data: bytes | memoryview) -> Iterator[bytes]:
    stream = lzma.LZMADecompressor(memlimit=_LZMA_MEMORY)
    while not stream.eof:
        chunk = stream.decompress(data, _CHUNK << 3)
        if not chunk:
            return
        data = b""
        yield chunk


def _bzip2(data: bytes | memoryview) -> Iterator[bytes]:
    stream = bz2.BZ2Decompressor()
    while not stream.eof:
        chunk = stream.decompress(data, _CHUNK << 3)
        if not chunk:
            return
        data = b""
        yield chunk


def _zstd(data: bytes | memoryview) -> Iterator[bytes]:
    reader = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW).stream_reader(io.BytesIO(data))
    while chunk := reader.read(_CHUNK << 3):
        yield chunk


def _lz4(data: bytes | memoryview) -> Iterator[bytes]:
    """The legacy frame, which the kernel's build makes: after the magic number, blocks of 8 MiB with their sizes."""
    at = 4
    while at + 4 <= len(data):
        (size,) = struct.unpack_from("<I", data, at)
        if not 0 < size <= 9 << 20:
            return
        yield lz4.block.decompress(data[at + 4 : at + 4 + size], uncompressed_size=8 << 20)
        at += 4 + size


_MAGIC: tuple[tuple[bytes, Callable[[memoryview], Iterator[bytes]]], ...] = (
    (b"\x1f\x8b\x08", _zlib),
    (b"\xfd7zXZ\x00", _lzma),
    (b"\x28\xb5\x2f\xfd", _zstd),
    (b"\x02\x21\x4c\x18", _lz4),
    (b"BZh", _bzip2),
    (b"\x5d\x00\x00\x00", _lzma),
)
"""What CONFIG_KERNEL_* offers, but for LZO."""

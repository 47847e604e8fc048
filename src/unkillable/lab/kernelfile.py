"""What a kernel image says of itself: uname -r, from its header or from the banner in its decompressed payload."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import re
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import IO

import lz4.frame
import zstandard

LARGEST = 512 << 20
"""Bytes of an image, and of its decompressed payload, that are looked through."""
_BANNER = re.compile(rb"Linux version (\d[\w.+~-]{2,80}) ")
_CHUNK = 4 << 20
_MAGIC: tuple[tuple[bytes, Callable[[IO[bytes]], IO[bytes]]], ...] = (
    (b"\x1f\x8b\x08", lambda raw: gzip.GzipFile(fileobj=raw)),
    (b"\xfd7zXZ\x00", lzma.LZMAFile),
    (b"\x5d\x00\x00", lzma.LZMAFile),
    (b"BZh", bz2.BZ2File),
    (b"\x28\xb5\x2f\xfd", lambda raw: zstandard.ZstdDecompressor().stream_reader(raw)),
    (b"\x04\x22\x4d\x18", lz4.frame.open),
)


_DAMAGED = (OSError, EOFError, ValueError, RuntimeError, zlib.error, lzma.LZMAError, zstandard.ZstdError)


def banner(image: Path) -> str | None:
    """uname -r; None where the file is no kernel that we can read."""
    with image.open("rb") as file:
        data = file.read(LARGEST)
    return _x86(data) or _search(io.BytesIO(data)) or _payload(data)


def _x86(data: bytes) -> str | None:
    """Documentation/arch/x86/boot.rst: `HdrS` at 0x202, and at 0x20e the offset of the version, less 0x200."""
    if data[0x202:0x206] != b"HdrS":
        return None
    at = struct.unpack_from("<H", data, 0x20E)[0] + 0x200
    text = data[at : at + 200].partition(b"\0")[0].partition(b" ")[0]
    return text.decode("ascii", "replace") or None


def _payload(data: bytes) -> str | None:
    for magic, opener in _MAGIC:
        at = data.find(magic)
        tries = 0
        while at >= 0 and tries < 8:  # the bytes of a magic number may also be code
            try:
                found = _search(opener(io.BytesIO(data[at:])))
            except _DAMAGED:
                found = None
            if found:
                return found
            at = data.find(magic, at + 1)
            tries += 1
    return None


def _search(stream: IO[bytes]) -> str | None:
    tail, seen = b"", 0
    while seen < LARGEST:
        try:
            chunk = stream.read(_CHUNK)
        except _DAMAGED:
            return None
        if not chunk:
            return None
        match = _BANNER.search(tail + chunk)
        if match:
            return match[1].decode("ascii")
        tail, seen = chunk[-200:], seen + len(chunk)
    return None

"""What a kernel image says of itself: its banner and its configuration, in the open or in its compressed payload."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from pathlib import Path

import msgspec

from unkillable.lab.unpack import DAMAGED, STREAMS

LARGEST = 512 << 20
"""Bytes of an image, and of all that is decompressed from it.  A vmlinux with debugging information is larger, but its
banner is in .rodata, before that."""
_TRIES = 16
"""Places that are tried for each compressor: the bytes of its magic number may also be code."""
_OVERLAP = 256 << 10
"""Bytes kept of a piece, so that what is searched for is found across a border; a configuration takes up to 70 KiB."""
_BANNER = re.compile(rb"Linux version (\d[\w.+~-]{2,80}) ([ -~]{0,400})\n\0")
"""init/version.c.  As a whole: pieces of it also stand in compressed data."""
_DEBIAN = re.compile(r" Debian (\d+\.[\d.]+(?:~rc\d+)?)")
_NUMBERS = re.compile(r"\d+\.\d+(?:\.\d+)?(?:-rc\d+)?")
_CONFIG = re.compile(rb"IKCFG_ST(\x1f\x8b.{16,200000}?)IKCFG_ED", re.DOTALL)


class Identity(msgspec.Struct, frozen=True):
    release: str
    """uname -r."""
    version: str
    """x.y.z of the source: a release of Debian's up to 6.1 names only its series, with 0 as the third number."""


def identify(image: Path) -> Identity | None:
    """What kernel an image is; None where the file is no kernel that we can read.  An error where that takes a program
    (lzop) that is not installed."""
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
    """The kernel's .config, where it was built in (CONFIG_IKCONFIG=y).  An error as above."""
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
    for magic, unpack in STREAMS:
        at = -1
        for _ in range(_TRIES):
            at = data.find(magic, at + 1)
            if at < 0:
                break
            tail = b""
            try:
                for chunk in unpack(memoryview(data)[at:]):
                    left -= len(chunk)
                    if left < 0:
                        return
                    yield tail + chunk
                    tail = chunk[-_OVERLAP:]
            except DAMAGED:
                continue

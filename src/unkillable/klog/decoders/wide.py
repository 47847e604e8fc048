"""Whole streams that must be rewritten before lines can be seen: UTF-16, and lone returns as line ends."""

from __future__ import annotations

import codecs
from collections.abc import Callable, Iterable, Iterator

import msgspec


class Wide(msgspec.Struct, frozen=True):
    """One such rewriting, from bytes to bytes."""

    name: str
    recognises: Callable[[bytes], bool]
    decode: Callable[[Iterable[bytes]], Iterator[bytes]]


def _utf16(codec: str) -> Callable[[Iterable[bytes]], Iterator[bytes]]:
    def decode(chunks: Iterable[bytes]) -> Iterator[bytes]:
        decoder = codecs.getincrementaldecoder(codec)(errors="replace")
        for chunk in chunks:
            if text := decoder.decode(chunk):
                yield text.encode("utf-8", "replace")
        if text := decoder.decode(b"", True):
            yield text.encode("utf-8", "replace")

    return decode


def _zeros(head: bytes, first: int) -> bool:
    """Without a byte order mark (PowerShell's redirection, appended files): every second byte is 0."""
    sample = head[:4096]
    if 0 not in sample:
        return False
    there, other = sample[first::2], sample[1 - first :: 2]
    return len(sample) >= 16 and there.count(0) > len(there) * 0.9 and other.count(0) < len(other) * 0.1


def _returns(chunks: Iterable[bytes]) -> Iterator[bytes]:
    for chunk in chunks:
        yield chunk.replace(b"\r", b"\n")


WIDE_ROWS = (
    Wide(
        "utf-16-le",
        lambda head: (head.startswith(b"\xff\xfe") and head[2:4] != b"\0\0") or _zeros(head, 1),
        _utf16("utf-16-le"),
    ),
    Wide("utf-16-be", lambda head: head.startswith(b"\xfe\xff") or _zeros(head, 0), _utf16("utf-16-be")),
    Wide("returns", lambda head: b"\n" not in head and head.count(b"\r") > 1, _returns),
)

"""Compressed bytes to bytes: recognised by their first bytes, streamed, never trusted."""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Callable, Iterator
from typing import Protocol

import msgspec

from unkillable.klog.limits import CHUNK, LZMA_MEMORY, RATIO, RATIO_FREE, ZSTD_WINDOW

STEP = 1 << 13
"""Compressed bytes per call: what a decoder had decoded of the call that hits damage is lost, so calls are small."""


class Damaged(Exception):
    """The input ends or breaks here; everything before it was delivered. The text says how."""


class Unreachable(Damaged):
    """The surroundings break it off: a disk, a server, a right that is missing. Another time it may be read."""


class ByteStream(Protocol):
    """Anything to read forward from."""

    def read(self, size: int, /) -> bytes: ...


class _Decompressor(Protocol):
    """What the decoders of the standard library and of lz4 have in common."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes | None: ...
    def decompress(self, data: bytes, max_length: int = -1) -> bytes: ...


class _Zlib:
    """zlib's decoder with the interface of the other ones (before `zlib._ZlibDecompressor`, 3.12)."""

    def __init__(self, wbits: int) -> None:
        self._decoder = zlib.decompressobj(wbits)
        self._more = False

    @property
    def eof(self) -> bool:
        return self._decoder.eof

    @property
    def needs_input(self) -> bool:
        return not self._more and not self._decoder.unconsumed_tail

    @property
    def unused_data(self) -> bytes:
        return self._decoder.unused_data

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        out = self._decoder.decompress(self._decoder.unconsumed_tail + data, max(max_length, 0))
        self._more = 0 < max_length <= len(out)
        return out


def _zstd() -> _Decompressor:
    import zstandard

    return _Zstd(zstandard.ZstdDecompressor(max_window_size=ZSTD_WINDOW))


class _Zstd:
    """One zstd frame. Blocks are at most 128 KiB of output, so small inputs bound what a call returns."""

    STEP = 1 << 10
    """Bytes of input per call: zstandard's decoder has no output limit, and 1 KiB may hold some 200 blocks
    (an RLE block has 4 bytes), that is 32 MiB at worst."""

    def __init__(self, context: object) -> None:
        self._decoder = context.decompressobj()  # type: ignore[attr-defined]
        self._held = b""

    @property
    def eof(self) -> bool:
        return bool(self._decoder.eof)

    @property
    def needs_input(self) -> bool:
        return not self._held

    @property
    def unused_data(self) -> bytes:
        return bytes(self._decoder.unused_data) + self._held

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        self._held += data
        out = []
        size = 0
        at = 0
        while at < len(self._held) and not self._decoder.eof and size < max(max_length, 1):
            piece: bytes = self._decoder.decompress(self._held[at : at + self.STEP])
            at += self.STEP
            size += len(piece)
            out.append(piece)
        self._held = self._held[at:]
        return b"".join(out)


def _lz4() -> _Decompressor:
    import lz4.frame

    decoder: _Decompressor = lz4.frame.LZ4FrameDecompressor()
    return decoder


class Format(msgspec.Struct, frozen=True):
    """One compressed format."""

    name: str
    magic: bytes
    open: Callable[[], _Decompressor]


FORMATS = (
    Format("gzip", b"\x1f\x8b\x08", lambda: _Zlib(31)),
    Format("xz", b"\xfd7zXZ\x00", lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=LZMA_MEMORY)),
    Format("zstd", b"\x28\xb5\x2f\xfd", _zstd),
    Format("bzip2", b"BZh", lambda: bz2.BZ2Decompressor()),
    Format("lz4", b"\x04\x22\x4d\x18", _lz4),
)

_DEFLATE = (
    # pstore compresses with zlib; .enc.z is left by a kernel that could not decompress it itself. Raw deflate up
    # to 4.18 (zlib_deflateInit2 with -WINDOWBITS) and again through the crypto API; with a header in between.
    Format("zlib", b"", lambda: _Zlib(15)),
    Format("deflate", b"", lambda: _Zlib(-15)),
)


def recognise(head: bytes) -> Format | None:
    """The compressed format a stream begins with, or None."""
    for row in FORMATS:
        if head.startswith(row.magic):
            if row.name == "bzip2" and not (head[3:4].isdigit() and head[4:10] in _BZIP2_BLOCKS):
                continue  # three letters are too weak a sign
            return row
    if (
        head[:1] == b"\x78"
        and len(head) > 2
        and int.from_bytes(head[:2], "big") % 31 == 0
        and _inflates(head, 15)
    ):
        return _DEFLATE[0]
    return None


_BZIP2_BLOCKS = (b"1AY&SY", b"\x17\x72\x45\x38\x50\x90")


def recognise_deflate(head: bytes) -> Format | None:
    """Raw deflate has no magic: tried only where the name says so, and taken if text comes out."""
    return recognise(head) or (_DEFLATE[1] if _inflates(head, -15) else None)


def _inflates(head: bytes, wbits: int) -> bool:
    try:
        text = zlib.decompressobj(wbits).decompress(head, 4096)
    except zlib.error:
        return False
    return len(text) > 16 and sum(byte >= 32 or byte in b"\t\r\n" for byte in text) > len(text) * 0.9


def decompress(stream: ByteStream, how: Format) -> Iterator[bytes]:
    """The content in pieces; concatenated streams (`cat a.gz b.gz`) are read through.

    Raises Damaged after the last piece that could be had.
    """
    taken = given = 0
    decoder = how.open()
    inside = False
    while data := stream.read(STEP):
        taken += len(data)
        while data or not decoder.needs_input:
            try:
                out = decoder.decompress(data, CHUNK)
            except Exception as error:  # noqa: BLE001  zlib.error, OSError, LZMAError, ZstdError, RuntimeError, MemoryError
                raise Damaged(f"{how.name} data is damaged ({_words(error)})") from None
            data = b""
            inside = True
            given += len(out)
            if out:
                yield out
            if given > RATIO_FREE and given > RATIO * taken:
                raise Damaged(f"{how.name} data grows more than {RATIO:,} times: stopped, it is no log")
            if decoder.eof:
                data = decoder.unused_data or b""
                if len(data) < 16:
                    data += stream.read(STEP)
                inside = False
                while data and not data.strip(b"\0"):  # xz's stream padding; tapes and flash pad with zeros
                    data = stream.read(STEP)
                data = data.lstrip(b"\0")
                if not data:
                    return
                if not how.magic or not data.startswith(how.magic):
                    raise Damaged(f"other data follows the {how.name} data: left out")
                taken += len(data)
                decoder = how.open()
    if inside:
        raise Damaged(f"{how.name} data ends early")


def _words(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text[:120] or type(error).__name__

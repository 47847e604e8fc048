"""Streams of bytes and the one log they make up: opening, peeking, counting, joining parts."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator, Sequence

import msgspec

from unkillable.klog.compression import (
    ByteStream,
    Damaged,
    Unreachable,
    decompress,
    recognise,
    recognise_deflate,
)
from unkillable.klog.limits import CHUNK, HEAD


class Part(msgspec.Struct, frozen=True):
    """One file (or archive member) of a log, possibly compressed."""

    name: str
    open: Callable[[], ByteStream]
    deflate: bool = False
    """The name says that the content may be raw deflate, which nothing else shows (pstore's .enc.z)."""
    size: int | None = None
    """Bytes on disk where known."""


class Peeked:
    """A stream whose beginning was already read: `head`. Damage met there is raised after it."""

    def __init__(self, stream: ByteStream, size: int = HEAD) -> None:
        self._stream = stream
        self._error: Damaged | None = None
        parts = []
        try:
            while size > 0 and (data := stream.read(size)):
                parts.append(data)
                size -= len(data)
        except Damaged as error:
            self._error = error
        self.head = self._rest = b"".join(parts)
        self.whole = size > 0 and self._error is None
        """There is nothing behind the head."""

    def read(self, size: int, /) -> bytes:
        if self._rest:
            data, self._rest = self._rest[:size], self._rest[size:]
            return data
        if self._error is not None:
            raise self._error
        return self._stream.read(size)


class Chunked:
    """An iterator of byte strings read as a stream."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._rest = b""

    def read(self, size: int, /) -> bytes:
        if not self._rest:
            self._rest = next(self._chunks, b"")
        data = self._rest[:size]
        self._rest = self._rest[size:] if size < len(self._rest) else b""
        return data


class File:
    """A file or device read forward; errors while reading are Unreachable, never an exception of the system."""

    def __init__(self, path: str | int) -> None:
        self._fd = -1
        if isinstance(path, int):
            self._fd = path
        else:
            self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            if stat.S_ISCHR(os.fstat(self._fd).st_mode):
                os.set_blocking(self._fd, False)  # /dev/kmsg would otherwise wait for more for ever
        self._own = not isinstance(path, int)
        self.taken = 0

    def read(self, size: int, /) -> bytes:
        while self._fd >= 0:
            try:
                data = os.read(self._fd, size)
            except BlockingIOError:
                data = b""
            except BrokenPipeError:
                continue  # /dev/kmsg: messages were overwritten before we read them
            except OSError as error:
                self.close()
                raise Unreachable(f"cannot be read further: {error.strerror or error}") from None
            self.taken += len(data)
            if not data:
                self.close()
            return data
        return b""

    def close(self) -> None:
        if self._fd >= 0 and self._own:
            os.close(self._fd)
        self._fd = -1

    def __del__(self) -> None:
        self.close()


def read_up_to(stream: ByteStream, size: int) -> bytes:
    """`size` bytes, fewer only at the stream's end (a pipe gives what it has)."""
    parts = []
    while size > 0 and (data := stream.read(size)):
        parts.append(data)
        size -= len(data)
    return b"".join(parts)


def unpack(stream: ByteStream, deflate: bool = False) -> Peeked:
    """The stream decompressed if need be."""
    peeked = Peeked(stream)
    how = recognise_deflate(peeked.head) if deflate else recognise(peeked.head)
    return peeked if how is None else Peeked(Chunked(decompress(peeked, how)))


def plain(stream: ByteStream, deflate: bool = False) -> Iterator[bytes]:
    """The stream's content decompressed if need be. Raises Damaged where it breaks off."""
    content = unpack(stream, deflate)
    while data := content.read(CHUNK):
        yield data


class Source:
    """One log: a file, standard input, an archive's member, or several parts that belong together.

    `name` is what the user gave (`archive.tar!member` for a member), `size` the bytes on disk where known, and
    `consumed` how many of them were read so far, for a progress display.
    """

    def __init__(
        self, name: str, parts: Sequence[Part], size: int | None = None, content: bytes | None = None
    ) -> None:
        """`content`: what the one part holds, where all of it was read already."""
        self.name = name
        self.size = size
        self._content = content
        self._parts = tuple(parts)
        self.parts = len(self._parts)
        """How many files make up the log."""
        self._done = 0
        self._open: ByteStream | None = None

    def __repr__(self) -> str:
        return f"Source({self.name!r}, size={self.size})"

    @property
    def consumed(self) -> int:
        """Bytes read from disk so far; 0 where the input does not tell."""
        return self._done + (self._open.taken if isinstance(self._open, File) else 0)

    def blocks(self, damaged: Callable[[Damaged], None] | None = None) -> Iterator[bytes]:
        """The decompressed bytes of all parts, in pieces; a part without a last line end gets one.

        What cannot be read is passed to `damaged`; the next part follows.
        """
        if self._content is not None:
            self._done = self.size or 0
            if self._content:
                yield self._content
            return
        for index, part in enumerate(self._parts):
            last = b""
            try:
                self._open = part.open()
                for last in plain(self._open, part.deflate):
                    yield last
            except Damaged as error:
                if damaged is not None:
                    damaged(type(error)(f"{part.name}: {error}") if len(self._parts) > 1 else error)
            except OSError as error:
                if damaged is not None:
                    damaged(Unreachable(f"{part.name}: cannot be opened: {error.strerror or error}"))
            self._done, self._open = self.consumed, None
            if last and not last.endswith(b"\n") and index < len(self._parts) - 1:
                yield b"\n"

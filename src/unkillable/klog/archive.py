"""Members of tar and zip archives, in one forward pass; nothing is ever written to disk."""

from __future__ import annotations

import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from typing import IO

import msgspec

from unkillable.klog.compression import ByteStream, Damaged
from unkillable.klog.limits import CHUNK, MAX_MEMBER_NAME, MAX_MEMBERS, MAX_TAR_HEADER, RATIO, RATIO_FREE

_BLOCK = 512
_OCTAL = b"01234567oO_+- \t\n\r\v\f"
"""All that Python's int() takes of a number to base eight."""


class Member(msgspec.Struct, frozen=True):
    """One regular file of an archive."""

    name: str
    size: int
    open: Callable[[], ByteStream]
    """Opens the content; cheap while the pass stands at this member, else it is sought again."""


class Cursor:
    """A stream with a position that can be opened anew where the input allows it."""

    def __init__(self, opener: Callable[[], ByteStream | None], first: ByteStream) -> None:
        self._opener = opener
        self._stream = first
        self.position = 0

    def read(self, size: int) -> bytes:
        """Exactly `size` bytes unless the stream ends."""
        parts = []
        while size > 0 and (data := self._stream.read(min(size, CHUNK))):
            parts.append(data)
            size -= len(data)
            self.position += len(data)
        return b"".join(parts)

    def go_to(self, position: int) -> None:
        """Move forward by reading, backward by opening anew. Raises Damaged where neither is possible."""
        if position < self.position:
            stream = self._opener()
            if stream is None:
                raise Damaged("a piped archive is read once, in order: give it as a file")
            self._stream, self.position = stream, 0
        while self.position < position:
            if not self.read(min(position - self.position, CHUNK)):
                raise Damaged("the archive ends early")


class _Slice:
    """The bytes of one member, read through the shared cursor."""

    def __init__(self, cursor: Cursor, start: int, size: int) -> None:
        self._cursor, self._at, self._end = cursor, start, start + size

    def read(self, size: int, /) -> bytes:
        size = min(size, self._end - self._at)
        if size <= 0:
            return b""
        if self._cursor.position != self._at:
            self._cursor.go_to(self._at)
        data = self._cursor.read(size)
        self._at += len(data)
        if not data:
            raise Damaged("the archive ends early")
        return data


def is_tar(head: bytes) -> bool:
    """Whether a stream begins with a tar header (its checksum tells, old formats have no magic)."""
    if len(head) < _BLOCK or not head[:1].strip(b"\0"):
        return False
    checksum = head[148:156]  # octal digits and padding, or binary with this first byte
    if checksum[0] not in b"\x80\xff" and checksum.split(b"\0")[0].translate(None, _OCTAL):
        return False
    try:
        tarfile.TarInfo.frombuf(head[:_BLOCK], "utf-8", "surrogateescape")
    except (tarfile.HeaderError, ValueError):
        return False
    return True


def is_zip(head: bytes) -> bool:
    """Whether a stream begins with a zip archive's first local header (or is an empty one)."""
    return head.startswith((b"PK\x03\x04", b"PK\x05\x06"))


def tar_members(cursor: Cursor) -> Iterator[Member]:
    """The regular files in order. Raises Damaged where the archive breaks off or has too many members."""
    at = count = 0
    name = ""
    size_override: int | None = None
    while True:
        if cursor.position != at:
            cursor.go_to(at)
        header = cursor.read(_BLOCK)
        if len(header) < _BLOCK:
            if header.strip(b"\0"):
                raise Damaged("the archive ends early")
            return
        if not header.strip(b"\0"):
            return
        try:
            info = tarfile.TarInfo.frombuf(header, "utf-8", "surrogateescape")
        except (tarfile.HeaderError, ValueError):
            raise Damaged("the archive is damaged: a member's header is unreadable") from None
        size = max(info.size, 0) if size_override is None else size_override
        start = at + _BLOCK
        at = start + -(-size // _BLOCK) * _BLOCK
        count += 1
        if count > MAX_MEMBERS:
            raise Damaged(f"the archive has more than {MAX_MEMBERS:,} members: the rest is left out")
        if info.type in (tarfile.GNUTYPE_LONGNAME, tarfile.XHDTYPE, tarfile.SOLARIS_XHDTYPE):
            data = cursor.read(min(size, MAX_TAR_HEADER))
            if info.type == tarfile.GNUTYPE_LONGNAME:
                name = _text(data.split(b"\0", 1)[0])
            else:
                fields = _pax(data)
                name = _text(fields.get(b"path", b"")) or name
                digits = fields.get(b"size", b"")
                size_override = int(digits) if digits.isdigit() and len(digits) < 19 else None
            continue
        if info.isreg() and not info.issparse():
            yield Member(name or info.name, size, partial(_Slice, cursor, start, size))
        name, size_override = "", None


def _pax(data: bytes) -> dict[bytes, bytes]:
    """`length key=value\\n` records of a pax header."""
    fields: dict[bytes, bytes] = {}
    while data:
        length, _, _ = data.partition(b" ")
        if not length.isdigit() or len(length) > 8 or not (size := int(length)):
            break
        key, found, value = data[len(length) + 1 : size - 1].partition(b"=")
        if found:
            fields[key] = value
        data = data[size:]
    return fields


def _text(name: bytes) -> str:
    return name[:MAX_MEMBER_NAME].decode("utf-8", "surrogateescape")


def zip_members(file: str | IO[bytes]) -> Iterator[Member]:
    """The files of a zip archive. Raises Damaged where its directory is unreadable."""
    try:
        archive = zipfile.ZipFile(file)
        entries = archive.infolist()
    except Exception as error:  # noqa: BLE001  zipfile raises BadZipFile, OSError, struct.error, NotImplementedError ...
        raise Damaged(f"the zip archive is damaged ({error})") from None
    for entry in entries[:MAX_MEMBERS]:
        if not entry.is_dir():
            name = entry.filename[:MAX_MEMBER_NAME]
            yield Member(name, entry.file_size, partial(_Zipped, archive, entry))
    if len(entries) > MAX_MEMBERS:
        raise Damaged(f"the archive has more than {MAX_MEMBERS:,} members: the rest is left out")


class _Zipped:
    """One member of a zip archive, decompressed; it may claim anything about its size."""

    def __init__(self, archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> None:
        if entry.flag_bits & 1:
            raise Damaged("the member is encrypted")
        self._packed = entry.compress_size
        self._given = 0
        try:
            self._file = archive.open(entry)
        except Exception as error:  # noqa: BLE001  as above, for a damaged local header
            raise Damaged(f"the member is damaged ({error})") from None

    def read(self, size: int, /) -> bytes:
        try:
            data = self._file.read(size)
        except (
            zipfile.BadZipFile,
            zlib.error,
            EOFError,
            OSError,
            ValueError,
            RuntimeError,
            NotImplementedError,
        ) as error:
            raise Damaged(f"the member is damaged ({error})") from None
        self._given += len(data)
        if self._given > RATIO_FREE and self._given > RATIO * max(self._packed, 1):
            raise Damaged(f"the member grows more than {RATIO:,} times: stopped, it is no log")
        return data

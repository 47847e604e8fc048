"""Archives in the kernel's initramfs format (cpio "newc"): written without root, and the same bytes every time."""

from __future__ import annotations

import stat
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

import msgspec

from unkillable.errors import UserError

MAX_PATH = 4095
"""Bytes of a name without its NUL: init/initramfs.c leaves out what is longer than PATH_MAX."""
MAX_FILE = (1 << 32) - 1
"""Bytes of a file: the format has eight hexadecimal digits."""
MAX_TARGET = 4095
"""Bytes of a symbolic link's target: with one more, init/initramfs.c leaves the link out."""
_CHUNK = 1 << 20
_BLOCK = 512


class Entry(msgspec.Struct, frozen=True):
    """A file of the archive, owned by root and dated to the epoch."""

    path: str
    """From the root of the archive, without a leading slash."""
    mode: int
    """Type and permissions, as in st_mode."""
    data: Path | bytes = b""
    """Content: a file of the host, or bytes; the target of a symbolic link."""
    device: tuple[int, int] = (0, 0)
    """Major and minor number of a device node."""


def directory(path: str, mode: int = 0o755) -> Entry:
    return Entry(_clean(path), stat.S_IFDIR | mode)


def file(path: str, data: Path | bytes, mode: int = 0o755) -> Entry:
    return Entry(_clean(path), stat.S_IFREG | mode, data)


def symlink(path: str, target: str) -> Entry:
    return Entry(_clean(path), stat.S_IFLNK | 0o777, target.encode())


def character_device(path: str, major: int, minor: int, mode: int = 0o600) -> Entry:
    return Entry(_clean(path), stat.S_IFCHR | mode, device=(major, minor))


def ordered(entries: Iterable[Entry]) -> list[Entry]:
    """The entries with every directory before what is in it, missing ones added: the kernel creates none by itself."""
    known: dict[str, Entry] = {}
    for entry in entries:
        if entry.path in known:
            raise ValueError(f"{entry.path} is in the archive twice")
        known[entry.path] = entry
    for path in list(known):
        while path := path.rpartition("/")[0]:
            parent = known.setdefault(path, directory(path))
            if not stat.S_ISDIR(parent.mode):
                raise ValueError(f"{path} is no directory")
    return sorted(known.values(), key=lambda entry: entry.path.split("/"))


def write(out: BinaryIO, entries: Iterable[Entry]) -> None:
    """Writes the archive, one chunk of a file in memory at a time."""
    written = 0
    for number, entry in enumerate(ordered(entries), 1):
        written += _entry(out, number, entry)
    written += _member(out, _header(0, 0, 1, 0, (0, 0), "TRAILER!!!"), ())
    out.write(bytes(-written % _BLOCK))


def _clean(path: str) -> str:
    parts = path.strip("/").split("/")
    if any(part in ("", ".", "..") or "\0" in part for part in parts):
        raise ValueError(f"{path!r} is no name for a file of an archive")
    if len(cleaned := "/".join(parts).encode()) > MAX_PATH:
        raise ValueError(f"a name of {len(cleaned)} bytes; the kernel takes {MAX_PATH}")
    return cleaned.decode()


def _entry(out: BinaryIO, number: int, entry: Entry) -> int:
    links = 2 if stat.S_ISDIR(entry.mode) else 1
    if isinstance(entry.data, bytes):
        if stat.S_ISLNK(entry.mode) and not 0 < len(entry.data) <= MAX_TARGET:
            raise ValueError(f"{entry.path}: a link's target has 1 to {MAX_TARGET} bytes")
        header = _header(number, entry.mode, links, len(entry.data), entry.device, entry.path)
        return _member(out, header, (entry.data,))
    with entry.data.open("rb") as source:
        size = source.seek(0, 2)
        source.seek(0)
        if size > MAX_FILE:
            raise UserError(f"{entry.data}: {size >> 20} MiB is too much for an initramfs")
        header = _header(number, entry.mode, links, size, entry.device, entry.path)
        return _member(out, header, _exactly(source, size, entry.data))


def _exactly(source: BinaryIO, size: int, path: Path) -> Iterable[bytes]:
    """`size` bytes: the header that promised them is already written."""
    while size:
        chunk = source.read(min(_CHUNK, size))
        if not chunk:
            raise UserError(f"{path} became shorter while it was read; try again")
        size -= len(chunk)
        yield chunk


def _header(ino: int, mode: int, links: int, size: int, device: tuple[int, int], path: str) -> bytes:
    name = path.encode() + b"\0"
    # ino, mode, uid, gid, nlink, mtime, filesize, device of the file, device of the node, length of the name, checksum
    fields = (ino, mode, 0, 0, links, 0, size, 0, 0, *device, len(name), 0)
    return _padded(b"070701" + "".join(f"{field:08X}" for field in fields).encode() + name)


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)


def _member(out: BinaryIO, header: bytes, chunks: Iterable[bytes]) -> int:
    out.write(header)
    size = 0
    for chunk in chunks:
        out.write(chunk)
        size += len(chunk)
    padding = -size % 4
    out.write(bytes(padding))
    return len(header) + size + padding

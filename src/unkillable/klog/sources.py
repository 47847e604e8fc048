"""From what the user names to the logs in it: files, directories, archives, standard input."""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from itertools import chain
from pathlib import Path
from typing import IO

import msgspec

from unkillable.errors import UserError
from unkillable.klog import bundle
from unkillable.klog.archive import Cursor, Member, is_tar, is_zip, tar_members, zip_members
from unkillable.klog.bundle import Bundle
from unkillable.klog.compression import ByteStream, Damaged
from unkillable.klog.groups import is_pstore, join_pstore, join_rotated
from unkillable.klog.limits import MAX_DEPTH, MAX_ZIP_FROM_PIPE
from unkillable.klog.streams import File, Part, Source, read_up_to, unpack

MAX_PSTORE_PART = 1 << 20
"""Bytes of a pstore part kept while its siblings are looked for; ramoops' default record is 4 KiB, EFI's 1 KiB."""


class Problem(msgspec.Struct, frozen=True):
    """An input that could not be read, and why."""

    name: str
    reason: str
    unreachable: bool = False
    """Its surroundings are the reason: another time it may be read."""


def unreachable(name: str, done: str, error: OSError) -> Problem:
    """What the surroundings do not let be `listed` or `opened`."""
    return Problem(name, f"cannot be {done}: {error.strerror or error}", unreachable=True)


def find_sources(paths: Sequence[str]) -> Iterator[Source | Bundle | Problem]:
    """The logs in `paths`: files, directories (recursively), archives, `-` for standard input.

    Types are recognised by content. Rotated files given together or found in one directory are one Source,
    oldest first, and so are the parts of one pstore dump. An archive's members should be read as they come:
    that needs one pass, going back opens the archive anew (and is impossible for a pipe).

    What collect.sh wrote is a Bundle, also unpacked or packed again.

    Raises UserError where a path does not exist.
    """
    for path in paths:
        if path != "-" and not os.path.lexists(path):  # a link to nothing exists, and is told as a Problem
            raise UserError(f"{path}: no such file or directory")
    folders = {path for path in paths if path != "-" and os.path.isdir(path)}
    yield from _listed([path for path in paths if path != "-" and path not in folders])
    for path in paths:
        if path == "-":
            yield from find_in_stream("-", File(0))
        elif path in folders:
            yield from _directory(path, set(), 0)


def _directory(path: str, seen: set[tuple[int, int]], depth: int) -> Iterator[Source | Bundle | Problem]:
    try:
        status = os.stat(path)
        if (status.st_dev, status.st_ino) in seen:
            return  # a loop of symbolic links, or a second way to the same place
        seen.add((status.st_dev, status.st_ino))
        if (collected := bundle.unpacked(path)) is not None:
            yield collected
            return
        with os.scandir(path) as entries:
            names = sorted(entry.name for entry in entries)
    except OSError as error:
        yield unreachable(path, "listed", error)
        return
    files, directories = [], []
    folder = str(Path(path, "-"))[:-1]
    for name in names:
        full = folder + name
        try:
            status = os.stat(full)
        except OSError as error:
            yield unreachable(full, "opened", error)
            continue
        if stat.S_ISDIR(status.st_mode):
            directories.append(full)
        elif stat.S_ISREG(status.st_mode) and (status.st_dev, status.st_ino) not in seen:
            seen.add((status.st_dev, status.st_ino))
            files.append(full)
    yield from _listed(files)
    for full in directories:
        if depth < MAX_DEPTH:
            yield from _directory(full, seen, depth + 1)
        else:
            yield Problem(full, f"more than {MAX_DEPTH} directories deep: left out")


def _listed(paths: Sequence[str]) -> Iterator[Source | Bundle | Problem]:
    """The logs in files named together."""
    parts: list[Part] = []
    for name, members in join_rotated(paths).items():
        if is_pstore(name):
            parts.extend(_file_part(member) for member in members)
        else:
            yield from _files(name, members)
    yield from join_pstore(parts)


def _file_part(path: str) -> Part:
    size = None
    with suppress(OSError):
        size = os.stat(path).st_size
    return Part(path, lambda: File(path), deflate=path.endswith(".z"), size=size)


def _files(name: str, members: Sequence[str]) -> Iterator[Source | Bundle | Problem]:
    """The log in one file, or in several rotated ones."""
    if len(members) == 1:
        yield from _file(name)
        return
    size = 0
    readable = []
    for member in members:
        try:
            size += os.stat(member).st_size
            File(member).close()
            readable.append(_file_part(member))
        except OSError as error:
            yield unreachable(member, "opened", error)
    if readable:
        yield Source(name, readable, size)


def _file(path: str) -> Iterator[Source | Bundle | Problem]:
    try:
        status = os.stat(path)
        if not stat.S_ISREG(status.st_mode):
            yield from find_in_stream(path, File(path))
        else:
            yield from sources_in(path, lambda: File(path), status.st_size, lambda: path)
    except OSError as error:
        yield unreachable(path, "opened", error)


def sources_in(
    name: str,
    opener: Callable[[], ByteStream],
    size: int | None,
    seekable: Callable[[], str | IO[bytes]],
) -> Iterator[Source | Bundle | Problem]:
    """The logs in what `opener` opens, as often as it is called: one, or an archive's members.

    `seekable` gives the same as a path or a file that can be read anywhere, which a zip archive needs.
    Raises OSError where it cannot be opened, Damaged never.
    """
    content = unpack(opener())
    if is_zip(content.head):
        yield from _members(name, zip_members(seekable()), lambda: zip_members(seekable()))
    elif is_tar(content.head):

        def tar(first: ByteStream | None = None) -> Iterator[Member]:
            return tar_members(Cursor(lambda: unpack(opener()), first or unpack(opener())))

        yield from _members(name, tar(content), tar)
    else:
        part = Part(name, opener, name.endswith(".z"), size)
        read = content.head if content.whole and not part.deflate else None
        yield Source(name, [part], size, read)


def find_in_stream(name: str, stream: ByteStream) -> Iterator[Source | Bundle | Problem]:
    """The logs in something that can be read only once."""
    content = unpack(stream)
    if is_zip(content.head):
        try:
            data = read_up_to(content, MAX_ZIP_FROM_PIPE + 1)
        except Damaged as error:
            yield Problem(name, str(error))
            return
        if len(data) > MAX_ZIP_FROM_PIPE:
            yield Problem(
                name, f"a zip archive of more than {MAX_ZIP_FROM_PIPE >> 20} MiB in a pipe: give it as a file"
            )
        else:
            packed = io.BytesIO(data)
            yield from _members(name, zip_members(packed), lambda: zip_members(packed))
    elif is_tar(content.head):
        yield from _members(name, tar_members(Cursor(lambda: None, content)))
    else:
        left: list[ByteStream] = [content]

        def once() -> ByteStream:
            if not left:
                raise Damaged("a pipe can be read only once")
            return left.pop()

        yield Source(name, [Part(name, once)])


def _members(
    archive: str, members: Iterator[Member], reopen: Callable[[], Iterator[Member]] | None = None
) -> Iterator[Source | Bundle | Problem]:
    """An archive's members as sources; an archive within it is reported, not unpacked.  `reopen` begins anew, if that can be."""
    parts: list[Part] = []
    try:
        first = next(members, None)
        if first is None:
            return
        members = chain([first], members)
        if (before := bundle.prefix(first.name, reopen)) is not None:
            yield Bundle(archive, bundle.below(before, members))
            return
        for member in members:
            name = f"{archive}!{member.name}"
            try:
                if is_pstore(member.name) and member.size <= MAX_PSTORE_PART:
                    data = read_up_to(member.open(), MAX_PSTORE_PART)
                    parts.append(Part(name, partial(io.BytesIO, data), name.endswith(".z"), len(data)))
                else:
                    yield _member(name, member)
            except Damaged as error:
                yield Problem(name, str(error))
    except Damaged as error:
        yield Problem(archive, str(error))
    yield from join_pstore(parts)


def _member(name: str, member: Member) -> Source:
    def opened() -> ByteStream:
        content = unpack(member.open())
        if is_zip(content.head) or is_tar(content.head):
            raise Damaged("an archive within an archive: unpack the outer one first")
        return content

    return Source(name, [Part(name, opened, name.endswith(".z"))], member.size)

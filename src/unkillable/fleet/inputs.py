"""From what the user names to what is read: files, directories, patterns, lists of names, URLs; one after the other, never all at once."""

from __future__ import annotations

import glob
import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import BinaryIO

from unkillable.errors import UserError
from unkillable.fleet.given import Given, broken, grouped, joined
from unkillable.fleet.name_fields import printable
from unkillable.fleet.types import Input, Log
from unkillable.klog.limits import MAX_DEPTH

_LONGEST = 1 << 16
"""Bytes of a name in a list of names; PATH_MAX is 4096, a URL may be longer."""


def check(names: Sequence[str]) -> None:
    """Complains about a name on the command line that leads nowhere: a typing error, not one broken log among many.

    Raises UserError.
    """
    for name in names:
        if is_url(name):
            from unkillable.fleet.remote import file_system

            file_system(name)
        elif name != "-" and not os.path.lexists(name):
            if not glob.has_magic(name):
                raise UserError(f"{name}: no such file or directory")
            if next(glob.iglob(name, recursive=True), None) is None:  # noqa: PTH207  as below
                raise UserError(f"{name}: no file matches this pattern")


def is_url(name: str) -> bool:
    return "://" in name


def find(names: Iterable[str], listed: BinaryIO | None = None) -> Iterator[Given | Log]:
    """What the names lead to; a Log where that cannot be read. `listed` is what `-` stands for: a list of names."""
    for name in names:
        if name == "-":
            if listed is not None:
                yield from find(read_names(listed))
        elif is_url(name):
            from unkillable.fleet.remote import find_remote

            yield from find_remote(name)
        elif os.path.lexists(name) or not glob.has_magic(name):
            yield from _local(name)
        else:
            yield from _matches(name)


def read_names(stream: BinaryIO) -> Iterator[str]:
    """The names in a list: a line each, or ended by NUL as `find -print0` writes them."""
    separator, rest = b"", b""
    while block := stream.read(1 << 16):
        rest += block
        separator = separator or (b"\0" if b"\0" in rest else b"\n")
        *whole, rest = rest.split(separator)
        yield from (os.fsdecode(one) for one in whole if one and one != b"-")
        if len(rest) > _LONGEST:
            raise UserError("-: the list of names has a line of more than 64 KiB: it is no list of names")
    if rest and rest != b"-":
        yield os.fsdecode(rest)


def _local(name: str) -> Iterator[Given | Log]:
    if Path(name).is_dir():
        yield from _directory(name, set(), 0)
    else:
        yield from _files("", [name])


def _matches(pattern: str) -> Iterator[Given | Log]:
    """Files and directories that match; those of one directory are looked at together, for rotated logs."""
    whole = pattern.rstrip("/").endswith(("**", "**/*"))  # matches also what lies in a directory
    found = glob.iglob(pattern, recursive=True)  # noqa: PTH207  Path.glob wants a pattern that is relative
    for _, together in groupby(found, os.path.dirname):
        files = []
        for name in together:
            if not Path(name).is_dir():
                files.append(name)
            elif not whole:
                yield from _directory(name, set(), 0)
        yield from _files("", files)


def _directory(path: str, seen: set[tuple[int, int]], depth: int) -> Iterator[Given | Log]:
    try:
        status = Path(path).stat()
        if (status.st_dev, status.st_ino) in seen:
            return  # a loop of symbolic links, or a second way to the same place
        seen.add((status.st_dev, status.st_ino))
        with os.scandir(path) as entries:
            files: list[str] = []
            directories: list[str] = []
            for entry in entries:
                (directories if entry.is_dir() else files).append(entry.name)
    except OSError as error:
        yield broken(printable(path), f"cannot be listed: {error.strerror or error}", again=True)
        return
    yield from _files(path, files)
    del files
    for name in sorted(directories):
        full = os.path.join(path, name)  # noqa: PTH118  a million times
        if depth < MAX_DEPTH:
            yield from _directory(full, seen, depth + 1)
        else:
            yield broken(printable(full), f"more than {MAX_DEPTH} directories deep: left out")


def _files(folder: str, names: list[str]) -> Iterator[Given | Log]:
    """The files of one directory: each alone, but for those that are parts of one log."""
    prefix = os.path.join(folder, "") if folder else ""  # noqa: PTH118
    for members in grouped(sorted(names)):
        if len(members) == 1:
            yield _one(prefix + members[0])
            continue
        found = [_one(prefix + name) for name in members]
        yield from (one for one in found if isinstance(one, Log))
        if readable := [one for one in found if isinstance(one, Given)]:
            yield joined(readable)


def _one(path: str) -> Given | Log:
    try:
        status = os.stat(path)  # noqa: PTH116  Path costs as much as the call, a million times
    except OSError as error:
        return broken(printable(path), f"cannot be opened: {error.strerror or error}", again=True)
    if not stat.S_ISREG(status.st_mode):
        return broken(printable(path), "not a file: a pipe, a device or a socket")
    given = Input(printable(path), status.st_size, status.st_mtime_ns)
    return Given((given,), (path,), status.st_mtime)


def count(names: Sequence[str]) -> int | None:
    """About how many files there are, for a display of progress; None where only reading tells.  Looks at names only."""
    total = 0
    for name in names:
        if name == "-" or is_url(name) or not os.path.lexists(name):
            return None
        total += sum(len(files) for _, _, files in os.walk(name)) if Path(name).is_dir() else 1
    return total

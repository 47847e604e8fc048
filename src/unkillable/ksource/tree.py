"""A kernel tree on disk: which files belong to it, and which kernel it is."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from unkillable.errors import UserError

CORE = ("fs", "mm", "block", "lib", "kernel", "ipc", "include", "init", "security", "io_uring")
"""What every kernel is built of, beside its architecture and its drivers."""
NOT_KERNEL = ("tools", "scripts", "samples", "Documentation", "usr", "rust", "LICENSES")
"""Programs and papers that come with the kernel; tools/include defines the kernel's names a second time, for user space."""
LARGEST = 32 << 20
"""Bytes of a file; the largest header of 6.1 (a list of registers) has 23 MiB."""

_MAKEFILE = re.compile(
    rb"^(VERSION|PATCHLEVEL|SUBLEVEL|EXTRAVERSION)[ \t]*=[ \t]*([\w.-]*)[ \t]*$", re.MULTILINE
)


class File(NamedTuple):
    """A C file of a tree."""

    path: str
    """Relative to the tree, with slashes."""
    size: int
    mtime_ns: int
    ctime_ns: int
    """Changes with every write, also where somebody sets mtime back."""
    inode: int


class Tree:
    """A directory that holds kernel source, whole or in part."""

    def __init__(self, root: Path) -> None:
        """Raises UserError if it is none."""
        if not root.exists():
            raise UserError(f"{root}: no such directory")
        if not root.is_dir():
            raise UserError(f"{root}: is no directory; name the top of an unpacked kernel tree")
        self.root = root.resolve()
        self.skipped: list[str] = []
        """What could not be read, one line each."""
        if not any((root / name).is_dir() for name in CORE):
            raise UserError(f"{root}: no kernel tree: it has none of {', '.join(CORE[:5])}")
        self.version = _version(root)
        """x.y.z, or "" where the Makefile does not say."""

    def files(self, within: Sequence[str]) -> Iterator[File]:
        """C files and headers below these directories or of these paths, in the order of their names.

        Symbolic links are not followed: those of a kernel tree point back into it.
        """
        for name in within:
            start = self.root / name
            if start.is_dir() and not start.is_symlink():
                yield from self._walk(start, name.rstrip("/"))
            elif start.is_file() and name.endswith((".c", ".h")):
                yield self._file(start, name)

    def scope(self, arch: str | None, drivers: bool) -> tuple[str, ...]:
        """Directories to read: the core, one architecture or all, everything else but programs if `drivers`."""
        if drivers:
            names = sorted(
                entry.name
                for entry in os.scandir(self.root)
                if entry.is_dir(follow_symlinks=False)
                and entry.name not in (*NOT_KERNEL, "arch")
                and entry.name[0] != "."
            )
        else:
            names = [name for name in CORE if (self.root / name).is_dir()]
        return (*names, *(f"arch/{one}" for one in self.arches(arch)))

    def arches(self, arch: str | None) -> tuple[str, ...]:
        """One architecture, or all that the tree has.  Raises UserError for one that it has not."""
        folder = self.root / "arch"
        if not folder.is_dir():
            return ()
        there = sorted(one.name for one in os.scandir(folder) if one.is_dir(follow_symlinks=False))
        if arch is None or arch == "all":
            return tuple(there)
        if arch not in there:
            raise UserError(f"{folder}: has no {arch}; it has {', '.join(there) or 'nothing'}")
        return (arch,)

    def _walk(self, folder: Path, name: str) -> Iterator[File]:
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError as error:
            self.skipped.append(f"{name}: {error.strerror}")
            return
        for entry in entries:
            path = f"{name}/{entry.name}"
            if entry.is_dir(follow_symlinks=False):
                if entry.name[0] != ".":
                    yield from self._walk(folder / entry.name, path)
            elif entry.name.endswith((".c", ".h")) and entry.is_file(follow_symlinks=False):
                try:
                    yield self._file(entry, path)
                except OSError as error:
                    self.skipped.append(f"{path}: {error.strerror}")

    @staticmethod
    def _file(entry: os.DirEntry[str] | Path, path: str) -> File:
        status = entry.stat()
        return File(path, status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)


def _version(root: Path) -> str:
    try:
        with (root / "Makefile").open("rb") as file:
            head = file.read(4096)
    except OSError:
        return ""
    found = {match[1].decode(): match[2].decode() for match in _MAKEFILE.finditer(head)}
    if "VERSION" not in found:
        return ""
    numbers = [found[name] for name in ("VERSION", "PATCHLEVEL", "SUBLEVEL") if found.get(name)]
    return ".".join(numbers) + found.get("EXTRAVERSION", "")

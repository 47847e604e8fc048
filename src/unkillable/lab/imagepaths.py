"""Whether an image has a file, symbolic links followed inside the image: nothing is mounted or unpacked."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from unkillable import commands
from unkillable.errors import UserError
from unkillable.lab import erofs
from unkillable.superblocks import inspect

MAX_LINKS = 40
"""Links that are followed, as by the kernel (MAXSYMLINKS)."""
_SECONDS = 30.0
_MEMORY_MIB = 4096

Lookup = Callable[[tuple[str, ...]], str | bool | None]
"""Parts of a path without links on the way -> the target of the link there, True for any other file, None for none."""


def has_path(image: str | Path, path: str) -> bool:
    """Whether a squashfs, ext4 or erofs image has a file of that name."""
    if not path.isprintable():
        raise UserError(f"{path!r} is no name of a file")
    return _resolves(_LOOKUPS[inspect(image).fs](Path(image)), path)


def _resolves(look: Lookup, path: str) -> bool:
    done: tuple[str, ...] = ()
    left = path.split("/")[::-1]
    links = 0
    while left:
        part = left.pop()
        if part in ("", "."):
            continue
        if part == "..":
            done = done[:-1]
            continue
        found = look((*done, part))
        if found is None:
            return False
        if isinstance(found, str):
            links += 1
            if links > MAX_LINKS:
                return False
            left += found.split("/")[::-1]
            done = () if found.startswith("/") else done
        else:
            done = (*done, part)
    return True


_LISTED = re.compile(
    r"^(?P<type>[a-z-])\S{9} +\S+ +.*?\d\d\d\d-\d\d-\d\d \d\d:\d\d (?P<name>squashfs-root.*)$"
)
_WILD = re.compile(r"([\\*?\[\]])")


def _in_squashfs(image: Path) -> Lookup:
    def look(parts: tuple[str, ...]) -> str | bool | None:
        path = "/".join(parts)
        # unsquashfs lists the way to a file, the file, and what is below it: the head of that is enough.
        listing = commands.run(
            ["unsquashfs", "-lln", "-no-progress", image, _WILD.sub(r"\\\1", path)],
            "squashfs-tools", seconds=_SECONDS, memory_mib=_MEMORY_MIB, head_only=True,
        )  # fmt: skip
        for line in listing.splitlines():
            if (listed := _LISTED.match(line)) is None:
                continue
            name, arrow, target = listed["name"].partition(" -> ")
            if name == f"squashfs-root/{path}":
                return target if arrow and listed["type"] == "l" else True
        return None

    return look


_FAST_LINK = re.compile(r'^Fast link dest: "(.*)"$', re.MULTILINE)


def _in_ext4(image: Path) -> Lookup:
    def ask(request: str) -> str:
        return commands.run(
            ["debugfs", "-R", request, image],
            "e2fsprogs", seconds=_SECONDS, memory_mib=_MEMORY_MIB, head_only=True,
        )  # fmt: skip

    def look(parts: tuple[str, ...]) -> str | bool | None:
        path = "/" + "/".join(parts)
        if '"' in path:
            raise UserError(f"{path}: debugfs takes no quotation mark in a name")
        shown = ask(f'stat "{path}"')
        if "Type: " not in shown:
            # debugfs exits with 0 also where it could not even open the file system.
            if "Type: directory" not in ask("stat /"):
                raise UserError(f"{image} is a damaged ext4 image: run e2fsck on it")
            return None
        if "Type: symlink" not in shown:
            return True
        # A target of 60 bytes or more is in a block of its own.
        fast = _FAST_LINK.search(shown)
        return fast[1] if fast else ask(f'cat "{path}"')

    return look


def _in_erofs(path: Path) -> Lookup:
    def look(parts: tuple[str, ...]) -> str | bool | None:
        with erofs.Image(path) as image:
            found: erofs.Inode | None = image.root
            for part in parts:
                if found is None or erofs.kind(found) != "directory":
                    return None
                found = image.find(found, part)
            if found is None:
                return None
            return image.target(found) if erofs.kind(found) == "link" else True

    return look


_LOOKUPS: dict[str, Callable[[Path], Lookup]] = {
    "squashfs": _in_squashfs,
    "ext4": _in_ext4,
    "erofs": _in_erofs,
}

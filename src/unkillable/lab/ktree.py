"""A kernel tree of links in which fs/squashfs is a directory of its own, with patches; what was compiled of the rest stays.

A minimal kernel takes minutes to compile, squashfs and the last link of vmlinux seconds: the variants of a series share the
objects of everything else.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from unkillable.lab import squashfssource
from unkillable.lab.cache import errors_told, locked, remove, root
from unkillable.lab.squashfssource import FOLDER, Change

KEPT = 4
"""Trees that stay in the cache, those last used; each has 150 MB."""


@contextmanager
def patched(tree: Path, series: Sequence[Change], version: str, key: str) -> Iterator[tuple[Path, Path]]:
    """(tree, build directory) for the kernel at `tree` with patches; nobody else has it meanwhile.

    `key` names the tree's content and all that is configured but squashfs.
    """
    place = root() / "kernel-tree" / key
    with errors_told(f"linking {tree}"), tempfile.TemporaryDirectory(prefix="unkillable-") as aside:
        place.parent.mkdir(parents=True, exist_ok=True)
        folder = squashfssource.copy(tree / FOLDER, Path(aside), series, version)
        with locked(_lock(place)):
            source, out = place / "source", place / "build"
            if not out.is_dir():
                link(tree.resolve(), source)
                out.mkdir()
            os.utime(place)
            _prune(place.parent)
            put({path.name: path.read_bytes() for path in folder.iterdir()}, source / FOLDER)
            yield source, out


def _lock(place: Path) -> Path:
    return place.with_suffix(".lock")


def _prune(folder: Path) -> None:
    """Removes all trees but those last used; one that somebody has is in use."""
    used: dict[Path, float] = {}
    for place in folder.iterdir():
        with suppress(OSError):  # an entry may go away at any time
            if place.is_dir():
                used[place] = place.stat().st_mtime
    for place in sorted(used, key=used.__getitem__, reverse=True)[KEPT:]:
        with locked(_lock(place), wait=False) as got:
            if got:
                remove(place)


def link(tree: Path, into: Path) -> None:
    """A tree of links, but for an empty fs/squashfs."""
    for folder, but in ((Path(), "fs"), (Path("fs"), "squashfs")):
        (into / folder).mkdir(parents=True, exist_ok=True)
        for path in (tree / folder).iterdir():
            if path.name != but:
                here = into / folder / path.name
                here.unlink(missing_ok=True)
                here.symlink_to(path)
    (into / FOLDER).mkdir(exist_ok=True)


def put(files: Mapping[str, bytes], into: Path) -> None:
    """Makes these the files of a directory; only what differs is written, so that make compiles no more than that."""
    for path in into.iterdir():
        if path.name not in files:
            path.unlink()
    for name, data in files.items():
        path = into / name
        if not path.is_file() or path.read_bytes() != data:
            path.write_bytes(data)

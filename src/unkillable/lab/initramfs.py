"""The initramfs of a guest: the watcher as /init, its orders, modules, and (for the control without a disk) the root's files."""

from __future__ import annotations

import stat
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from unkillable.errors import UserError
from unkillable.lab import cpio
from unkillable.lab.cache import digest, entry
from unkillable.lab.images import MOUNT_POINTS, Tree, fingerprint, stage

_VERSION = "1"
"""Part of the key in the cache: changes with what this module makes of the same input."""


def build(
    watcher: Path,
    conf: str,
    *,
    modules: Mapping[str, Path] | None = None,
    files: Mapping[str, Path] | None = None,
    newroot: Tree | None = None,
) -> Path:
    """An initramfs, kept in the cache.

    `conf` is the text of /lab.conf, `modules` are the files of /mods by name (uncompressed), `files` are others by their
    path in the initramfs, `newroot` is the tree below /newroot for a root that needs no disk.
    """
    inputs = {"/init": watcher}
    inputs |= {f"/mods/{name}": path for name, path in (modules or {}).items()}
    inputs |= files or {}
    for path in inputs.values():
        if not path.is_file():
            raise UserError(f"{path} is no file")
    key = digest(_VERSION, conf, *fingerprint(inputs), "newroot", *fingerprint(newroot or {}))
    return entry("initramfs", key, lambda path: _make(path, conf, inputs, newroot or {}))


def _make(path: Path, conf: str, inputs: Mapping[str, Path], newroot: Tree) -> None:
    with tempfile.TemporaryDirectory(prefix="unkillable-") as folder, path.open("wb") as out:
        entries = [
            # The kernel opens it for /init before anything is mounted.
            cpio.character_device("dev/console", 5, 1),
            *(cpio.directory(name) for name in (*MOUNT_POINTS, "newroot") if name != "dev"),
            cpio.file("lab.conf", conf.encode(), mode=0o644),
            *(cpio.file(name, source) for name, source in inputs.items()),
        ]
        if newroot:
            stage(newroot, Path(folder))
            entries += _below("newroot", Path(folder))
        # Not compressed: under software emulation 25 MiB booted in 3.4 to 4.4 s, with gzip in 3.8 to 8.3 s; 3 MiB alike.
        cpio.write(out, entries)


def _below(prefix: str, folder: Path) -> Iterator[cpio.Entry]:
    for path in folder.rglob("*"):
        name, mode = f"{prefix}/{path.relative_to(folder)}", path.lstat().st_mode
        if stat.S_ISLNK(mode):
            yield cpio.symlink(name, str(path.readlink()))
        elif stat.S_ISDIR(mode):
            yield cpio.directory(name)
        else:
            yield cpio.file(name, path, stat.S_IMODE(mode))

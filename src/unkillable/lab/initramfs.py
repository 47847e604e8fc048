"""The initramfs of a guest: the watcher as /init, its orders, modules, and (for the control without a disk) the root's files."""

from __future__ import annotations

import stat
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from unkillable.errors import UserError
from unkillable.lab import cpio
from unkillable.lab.cache import digest, entry
from unkillable.lab.images import MOUNT_POINTS, Tree, fingerprint, stage
from unkillable.lab.modules import ModuleFile

_VERSION = "1"
"""Part of the key in the cache: changes with what this module makes of the same input."""


def build(
    *,
    watcher: Path,
    keep: Path,
    canary: Path,
    conf: str,
    modules: Sequence[ModuleFile] = (),
    root: Tree | None = None,
) -> Path:
    """An initramfs, kept in the cache.

    `conf` is the text of /lab.conf, `modules` become /mods/NAME.ko, `root` is the tree below /newroot for a root that needs
    no disk.  `keep` and `canary` are copies, for images that have none (the user's own).
    """
    inputs = {"/init": watcher, "/bin/keep": keep, "/bin/canary": canary}
    inputs |= {f"/mods/{module_name(one)}": one.path for one in modules}
    for path in inputs.values():
        if not path.is_file():
            raise UserError(f"{path} is no file")
    key = digest(_VERSION, conf, *fingerprint(inputs), "root", *fingerprint(root or {}))
    return entry("initramfs", key, lambda path: _make(path, conf, inputs, root or {}))


def module_name(module: ModuleFile) -> str:
    """The name of a module's file in /mods, for lab.conf."""
    return f"{module.name}.ko"


def _make(path: Path, conf: str, inputs: Mapping[str, Path], root: Tree) -> None:
    with tempfile.TemporaryDirectory(prefix="unkillable-") as folder, path.open("wb") as out:
        entries = [
            # The kernel opens it for /init before anything is mounted.
            cpio.character_device("dev/console", 5, 1),
            *(cpio.directory(name) for name in (*MOUNT_POINTS, "newroot") if name != "dev"),
            cpio.file("lab.conf", conf.encode(), mode=0o644),
            *(cpio.file(name, source) for name, source in inputs.items()),
        ]
        if root:
            stage(root, Path(folder))
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

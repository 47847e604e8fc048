"""A user's own root image: whether the kernel can mount it, and a copy to which the lab's programs are added.

They are appended to the file system itself.  On a file system of their own they would have its caches and its locks to
themselves, and what the user's image does under pressure would not be seen.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from unkillable import commands
from unkillable.errors import UserError
from unkillable.lab.cache import digest, entry
from unkillable.lab.imagepaths import has_path
from unkillable.lab.images import TOOLS, fingerprint, identity, stage
from unkillable.superblocks import ImageInfo, inspect, mountable

PLACE = "/.unkillable"
"""Directory of the added programs.  A new one in the root: mksquashfs adds nothing to directories that are there."""
_SECONDS = 1800.0


def check(image: Path, version: str, value: Callable[[str], str | None]) -> ImageInfo:
    """What an image is, if a kernel of that version can mount it.

    `value` says how an option of the kernel (without CONFIG_) is set: y, m, n, or None where that is not known.
    """
    info = inspect(image)
    if not mountable(info, version):
        raise UserError(f"{image}: this {info.fs} needs a kernel of {info.since} or later, not {version}")
    lacking = [option for option in info.configs if value(option) == "n"]
    if lacking:
        raise UserError(
            f"{image}: the kernel was built without CONFIG_{lacking[0]}, which this {info.fs} needs"
        )
    return info


def extend(image: Path, programs: Mapping[str, Path]) -> Path:
    """A copy of a squashfs image with files added in PLACE (name -> file), kept in the cache.

    Compressor, block size and the like are the image's own.  Its root directory belongs to root with mode 755 afterwards.
    """
    info = inspect(image)
    if info.fs != "squashfs":
        raise UserError(
            f"{image}: the lab's programs can be added to a squashfs only; run a command that is in the {info.fs} image"
        )
    if has_path(image, PLACE):
        raise UserError(f"{image} has a {PLACE} already: give the image as it was before the lab extended it")
    tool = TOOLS["squashfs"]
    tree = {f"{PLACE}/{name}": path for name, path in programs.items()}
    with image.open("rb") as file:
        key = digest(
            hashlib.file_digest(file, "sha256").hexdigest(),
            identity(tool.program, tool.package),
            *fingerprint(tree),
        )
    return entry("own-image", key, lambda path: _make(image, info, tree, path))


def _make(image: Path, info: ImageInfo, tree: Mapping[str, Path], path: Path) -> None:
    shutil.copyfile(image, path)
    with tempfile.TemporaryDirectory(prefix="unkillable-") as folder:
        stage(tree, Path(folder), mount_points=())
        commands.run(
            [
                "mksquashfs", folder, path,
                "-all-root", "-mkfs-time", str(info.made_at), "-no-xattrs", "-no-recovery", "-no-progress", "-quiet",
            ],
            TOOLS["squashfs"].package, seconds=_SECONDS,
        )  # fmt: skip

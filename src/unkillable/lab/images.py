"""Root images: the same files as squashfs, ext4 or erofs, the same bytes every time; what a user's own image is."""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path

import msgspec

from unkillable import commands
from unkillable.errors import UserError
from unkillable.lab.cache import digest, entry
from unkillable.lab.imagepaths import has_path
from unkillable.lab.setup import COMPRESSORS, FILE_SYSTEMS, Root
from unkillable.superblocks import ImageInfo, inspect, mountable
from unkillable.versions import within

__all__ = ["ImageInfo", "Tree", "build", "configs", "has_path", "inspect", "mountable", "stage"]

Tree = Mapping[str, Path]
"""Path in the image -> a file, or a directory whose content goes there; later rows may replace files of earlier ones."""

MOUNT_POINTS = ("dev", "proc", "run", "sys", "tmp")
MAX_MIB = 4096
"""Content of a built image: a mistaken path (such as /) must not fill the disk."""
_UUID = "00000000-0000-4000-8000-000000000000"
_SECONDS = 600.0

BIG_CLUSTERS = "5.13"
"""Release from which erofs reads compressed clusters of more than a block."""


class Tool(msgspec.Struct, frozen=True):
    """How a file system is made."""

    program: str
    package: str
    arguments: Callable[[Root, str | None], tuple[str, ...]]
    """The options for a root and a kernel's version."""
    call: Callable[[Path, Path, tuple[str, ...]], tuple[str | Path, ...]]
    """Arguments for a directory, an image and the options."""


def _squashfs(root: Root, _version: str | None) -> tuple[str, ...]:
    plain = root.compressor == "none"
    return (
        # The superblock must name a compressor even if none is used: lz4, so that only the data differ from the default.
        "-comp", "lz4" if plain else root.compressor, "-b", f"{root.block_kib}K",
        *(("-noI", "-noD", "-noF", "-noX") if plain else ()),
        *(() if root.fragments else ("-no-fragments",)),
        *(("-always-use-fragments",) if root.tail_ends else ()),
        "-all-root", "-all-time", "0", "-mkfs-time", "0", "-no-xattrs", "-noappend", "-no-progress", "-quiet",
    )  # fmt: skip


def _ext4(_root: Root, _version: str | None) -> tuple[str, ...]:
    return (
        "-t", "ext4", "-q", "-F", "-b", "4096", "-m", "0", "-U", _UUID,
        "-E", f"root_owner=0:0,hash_seed={_UUID},lazy_itable_init=0",
        # A fixed list: what is on by default differs from release to release, and some of it old kernels refuse.
        # No journal: it would have to be replayed, and the disk is read-only.
        "-O", "none,extent,filetype,sparse_super,large_file,dir_index,ext_attr",
    )  # fmt: skip


def _erofs(root: Root, version: str | None) -> tuple[str, ...]:
    big = version is not None and within(version, BIG_CLUSTERS, None) and root.block_kib > 4
    return (
        *(("-zlz4",) if root.compressor == "lz4" else ()),
        *((f"-C{root.block_kib << 10}",) if big and root.compressor == "lz4" else ()),
        "-T0", f"-U{_UUID}", "--all-root", "-x-1", "-d0",
    )  # fmt: skip


def _call_ext4(tree: Path, image: Path, options: tuple[str, ...]) -> tuple[str | Path, ...]:
    files = [path.lstat() for path in tree.rglob("*")]
    # Data, a block for each directory or slack, the tables of inodes; a sixteenth more for what describes them.
    kib = sum(-(-one.st_size // 4096) * 4 + 4 for one in files)
    inodes = len(files) + 64
    return (
        *options, "-N", str(inodes), "-d", tree, image, f"{kib + kib // 16 + inodes // 4 + 1024}k",
    )  # fmt: skip


TOOLS = {
    "squashfs": Tool(
        "mksquashfs", "squashfs-tools", _squashfs, lambda tree, image, options: (tree, image, *options)
    ),
    "ext4": Tool("mkfs.ext4", "e2fsprogs", _ext4, _call_ext4),
    "erofs": Tool("mkfs.erofs", "erofs-utils", _erofs, lambda tree, image, options: (*options, image, tree)),
}  # fmt: skip

_CONFIGS = {
    ("squashfs", "gzip"): ("SQUASHFS", "SQUASHFS_ZLIB"),
    ("squashfs", "lzo"): ("SQUASHFS", "SQUASHFS_LZO"),
    ("squashfs", "lz4"): ("SQUASHFS", "SQUASHFS_LZ4"),
    ("squashfs", "none"): ("SQUASHFS", "SQUASHFS_LZ4"),
    ("squashfs", "xz"): ("SQUASHFS", "SQUASHFS_XZ"),
    ("squashfs", "zstd"): ("SQUASHFS", "SQUASHFS_ZSTD"),
    ("erofs", "lz4"): ("EROFS_FS", "EROFS_FS_ZIP"),
    ("erofs", "none"): ("EROFS_FS",),
}
"""Options that a kernel must have for a built image."""


def configs(root: Root) -> tuple[str, ...]:
    """Options (without CONFIG_) that a kernel must have for a root."""
    if root.image is not None:
        return inspect(root.image).configs
    return {"ext4": ("EXT4_FS",), "tmpfs": ("TMPFS",)}.get(root.fs) or _CONFIGS[root.fs, root.compressor]


def check(root: Root) -> None:
    """Refuses a root that cannot be built, with the reason."""
    if root.fs not in FILE_SYSTEMS:
        raise UserError(f"{root.fs}: no such file system; known are {', '.join(FILE_SYSTEMS)}")
    if root.compressor not in COMPRESSORS:
        raise UserError(f"{root.compressor}: no such compressor; known are {', '.join(COMPRESSORS)}")
    if root.fs == "erofs" and root.compressor not in ("lz4", "none"):
        raise UserError(f"erofs is built with lz4 or none, not with {root.compressor}")
    if not 4 <= root.block_kib <= 1024 or root.block_kib & (root.block_kib - 1):
        raise UserError(f"a block of {root.block_kib} KiB: it must be a power of two from 4 to 1024")
    if root.tail_ends and not root.fragments:
        raise UserError("tail ends are kept in fragments: both or none")


def build(root: Root, tree: Tree, version: str | None = None) -> Path:
    """An image with these files and nothing else but the mount points, kept in the cache.

    `version` is the kernel's (x.y.z): erofs gets clusters of the size of squashfs's blocks where the kernel reads them,
    and of one block (4 KiB) else.
    """
    check(root)
    if root.fs not in TOOLS:
        raise ValueError(f"{root.fs} has no image")
    tool = TOOLS[root.fs]
    options = tool.arguments(root, version)
    key = digest(root.fs, *options, identity(tool.program, tool.package), *fingerprint(tree))
    return entry("image", key, lambda path: _make(tool, options, tree, path))


def fingerprint(tree: Tree) -> Iterator[str]:
    """Lines that differ if the content of an image differs."""
    for place, source in sorted(tree.items()):
        for path in (source, *sorted(source.rglob("*"))) if source.is_dir() else (source,):
            mode = path.lstat().st_mode
            name = f"{place} {path.relative_to(source)}"
            if stat.S_ISLNK(mode):
                yield f"{name} -> {path.readlink()}"
            elif stat.S_ISREG(mode):
                with path.open("rb") as file:
                    yield f"{name} {_permissions(mode):o} {hashlib.file_digest(file, 'sha256').hexdigest()}"
            else:
                yield name


def stage(tree: Tree, into: Path, mount_points: Iterable[str] = MOUNT_POINTS) -> None:
    """Lays the files of an image out in a directory, with modes and dates that depend on nothing but the files."""
    left = MAX_MIB << 20
    for name in mount_points:
        (into / name).mkdir()
    for place, source in tree.items():
        sources = sorted(source.rglob("*")) if source.is_dir() else [source]
        for path in sources:
            left -= _place(path, into, into / place.strip("/") / path.relative_to(source))
            if left < 0:
                raise UserError(f"{source}: more than {MAX_MIB} MiB is too much for an image")
    for path in (into, *into.rglob("*")):
        if path.is_dir() and not path.is_symlink():
            path.chmod(0o755)
        os.utime(path, (0, 0), follow_symlinks=False)


def _place(path: Path, root: Path, target: Path) -> int:
    """Copies one file; returns its bytes."""
    mode = path.lstat().st_mode
    # A link of the tree, such as /lib -> usr/lib, may lead elsewhere in the image, but not out of it.
    parent = target.parent.resolve()
    if not parent.is_relative_to(root.resolve()):
        raise UserError(f"{path}: a link leads it out of the image")
    parent.mkdir(parents=True, exist_ok=True)
    target = parent / target.name
    if stat.S_ISDIR(mode):
        if not target.is_dir():
            target.mkdir()
        return 0
    if target.is_symlink() or target.is_file():
        target.unlink()
    if stat.S_ISLNK(mode):
        target.symlink_to(path.readlink())
    elif stat.S_ISREG(mode):
        shutil.copyfile(path, target)
        target.chmod(_permissions(mode))
        return target.stat().st_size
    else:
        raise UserError(f"{path} is neither a file nor a directory nor a link")
    return 0


def _permissions(mode: int) -> int:
    return 0o755 if mode & 0o100 else 0o644


@cache
def identity(program: str, package: str) -> str:
    """What another release of a tool differs in: each has its own way to say its version, and old ones have none."""
    with Path(commands.find(program, package)).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _make(tool: Tool, options: tuple[str, ...], tree: Tree, image: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="unkillable-") as folder:
        root = Path(folder) / "root"
        root.mkdir()
        stage(tree, root)
        commands.run(
            [tool.program, *tool.call(root, image, options)],
            tool.package,
            seconds=_SECONDS,
            environment={"E2FSPROGS_FAKE_TIME": "1"},
        )

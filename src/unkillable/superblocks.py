"""What an image of a root file system is, read from its superblock: the image is a stranger's, so nothing is mounted."""

from __future__ import annotations

import os
import stat
import struct
from collections.abc import Callable
from pathlib import Path

import msgspec

from unkillable.errors import UserError
from unkillable.versions import version_key, within

_HEAD = 4096
"""Bytes that are looked at: every superblock is within them."""


class ImageInfo(msgspec.Struct, frozen=True):
    """A root image that the kernel can be expected to mount."""

    fs: str
    """squashfs, ext4 or erofs."""
    compressor: str
    """What its data is compressed with; `none` where it is not."""
    block_size: int
    """Bytes: of a data block (squashfs), of a block of the file system else."""
    bytes_used: int
    """What the file system takes of the file."""
    file_size: int
    inodes: int
    made_at: int
    """When it was made: seconds since 1970, 0 where that was suppressed."""
    configs: tuple[str, ...]
    """Options that the kernel must have, without CONFIG_."""
    since: str | None = None
    """Oldest kernel release that mounts it, such as 5.13, where the image tells."""


class _Fault(Exception):
    """What is wrong with an image: the end of a sentence that begins with its path."""


SQUASHFS_COMPRESSORS = {
    1: ("gzip", "SQUASHFS_ZLIB"),
    3: ("lzo", "SQUASHFS_LZO"),
    4: ("xz", "SQUASHFS_XZ"),
    5: ("lz4", "SQUASHFS_LZ4"),
    6: ("zstd", "SQUASHFS_ZSTD"),
}
_LZMA = 2
_SQUASHFS = struct.Struct("<4s4I6H2Q")
"""Magic, inodes, time, block size, fragments; compressor, log2 of the block size, flags, ids, major, minor; root inode, bytes used."""
_PLAIN_DATA = 0x2
_FOREIGN = {
    b"sqsh": "a big-endian squashfs: the kernel reads only little-endian ones since 2.6.29; make it anew with mksquashfs",
    b"shsq": "a squashfs of a vendor's format (lzma): the mainline kernel has no support for it",
    b"qshs": "a squashfs of a vendor's format (lzma, big-endian): the mainline kernel has no support for it",
    b"sqlz": "a squashfs of a vendor's format (lzma): the mainline kernel has no support for it",
}


def _squashfs(head: bytes, size: int) -> ImageInfo:
    (_, inodes, made, block, _, compressor, log, flags, _, major, minor, _, used) = _SQUASHFS.unpack_from(
        head
    )
    if (major, minor) != (4, 0):
        raise _Fault(f"is squashfs {major}.{minor}: the kernel reads only 4.0; make it anew with mksquashfs")
    if compressor == _LZMA:
        raise _Fault("is compressed with lzma, which the mainline kernel never supported; use xz")
    if compressor not in SQUASHFS_COMPRESSORS:
        raise _Fault(f"is a squashfs of an unknown compressor ({compressor})")
    if not 4096 <= block <= 1 << 20 or block != 1 << log:
        raise _Fault(f"is a damaged squashfs: a block size of {block} and its logarithm {log} do not agree")
    name, option = SQUASHFS_COMPRESSORS[compressor]
    return ImageInfo(
        "squashfs", "none" if flags & _PLAIN_DATA else name, block, used, size, inodes, made,
        # The kernel sets the decompressor up even where no block is compressed.
        ("SQUASHFS", option),
    )  # fmt: skip


_EXT = 1024
_EXT_MAGIC = 0xEF53
_EXT_NEEDS_RECOVERY = 0x4
_EXT_64BIT = 0x80
_EXT_JOURNAL_DEVICE = 0x8


def _ext4(head: bytes, size: int) -> ImageInfo:
    inodes, blocks = struct.unpack_from("<2I", head, _EXT)
    (log,) = struct.unpack_from("<I", head, _EXT + 0x18)
    (incompatible,) = struct.unpack_from("<I", head, _EXT + 0x60)
    (made,) = struct.unpack_from("<I", head, _EXT + 0x108)
    if log > 6:
        raise _Fault("is a damaged ext4: its block size is beyond 64 KiB")
    if incompatible & _EXT_JOURNAL_DEVICE:
        raise _Fault("is a journal of ext4, not a file system")
    if incompatible & _EXT_NEEDS_RECOVERY:
        raise _Fault("was not unmounted cleanly: run e2fsck on it first, the lab mounts it read-only")
    if incompatible & _EXT_64BIT:
        blocks |= struct.unpack_from("<I", head, _EXT + 0x150)[0] << 32
    return ImageInfo(
        "ext4", "none", 1024 << log, blocks * (1024 << log), size, inodes, made, ("EXT4_FS",)
    )  # fmt: skip


_EROFS = 1024
_EROFS_MAGIC = 0xE0F5E1E2
_EROFS_FEATURES = (  # incompatible features of a superblock, and the release that reads them
    (0x01, "5.4"),  # data padded at the front
    (0x02, "5.13"),  # clusters of several blocks, configuration of compressors
    (0x04, "5.15"),  # files in chunks
    (0x08, "5.16"),  # several devices, a second compressor
    (0x10, "5.17"),  # tails within the inode
    (0x20, "6.1"),  # fragments, deduplication
    (0x40, "6.4"),  # prefixes of extended attributes
    (0x80, "6.15"),  # block numbers of 48 bits
    (0x100, "6.17"),  # compressed metadata
)
_EROFS_OTHER_BLOCKS = "6.4"
"""Before, a block had the size of a page."""
_EROFS_COMPRESSORS = (  # bit in the superblock, name, option beside EROFS_FS_ZIP
    (1, "lz4", ()),
    (2, "lzma", ("EROFS_FS_ZIP_LZMA",)),
    (4, "deflate", ("EROFS_FS_ZIP_DEFLATE",)),
    (8, "zstd", ("EROFS_FS_ZIP_ZSTD",)),
)


def _erofs(head: bytes, size: int) -> ImageInfo:
    (log,) = struct.unpack_from("<B", head, _EROFS + 12)
    inodes, made = struct.unpack_from("<2Q", head, _EROFS + 16)
    (blocks,) = struct.unpack_from("<I", head, _EROFS + 36)
    (incompatible, algorithms) = struct.unpack_from("<IH", head, _EROFS + 80)
    if not 9 <= log <= 16:
        raise _Fault("is a damaged erofs: its block size is out of range")
    if incompatible >> len(_EROFS_FEATURES):
        raise _Fault(f"is an erofs with features that no known kernel reads ({incompatible:#x})")
    needed = [release for bit, release in _EROFS_FEATURES if incompatible & bit]
    if log != 12:
        needed.append(_EROFS_OTHER_BLOCKS)
    # Before it could list its compressors, an image had lz4 or nothing.
    bits = algorithms if incompatible & 0x2 else incompatible & 0x1
    found = [row for row in _EROFS_COMPRESSORS if bits & row[0]]
    configs = [option for row in found for option in row[2]]
    return ImageInfo(
        "erofs", "+".join(row[1] for row in found) or "none", 1 << log, blocks << log, size, inodes, made,
        ("EROFS_FS", *(("EROFS_FS_ZIP",) if found else ()), *configs),
        max(needed, key=version_key, default=_EROFS_FEATURES[0][1]),
    )  # fmt: skip


_KINDS: tuple[tuple[int, bytes, Callable[[bytes, int], ImageInfo]], ...] = (
    (0, b"hsqs", _squashfs),
    (_EXT + 0x38, struct.pack("<H", _EXT_MAGIC), _ext4),
    (_EROFS, struct.pack("<I", _EROFS_MAGIC), _erofs),
)


def inspect(path: str | Path) -> ImageInfo:
    """Says what an image is; refuses what no kernel would mount, with the reason."""
    head, size = _head(Path(path))
    if head[:4] in _FOREIGN:
        raise UserError(f"{path} is {_FOREIGN[head[:4]]}")
    for at, magic, parse in _KINDS:
        if head[at : at + len(magic)] != magic:
            continue
        try:
            info = parse(head, size)
        except struct.error:
            raise UserError(f"{path} ends within its superblock: the file is truncated") from None
        except _Fault as fault:
            raise UserError(f"{path} {fault}") from None
        if not 0 < info.bytes_used <= size:
            raise UserError(
                f"{path} is truncated: {info.fs} says that it has {info.bytes_used} bytes, the file has {size}"
            )
        return info
    raise UserError(f"{path} is no squashfs, ext4 or erofs image")


def mountable(info: ImageInfo, version: str) -> bool:
    """Whether a kernel (x.y.z) is new enough for an image; what it was built with is another matter."""
    return within(version, info.since, None)


def _head(path: Path) -> tuple[bytes, int]:
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # a FIFO must not stop us
        try:
            status = os.fstat(handle)
            if not (stat.S_ISREG(status.st_mode) or stat.S_ISBLK(status.st_mode)):
                raise UserError(f"{path} is no file")
            size = os.lseek(handle, 0, os.SEEK_END)
            return os.pread(handle, _HEAD, 0), size
        finally:
            os.close(handle)
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}") from None

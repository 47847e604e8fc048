"""File systems' error lines; squashfs in full, since its errors are cached and served again.

A fill that fails prints `read` (and maybe `decompress` before it), then every user of the block, the filler first,
prints `cache-entry` and `page`. A `cache-entry` without a fresh `read` of that block is an error that was kept.

| era         | the failed fill's line                                                          |
|-------------|-----------------------------------------------------------------------------------|
| to 2.6.37   | `zlib_inflate error, data probably corrupt`, `squashfs_read_data failed to read block 0x1` |
| to 3.12     | the same with the decompressor's own word: `xz_dec_run error, ..`, `lzo error, ..` |
| 3.13-5.6    | `zlib decompression failed, data probably corrupt`, `squashfs_read_data failed ..`  |
| 5.7-7.3     | `Failed to read block 0x1: -5`: with the error, fs/squashfs/block.c:230 of 5.10, :353 of 6.12, :380 of 7.3 |
"""

from __future__ import annotations

import re

from unkillable.evidence.builder import Builder
from unkillable.evidence.ioproblems import FORMATS as IO_FORMATS
from unkillable.evidence.numbers import hexadecimal, integer
from unkillable.evidence.table import Format
from unkillable.evidence.types import FsError
from unkillable.klog.record import Record

_PARTS_LIMIT = 8  # lines joined by a lost newline
_BLOCK = r"(?:0x)?(?P<block>[0-9a-fA-F]{1,16})"
# (kind, text after `SQUASHFS error: `); the first match counts. Line numbers: fs/squashfs of 7.3.
_SQUASHFS = tuple(
    (kind, re.compile(pattern))
    for kind, pattern in (
        ("read", r"Failed to read block " + _BLOCK + r"(?:: (?P<error>-\d{1,4})\b)?"),  # block.c:380
        ("read", r"squashfs_read_data failed to read block " + _BLOCK),  # to 5.6
        ("cache-entry", r"Unable to read (?P<cache>\w{1,24}) cache entry \[" + _BLOCK + "?"),  # cache.c:266
        ("page", r"Unable to read page, block " + _BLOCK),  # file.c:445, file_cache.c:29
        (
            "metadata",
            r"Unable to read (?:directory block|symlink|xattr|id index) \[?" + _BLOCK + r"\b",
        ),  # dir.c:214
        ("metadata", r"read_indexes: reading block \[" + _BLOCK),  # file.c:180
        ("metadata", r"Unable to read inode " + _BLOCK),  # inode.c:448
        ("metadata", r"Unable to read (?:inode|directory|symlink|fragment|metadata|xattr|id)\b"),
        (
            "decompress",
            r"data probably corrupt|decompression error|zlib_\w+ returned|data remaining|lzma? ?error",
        ),
        ("other", r""),
    )
)


def _squashfs(builder: Builder, match: re.Match[str], record: Record) -> None:
    for text in record.text.split("SQUASHFS error:")[1 : 1 + _PARTS_LIMIT]:
        kind, found = next((kind, found) for kind, pattern in _SQUASHFS if (found := pattern.search(text)))
        fields = found.groupdict()
        builder.add_fs_error(
            FsError(
                line=record.number,
                text=record.text,
                time=record.time,
                fs="squashfs",
                kind=kind,
                cache=fields.get("cache"),
                block=hexadecimal(fields.get("block")),
                error=integer(fields.get("error")),
            )
        )


# (file system, its error line, kind): what tells a failing disk or image from a memory problem.
_OTHERS = tuple(
    (name, re.compile(pattern), kind)
    for name, pattern, kind in (
        ("ext", r"EXT[234]-fs error \(device [^)]{1,64}\)[: ].*?reading (?:directory|inode|block)", "read"),
        ("ext", r"EXT[234]-fs error \(device [^)]{1,64}\)", "other"),
        ("fat", r"FAT-fs \([^)]{1,64}\): error|FAT-fs error", "other"),
        ("btrfs", r"BTRFS error \(device [^)]{1,64}\)", "other"),
        ("f2fs", r"F2FS-fs(?: error| \([^)]{1,64}\): .{0,80}?(?:error|fail|inconsist))", "other"),
        ("erofs", r"erofs(?: \(device [^)]{1,64}\))?: .{0,80}?failed to decompress", "decompress"),
        (
            "erofs",
            r"erofs(?: \(device [^)]{1,64}\))?: .{0,80}?(?:failed to read|read error|readahead error)",
            "read",
        ),
        ("ubifs", r"UBIFS error .{0,80}?(?:read|node)", "read"),
        ("ubifs", r"UBIFS error", "other"),
        ("jffs2", r"jffs2: error:|JFFS2 (?:error|notice: .*CRC)", "other"),
        ("overlayfs", r"overlayfs: .{0,80}?(?:failed|error)", "other"),
        ("verity", r"verity: \S{1,32} (?:data|metadata) block (?P<block>\d{1,19}) is corrupted", "read"),
    )
)


def _other(builder: Builder, match: re.Match[str], record: Record) -> None:
    for name, pattern, kind in _OTHERS:
        found = pattern.search(record.text)
        if found is None:
            continue
        error = re.search(r"(?:error|err=|failed \() ?(-\d{1,4})\b", record.text)
        builder.add_fs_error(
            FsError(
                line=record.number,
                text=record.text,
                time=record.time,
                fs=name,
                kind=kind,
                block=integer(found.groupdict().get("block")),
                error=integer(error[1]) if error else None,
            )
        )
        return


FORMATS = (
    Format(
        "squashfs",
        ("SQUASHFS error",),
        re.compile("SQUASHFS error:"),
        _squashfs,
        "2.6.29-7.3",
        "captures/amd64-5.10-squashfs-corrupt.sample",
    ),
    Format(
        "fs-error",
        ("-fs error",),
        re.compile(r"EXT[234]-fs error \(|FAT-fs error|F2FS-fs error"),
        _other,
        "2.6.0-7.3",
        "formats/fs-error.sample",
    ),
    # Rare ones: looked for on small inputs only, so they cost the fast scan nothing.
    Format(
        "fs-error-rare",
        (),
        re.compile(
            "|".join(f"(?:{re.sub('[?]P<block>', '?:', pattern.pattern)})" for _, pattern, _ in _OTHERS[2:])
        ),
        _other,
        "2.6.30-7.3",
        "formats/fs-error-rare.sample",
        guard=(
            "FAT-fs",
            "BTRFS error",
            "F2FS-fs",
            "erofs",
            "UBIFS error",
            "jffs2: error:",
            "JFFS2 error",
            "JFFS2 notice: ",
            "overlayfs: ",
            "is corrupted",
        ),
    ),
    *IO_FORMATS,
)

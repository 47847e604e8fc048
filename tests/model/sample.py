"""The small image of the examples: how it was made, and the accesses of which real kernels were recorded.

python -m tests.model.sample    makes examples/rootfs.squashfs anew; the recordings are then of another image
"""

from __future__ import annotations

import random
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
IMAGE = ROOT / "examples" / "rootfs.squashfs"
PAGE = 4096
Row = tuple[str, str, int, int]
SPARSE = 300 << 20
"""More than 2048 blocks of 128 KiB: the kernel makes an index of such a file's block list."""

FILES = {
    "usr/lib/libbig.so": 1400 * 1024 + 777,
    "usr/lib/libc.so": 520 * 1024 + 100,
    "usr/lib/libmid.so": 300 * 1024,
    "usr/bin/tool": 70_000,
    "usr/share/exact": 256 * 1024,
    "usr/share/one-page-more": 128 * 1024 + 4096,
    "usr/share/tail": 128 * 1024 + 5000,
    "etc/empty": 0,
    **{f"etc/conf.d/{n:03}": 200 + n * 397 for n in range(60)},
    **{f"usr/share/data{n}": 100_000 + n * 1000 for n in range(8)},
    **{f"usr/share/zoneinfo/zone-with-a-long-name-{n:04}": 300 + n for n in range(500)},
}


def content(name: str, size: int) -> bytes:
    """Pages that differ and compress well."""
    return b"".join(
        (f"{name} page {n} " * PAGE)[:PAGE].encode() for n in range(-(-size // PAGE))
    )[:size]  # fmt: skip


def tree(folder: Path) -> None:
    """The files of the image."""
    for name, size in FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content(name, size))
    with (folder / "usr/share/sparse").open("wb") as file:
        for at in (0, SPARSE - 200_000):
            file.seek(at)
            file.write(content("sparse", 150_000))
        file.truncate(SPARSE)
    (folder / "lib").symlink_to("usr/lib")
    (folder / "usr/lib/libc.so.6").symlink_to("../lib/libc.so")
    (folder / "usr/bin/tool2").hardlink_to(folder / "usr/bin/tool")


def build(folder: Path, image: Path, *options: str) -> None:
    """mksquashfs, the same bytes for the same options."""
    subprocess.run(
        [
            "mksquashfs", folder, image, "-noappend", "-all-root", "-mkfs-time", "0", "-all-time", "0", "-no-xattrs",
            "-no-progress", "-quiet", *options,
        ],
        check=True, capture_output=True, timeout=100,
    )  # fmt: skip


def accesses(mount: str = "") -> str:
    """Reads and page touches as recorder/init.c takes them, the same every time."""
    dice = random.Random(6)  # noqa: S311  not for secrets
    rows = [*_faults(dice), *_reads(dice), ("d", "-", 0, 0), *_again(dice)]
    return "".join(
        f"{how} {mount}/{path} {offset} {length}\n" if how != "d" else f"d {path} {offset} {length}\n"
        for how, path, offset, length in rows
    )


def _touch(path: str, offset: int) -> Row:
    return "m", path, offset, 0


def _read(path: str, offset: int, length: int) -> Row:
    return "r", path, offset, length


def _faults(dice: random.Random) -> Iterator[Row]:
    yield _touch("lib/libc.so.6", 70 * PAGE)
    yield _touch("usr/lib/libc.so", 5 * PAGE)
    for _ in range(12):
        yield _touch("usr/lib/libbig.so", dice.randrange(1400 * 1024))


def _reads(dice: random.Random) -> Iterator[Row]:
    yield from (_read(f"etc/conf.d/{n:03}", 0, PAGE) for n in range(0, 60, 7))
    yield from (_read("usr/lib/libmid.so", offset, PAGE) for offset in range(0, 300 * 1024, PAGE))
    yield from (_read(f"usr/share/data{n}", 0, 65536) for n in range(8))
    yield from (_read(f"usr/share/data{n}", 65536, PAGE) for n in range(8))
    for name in ("tail", "one-page-more"):
        yield _read(f"usr/share/{name}", 131072, PAGE)
        yield _read(f"usr/share/{name}", 0, PAGE)
    yield from (_read("usr/share/exact", dice.randrange(64) * PAGE, PAGE) for _ in range(6))
    for n in (0, 499, 250, 3, 480, 251):
        yield _read(f"usr/share/zoneinfo/zone-with-a-long-name-{n:04}", 0, 1000)
    for offset in (0, 8 << 20, SPARSE - 190_000, SPARSE - 100, 260 << 20):
        yield _read("usr/share/sparse", offset // PAGE * PAGE, PAGE)
    yield _touch("usr/bin/tool2", 65536)
    yield _read("usr/bin/tool", 0, 1 << 20)


def _again(dice: random.Random) -> Iterator[Row]:
    """After the page cache was dropped, but for the pages that are mapped."""
    for _ in range(10):
        yield _touch("usr/lib/libbig.so", dice.randrange(1400 * 1024))
    yield _read("usr/lib/libc.so", 100 * PAGE, 200_000)
    yield from (_read(f"etc/conf.d/{n:03}", 0, 1 << 16) for n in range(0, 60, 11))
    yield _read("usr/lib/libbig.so", 0, 1 << 20)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        tree(Path(folder))
        build(Path(folder), IMAGE, "-comp", "zstd", "-Xcompression-level", "22")


if __name__ == "__main__":
    main()

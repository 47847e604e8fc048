"""Reading images: what mksquashfs makes with every compressor, against what unsquashfs and the data itself say."""

from __future__ import annotations

import lzma
import re
import shutil
import subprocess
import zlib
from collections.abc import Callable
from pathlib import Path

import lz4.block
import pytest
import zstandard

from tests.model import sample
from unkillable.errors import UserError
from unkillable.model.image import lzo
from unkillable.model.image.image import File, Image
from unkillable.model.image.layout import Planned, Stored

pytestmark = pytest.mark.skipif(
    shutil.which("mksquashfs") is None, reason="needs apt-get install squashfs-tools"
)

LARGEST = 1 << 20
UNPACK: dict[str, Callable[[bytes], bytes]] = {
    "gzip": zlib.decompress,
    "xz": lzma.decompress,
    "lzo": lambda data: lzo.decompress(data, LARGEST),
    "lz4": lambda data: lz4.block.decompress(data, uncompressed_size=LARGEST),
    "zstd": lambda data: zstandard.ZstdDecompressor().decompress(data, max_output_size=LARGEST),
}
CASES = [
    ("gzip", 131072, ()),
    ("gzip", 4096, ()),
    ("xz", 1048576, ()),
    ("xz", 65536, ("-Xbcj", "x86")),
    ("lzo", 131072, ()),
    ("lzo", 8192, ("-Xalgorithm", "lzo1x_1")),
    ("lz4", 131072, ()),
    ("lz4", 262144, ("-Xhc",)),
    ("zstd", 131072, ()),
    ("zstd", 16384, ("-always-use-fragments",)),
    ("gzip", 131072, ("-noI", "-noD", "-noF")),
    ("zstd", 131072, ("-no-fragments",)),
    ("gzip", 131072, ("-no-exports",)),
]


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tree")
    sample.tree(folder)
    return folder


@pytest.fixture(scope="module", params=CASES, ids=lambda case: "-".join([case[0], str(case[1]), *case[2]]))
def built(
    request: pytest.FixtureRequest, tree: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, str]:
    compressor, block, options = request.param
    path = tmp_path_factory.mktemp("image") / "image.squashfs"
    sample.build(tree, path, "-comp", compressor, "-b", str(block), *options)
    return path, compressor


def block(image: Path, layout: Stored, file: File, index: int, compressor: str) -> bytes:
    """A block of a file, from the image's own bytes."""
    extent = layout.extent(file, index)
    if not extent.length:
        length = file.inode.size - index * layout.block_size
        return bytes(min(layout.block_size, length))
    with image.open("rb") as raw:
        raw.seek(extent.address)
        data = raw.read(extent.stored)
    data = UNPACK[compressor](data) if extent.compressed else data
    assert len(data) == extent.length
    if extent.fragment:
        begin = layout.tail_offset(file)
        data = data[begin : begin + file.inode.size % layout.block_size]
    return data


def test_every_block_of_every_file_is_where_it_is_said_to_be(built: tuple[Path, str], tree: Path) -> None:
    path, compressor = built
    with Image(path) as image:
        assert image.findings == []
        layout = Stored(image)
        checked = 0
        for file in image.files:
            if file.inode.size >= sample.SPARSE:
                continue
            with (tree / file.path.lstrip("/")).open("rb") as original:
                for index in range(-(-file.inode.size // layout.block_size)):
                    expected = original.read(layout.block_size)
                    assert block(path, layout, file, index, compressor) == expected, (file.path, index)
                    checked += 1
        assert checked > 500


def test_a_hole_has_no_block(built: tuple[Path, str]) -> None:
    path, compressor = built
    with Image(path) as image:
        layout = Stored(image)
        sparse = image.find("/usr/share/sparse").file
        assert sparse is not None
        last = (sample.SPARSE - 1) // layout.block_size
        sizes = {index: layout.extent(sparse, index).length for index in (0, last // 2, last)}
        assert sizes[last // 2] == 0
        assert sizes[0] > 0
        assert block(path, layout, sparse, 0, compressor).startswith(b"sparse page 0 ")


def test_names_and_sizes_are_those_of_unsquashfs(built: tuple[Path, str]) -> None:
    path, _ = built
    shown = subprocess.run(
        ["unsquashfs", "-lln", path], capture_output=True, text=True, check=True, timeout=60
    ).stdout
    lines = re.findall(r"^-\S+ \d+/\d+ +(\d+) \S+ \S+ squashfs-root(/.*)$", shown, re.MULTILINE)
    expected = {name: int(size) for size, name in lines}
    # tool2 is a second name of tool.
    assert expected.pop("/usr/bin/tool2") == expected["/usr/bin/tool"]
    with Image(path) as image:
        assert {file.path: file.inode.size for file in image.files} == expected


def test_the_superblock_is_that_of_unsquashfs(built: tuple[Path, str]) -> None:
    path, compressor = built
    shown = subprocess.run(
        ["unsquashfs", "-stat", path], capture_output=True, text=True, check=True, timeout=60
    ).stdout
    facts = dict(
        re.findall(
            r"^(Compression|Block size|Number of fragments|Number of inodes):? (\S+)$", shown, re.MULTILINE
        )
    )
    with Image(path) as image:
        assert facts["Compression"] == compressor
        assert int(facts["Block size"]) == image.info.block_size
        assert int(facts["Number of fragments"]) == len(image.fragments)
        assert int(facts["Number of inodes"]) == image.info.inodes


@pytest.mark.parametrize("size", [4096, 16384, 65536, 131072, 1048576])
@pytest.mark.parametrize("options", [(), ("-always-use-fragments",), ("-no-fragments",)], ids=str)
def test_a_planned_layout_is_what_mksquashfs_makes_of_that_size(
    tree: Path, tmp_path: Path, size: int, options: tuple[str, ...]
) -> None:
    now, other = tmp_path / "now", tmp_path / "other"
    sample.build(tree, now, "-comp", "lz4", *options)
    sample.build(tree, other, "-comp", "lz4", "-b", str(size), *options)
    with Image(now) as image, Image(other) as real:
        planned, stored = Planned(image, size), Stored(real)
        assert planned.fragments == len(real.fragments)
        assert [file.path for file in image.files] == [file.path for file in real.files]
        for mine, theirs in zip(image.files, real.files, strict=True):
            assert planned.has_tail(mine) == stored.has_tail(theirs), mine.path
            if planned.has_tail(mine):
                assert planned.tail_offset(mine) == stored.tail_offset(theirs)
                tail = mine.inode.size // size
                assert planned.extent(mine, tail).length == stored.extent(theirs, tail).length
            if mine.inode.size < sample.SPARSE:
                for index in range(mine.inode.size // size):
                    assert planned.extent(mine, index).length == stored.extent(theirs, index).length


def test_paths_are_followed_as_in_a_root() -> None:
    with Image(sample.IMAGE) as image:
        libc = image.find("/usr/lib/libc.so").file
        assert libc is not None
        for path in ("/lib/libc.so", "/usr/lib/../lib/./libc.so", "//lib/libc.so.6", "usr/lib/libc.so"):
            assert image.find(path).file is libc, path
        for path in ("/", "/usr", "/usr/lib/none", "/usr/lib/libc.so/x", "/lib/libc.so.6/x"):
            assert image.find(path).file is None, path
        assert image.find("/usr/bin/tool").file is image.find("/usr/bin/tool2").file


@pytest.mark.parametrize(
    ("path", "says"),
    [
        (Path(__file__), "is no squashfs, ext4 or erofs image"),
        (Path("/nowhere.squashfs"), "No such file or directory"),
        (Path("/"), "is no file"),
    ],
)
def test_what_is_no_image_is_refused(path: Path, says: str) -> None:
    with pytest.raises(UserError, match=says):
        Image(path)


def test_another_file_system_is_refused(tmp_path: Path) -> None:
    if shutil.which("mkfs.ext4", path="/usr/sbin:/sbin:/usr/bin") is None:
        pytest.skip("needs apt-get install e2fsprogs")
    image = tmp_path / "root.ext4"
    subprocess.run(["/sbin/mkfs.ext4", "-q", image, "1M"], check=True, capture_output=True, timeout=60)
    with pytest.raises(UserError, match="only squashfs has the caches"):
        Image(image)

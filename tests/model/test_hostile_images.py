"""Images of strangers: cut off, garbled, and made to trick.  They end in one line or in a finding, soon and in little memory."""

from __future__ import annotations

import lzma
import shutil
import struct
import time
import tracemalloc
import zlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import lz4.block
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.model import sample
from unkillable.errors import UserError
from unkillable.model.image import image as room
from unkillable.model.image import lzo, replay
from unkillable.model.image.analysis import Options, examine
from unkillable.model.image.image import Image
from unkillable.model.image.metadata import COMPRESSORS, SIZE, Damaged, Metadata
from unkillable.model.image.types import ImageReport

MAKES = pytest.mark.skipif(shutil.which("mksquashfs") is None, reason="needs apt-get install squashfs-tools")
SECONDS = 10
"""Of the processor."""


def look(path: Path, trace: str = "every") -> ImageReport | str:
    """What comes of an image: a report, or the line that says why not."""
    try:
        return examine(str(path), trace, Options(), "test")
    except UserError as error:
        return str(error)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Small images by compressor, and one whose metadata is plain."""
    if shutil.which("mksquashfs") is None:
        pytest.skip("needs apt-get install squashfs-tools")
    folder = tmp_path_factory.mktemp("small")
    tree = folder / "tree"
    for name, size in (("a/one", 5000), ("a/two", 70_000), ("b/c/three", 300), ("four", 200_000)):
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_bytes(sample.content(name, size))
    (tree / "link").symlink_to("a/one")
    (tree / "loop").symlink_to("loop")
    made = {}
    for name in (*COMPRESSORS, "plain"):
        options = ("-comp", "gzip", "-noI", "-noF", "-noId") if name == "plain" else ("-comp", name)
        sample.build(tree, folder / name, "-b", "65536", "-nopad", *options)
        made[name] = (folder / name).read_bytes()
    return made


@pytest.fixture(autouse=True, scope="module")
def short() -> Iterator[None]:
    """A trace of files that claim to be huge ends sooner than it would."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(replay, "MOST_PAGES", 1 << 15)
        yield


class Given:
    """A folder in which one image is written over and over."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "hostile.squashfs"

    def look(self, data: bytes) -> ImageReport | str:
        self.path.write_bytes(data)
        begun = time.process_time()
        found = look(self.path)
        assert time.process_time() - begun < SECONDS
        assert isinstance(found, ImageReport) or "\n" not in found
        return found


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Given:
    return Given(tmp_path_factory.mktemp("hostile"))


@MAKES
@pytest.mark.parametrize("name", [*COMPRESSORS, "plain"])
def test_as_made_it_is_read(name: str, small: dict[str, bytes], place: Given) -> None:
    found = place.look(small[name])
    assert isinstance(found, ImageReport)
    assert (found.image.files, found.image.findings, found.trace.failed) == (4, (), 0)


@MAKES
def test_cut_off_anywhere(small: dict[str, bytes], place: Given) -> None:
    for data in (small["gzip"], small["plain"]):
        for end in (*range(0, 200, 7), *range(200, len(data), 211), len(data) - 1):
            found = place.look(data[:end])
            assert isinstance(found, str), end
            assert str(place.path) in found


@MAKES
@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_any_bytes_changed(small: dict[str, bytes], place: Given, data: st.DataObject) -> None:
    image = bytearray(small[data.draw(st.sampled_from(["plain", "plain", "plain", *COMPRESSORS]))])
    # Metadata is at the end, the superblock at the beginning.
    ranges = st.one_of(st.integers(4, 95), st.integers(max(0, len(image) - 1500), len(image) - 1))
    for at, value in data.draw(st.lists(st.tuples(ranges, st.integers(0, 255)), min_size=1, max_size=12)):
        image[at] = value
    place.look(bytes(image))


@MAKES
@settings(max_examples=100, deadline=None)
@given(field=st.integers(4, 88), value=st.sampled_from([0, 1, 0xFFFFFFFF, 1 << 31, 1 << 62, (1 << 64) - 1]))
def test_numbers_that_lie_in_the_superblock(
    small: dict[str, bytes], place: Given, field: int, value: int
) -> None:
    for name in ("plain", "zstd"):
        image = bytearray(small[name])
        image[field : field + 8] = struct.pack("<Q", value)
        place.look(bytes(image))


def _tables(data: bytearray) -> tuple[int, int, int]:
    """Root inode, inode table, directory table."""
    (root,) = struct.unpack_from("<Q", data, 32)
    inodes, folders = struct.unpack_from("<2Q", data, 64)
    return root, inodes, folders


@MAKES
def test_a_directory_in_itself(small: dict[str, bytes], place: Given) -> None:
    data = bytearray(small["plain"])
    root, inodes, folders = _tables(data)
    # b/c: the entry of c below b leads to the root instead; b's listing has one header of 12 bytes and one entry.
    at = data.index(struct.pack("<HH", 1, 0) + b"c", folders) - 4
    struct.pack_into("<I", data, at - 8, root >> 16)
    struct.pack_into("<H", data, at, root & 0xFFFF)
    assert inodes < folders
    found = place.look(bytes(data))
    assert isinstance(found, ImageReport)
    assert found.image.findings == ("/b/c is a directory that is in itself or in two places",)
    assert found.image.files == 3


@MAKES
def test_a_file_that_claims_to_be_larger_than_the_world(small: dict[str, bytes], place: Given) -> None:
    data = bytearray(small["plain"])
    _, inodes, folders = _tables(data)
    at = data.index(struct.pack("<I", 200_000), inodes, folders)
    for size in (0xFFFFFFFF, 1 << 31):
        struct.pack_into("<I", data, at, size)
        found = place.look(bytes(data))
        assert isinstance(found, ImageReport | str)
        if isinstance(found, ImageReport):
            assert found.trace.failed or found.image.findings


@MAKES
def test_a_block_behind_the_end_is_an_error_of_the_access(small: dict[str, bytes], place: Given) -> None:
    data = bytearray(small["plain"])
    _, inodes, folders = _tables(data)
    at = data.index(struct.pack("<I", 200_000), inodes, folders) - 12
    struct.pack_into("<I", data, at, 0x7FFFFFFF)  # start_block of `four`
    found = place.look(bytes(data))
    assert isinstance(found, ImageReport)
    assert found.trace.failed > 0
    assert sum(one.errors for one in found.caches) > 0


@MAKES
def test_links_that_lead_round_end(small: dict[str, bytes], place: Given) -> None:
    place.path.write_bytes(small["gzip"])
    with Image(place.path) as image:
        assert image.find("/loop").file is None
        assert image.find("/link").file is not None


@MAKES
def test_more_names_than_are_read(
    small: dict[str, bytes], place: Given, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "MOST", 4)
    found = place.look(small["gzip"])
    assert found == f"{place.path} has more files than are read, or directories that share their listings"


BOMB = bytes(50 << 20)
BOMBS = {
    "gzip": zlib.compress(BOMB),
    "xz": lzma.compress(BOMB, preset=0),
    "zstd": zstandard.compress(BOMB),
    "lz4": lz4.block.compress(BOMB, store_size=False),
    # A literal, then one match of 50 MiB.
    "lzo": bytes([18, 0, 0x20]) + bytes((50 << 20) // 255) + b"\x01\0\0" + b"\x11\0\0",
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_not_unpacked(name: str) -> None:
    tracemalloc.start()
    try:
        with pytest.raises((ValueError, lz4.block.LZ4BlockError)):
            COMPRESSORS[name](BOMBS[name])
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()


@given(data=st.binary(min_size=1, max_size=300))
def test_any_bytes_are_lzo_or_are_not(data: bytes) -> None:
    with suppress(ValueError, IndexError):
        assert len(lzo.decompress(data, SIZE)) <= SIZE


def test_a_block_that_says_it_has_no_length(tmp_path: Path) -> None:
    path = tmp_path / "zeros"
    path.write_bytes(bytes(64))
    with path.open("rb") as file, pytest.raises(Damaged, match="no block of metadata begins at byte 8"):
        Metadata(file.fileno(), 64, "gzip").block(8)

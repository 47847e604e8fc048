"""The model against real kernels: for every access it reads the blocks that the kernel read, in the same order."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.model import recorded, sample
from tests.model.record import fills, record
from unkillable.errors import UserError
from unkillable.model.image.image import Image
from unkillable.model.image.pages import key


@pytest.fixture(scope="module")
def image() -> Iterator[Image]:
    with Image(sample.IMAGE) as opened:
        yield opened


def test_there_are_recordings() -> None:
    kernels = {path.stem for path in recorded.RECORDINGS}
    assert {"5.10", "6.1", "6.12", "7.3", "5.10-cache-single", "6.1-cache-single"} <= kernels


def test_the_recordings_are_of_the_accesses_of_the_sample() -> None:
    for path in recorded.RECORDINGS:
        made = [one.access for one in recorded.load(path).done]
        assert made == sample.accesses().splitlines()


@pytest.mark.parametrize("path", recorded.RECORDINGS, ids=lambda path: path.stem)
def test_the_model_reads_what_the_kernel_read(image: Image, path: Path) -> None:
    of = recorded.load(path)
    model = recorded.Model(image, recorded.mount(image, of))
    assert recorded.differences(of, model) == []
    assert (model.machine.disk_bytes - model.mounted) // 512 == of.sectors, "what the disk counted"


@pytest.mark.parametrize("path", recorded.RECORDINGS, ids=lambda path: path.stem)
def test_the_model_has_the_pages_that_the_kernel_had(image: Image, path: Path) -> None:
    """What the kernel dropped when it was told to: all but the pages that were mapped, and those of symbolic links."""
    of = recorded.load(path)
    model = recorded.Model(image, recorded.mount(image, of))
    (drop,) = [number for number, one in enumerate(of.done) if one.access.startswith("d ")]
    for one in of.done[:drop]:
        model.do(one)
    files = {file.inode.number: file.path for file in image.files}
    theirs = {key(number, page) for number, page in of.done[drop].gone if number in files}
    ours = set(model.machine.pages._flags)
    assert len(theirs) > 800
    assert theirs - ours == set()
    assert {files[page >> 52] for page in ours - theirs} == {
        "/usr/lib/libbig.so",
        "/usr/lib/libc.so",
        "/usr/bin/tool",
    }


@pytest.mark.parametrize(
    ("stem", "release"),
    [("5.10", "6.1"), ("6.1", "5.10"), ("6.1", "6.12"), ("6.12", "6.1"), ("5.10-cache-single", "6.1")],
)
def test_as_another_kernel_it_would_have_read_something_else(image: Image, stem: str, release: str) -> None:
    of = recorded.load(recorded.FOLDER / f"{stem}.fills")
    model = recorded.Model(image, recorded.mount(image, of, release))
    assert recorded.differences(of, model) != []


def test_with_other_readahead_it_would_have_read_something_else(image: Image) -> None:
    of = recorded.load(recorded.FOLDER / "6.12.fills")
    of.readahead_kib *= 2
    model = recorded.Model(image, recorded.mount(image, of))
    assert recorded.differences(of, model) != []


@pytest.mark.vm
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_kernel_of_now_reads_the_same(image: Image, tmp_path: Path) -> None:
    if shutil.which("qemu-system-x86_64") is None:
        pytest.skip("needs apt-get install qemu-system-x86")
    try:
        raw = record("debian:6.1", sample.IMAGE, sample.accesses("/mnt"))
    except UserError as error:
        pytest.skip(str(error))
    path = tmp_path / "6.1.fills"
    path.write_text(fills(raw))
    of = recorded.load(path)
    # What stays of mapped files when the page cache is dropped is not the same every time, and is not all known.
    of.done = of.done[: [one.access[0] for one in of.done].index("d")]
    assert len(of.done) > 130
    assert recorded.differences(of, recorded.Model(image, recorded.mount(image, of))) == []

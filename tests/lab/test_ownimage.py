"""A user's image gets the lab's programs, keeps everything else, and is refused where it could not be mounted."""

from __future__ import annotations

import shutil
import struct
import subprocess
from pathlib import Path

import pytest

from unkillable.errors import UserError
from unkillable.lab import images, labconf, ownimage
from unkillable.lab.setup import Root, Setup, Workload

pytestmark = pytest.mark.skipif(shutil.which("mksquashfs") is None, reason="needs mksquashfs")


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def programs(tmp_path: Path) -> dict[str, Path]:
    (tmp_path / "churn").write_bytes(bytes(range(256)) * 2000)
    (tmp_path / "churn").chmod(0o755)
    (tmp_path / "keep").write_bytes(b"\x7fELF keep")
    (tmp_path / "keep").chmod(0o755)
    return {"churn1": tmp_path / "churn", "keep": tmp_path / "keep"}


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """As a user would make it: another compressor, another block size, xattrs, dates."""
    root = tmp_path / "user"
    (root / "bin").mkdir(parents=True)
    (root / "bin/sh").write_bytes(b"shell" * 1000)
    (root / "etc").symlink_to("bin")
    subprocess.run(
        ["mksquashfs", root, tmp_path / "user.squashfs", "-comp", "xz", "-b", "256K", "-no-fragments", "-quiet",
         "-no-progress"],
        check=True, capture_output=True, timeout=60,
    )  # fmt: skip
    return tmp_path / "user.squashfs"


def unpacked(image: Path, into: Path) -> dict[str, bytes | str]:
    subprocess.run(["unsquashfs", "-q", "-n", "-d", into, image], check=True, capture_output=True, timeout=60)
    return {
        str(path.relative_to(into)): str(path.readlink()) if path.is_symlink() else path.read_bytes()
        for path in into.rglob("*")
        if path.is_symlink() or path.is_file()
    }


def test_programs_are_added_and_the_rest_is_kept(
    image: Path, programs: dict[str, Path], tmp_path: Path
) -> None:
    before = image.read_bytes()
    extended = ownimage.extend(image, programs)
    assert image.read_bytes() == before, "the user's file is not touched"
    assert unpacked(extended, tmp_path / "after") == {
        **unpacked(image, tmp_path / "before"),
        ".unkillable/churn1": programs["churn1"].read_bytes(),
        ".unkillable/keep": b"\x7fELF keep",
    }
    was, now = images.inspect(image), images.inspect(extended)
    assert (now.compressor, now.block_size, now.made_at) == ("xz", 256 << 10, was.made_at)
    flags = [struct.unpack_from("<H", path.read_bytes(), 24)[0] for path in (image, extended)]
    assert flags[0] & 0x10
    assert flags[1] & 0x10, "still without fragments"
    assert images.has_path(extended, "/.unkillable/churn1")


def test_where_lab_conf_starts_them(image: Path, programs: dict[str, Path]) -> None:
    extended = ownimage.extend(image, programs)
    conf = labconf.lines(Setup(workload=Workload(programs=1)), "/dev/ttyS1", place=ownimage.PLACE)
    (run,) = (line.split() for line in conf.splitlines() if line.startswith("run "))
    assert images.has_path(extended, run[4])
    assert "canary 1000 0 plain /.unkillable/canary once\n" in conf


def test_the_same_input_gives_the_same_image_once(
    image: Path, programs: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = ownimage.extend(image, programs)
    assert ownimage.extend(image, programs) == first
    assert ownimage.extend(image, {"keep": programs["keep"]}) != first
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "elsewhere"))
    assert ownimage.extend(image, programs).read_bytes() == first.read_bytes()


def test_what_cannot_be_extended(image: Path, programs: dict[str, Path], tmp_path: Path) -> None:
    once = ownimage.extend(image, programs)
    with pytest.raises(UserError, match="already"):
        ownimage.extend(once, programs)
    if shutil.which("mkfs.erofs") is not None:
        other = images.build(Root(fs="erofs"), {"/x": programs["keep"]})
        with pytest.raises(UserError, match="run a command that is in the erofs image"):
            ownimage.extend(other, programs)
    bad = tmp_path / "bad"
    bad.write_bytes(image.read_bytes()[:96] + bytes(image.stat().st_size - 96))
    with pytest.raises(UserError) as error:
        ownimage.extend(bad, programs)
    assert "\n" not in str(error.value)
    assert list((tmp_path / "cache").rglob("own-image/*")) == [once], "nothing half made is left"


def test_the_kernel_must_have_what_the_image_needs(image: Path, tmp_path: Path) -> None:
    known = {"SQUASHFS": "m", "SQUASHFS_XZ": "y"}
    assert ownimage.check(image, "5.10.251", known.get).compressor == "xz"
    assert ownimage.check(image, "5.10.251", lambda _option: None).compressor == "xz", "not known is not a no"
    with pytest.raises(UserError, match="without CONFIG_SQUASHFS_XZ"):
        ownimage.check(image, "5.10.251", {**known, "SQUASHFS_XZ": "n"}.get)
    if shutil.which("mkfs.erofs") is not None:
        (tmp_path / "file").write_bytes(b"x" * 100_000)
        other = images.build(Root(fs="erofs"), {"/x": tmp_path / "file"}, "6.1.0")
        with pytest.raises(UserError, match=r"kernel of 5\.13 or later, not 5\.10\.251"):
            ownimage.check(other, "5.10.251", known.get)

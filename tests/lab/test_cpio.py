"""The archive is read back by a reader written from the format's description, and by cpio itself."""

from __future__ import annotations

import io
import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.lab.cpio_reader import read
from unkillable.lab import cpio


def written(*entries: cpio.Entry) -> bytes:
    out = io.BytesIO()
    cpio.write(out, entries)
    return out.getvalue()


def test_every_kind_of_file(tmp_path: Path) -> None:
    (tmp_path / "init").write_bytes(b"\x7fELF" + bytes(70_001))
    archive = written(
        cpio.file("/init", tmp_path / "init"),
        cpio.file("lab.conf", b"go\n", mode=0o644),
        cpio.symlink("bin/sh", "busybox"),
        cpio.character_device("dev/console", 5, 1),
        cpio.directory("newroot"),
    )
    assert read(archive) == {
        "bin": (stat.S_IFDIR | 0o755, b"", (0, 0)),
        "bin/sh": (stat.S_IFLNK | 0o777, b"busybox", (0, 0)),
        "dev": (stat.S_IFDIR | 0o755, b"", (0, 0)),
        "dev/console": (stat.S_IFCHR | 0o600, b"", (5, 1)),
        "init": (stat.S_IFREG | 0o755, b"\x7fELF" + bytes(70_001), (0, 0)),
        "lab.conf": (stat.S_IFREG | 0o644, b"go\n", (0, 0)),
        "newroot": (stat.S_IFDIR | 0o755, b"", (0, 0)),
    }


def test_the_order_of_the_entries_and_the_dates_of_the_files_do_not_matter(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"a")
    entries = [cpio.file("x/a", tmp_path / "a"), cpio.file("b", b"b"), cpio.directory("x/y/z")]
    first = written(*entries)
    os.utime(tmp_path / "a", (1, 1))
    assert written(*reversed(entries)) == first
    assert written(*entries[:2]) != first


@settings(deadline=None)
@given(
    st.dictionaries(
        st.lists(st.from_regex(r"[a-z.-]{1,9}x", fullmatch=True), min_size=1, max_size=4).map("/".join),
        st.binary(max_size=50),
        max_size=12,
    )
)
def test_what_goes_in_comes_out_and_parents_come_first(files: dict[str, bytes]) -> None:
    entries = [cpio.file(path, data) for path, data in files.items()]
    if any(other.startswith(path + "/") for path in files for other in files):
        with pytest.raises(ValueError, match="no directory"):
            written(*entries)
        return
    found = read(written(*entries))
    assert {path: data for path, (mode, data, _) in found.items() if stat.S_ISREG(mode)} == files
    order = list(found)
    for path in order:
        parent = path.rpartition("/")[0]
        assert not parent or order.index(parent) < order.index(path)


@pytest.mark.skipif(shutil.which("cpio") is None, reason="needs cpio")
def test_cpio_reads_it(tmp_path: Path) -> None:
    content = os.urandom(3_000_001)
    (tmp_path / "big").write_bytes(content)
    archive = written(cpio.file("a/big", tmp_path / "big", mode=0o640), cpio.symlink("a/link", "big"))
    (tmp_path / "out").mkdir()
    subprocess.run(
        ["cpio", "-i", "-m", "--quiet"], cwd=tmp_path / "out", input=archive, check=True, capture_output=True
    )
    big = tmp_path / "out/a/big"
    assert big.read_bytes() == content
    assert stat.S_IMODE(big.stat().st_mode) == 0o640
    assert big.stat().st_mtime == 0
    assert (tmp_path / "out/a/link").readlink() == Path("big")


@pytest.mark.parametrize("path", ["", "/", "a//b", "../a", "a/./b", "a\0b", "a/" * 2048 + "b"])
def test_a_name_that_is_none_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match="name"):
        cpio.file(path, b"")


def test_one_name_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="twice"):
        written(cpio.file("init", b"1"), cpio.file("/init", b"2"))


def test_a_link_to_nowhere_is_refused() -> None:
    with pytest.raises(ValueError, match="target"):
        written(cpio.symlink("a", ""))

"""Bundles that somebody unpacked, or packed again with a tool of his own: the files count, not how they are packed."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from unkillable.errors import UserError
from unkillable.evidence.bundle import read_bundle
from unkillable.klog import Bundle, Source, find_sources
from unkillable.klog.bundle import MARKER
from unkillable.pipeline import inspect

FILES = {
    MARKER: b"1\n",
    "proc/5/stat": b"5 (sh) D 1 5 5 0 -1 0\n",
    "proc/5/wchan": b"squashfs_cache_get",
    "proc/meminfo": b"MemTotal: 1000 kB\nMemFree: 10 kB\n",
    "again/proc/5/stat": b"5 (sh) D 1 5 5 0 -1 0\n",
    "again/proc/uptime": b"30.00 1.00\n",
    "dmesg": b"[    1.000000] Linux version 6.1.0 (x) #1\n",
}


def lay(place: Path, files: dict[str, bytes] = FILES) -> Path:
    for name, data in files.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes(data)
    return place


def gnu_tar(tree: Path, out: Path) -> None:
    subprocess.run(["tar", "-C", tree.parent, "-czf", out, tree.name], check=True)


def gnu_tar_dot(tree: Path, out: Path) -> None:
    subprocess.run(["tar", "-C", tree, "-cf", out, "."], check=True)


def busybox_tar(tree: Path, out: Path) -> None:
    if shutil.which("busybox") is None:
        pytest.skip("needs busybox")
    subprocess.run(["busybox", "tar", "-C", tree.parent, "-cf", out, tree.name], check=True)


def zipped(tree: Path, out: Path) -> None:
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(tree.rglob("*")):
            archive.write(path, path.relative_to(tree.parent))


def marker_last(tree: Path, out: Path) -> None:
    with tarfile.open(out, "w:xz", format=tarfile.PAX_FORMAT) as archive:
        for name in sorted(FILES, key=lambda name: (name == MARKER, name)):
            archive.add(tree / name, f"upload-{'x' * 120}/{name}")


@pytest.mark.parametrize("pack", [gnu_tar, gnu_tar_dot, busybox_tar, zipped, marker_last])
def test_packed_again(tmp_path: Path, pack: Callable[[Path, Path], None]) -> None:
    out = tmp_path / "upload.bin"
    pack(lay(tmp_path / "case-4711"), out)
    (found,) = find_sources([str(out)])
    assert isinstance(found, Bundle)
    seen = read_bundle(found).evidence
    assert {task.pid for task in seen.tasks} == {5}
    assert seen.kernel.release == "6.1.0"
    assert [one.kib["MemFree"] for one in seen.meminfos] == [10]
    assert len({task.snapshot for task in seen.tasks}) == 2


def test_unpacked(tmp_path: Path) -> None:
    lay(tmp_path / "all" / "device-1")
    lay(tmp_path / "all" / "device-2")
    (tmp_path / "all" / "console.log").write_bytes(FILES["dmesg"])
    found = list(find_sources([str(tmp_path / "all")]))
    assert [type(one) for one in found] == [Source, Bundle, Bundle]
    seen = inspect([str(tmp_path / "all" / "device-1")])
    assert (seen.source, seen.kernel.release) == (str(tmp_path / "all" / "device-1"), "6.1.0")
    assert [one for one in seen.problems if one.failed] == []


def test_links_in_an_unpacked_bundle_are_not_followed(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("9 (secret) D 1 9 9 0 -1 0\n")
    tree = lay(tmp_path / "tree")
    (tree / "proc/9").mkdir()
    (tree / "proc/9/stat").symlink_to(secret)
    (tree / "proc/8").symlink_to(tree / "proc/5")
    (tree / "proc/7").mkdir()
    os.mkfifo(tree / "proc/7/stat")
    (found,) = find_sources([str(tree)])
    assert isinstance(found, Bundle)
    assert {task.pid for task in read_bundle(found).evidence.tasks} == {5}


def test_a_link_as_marker_makes_no_bundle(tmp_path: Path) -> None:
    tree = lay(tmp_path / "tree")
    (tree / MARKER).rename(tmp_path / "marker")
    (tree / MARKER).symlink_to(tmp_path / "marker")
    assert not [one for one in find_sources([str(tree)]) if isinstance(one, Bundle)]


def test_an_archive_of_two_bundles_is_none(tmp_path: Path) -> None:
    """What is in it beside the first must not be lost without a word."""
    out = tmp_path / "two.tar"
    with tarfile.open(out, "w") as archive:
        for name, data in [(f"{device}/{name}", data) for device in "ab" for name, data in FILES.items()]:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    assert not [one for one in find_sources([str(out)]) if isinstance(one, Bundle)]


def test_through_a_pipe_the_marker_must_come_first(tmp_path: Path) -> None:
    lay(tmp_path / "tree")
    for first, kind in ((MARKER, Bundle), ("proc/meminfo", Source)):
        pipe = tmp_path / f"pipe-{kind.__name__}"
        os.mkfifo(pipe)
        rest = [name for name in FILES if name != first]
        command = ["tar", "-C", str(tmp_path), "-cf", str(pipe), *(f"tree/{name}" for name in (first, *rest))]
        with subprocess.Popen(command):
            found = next(find_sources([str(pipe)]))
            assert isinstance(found, kind)
            if isinstance(found, Bundle):
                assert {task.pid for task in read_bundle(found).evidence.tasks} == {5}
            else:
                pipe.unlink()


def test_a_damaged_one_is_told_in_a_line(tmp_path: Path) -> None:
    out = tmp_path / "upload.tar"
    gnu_tar_dot(lay(tmp_path / "case"), out)
    out.write_bytes(out.read_bytes()[:700])
    with pytest.raises(UserError) as error:
        inspect([str(out)])
    assert "\n" not in str(error.value)

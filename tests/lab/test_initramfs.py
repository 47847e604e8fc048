"""The initramfs has what the guest is promised, and is the same for the same content."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from tests.lab.cpio_reader import read
from unkillable.errors import UserError
from unkillable.lab import initramfs


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def files(tmp_path: Path) -> Path:
    for name in ("watcher", "keep", "canary", "squashfs-built.ko", "churn1"):
        (tmp_path / name).write_bytes(b"\x7fELF " + name.encode())
        (tmp_path / name).chmod(0o700)
    return tmp_path


def build(files: Path, conf: str = "port /dev/ttyS1\ngo\n", root: dict[str, Path] | None = None) -> Path:
    return initramfs.build(
        files / "watcher",
        conf,
        modules={"squashfs.ko": files / "squashfs-built.ko"},
        files={"/bin/keep": files / "keep", "/bin/canary": files / "canary"},
        newroot=root,
    )


def test_what_is_in_the_guest(files: Path) -> None:
    found = read(build(files).read_bytes())
    content = {name: data for name, (mode, data, _) in found.items() if stat.S_ISREG(mode)}
    assert content == {
        "init": b"\x7fELF watcher",
        "bin/keep": b"\x7fELF keep",
        "bin/canary": b"\x7fELF canary",
        "mods/squashfs.ko": b"\x7fELF squashfs-built.ko",
        "lab.conf": b"port /dev/ttyS1\ngo\n",
    }
    assert found["init"][0] & 0o111 == 0o111
    assert found["dev/console"] == (stat.S_IFCHR | 0o600, b"", (5, 1))
    for place in ("dev", "proc", "sys", "newroot"):
        assert stat.S_ISDIR(found[place][0])


def test_a_root_without_a_disk(files: Path) -> None:
    (files / "packages/lib").mkdir(parents=True)
    (files / "packages/lib64").symlink_to("lib")
    root = {"/": files / "packages", "/bin/churn1": files / "churn1", "/lib64/x.so": files / "keep"}
    found = read(build(files, root=root).read_bytes())
    assert found["newroot/bin/churn1"] == (stat.S_IFREG | 0o755, b"\x7fELF churn1", (0, 0))
    assert found["newroot/lib64"] == (stat.S_IFLNK | 0o777, b"lib", (0, 0))
    assert found["newroot/lib/x.so"][1] == b"\x7fELF keep"
    for place in ("newroot", "newroot/proc", "newroot/dev", "newroot/tmp"):
        assert stat.S_ISDIR(found[place][0])
    assert "newroot/proc" not in read(build(files).read_bytes())


def test_the_same_content_is_built_once_and_other_content_again(files: Path) -> None:
    first = build(files)
    before = first.stat().st_mtime_ns
    os.utime(files / "watcher", (1, 1))
    assert build(files) == first
    assert first.stat().st_mtime_ns == before
    assert build(files, conf="go\n") != first
    assert build(files, root={"/bin/churn1": files / "churn1"}) != first
    (files / "canary").write_bytes(b"another")
    changed = build(files)
    assert changed != first
    assert read(changed.read_bytes())["bin/canary"][1] == b"another"


def test_a_file_that_is_not_there(files: Path) -> None:
    (files / "keep").unlink()
    with pytest.raises(UserError, match="keep is no file"):
        build(files)
    assert not list((files / "cache").rglob("initramfs/*"))

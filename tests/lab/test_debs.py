"""Packages for the root image: what is needed, laid out so that programs run."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

from unkillable.errors import UserError
from unkillable.lab import debs
from unkillable.lab.apt import Package
from unkillable.lab.arch import find

INDEX = {
    name: Package(name, "1", "amd64", "", tuple(tuple(group.split("|")) for group in depends.split()))
    for name, depends in {
        "earlyoom": "init-system-helpers lsb-base libc6",
        "libc6": "libgcc-s1",
        "libgcc-s1": "gcc-12-base libc6",
        "gcc-12-base": "",
        "lsb-base": "sysvinit-utils",
        "init-system-helpers": "perl-base",
        "sysvinit-utils": "libc6",
        "perl-base": "libc6",
        "tool": "awk nothing|mawk|gawk libssl3 libc6",
        "mawk": "",
        "gawk": "",
        "libssl3t64": "libc6",
    }.items()
}


def look(names: Sequence[str]) -> Mapping[str, Package]:
    roles = {"libssl3": "libssl3t64"}
    return {name: INDEX[roles.get(name, name)] for name in names if roles.get(name, name) in INDEX}


def names(*wanted: str) -> list[str]:
    return [package.name for package in debs.closure(look, wanted)]


def test_libraries_come_along_and_what_scripts_need_does_not() -> None:
    assert names("earlyoom") == ["earlyoom", "gcc-12-base", "libc6", "libgcc-s1"]
    assert names("perl-base") == ["gcc-12-base", "libc6", "libgcc-s1", "perl-base"], "asked for, it comes"


def test_alternatives_versions_and_roles() -> None:
    assert names("tool") == ["gcc-12-base", "libc6", "libgcc-s1", "libssl3t64", "mawk", "tool"]
    assert names("mawk", "gawk", "mawk") == ["gawk", "mawk"]
    assert names("libssl3") == ["gcc-12-base", "libc6", "libgcc-s1", "libssl3t64"]


def test_what_is_no_package_or_too_much_is_refused() -> None:
    with pytest.raises(UserError, match="earlyom: Debian has no such package"):
        names("earlyoom", "earlyom")
    chain = {f"p{n}": Package(f"p{n}", "1", "amd64", "", ((f"p{n + 1}",),)) for n in range(debs.MAX_PACKAGES)}

    def along(names: Sequence[str]) -> Mapping[str, Package]:
        return {name: chain[name] for name in names if name in chain}

    assert len(debs.closure(along, ["p0"])) == debs.MAX_PACKAGES
    chain[f"p{debs.MAX_PACKAGES}"] = Package("last", "1", "amd64", "")
    with pytest.raises(UserError, match="more than 200 packages"):
        debs.closure(along, ["p0"])


def test_both_layouts_end_in_usr(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    (old / "lib/x86_64-linux-gnu").mkdir(parents=True)
    (old / "lib/x86_64-linux-gnu/libc.so.6").write_text("libc")
    (old / "lib64").mkdir()
    (old / "lib64/ld.so").symlink_to("/lib/x86_64-linux-gnu/ld-of-the-image.so")
    (old / "usr/share/doc/libc6").mkdir(parents=True)
    (old / "usr/share/doc/libc6/copyright").touch()
    (old / "usr/lib/x86_64-linux-gnu/gconv").mkdir(parents=True)
    (old / "usr/lib/x86_64-linux-gnu/gconv/UTF-16.so").touch()
    (old / "lib/systemd/system").mkdir(parents=True)
    (old / "lib/systemd/system/x.service").touch()
    (old / "etc/init.d").mkdir(parents=True)
    (old / "etc/init.d/x").touch()
    (old / "etc/default").mkdir()
    (old / "etc/default/x").touch()
    (new / "usr/bin").mkdir(parents=True)
    (new / "usr/bin/tool").write_text("tool")
    (new / "usr/bin/tool").chmod(0o755)
    (new / "bin").symlink_to("usr/bin")

    debs._make(tmp_path / "tree", [old, new])

    tree = tmp_path / "tree"
    assert (tree / "lib/x86_64-linux-gnu/libc.so.6").read_text() == "libc"
    assert (tree / "bin/tool").read_text() == "tool"
    assert os.access(tree / "bin/tool", os.X_OK)
    assert {path.name: str(path.readlink()) for path in tree.iterdir() if path.is_symlink()} == {
        "bin": "usr/bin",
        "lib": "usr/lib",
        "lib64": "usr/lib64",
    }
    assert sorted(str(path.relative_to(tree)) for path in tree.rglob("*") if path.is_file()) == [
        "etc/default/x",
        "usr/bin/tool",
        "usr/lib/x86_64-linux-gnu/libc.so.6",
    ]
    assert (tree / "usr/lib64/ld.so").is_symlink()


@pytest.fixture
def real(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], Path]:
    """The tree of a package, from a mirror."""
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        pytest.skip("needs apt-get and dpkg-deb")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    def make(package: str, arch: str) -> Path:
        try:
            return debs.tree((package,), find(arch))
        except UserError as error:
            pytest.skip(f"needs a Debian mirror: {error}")

    return make


@pytest.mark.vm
def test_earlyoom_runs_in_its_tree(real: Callable[[str, str], Path]) -> None:
    tree = real("earlyoom", "x86_64")
    assert sum(path.stat().st_size for path in tree.rglob("*") if path.is_file()) < 8 << 20
    assert (tree / "usr/bin/earlyoom").is_file()
    if os.geteuid() != 0 or os.uname().machine != "x86_64":
        pytest.skip("needs root on x86_64")
    # Its libraries are found; then it misses /proc.
    shown = subprocess.run(
        ["chroot", tree, "/usr/bin/earlyoom", "-v"], capture_output=True, text=True, timeout=20, check=False
    )
    assert shown.stderr.startswith("earlyoom v1."), shown
    assert [kind for kind, _ in debs.provenance(("earlyoom",), find("x86_64"))] == ["package"] * 4

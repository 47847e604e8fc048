"""Debian packages through the private apt root, from a real signed archive on this machine."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from tests.lab.debian_archive import DebianArchive, configure, served
from unkillable.errors import UserError
from unkillable.lab import apt, aptsources, cache
from unkillable.lab.apt import NotServed, archive, version_key


@pytest.fixture
def mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[DebianArchive]:
    with served(tmp_path, monkeypatch) as made:
        yield made


def test_a_package_is_found_fetched_and_then_needs_no_network(mirror: DebianArchive) -> None:
    mirror.add(
        "trixie", "tool", "1.2-3", {"usr/bin/tool": "#!"},
        depends="libc6 (>= 2.3), awk | mawk:any (>> 1), a (= 1)", extra="Pre-Depends: dpkg\nProvides: role (= 1), x\n",
    )  # fmt: skip
    mirror.add("trixie", "tool-dbg", "1.2-3")
    mirror.publish("trixie")

    source = archive("trixie", "amd64")
    (package,) = source.find("tool")
    assert (package.name, package.version, package.arch) == ("tool", "1.2-3", "amd64")
    assert package.depends == (("dpkg",), ("libc6",), ("awk", "mawk"), ("a",))
    assert package.provides == ("role", "x")
    assert len(package.sha256) == 64
    assert package.told == f"tool 1.2-3 {package.sha256}"
    assert [one.name for one in source.find("too.*")] == ["tool", "tool-dbg"]
    assert source.find("too") == source.find("ool") == []
    assert [one.name for one in source.providers("role")] == ["tool"]
    assert source.providers("rol") == source.providers("tool") == []

    folder = source.fetch("tool")
    assert folder == cache.root() / "deb" / "tool_1.2-3_amd64"
    assert (folder / "usr/bin/tool").read_text() == "#!"
    asked = len(mirror.requests)
    assert asked >= 3
    began = time.perf_counter()
    assert (
        archive("trixie", "amd64").fetch("tool") == apt.unpacked("trixie", "amd64", "tool", "1.2-3") == folder
    )
    assert time.perf_counter() - began < 0.5
    assert len(mirror.requests) == asked


def test_the_machines_dpkg_and_sources_are_left_alone(mirror: DebianArchive) -> None:
    mirror.add("sid", "tool", "1", arch="mipsel")
    mirror.publish("sid")
    assert archive("sid", "mipsel").fetch("tool").is_dir()
    foreign = subprocess.run(
        ["dpkg", "--print-foreign-architectures"], capture_output=True, text=True, check=True
    )
    assert "mipsel" not in foreign.stdout
    assert not list((Path(os.environ["APT_CONFIG"]).parent / "etc/apt").rglob("*sid*"))


def test_what_is_not_served_is_an_error_of_its_own(mirror: DebianArchive) -> None:
    mirror.add("trixie", "tool", "1")
    mirror.publish("trixie")
    with pytest.raises(NotServed, match="bullseye-backports"):
        archive("bullseye-backports", "amd64")
    with pytest.raises(NotServed, match="no trixie for riscv64"):
        archive("trixie", "riscv64")
    with pytest.raises(NotServed, match="security updates"):
        archive("trixie-security", "amd64")
    with pytest.raises(NotServed, match="trixie has no package nothing for amd64"):
        archive("trixie", "amd64").fetch("nothing")
    for name in ("../x", "-o", "a b"):
        with pytest.raises(UserError, match="not a name"):
            archive("trixie", "amd64").fetch(name)
        with pytest.raises(UserError, match="not a name"):
            archive(name, "amd64")


def test_packages_that_nobody_signed_are_refused(mirror: DebianArchive) -> None:
    sources = next((Path(os.environ["APT_CONFIG"]).parent / "etc/apt/sources.list.d").iterdir())
    sources.write_text(sources.read_text() + "Trusted: yes\nAllow-Insecure: yes\n")
    mirror.add("trixie", "tool", "1")
    mirror.publish("trixie", sign=False)
    with pytest.raises(UserError, match="not signed"):
        archive("trixie", "amd64")
    mirror.publish("trixie")
    key = Path(os.environ["APT_CONFIG"]).parent / "key.asc"
    known = key.read_bytes()
    key.write_bytes(b"")
    with pytest.raises(UserError, match=r"not signed.*debian-archive-keyring"):
        archive("trixie", "amd64")
    key.write_bytes(known)
    deb = mirror.folder / "pool/tool_1_amd64.deb"
    deb.write_bytes(deb.read_bytes().replace(b"tool", b"evil"))
    with pytest.raises(UserError, match=r"[Hh]ash"):
        archive("trixie", "amd64").fetch("tool")
    assert not (cache.root() / "deb/tool_1_amd64").exists()


def test_a_repository_of_somebody_else_is_passed_over(mirror: DebianArchive) -> None:
    mirror.add("stable", "tool", "1")
    mirror.publish("stable", origin="Grafana")
    with pytest.raises(NotServed, match="no mirror of Debian"):
        archive("stable", "amd64")


def test_an_old_index_is_used_until_something_new_is_wanted(mirror: DebianArchive) -> None:
    mirror.add("sid", "tool", "1")
    mirror.publish("sid")
    source = archive("sid", "amd64")
    source.fetch("tool")
    mirror.add("sid", "tool", "2")
    mirror.add("sid", "other", "1")
    mirror.publish("sid")
    asked = len(mirror.requests)
    assert archive("sid", "amd64", age=3600).fetch("tool").name == "tool_1_amd64"
    assert len(mirror.requests) == asked
    stamp = source.root / "updated"
    os.utime(stamp, (0, 0))
    assert archive("sid", "amd64").fetch("tool").name == "tool_1_amd64"
    assert len(mirror.requests) == asked
    assert archive("sid", "amd64").fetch("other").name == "other_1_amd64"
    assert archive("sid", "amd64").fetch("tool").name == "tool_2_amd64"


def test_a_version_that_the_mirror_replaced_is_looked_for_again(mirror: DebianArchive) -> None:
    mirror.add("sid", "tool", "1")
    mirror.publish("sid")
    source = archive("sid", "amd64")
    mirror.remove("sid", "tool")
    mirror.add("sid", "tool", "2")
    mirror.publish("sid")
    assert source.fetch("tool").name == "tool_2_amd64"
    with pytest.raises(NotServed, match="no package tool 1 "):
        source.fetch("tool", "1")


def test_the_index_is_enough_when_the_mirror_is_away(mirror: DebianArchive) -> None:
    mirror.add("sid", "tool", "1")
    mirror.publish("sid")
    source = archive("sid", "amd64")
    mirror.folder.rename(mirror.folder.with_name("away"))
    os.utime(source.root / "updated", (0, 0))
    (mirror.folder / "dists/sid").mkdir(parents=True)
    (mirror.folder / "dists/sid/InRelease").write_text("an error page of a proxy")
    assert [one.version for one in archive("sid", "amd64", age=0).find("tool")] == ["1"]
    with pytest.raises(UserError, match="tool"):
        source.fetch("tool")


def test_a_mirror_of_the_users_own(
    mirror: DebianArchive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (source,) = (tmp_path / "etc/apt/sources.list.d").iterdir()
    own = tmp_path / "config/unkillable/debian.sources"
    source.unlink()
    with pytest.raises(UserError, match=f"describe one in {own}"):
        archive("trixie", "amd64")
    own.parent.mkdir(parents=True)
    own.write_text(
        f"Types: deb\nURIs: {mirror.uri}\nSuites: sid\nComponents: main\nSigned-By: {tmp_path / 'key.asc'}\n"
    )
    mirror.add("trixie", "tool", "1")
    mirror.publish("trixie")
    assert archive("trixie", "amd64").fetch("tool").is_dir()


def test_a_machine_without_apt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", "")
    with pytest.raises(
        UserError, match=r"apt-get, which .* is not on this machine; name a kernel by its path"
    ):
        archive("trixie", "amd64")


def test_sources_in_both_forms(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if shutil.which("apt-config") is None:
        pytest.skip("needs apt-config")
    parts = configure(tmp_path, monkeypatch, "")
    with pytest.raises(UserError, match="no Debian mirror configured"):
        aptsources.mirrors()
    (tmp_path / "etc/apt/sources.list").write_text(
        "# deb http://commented.example/debian bookworm main\n"
        "deb-src http://source.example/debian bookworm main\n"
        "deb http://ubuntu.example/ubuntu noble main\n"
        "deb [arch=amd64] http://other.example/x stable main\n"
        "deb [ arch=amd64 signed-by=/k/a.gpg,/k/b.gpg trusted=yes ] http://one.example/debian bookworm main contrib # x\n"
        "deb [check-valid-until=no] http://sec.example/debian-security bookworm-security main\n"
        "deb http://contrib.example/debian bookworm contrib\n"
    )
    (parts / "a.sources").write_text(
        "# a comment\nTypes: deb deb-src\nURIs: http://two.example/debian/\n# another\nSuites: trixie trixie-updates\n"
        "Components: main\nTrusted: yes\nSigned-By:\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n abc\n"
        "\n"
        "Enabled: no\nTypes: deb\nURIs: http://off.example/debian\nSuites: trixie\nComponents: main\n"
        "\n \n"
        "Types: deb-src\nURIs: http://src.example/debian\nSuites: trixie\nComponents: main\n"
    )
    (parts / "b.sources.disabled").write_text(
        "Types: deb\nURIs: http://x/debian\nSuites: sid\nComponents: main\n"
    )
    found = aptsources.mirrors()
    assert [(one.uri, one.security) for one in found] == [
        ("http://one.example/debian", False),
        ("http://sec.example/debian-security", True),
        ("http://two.example/debian/", False),
        ("http://other.example/x", False),
    ]
    assert found[0].options == (("Signed-By", "/k/a.gpg /k/b.gpg"),)
    assert found[1].options == (("Check-Valid-Until", "no"),)
    source = found[2].source("sid")
    assert "Suites: sid\nComponents: main\nTargets: Packages\nSigned-By: -----BEGIN" in source
    assert source.endswith("\n .\n abc\n")
    assert "rusted" not in source


VERSIONS = (
    "1.0~~", "1.0~rc1", "1.0~rc1-1~exp1", "1.0", "1.0-1~bpo13+1", "1.0-1", "1.0-1+b1", "1.0a", "1.0+x", "1.0.1", "1.0.10",
    "6.1.99-1", "6.1.176-1", "7.3~rc7-1~exp1", "7.3.4-1~bpo13+1", "7.3.4-1", "1:0.5", "1:0.5-0ubuntu1", "2:0",
)  # fmt: skip


def test_versions_order_as_dpkg_has_them() -> None:
    shuffled = sorted(VERSIONS)
    assert shuffled != list(VERSIONS)
    assert sorted(shuffled, key=version_key) == list(VERSIONS)
    if shutil.which("dpkg") is None:
        pytest.skip("needs dpkg")
    for one, other in pairwise(VERSIONS):
        assert (
            subprocess.run(["dpkg", "--compare-versions", one, "lt", other], check=False).returncode == 0
        ), (one, other)

"""Which kernel a word stands for: Debian's, from a small archive of this test's own, and files."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import shutil
import struct
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import lz4.block
import pytest
import zstandard

from tests.lab.debian_archive import DebianArchive, served
from unkillable.errors import UserError
from unkillable.lab import cache, debkernels, kernelfile, modules, unpack
from unkillable.lab.apt import Package
from unkillable.lab.arch import find
from unkillable.lab.kernels import Kernel, headers, linux_source, resolve

AMD64 = find("x86_64")


@pytest.fixture
def mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[DebianArchive]:
    # Fewer suites that are not there: a search asks for every one of them.
    monkeypatch.setattr(debkernels, "_LAST", ("bookworm-backports",))
    with served(tmp_path, monkeypatch) as made:
        yield made


def whole(
    mirror: DebianArchive, suite: str, abi: str, version: str, flavour: str = "cloud-amd64", **more: str
) -> None:
    """A kernel as Debian packed it up to 6.12."""
    release = f"{abi}-{flavour}"
    files = {
        f"boot/vmlinuz-{release}": f"kernel {version}",
        f"boot/config-{release}": "CONFIG_SQUASHFS=m\n",
        f"lib/modules/{release}/kernel/fs/squashfs/squashfs.ko": "",
    }
    mirror.add(
        suite,
        f"linux-image-{release}{more.pop('ending', '')}",
        version,
        files,
        depends="kmod, linux-base",
        **more,
    )


def split(
    mirror: DebianArchive, suite: str, abi: str, version: str, parts: str = "binary modules base"
) -> None:
    """A kernel as Debian packs it from 6.19 on."""
    release = f"{abi}-cloud-amd64"
    top = f"usr/lib/modules/{release}"
    files = {
        "binary": {f"{top}/vmlinuz": f"kernel {version}"},
        "binary-unsigned": {f"{top}/vmlinuz": f"unsigned kernel {version}"},
        "modules": {f"{top}/kernel/fs/squashfs/squashfs.ko.xz": ""},
        "base": {
            f"{top}/config": "CONFIG_SQUASHFS=m\n",
            f"{top}/modules.builtin": "kernel/drivers/virtio/virtio_pci.ko\n",
        },
    }
    names = ", ".join(f"linux-{part}-{release} (= {version})" for part in ("base", "binary", "modules"))
    mirror.add(suite, f"linux-image-{release}", version, depends=names)
    for part in parts.split():
        mirror.add(suite, f"linux-{part}-{release}", version, files[part])


def test_the_newest_of_a_series_and_its_preferred_flavour(mirror: DebianArchive) -> None:
    whole(mirror, "bookworm", "6.1.0-9", "6.1.99-1")
    whole(mirror, "bookworm", "6.1.0-10", "6.1.102-1")
    whole(mirror, "bookworm", "6.1.0-10", "6.1.102-1", "amd64")
    whole(mirror, "bookworm", "6.1.0-10", "6.1.102-1", "rt-amd64")
    whole(mirror, "bookworm", "6.1.0-10", "6.1.102-1", "cloud-amd64-dbg")
    whole(mirror, "bookworm", "6.1.0-10", "6.1.102-1", ending="-unsigned")
    whole(mirror, "bookworm", "6.10.0-1", "6.10.1-1")
    mirror.add("bookworm", "linux-image-cloud-amd64", "6.1.102-1", depends="linux-image-6.1.0-10-cloud-amd64")
    mirror.add("bookworm", "linux-image-amd64-signed-template", "6.1.103-1")
    mirror.publish("bookworm")

    kernel = resolve("debian:6.1", AMD64)
    assert (kernel.release, kernel.version, kernel.arch) == ("6.1.0-10-cloud-amd64", "6.1.102", "x86_64")
    assert kernel.image.read_text() == "kernel 6.1.102-1"
    assert kernel.image.name == "vmlinuz-6.1.0-10-cloud-amd64"
    assert kernel.modules == cache.root() / (
        "deb/linux-image-6.1.0-10-cloud-amd64_6.1.102-1_amd64/lib/modules/6.1.0-10-cloud-amd64"
    )
    assert kernel.config.name == "config-6.1.0-10-cloud-amd64"
    ((what, told),) = kernel.provenance
    assert what == "package"
    assert told.startswith("linux-image-6.1.0-10-cloud-amd64 6.1.102-1 ")
    assert len(told.split()[2]) == 64
    assert kernel.debian.suite == "bookworm"
    assert kernel.notes == ()

    assert resolve("debian:6.1:amd64", AMD64).release == "6.1.0-10-amd64"
    assert resolve("debian:6.1.99", AMD64).release == "6.1.0-9-cloud-amd64"
    for spec in ("debian:6.1.9", "debian:6.1:riscv64"):
        with pytest.raises(
            UserError, match=rf"^{spec}: the mirror has no such kernel .*; served are "
        ) as told_error:
            resolve(spec, AMD64)
        assert ("6.1 (bookworm), 6.10 (bookworm)" in str(told_error.value)) == (spec != "debian:6.1:riscv64")
    with pytest.raises(UserError, match="for arm64"):
        resolve("debian:6.1", find("arm64"))


def test_a_kernel_in_parts(mirror: DebianArchive) -> None:
    split(mirror, "sid", "7.2.13+deb14", "7.2.13-1", "binary binary-unsigned modules base")
    # Of these only the signed part is left: nothing to boot with.
    split(mirror, "sid", "7.2.14+deb14", "7.2.14-1", "binary")
    split(mirror, "sid", "7.2.15+deb14", "7.2.15-1", "binary modules")
    mirror.publish("sid")
    split(mirror, "experimental", "7.3", "7.3~rc7-1~exp1", "binary-unsigned modules base")
    mirror.publish("experimental")
    whole(mirror, "trixie-backports", "6.16.12+deb13", "6.16.12-1~bpo13+1")
    mirror.publish("trixie-backports", origin="Debian Backports")

    kernel = resolve("debian:7.2", AMD64)
    assert (kernel.release, kernel.version) == ("7.2.13+deb14-cloud-amd64", "7.2.13")
    assert kernel.image.read_text() == "kernel 7.2.13-1"
    assert next(kernel.modules.rglob("*.ko.xz")).name == "squashfs.ko.xz"
    assert kernel.config.read_text() == "CONFIG_SQUASHFS=m\n"
    assert [told.split()[0] for _, told in kernel.provenance] == [
        f"linux-{part}-7.2.13+deb14-cloud-amd64" for part in ("binary", "modules", "base")
    ]
    assert modules.has(kernel, "virtio_pci")
    assert modules.has(kernel, "squashfs")
    assert not modules.has(kernel, "erofs")

    kernel = resolve("debian:7.3", AMD64)
    assert (kernel.release, kernel.version) == ("7.3-cloud-amd64", "7.3-rc7")
    assert kernel.image.read_text() == "unsigned kernel 7.3~rc7-1~exp1"

    split(mirror, "trixie-backports", "7.3.4+deb13", "7.3.4-1~bpo13+1")
    mirror.publish("trixie-backports", origin="Debian Backports")
    assert resolve("debian:7.3", AMD64).version == "7.3-rc7"
    time.sleep(0.01)
    (cache.root() / "apt/trixie-backports-amd64/updated").unlink()
    assert resolve("debian:7.3", AMD64, latest=True).version == "7.3.4"
    assert resolve("debian:7.3", AMD64).version == "7.3.4"
    assert resolve("debian:6.16", AMD64).release == "6.16.12+deb13-cloud-amd64"


def test_a_warm_cache_needs_no_network_and_no_time(mirror: DebianArchive) -> None:
    whole(mirror, "bookworm", "6.1.0-10", "6.1.102-1")
    mirror.publish("bookworm")
    first = resolve("debian:6.1", AMD64)
    asked = len(mirror.requests)
    for path in (cache.root() / "apt").iterdir():
        cache.remove(path)
    began = time.perf_counter()
    assert resolve("debian:6.1", AMD64) == first
    assert time.perf_counter() - began < 0.2
    assert len(mirror.requests) == asked


def test_a_version_that_is_gone_gives_way_to_the_next(mirror: DebianArchive) -> None:
    whole(mirror, "bookworm", "6.1.0-10", "6.1.102-1")
    mirror.publish("bookworm")
    resolve("debian:6.1", AMD64)
    mirror.remove("bookworm", "linux-image-6.1.0-10-cloud-amd64")
    whole(mirror, "bookworm", "6.1.0-11", "6.1.103-1")
    mirror.publish("bookworm")
    assert resolve("debian:6.1", AMD64).version == "6.1.102"
    cache.remove(cache.root() / "deb")
    assert resolve("debian:6.1", AMD64).version == "6.1.103"


def test_a_suite_that_cannot_be_read_is_noted(mirror: DebianArchive) -> None:
    whole(mirror, "trixie", "6.12.1+deb13", "6.12.1-1")
    mirror.publish("trixie", sign=False)
    with pytest.raises(UserError, match=r"served are none; not read: .*not signed"):
        resolve("debian:6.12", AMD64)
    whole(mirror, "bookworm-backports", "6.12.0+deb12", "6.12.0-1~bpo12+1")
    mirror.publish("bookworm-backports", origin="Debian Backports")
    kernel = resolve("debian:6.12", AMD64)
    assert kernel.version == "6.12.0"
    assert kernel.notes == (
        "debian:6.12: trixie, which may have a newer version, could not be read when this one was chosen",
    )


def test_what_a_module_is_built_with(mirror: DebianArchive) -> None:
    whole(mirror, "bookworm", "6.1.0-10", "6.1.102-1")
    mirror.add(
        "bookworm", "linux-headers-6.1.0-10-cloud-amd64", "6.1.102-1",
        depends="linux-headers-6.1.0-10-common (= 6.1.102-1), linux-kbuild-6.1 (>= 6.1.102-1), linux-compiler-gcc-12-x86",
    )  # fmt: skip
    mirror.add("bookworm", "linux-headers-6.1.0-10-common", "6.1.102-1")
    mirror.add("bookworm", "linux-kbuild-6.1", "6.1.102-1+b1")
    mirror.add("bookworm", "linux-source-6.1", "6.1.101-1")
    mirror.add("bookworm", "linux-source-6.1", "6.1.102-1")
    mirror.publish("bookworm")
    whole(mirror, "sid", "7.2.1+deb14", "7.2.1-1")
    mirror.add("sid", "linux-source-7.2", "7.2.0-1")
    mirror.publish("sid")

    kernel = resolve("debian:6.1", AMD64)
    found = headers(kernel)
    assert (found.suite, found.arch) == ("bookworm", "amd64")
    assert [(one.name, one.version) for one in (found.own, found.common, found.kbuild)] == [
        ("linux-headers-6.1.0-10-cloud-amd64", "6.1.102-1"),
        ("linux-headers-6.1.0-10-common", "6.1.102-1"),
        ("linux-kbuild-6.1", "6.1.102-1+b1"),
    ]
    suite, source = linux_source(kernel)
    assert (suite, source.name, source.version) == ("bookworm", "linux-source-6.1", "6.1.102-1")

    bare = resolve("debian:7.2", AMD64)
    with pytest.raises(UserError, match=r"no linux-headers for 7\.2\.1-1"):
        headers(bare)
    with pytest.raises(UserError, match=r"no linux-source of 7\.2\.1-1"):
        linux_source(bare)
    with pytest.raises(UserError, match="not a Debian kernel"):
        headers(Kernel("bzImage", "6.6.1", "6.6.1", "x86_64", Path("bzImage")))


@pytest.mark.parametrize(
    "spec", ["debian:stable", "debian:6", "debian:6.1:", "debian:6.1:../x", "debian:6.1.2.3", "debian:6.1 "]
)
def test_words_that_name_no_kernel(spec: str) -> None:
    with pytest.raises(UserError, match="a Debian kernel is debian:SERIES"):
        resolve(spec, AMD64)


def test_modules_are_not_given_to_debians_kernels() -> None:
    with pytest.raises(UserError, match="brings its own modules"):
        resolve("debian:6.1", AMD64, "modules")


def test_names_of_versions() -> None:
    def upstream(version: str) -> str:
        return debkernels.DebianKernel(
            "sid", "amd64", "x", (Package("linux", version, "amd64", ""),)
        ).upstream

    assert upstream("6.1.192-2") == "6.1.192"
    assert upstream("6.12.117-1~deb12u1") == "6.12.117"
    assert upstream("7.3~rc7-1~exp1") == "7.3-rc7"


BANNER = (
    b"Linux version 6.1.0-56-armmp (debian-kernel@lists.debian.org) (arm-linux-gnueabihf-gcc-12) "
    b"#1 SMP Debian 6.1.192-2 (2026-11-16)\n\0"
)
CONFIG = b"#\n# Linux/arm 6.1.192 Kernel Configuration\n#\nCONFIG_SQUASHFS=y\n" + b"# x\n" * 9000


def lz4_legacy(data: bytes) -> bytes:
    blocks = [
        lz4.block.compress(data[at : at + (8 << 20)], store_size=False) for at in range(0, len(data), 8 << 20)
    ]
    return b"\x02\x21\x4c\x18" + b"".join(struct.pack("<I", len(block)) + block for block in blocks)


def lzop(data: bytes) -> bytes:
    """As the kernel's build calls it."""
    if shutil.which("lzop") is None:
        pytest.skip("needs apt-get install lzop")
    return subprocess.run(["lzop", "-9"], input=data, stdout=subprocess.PIPE, check=True, timeout=60).stdout


PACKED: dict[str, Callable[[bytes], bytes]] = {
    "as it is": bytes,
    "gzip": gzip.compress,
    "xz": lzma.compress,
    "lzma": lambda data: lzma.compress(data, format=lzma.FORMAT_ALONE, preset=9),
    "zstd": zstandard.ZstdCompressor().compress,
    "bzip2": bz2.compress,
    "lz4": lz4_legacy,
    "lzo": lzop,
}


def payload(banner: bytes = BANNER, config: bytes | None = None, size: int = 9 << 20) -> bytes:
    """What a compressed image unpacks to; the banner is across the border of two pieces of 8 MiB."""
    ikconfig = b"IKCFG_ST" + gzip.compress(config) + b"IKCFG_ED" if config else b""
    start = (8 << 20) - len(banner) // 2
    return (bytes(start) + banner + ikconfig + bytes(size))[:size]


@pytest.mark.parametrize("packing", PACKED)
def test_a_kernel_says_what_it_is(tmp_path: Path, packing: str) -> None:
    image = tmp_path / "zImage"
    # Before the payload is code, in which the bytes of magic numbers occur by chance.
    image.write_bytes(
        b"code\x1f\x8b\x08\x28\xb5\x2f\xfd\x89LZO\0\r\n\x1a\nBZh\xfd7zXZ\0\x5d\0\0\0"
        + PACKED[packing](payload())
        + b"trailer"
    )
    assert kernelfile.identify(image) == kernelfile.Identity("6.1.0-56-armmp", "6.1.192")


LZO_HEAD = b"\x89LZO\0\r\n\x1a\n" + bytes.fromhex("1040 20a0 0940 03 09")


@pytest.mark.usefixtures("no_lzop")
def test_lzo_without_lzop_names_its_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    image = tmp_path / "zImage"
    image.write_bytes(b"code" + LZO_HEAD + bytes(1000))
    with pytest.raises(
        UserError, match=r"its compressor is LZO, and lzop is not installed: apt-get install lzop$"
    ):
        resolve(str(image), find("arm"))
    # The head of a bzImage says what it is; its configuration is then not known, which is not remembered.
    image.write_bytes(bzimage(b"6.1.0-1-amd64 (x@y) #1") + LZO_HEAD + bytes(1000))
    kernel = resolve(str(image), AMD64)
    assert (kernel.release, kernel.config) == ("6.1.0-1-amd64", None)
    assert not list((tmp_path / "cache").rglob("config/*"))


@pytest.fixture
def no_lzop(monkeypatch: pytest.MonkeyPatch) -> None:
    there = shutil.which
    monkeypatch.setattr(shutil, "which", lambda name, **more: None if name == "lzop" else there(name, **more))


def fake_lzop(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> Iterator[bytes]:
    (folder / "lzop").write_text(f"#!/bin/sh\n{script}\n")
    (folder / "lzop").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return unpack._lzo(LZO_HEAD)


@pytest.mark.parametrize("end", ["exit 1", "exec sleep 60"])
def test_what_comes_before_the_damage_counts(
    end: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unpack, "_LZO_SECONDS", 0.5)
    stream = fake_lzop(tmp_path, monkeypatch, f"printf start; {end}")
    assert next(stream) == b"start"
    with pytest.raises(ValueError, match="lzop ended with status"):
        next(stream)


def test_what_follows_an_lzo_stream_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """lzop warns of it with status 2; a kernel's image has its size and more there."""
    assert list(fake_lzop(tmp_path, monkeypatch, "cat; exit 2")) == [LZO_HEAD]


def test_a_program_ends_when_nobody_wants_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpack, "PIECE", 3)
    stream = fake_lzop(tmp_path, monkeypatch, f"echo $$ > {tmp_path}/pid; printf start; exec sleep 60")
    assert next(stream) == b"sta"
    stream.close()  # type: ignore[attr-defined]
    assert not Path(f"/proc/{(tmp_path / 'pid').read_text().strip()}").exists()


def test_a_vanilla_kernel_and_a_candidate(tmp_path: Path) -> None:
    for text, release, version in (
        (b"Linux version 6.12.8 (a@b) (gcc 13) #1\n\0", "6.12.8", "6.12.8"),
        (b"Linux version 7.3.0-rc7+ (a@b) #1\n\0", "7.3.0-rc7+", "7.3.0-rc7"),
        (b"Linux version 5.15.0-91-generic (buildd@x) #101-Ubuntu\n\0", "5.15.0-91-generic", "5.15.0"),
    ):
        (tmp_path / "Image").write_bytes(b"\0" * 100 + text)
        assert kernelfile.identify(tmp_path / "Image") == kernelfile.Identity(release, version)


def bzimage(text: bytes) -> bytes:
    data = bytearray(0x4000)
    data[0x202:0x206] = b"HdrS"
    data[0x20E:0x210] = struct.pack("<H", 0x3000)
    data[0x3200 : 0x3200 + len(text)] = text
    return bytes(data)


def test_the_header_of_x86(tmp_path: Path) -> None:
    image = tmp_path / "bzImage"
    image.write_bytes(bzimage(b"6.1.0-56-cloud-amd64 (debian-kernel@x) #1 SMP Debian 6.1.192-2 (2026-11-16)"))
    assert kernelfile.identify(image) == kernelfile.Identity("6.1.0-56-cloud-amd64", "6.1.192")
    image.write_bytes(bzimage(b"garbage") + gzip.compress(payload()))
    assert kernelfile.identify(image).release == "6.1.0-56-armmp"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"MZ" + bytes(1000),
        b"Linux version %s (%s)",
        gzip.compress(payload())[:2000],
        zstandard.ZstdCompressor().compress(payload())[:200],
        lz4_legacy(payload())[:300],
        b"\x02\x21\x4c\x18" + b"\xff" * 100,
        b"\x1f\x8b\x08" * 1000,
        b"\x89LZO\0\r\n\x1a\n" * 1000,
        b"\x89LZO\0\r\n\x1a\n",
    ],
    ids=[
        "empty",
        "zeros",
        "format",
        "cut gzip",
        "cut zstd",
        "cut lz4",
        "bad lz4",
        "magic numbers",
        "lzo's",
        "cut lzo",
    ],
)
def test_what_is_no_kernel(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "x").write_bytes(data)
    with pytest.raises(UserError, match="not a kernel"):
        resolve(str(tmp_path / "x"), AMD64)


def test_a_bomb_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernelfile, "LARGEST", 20 << 20)
    (tmp_path / "x").write_bytes(zstandard.ZstdCompressor().compress(bytes(64 << 20) + BANNER))
    assert kernelfile.identify(tmp_path / "x") is None


def test_a_kernel_by_its_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    image = tmp_path / "vmlinux"
    image.write_bytes(payload(config=CONFIG))
    kernel = resolve(str(image), find("arm"))
    assert (kernel.release, kernel.version, kernel.arch) == ("6.1.0-56-armmp", "6.1.192", "arm")
    assert kernel.image == image
    assert kernel.modules is None
    assert kernel.config.read_bytes() == CONFIG
    assert kernel.provenance[0][1].startswith("vmlinux 6.1.0-56-armmp ")
    (tmp_path / "config-6.1.0-56-armmp").write_text("CONFIG_X=y\n")
    assert resolve(str(image), find("arm")).config == tmp_path / "config-6.1.0-56-armmp"

    with pytest.raises(UserError, match="no such kernel; give debian:SERIES"):
        resolve(str(tmp_path / "nothing"), AMD64)
    with pytest.raises(UserError, match="no such kernel"):
        resolve(str(tmp_path), AMD64)


def test_modules_in_any_of_the_usual_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    image = tmp_path / "bzImage"
    image.write_bytes(bzimage(b"6.6.1 (a@b) #1"))
    assert resolve(str(image), AMD64).config is None
    for top in ("", "6.6.1", "lib/modules/6.6.1", "usr/lib/modules/6.6.1"):
        given = tmp_path / (top.replace("/", "-") or "bare")
        (given / top / "kernel/fs").mkdir(parents=True)
        (given / top / "kernel/fs/squashfs.ko.zst").touch()
        assert resolve(str(image), AMD64, str(given)).modules == given / top
    (tmp_path / "empty").mkdir()
    for given in (tmp_path / "empty", tmp_path / "nothing"):
        with pytest.raises(UserError, match="has no modules"):
            resolve(str(image), AMD64, str(given))


def test_a_build_tree_has_its_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    boot = tmp_path / "arch/x86/boot"
    boot.mkdir(parents=True)
    (boot / "bzImage").write_bytes(bzimage(b"6.6.1 (a@b) #1"))
    (tmp_path / ".config").write_text("CONFIG_SQUASHFS=y\n")
    assert resolve(str(boot / "bzImage"), AMD64).config == tmp_path / ".config"

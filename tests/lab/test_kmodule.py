"""squashfs.ko built again: options, headers and the check of what came out."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from unkillable.errors import UserError
from unkillable.lab import kernels, kheaders, kmodule, squashfssource
from unkillable.lab.apt import Package
from unkillable.lab.arch import find
from unkillable.lab.elf import Elf
from unkillable.lab.kernels import Kernel
from unkillable.lab.setup import Module

OLD = "".join(
    f"config SQUASHFS{name}\n\tbool\n"
    for name in (
        "",
        "_FILE_CACHE",
        "_FILE_DIRECT",
        "_DECOMP_SINGLE",
        "_DECOMP_MULTI",
        "_DECOMP_MULTI_PERCPU",
        "_XATTR",
    )
)
"""As in 6.1."""
NEW = OLD + "".join(
    f"config SQUASHFS{name}\n\tbool\n"
    for name in (
        "_CHOICE_DECOMP_BY_MOUNT", "_COMPILE_DECOMP_SINGLE", "_COMPILE_DECOMP_MULTI", "_COMPILE_DECOMP_MULTI_PERCPU",
        "_MOUNT_DECOMP_THREADS",
    )
)  # fmt: skip
"""As from 6.6 on."""


# Options


def test_the_options_are_those_of_the_version() -> None:
    old = kmodule.options(OLD, Module("cache", "single"))
    assert old == {
        "SQUASHFS_FILE_CACHE": True,
        "SQUASHFS_FILE_DIRECT": False,
        "SQUASHFS_DECOMP_SINGLE": True,
        "SQUASHFS_DECOMP_MULTI": False,
        "SQUASHFS_DECOMP_MULTI_PERCPU": False,
    }
    new = kmodule.options(NEW, Module("direct", "multi"))
    assert {name for name, on in new.items() if on} == {
        "SQUASHFS_FILE_DIRECT",
        "SQUASHFS_DECOMP_MULTI",
        "SQUASHFS_COMPILE_DECOMP_MULTI",
    }
    assert new["SQUASHFS_CHOICE_DECOMP_BY_MOUNT"] is new["SQUASHFS_MOUNT_DECOMP_THREADS"] is False


def test_what_the_version_does_not_have_is_refused() -> None:
    with pytest.raises(UserError, match="twice: not one of single, multi, percpu"):
        kmodule.options(OLD, Module("cache", "twice"))
    with pytest.raises(UserError, match="CONFIG_SQUASHFS_DECOMP_MULTI: this version"):
        kmodule.options(OLD.replace("config SQUASHFS_DECOMP_MULTI\n", ""), Module("cache", "multi"))


# Headers


def test_options_are_changed_for_make_and_for_the_sources() -> None:
    options = {"SQUASHFS_FILE_CACHE": True, "SQUASHFS_FILE_DIRECT": False, "M": True}
    make = "CONFIG_A=y\nCONFIG_SQUASHFS_FILE_DIRECT=y\nCONFIG_SQUASHFS=m\nCONFIG_M=m\n"
    assert kheaders.for_make(make, options).split() == [
        "CONFIG_A=y", "CONFIG_SQUASHFS=m", "CONFIG_SQUASHFS_FILE_CACHE=y", "CONFIG_M=y",
    ]  # fmt: skip
    sources = '/* made */\n#define CONFIG_A 1\n#define CONFIG_SQUASHFS_FILE_DIRECT 1\n#define CONFIG_M_MODULE 1\n#define CONFIG_S ""\n'
    assert kheaders.for_sources(sources, options).splitlines() == [
        "/* made */", "#define CONFIG_A 1", '#define CONFIG_S ""', "#define CONFIG_SQUASHFS_FILE_CACHE 1", "#define CONFIG_M 1",
    ]  # fmt: skip


@pytest.fixture
def debian(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> kernels.Headers:
    """Header packages, unpacked in the cache as apt leaves them."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    made = {
        name: Package(name, "1", "amd64", "0" * 64) for name in ("headers-x", "headers-common", "kbuild-6.1")
    }
    host = kheaders.host()
    files = {
        ("headers-x", "amd64"): {
            "Makefile": "include /usr/src/headers-common/Makefile\n",
            ".kernelvariables": "override ARCH = x86\noverride KERNELRELEASE = 6.1-x\nCC = gcc-99\noverride CROSS_COMPILE = x-\n",
            "include/config/auto.conf": "CONFIG_SQUASHFS_FILE_DIRECT=y\n",
            "include/config/OTHER": "",
            "include/generated/autoconf.h": "#define CONFIG_SQUASHFS_FILE_DIRECT 1\n",
            "include/generated/utsrelease.h": "x",
            "Module.symvers": "",
        },
        ("headers-common", "amd64"): {
            "Makefile": "all:\n\t@echo $(KERNELRELEASE)\n",
            "include/linux/fs.h": "",
        },
        ("kbuild-6.1", host): {},
    }
    for (package, arch), content in files.items():
        folder = _place(tmp_path, package, arch)
        for name, text in content.items():
            path = folder / "usr/src" / package / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
    kbuild = _place(tmp_path, "kbuild-6.1", host) / "usr/lib/kbuild-6.1"
    (kbuild / "scripts/basic").mkdir(parents=True)
    (kbuild / "tools").mkdir()
    shutil.copy("/bin/true", kbuild / "scripts/basic/fixdep")
    return kernels.Headers("suite", "amd64", made["headers-x"], made["headers-common"], made["kbuild-6.1"])


def _place(tmp_path: Path, package: str, arch: str) -> Path:
    return tmp_path / "cache/unkillable/deb" / f"{package}_1_{arch}"


def test_headers_are_laid_out_with_other_options(debian: kernels.Headers, tmp_path: Path) -> None:
    options = {"SQUASHFS_FILE_CACHE": True, "SQUASHFS_FILE_DIRECT": False}
    start = kheaders.lay_out(debian, tmp_path / "laid", options)
    assert start == tmp_path / "laid/usr/src/headers-x"
    assert (start / "Makefile").read_text() == f"include {tmp_path}/laid/usr/src/headers-common/Makefile\n"
    assert (start / ".kernelvariables").read_text() == "override ARCH = x86\noverride KERNELRELEASE = 6.1-x\n"
    assert (start / "include/config/auto.conf").read_text() == "CONFIG_SQUASHFS_FILE_CACHE=y\n"
    assert (start / "include/generated/autoconf.h").read_text() == "#define CONFIG_SQUASHFS_FILE_CACHE 1\n"
    assert (start / "include/generated/utsrelease.h").read_text() == "x"
    assert (start / "include/config/OTHER").exists()
    assert (start / "scripts/basic/fixdep").is_file()
    assert (tmp_path / "laid/usr/src/headers-common/scripts/basic/fixdep").is_file()
    # The packages in the cache are as they were.
    kept = _place(tmp_path, "headers-x", "amd64") / "usr/src/headers-x/include/config/auto.conf"
    assert kept.read_text() == "CONFIG_SQUASHFS_FILE_DIRECT=y\n"


def test_headers_that_lack_a_part_are_refused(debian: kernels.Headers, tmp_path: Path) -> None:
    (_place(tmp_path, "headers-x", "amd64") / "usr/src/headers-x/include/config/auto.conf").unlink()
    with pytest.raises(UserError, match=r"auto\.conf: missing"):
        kheaders.lay_out(debian, tmp_path / "laid", {})
    (_place(tmp_path, "kbuild-6.1", kheaders.host()) / "usr/lib/kbuild-6.1/scripts/basic/fixdep").unlink()
    with pytest.raises(UserError, match="has no programs"):
        kheaders.lay_out(debian, tmp_path / "laid2", {})


# The check

needs_gcc = pytest.mark.skipif(not all(map(shutil.which, ("gcc", "ld"))), reason="needs gcc and ld")
VERSIONS = 'struct v {{ unsigned long sum; char name[64 - sizeof(long)]; }};\nconst struct v v __attribute__((section("__versions"))) = {{ {}, "kmalloc" }};\n'


def ko(folder: Path, *files: str, vermagic: str = "6.1.0 SMP", kmalloc: int = 77) -> Path:
    """A file that is linked as kbuild links a module: all objects in one that can be linked further."""
    folder.mkdir()
    objects = []
    for name in ("super.c", *files):
        (folder / name).write_text(f"int {name.removesuffix('.c')}(void) {{ return 1; }}\n")
    with (folder / "super.c").open("a") as file:
        file.write(f'const char m[] __attribute__((section(".modinfo"))) = "vermagic={vermagic}";\n')
        file.write(VERSIONS.format(kmalloc))
    for name in ("super.c", *files):
        objects.append(name.replace(".c", ".o"))
        subprocess.run(["gcc", "-O2", "-c", name, "-o", objects[-1]], cwd=folder, check=True)
    subprocess.run(["ld", "-r", *objects, "-o", "squashfs.ko"], cwd=folder, check=True)
    return folder / "squashfs.ko"


@needs_gcc
def test_the_sources_of_a_module_are_in_its_symbol_table(tmp_path: Path) -> None:
    path = ko(tmp_path / "a", "file_cache.c", "decompressor_multi.c")
    elf = Elf.read(path)
    assert elf.source_files() >= {"super.c", "file_cache.c", "decompressor_multi.c"}
    assert "file_direct.c" not in elf.source_files()
    assert elf.symbol_sums() == {"kmalloc": 77}


@needs_gcc
def test_a_module_of_another_kind_or_kernel_is_refused(tmp_path: Path) -> None:
    shipped = ko(tmp_path / "shipped", "file_direct.c", "decompressor_multi_percpu.c")
    good = ko(tmp_path / "good", "file_cache.c", "decompressor_single.c")
    kmodule.check(good, shipped, Module("cache", "single"))
    with pytest.raises(
        UserError,
        match=r"made of decompressor_single\.c and file_cache\.c, not of decompressor_single\.c and file_direct\.c",
    ):
        kmodule.check(good, shipped, Module("direct", "single"))
    with pytest.raises(UserError, match=r"not of decompressor_multi\.c"):
        kmodule.check(good, shipped, Module("cache", "multi"))
    both = ko(tmp_path / "both", "file_cache.c", "file_direct.c", "decompressor_single.c")
    with pytest.raises(
        UserError, match=r"made of decompressor_single\.c and file_cache\.c and file_direct\.c"
    ):
        kmodule.check(both, shipped, Module("cache", "single"))
    none = ko(tmp_path / "none")
    with pytest.raises(UserError, match="made of neither reader nor decompressor"):
        kmodule.check(none, shipped, Module("cache", "single"))
    other = ko(tmp_path / "other", "file_cache.c", "decompressor_single.c", vermagic="6.1.1 SMP")
    with pytest.raises(UserError, match=r"is for `6\.1\.1 SMP`, the kernel is `6\.1\.0 SMP`"):
        kmodule.check(other, shipped, Module("cache", "single"))
    changed = ko(tmp_path / "changed", "file_cache.c", "decompressor_single.c", kmalloc=78)
    with pytest.raises(UserError, match="expects another kmalloc"):
        kmodule.check(changed, shipped, Module("cache", "single"))


@needs_gcc
def test_a_damaged_module_is_an_error(tmp_path: Path) -> None:
    data = ko(tmp_path / "a", "file_cache.c").read_bytes()
    path = tmp_path / "x.ko"
    for content in (b"", b"MZ" + data[2:], data[:70], data[: len(data) // 2]):
        path.write_bytes(content)
        with pytest.raises(UserError):
            Elf.read(path)


def test_only_a_debian_kernel_has_its_module_rebuilt(tmp_path: Path) -> None:
    kernel = Kernel("source:/x", "6.1.9-minimal", "6.1.9", "x86_64", tmp_path / "image")
    with pytest.raises(UserError, match="for Debian's kernels only"):
        kmodule.rebuild(kernel, Module())


def test_another_compiler_is_told(tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text('CONFIG_CC_VERSION_TEXT="x86_64-linux-gnu-gcc-14 (Debian 14.2.0-19) 14.2.0"\n')
    kernel = Kernel("debian:6.12", "6.12", "6.12", "x86_64", tmp_path / "image", config=config)
    assert kmodule.mismatch(kernel, "gcc (Debian 14.2.0-19) 14.2.0") == ""
    told = kmodule.mismatch(kernel, "gcc (Debian 12.2.0-14) 12.2.0")
    assert (
        "compiled by x86_64-linux-gnu-gcc-14 (Debian 14.2.0-19) 14.2.0, this machine has gcc (Debian 12"
        in told
    )


# The real thing: some 180 MB from a mirror at first, then half a minute.


@pytest.mark.vm
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_patched_module_of_a_debian_kernel(tmp_path: Path) -> None:
    needed = ("apt-get", "dpkg-deb", "make", "gcc", "patch", "xz")
    if missing := [name for name in needed if shutil.which(name) is None]:
        pytest.skip(f"needs {', '.join(missing)}")
    try:
        kernel = kernels.resolve("debian:6.1", find("x86_64"))
        suite, package = kernels.linux_source(kernel)
        tree = squashfssource.fetch(suite, "amd64", package)
    except UserError as error:
        pytest.skip(f"needs a Debian mirror: {error}")
    text = (tree / "cache.c").read_text().splitlines()
    number = next(n for n, line in enumerate(text) if "wait_event(cache->wait_queue" in line)
    (tmp_path / "1.patch").write_text(
        "--- a/fs/squashfs/cache.c\n+++ b/fs/squashfs/cache.c\n"
        f"@@ -{number},3 +{number},3 @@\n {text[number - 1]}\n-{text[number]}\n"
        f'+\t\t\t\tpr_info("a patch of the lab");\n {text[number + 1]}\n'
    )  # fmt: skip
    found = kmodule.rebuild(kernel, Module("cache", "multi", str(tmp_path)))
    assert b"a patch of the lab" in found.read_bytes()
    assert {"file_cache.c", "decompressor_multi.c"} < Elf.read(found).source_files()
    assert kmodule.rebuild(kernel, Module("cache", "multi", str(tmp_path))) == found
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "1.patch").write_text("From: Another\n\n" + (tmp_path / "1.patch").read_text())
    other = kmodule.rebuild(kernel, Module("cache", "multi", str(tmp_path / "other")))
    assert other != found, "built anew, below another path"
    assert other.read_bytes() == found.read_bytes()
    assert b"a patch of the lab" not in kmodule.rebuild(kernel, Module("cache", "multi")).read_bytes()

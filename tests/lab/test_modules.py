"""Which modules are loaded, in which order, and which kernels are refused."""

from __future__ import annotations

import gzip
import lzma
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

from unkillable.errors import UserError
from unkillable.lab import cache, kernels, modinfo, modules
from unkillable.lab.arch import ARCHES, find
from unkillable.lab.kernels import Kernel
from unkillable.lab.modules import config_value, has, plan

GOOD = "CONFIG_BLK_DEV_INITRD=y\nCONFIG_SERIAL_8250_CONSOLE=y\nCONFIG_SERIAL_8250_PCI=y\nCONFIG_SERIAL_AMBA_PL011_CONSOLE=y\n"


@pytest.fixture(autouse=True)
def _own_cache(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if "real" not in request.fixturenames:
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def elf(*strings: str, wide: bool = True, order: str = "<", section: bytes = b".modinfo") -> bytes:
    """An ELF file with three sections: none, the strings, and the names of sections."""
    text = b"".join(string.encode() + b"\0" for string in strings)
    names = b"\0" + section + b"\0.shstrtab\0"
    head, row = (64, 64) if wide else (52, 40)
    rows = ((0, 0, 0), (1, head, len(text)), (2 + len(section), head + len(text), len(names)))
    ident = b"\x7fELF" + bytes([2 if wide else 1, 1 if order == "<" else 2, 1]) + bytes(9)
    word = "Q" if wide else "I"
    table = head + len(text) + len(names)
    fields = (1, 62, 1, 0, 0, table, 0, head, 0, 0, row, len(rows), 2)
    out = ident + struct.pack(f"{order}HHI{word}{word}{word}IHHHHHH", *fields) + text + names
    for name, offset, size in rows:
        out += struct.pack(f"{order}II{word}{word}{word}{word}", name, 1, 0, 0, offset, size).ljust(
            row, b"\0"
        )
    return out


def made(
    tmp_path: Path, files: dict[str, bytes], config: str | None = GOOD, builtin: str | None = "", **more: str
) -> Kernel:
    folder = tmp_path / "modules"
    for name, data in files.items():
        (folder / "kernel" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "kernel" / name).write_bytes(data)
    if builtin is not None:
        folder.mkdir(exist_ok=True)
        (folder / "modules.builtin").write_text(builtin)
    if config is not None:
        (tmp_path / "config").write_text(config)
    return Kernel(
        spec="x", release="6.1.1-x", version=more.get("version", "6.1.1"), arch=more.get("arch", "x86_64"), image=tmp_path / "x",
        modules=folder, config=tmp_path / "config" if config is not None else None,
    )  # fmt: skip


def names(kernel: Kernel, *wanted: str) -> list[str]:
    return [one.name for one in plan(kernel, wanted)]


def test_dependencies_come_first_and_only_once(tmp_path: Path) -> None:
    kernel = made(
        tmp_path,
        {
            "drivers/virtio/virtio_ring.ko": elf("depends="),
            "drivers/virtio/virtio.ko": elf("license=GPL", "depends="),
            "drivers/virtio/virtio_pci.ko": elf("depends=virtio,virtio_ring"),
            "drivers/block/virtio_blk.ko": elf("depends=virtio,virtio_ring"),
            "fs/squashfs/squashfs.ko": elf("depends=", "vermagic=6.1.1-x SMP "),
        },
    )
    assert names(kernel, "virtio_pci", "virtio_blk", "squashfs") == [
        "virtio", "virtio_ring", "virtio_pci", "virtio_blk", "squashfs",
    ]  # fmt: skip
    assert names(kernel, "squashfs", "virtio-blk", "squashfs") == [
        "squashfs",
        "virtio",
        "virtio_ring",
        "virtio_blk",
    ]
    (squashfs,) = plan(kernel, ("squashfs",))
    assert squashfs.path == tmp_path / "modules" / "kernel/fs/squashfs/squashfs.ko"
    assert modules.info(squashfs.path).vermagic == "6.1.1-x SMP"


def test_what_is_asked_for_at_run_time_is_loaded_before(tmp_path: Path) -> None:
    files = {
        "fs/erofs/erofs.ko": elf("depends=libcrc32c"),
        "lib/libcrc32c.ko": elf("softdep=pre: crc32c", "depends="),
        "fs/ext4/ext4.ko": elf("softdep=pre: crypto-crc32c", "depends=jbd2,mbcache"),
        "fs/jbd2/jbd2.ko": elf("depends="),
        "fs/mbcache.ko": elf("depends="),
        "crypto/crc32c_generic.ko": elf("depends="),
        "crypto/lzo-rle.ko": elf("depends="),
        "crypto/lz4.ko": elf("depends=lz4_compress"),
        "lib/lz4/lz4_compress.ko": elf("depends="),
        "drivers/block/zram.ko": elf("depends=zsmalloc"),
        "mm/zsmalloc.ko": elf("depends="),
    }
    kernel = made(tmp_path, files)
    assert names(kernel, "erofs") == ["crc32c_generic", "libcrc32c", "erofs"]
    assert names(kernel, "ext4") == ["crc32c_generic", "jbd2", "mbcache", "ext4"]
    # zstd is built in here: an alias without a file.
    assert names(kernel, "zram") == ["lzo_rle", "lz4_compress", "lz4", "zsmalloc", "zram"]
    # Its own backends from 6.12 on.
    assert names(made(tmp_path, files, version="6.12.1"), "zram") == ["zsmalloc", "zram"]
    # ext4 may be built in where its checksum is not.
    builtin = made(tmp_path, {}, builtin="kernel/fs/ext4/ext4.ko\n", config=GOOD + "CONFIG_EXT4_FS=y\n")
    (tmp_path / "modules" / "kernel/fs/ext4/ext4.ko").unlink()
    modules._modules_in.cache_clear()
    modules._listed.cache_clear()
    assert names(builtin, "ext4") == ["crc32c_generic"]


@pytest.mark.parametrize(
    ("ending", "pack"),
    [
        (".xz", lzma.compress),
        (".xz", lambda data: lzma.compress(data, check=lzma.CHECK_CRC32)),
        (".zst", zstandard.ZstdCompressor().compress),
        (".gz", gzip.compress),
    ],
)
def test_compressed_modules(tmp_path: Path, ending: str, pack: Callable[[bytes], bytes]) -> None:
    plain = elf("depends=other") + bytes(100_000)
    kernel = made(
        tmp_path, {f"fs/squashfs.ko{ending}": pack(plain), f"fs/other.ko{ending}": pack(elf("depends="))}
    )
    other, squashfs = plan(kernel, ("squashfs",))
    assert (other.name, squashfs.name) == ("other", "squashfs")
    assert squashfs.path.read_bytes() == plain
    assert squashfs.path.parent == cache.root() / "module"
    assert plan(kernel, ("squashfs",))[1] == squashfs


def test_damaged_modules_are_told(tmp_path: Path) -> None:
    packed = lzma.compress(elf("depends="))
    whole = elf("depends=x")
    for number, (data, why) in enumerate(
        (
            (packed[:-20], "damaged"),
            (packed[:30] + b"\xff" * 30 + packed[60:], "damaged"),
            (lzma.compress(b"text"), "not an ELF file"),
            (lzma.compress(whole[:70]), "damaged ELF"),
            (lzma.compress(whole[:62] + b"\xff\xff" + whole[64:]), "damaged ELF"),
            (lzma.compress(elf("depends=", section=b".modinfx")), r"without \.modinfo"),
        )
    ):
        kernel = made(tmp_path / str(number), {"fs/squashfs.ko.xz": data})
        with pytest.raises(UserError, match=rf"squashfs.*: .*{why}"):
            plan(kernel, ("squashfs",))


def test_a_bomb_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(modules, "LARGEST", 1 << 20)
    kernel = made(tmp_path, {"fs/squashfs.ko.zst": zstandard.ZstdCompressor().compress(bytes(2 << 20))})
    with pytest.raises(UserError, match="larger than 1 MiB"):
        plan(kernel, ("squashfs",))


@pytest.mark.parametrize("wide", [True, False])
@pytest.mark.parametrize("order", ["<", ">"])
def test_elf_files_of_every_kind(wide: bool, order: str) -> None:
    text = (
        "license=GPL",
        "depends=a,b",
        "softdep=pre: crypto-crc32c crc16 post: late",
        "softdep=post: later",
        "vermagic=6.1 SMP ",
    )
    read = modinfo.read(elf(*text, wide=wide, order=order))
    assert read == modinfo.ModInfo(("a", "b"), ("crypto-crc32c", "crc16"), "6.1 SMP")


def test_modules_that_need_each_other_end(tmp_path: Path) -> None:
    kernel = made(tmp_path, {"squashfs.ko": elf("depends=b"), "b.ko": elf("depends=squashfs")})
    assert sorted(names(kernel, "squashfs")) == ["b", "squashfs"]


def test_the_kernels_own_module_wins_over_one_that_was_added(tmp_path: Path) -> None:
    kernel = made(tmp_path, {"fs/squashfs.ko": elf("depends=")})
    for place in ("updates", "extra"):
        (tmp_path / "modules" / place).mkdir()
        (tmp_path / "modules" / place / "squashfs.ko").write_bytes(elf("depends="))
    assert plan(kernel, ("squashfs",))[0].path == tmp_path / "modules" / "kernel/fs/squashfs.ko"


@pytest.mark.parametrize(
    ("config", "builtin", "why"),
    [
        (GOOD, "", "CONFIG_SQUASHFS is not set"),
        (GOOD + "# CONFIG_SQUASHFS is not set\n", "", "CONFIG_SQUASHFS is not set"),
        (GOOD + "CONFIG_SQUASHFS=m\n", "", "CONFIG_SQUASHFS=m, and it is not in"),
        (None, "kernel/fs/ext4/ext4.ko\n", "neither built in nor in"),
        (GOOD + "CONFIG_SQUASHFS=y\n", "", None),
        (GOOD, "kernel/fs/squashfs/squashfs.ko\n", None),
        (None, "kernel/fs/squashfs/squashfs.ko\n", None),
        # Nothing is known of what is built in: the guest will tell.
        (None, None, None),
    ],
)
def test_a_kernel_without_squashfs(
    tmp_path: Path, config: str | None, builtin: str | None, why: str | None
) -> None:
    kernel = made(tmp_path, {"fs/other.ko": elf()}, config, builtin)
    assert has(kernel, "squashfs") == (why is None)
    if why is None:
        assert plan(kernel, ("squashfs",)) == ()
        return
    with pytest.raises(UserError, match=rf"^6\.1\.1-x: has no squashfs, which the lab needs: {why}"):
        plan(kernel, ("squashfs",))


def test_a_kernel_without_modules(tmp_path: Path) -> None:
    (tmp_path / "config").write_text(GOOD + "CONFIG_SQUASHFS=y\nCONFIG_VIRTIO_BLK=m\n")
    kernel = Kernel("x", "6.6.1", "6.6.1", "x86_64", tmp_path / "x", config=tmp_path / "config")
    assert plan(kernel, ("squashfs",)) == ()
    with pytest.raises(
        UserError, match=r"no virtio_blk, .*: CONFIG_VIRTIO_BLK=m, and no modules were given; .* --modules"
    ):
        plan(kernel, ("virtio_blk",))
    assert plan(Kernel("x", "6.6.1", "6.6.1", "x86_64", tmp_path / "x"), ("squashfs", "virtio_blk")) == ()


@pytest.mark.parametrize(
    ("arch", "option", "what"),
    [
        ("x86_64", "CONFIG_SERIAL_8250_CONSOLE", "a console on ttyS0"),
        ("arm64", "CONFIG_SERIAL_AMBA_PL011_CONSOLE", "a console on ttyAMA0"),
        ("arm64", "CONFIG_SERIAL_8250_PCI", "a serial port on PCI"),
        ("mips", "CONFIG_BLK_DEV_INITRD", "an initramfs"),
    ],
)
@pytest.mark.parametrize("value", ["m", None])
def test_a_kernel_that_cannot_be_heard(
    tmp_path: Path, arch: str, option: str, what: str, value: str | None
) -> None:
    line = f"{option}={value}\n" if value else f"# {option} is not set\n"
    kernel = made(tmp_path, {"squashfs.ko": elf()}, GOOD.replace(f"{option}=y\n", line), arch=arch)
    with pytest.raises(UserError, match=rf"^6\.1\.1-x: was built without {what}.*; the lab needs {option}=y"):
        plan(kernel, ("squashfs",))


def test_options_of_a_machine_do_not_matter_to_another(tmp_path: Path) -> None:
    config = GOOD.replace("CONFIG_SERIAL_AMBA_PL011_CONSOLE=y\n", "").replace(
        "CONFIG_SERIAL_8250_PCI=y\n", ""
    )
    assert names(made(tmp_path, {"squashfs.ko": elf()}, config), "squashfs") == ["squashfs"]


def test_values_of_options(tmp_path: Path) -> None:
    text = GOOD + 'CONFIG_HZ=250\nCONFIG_DEF="lzo-rle"\nCONFIG_M=m\n# CONFIG_N is not set\n# CONFIG_M2=y\n'
    kernel = made(tmp_path, {}, text)
    values = [config_value(kernel, name) for name in ("CONFIG_HZ", "HZ", "DEF", "M", "N", "M2", "HZ_25")]
    assert values == ["250", "250", "lzo-rle", "m", "n", "n", "n"]
    assert config_value(made(tmp_path, {}, None), "HZ") is None
    (tmp_path / "config").write_text(text.replace("250", "1000") + "#")
    assert config_value(kernel, "HZ") == "1000"


PLANS = {
    ("debian:5.10", "x86_64"): ["virtio_ring", "virtio", "virtio_pci", "virtio_blk", "squashfs"],
    ("debian:6.1", "x86_64"): [
        "virtio_ring", "virtio_pci_modern_dev", "virtio_pci_legacy_dev", "virtio", "virtio_pci", "virtio_blk", "squashfs",
    ],
    ("debian:6.12", "x86_64"): ["virtio_blk", "squashfs"],
    ("debian:7.2", "x86_64"): ["virtio_blk", "squashfs"],
    ("debian:6.1", "arm"): ["virtio_pci_modern_dev", "virtio_pci_legacy_dev", "virtio_pci", "virtio_blk", "squashfs"],
    ("debian:6.12", "riscv"): ["virtio_blk", "squashfs"],
}  # fmt: skip


@pytest.fixture
def real(request: pytest.FixtureRequest) -> Kernel:
    """A kernel that is in the user's cache: nothing is downloaded for a test."""
    spec, arch = request.param
    if not (cache.root() / "debian" / f"{spec.replace(':', '-')}-{find(arch).debian}.json").exists():
        pytest.skip(f"{spec} for {arch} is not in the cache")
    return kernels.resolve(spec, find(arch))


@pytest.mark.parametrize("real", PLANS, indirect=True, ids="/".join)
def test_the_plans_of_debians_kernels(real: Kernel) -> None:
    wanted = (*find(real.arch).modules, "squashfs")
    assert [one.name for one in plan(real, wanted)] == PLANS[real.spec, real.arch]
    for name in ("ext4", "erofs", "zram"):
        plan(real, (name,))
        assert has(real, name)
    assert not has(real, "nonsuch")
    squashfs = modules.info(plan(real, ("squashfs",))[-1].path)
    assert squashfs.vermagic.split()[0] == real.release
    # None of Debian's kernels has the wait of decompressor_multi.c.
    assert config_value(real, "SQUASHFS_DECOMP_MULTI_PERCPU") == "y"


def test_every_architecture_has_its_console() -> None:
    assert {row.console for row in ARCHES} <= set(modules._CONSOLES)

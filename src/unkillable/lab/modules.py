"""Modules of a kernel: which to load, in which order, uncompressed.  The guest has no modprobe."""

from __future__ import annotations

import gzip
import io
import lzma
import re
import struct
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path

import msgspec
import zstandard

from unkillable.errors import UserError
from unkillable.lab.cache import digest, entry
from unkillable.lab.kernels import Kernel

LARGEST = 64 << 20
"""Bytes of an uncompressed module; the largest of Debian's that the lab could load has 3 MB."""

_AT_RUN_TIME: dict[str, tuple[str, ...]] = {
    # Asked for with request_module() when they are first used, which finds no modprobe in our guest.
    "zram": ("lzo_rle", "lzo-rle", "lz4", "zstd"),
    "ext4": ("crc32c_generic", "crc32c", "crc32c-intel"),
    "erofs": ("lz4_decompress",),
    # virtio_pci is split, and its parts are loaded by it where they are not built in.
    "virtio_pci": ("virtio_pci_legacy_dev", "virtio_pci_modern_dev"),
}
_OPENERS = {
    ".ko": lambda data: io.BytesIO(data),
    ".xz": lambda data: lzma.LZMAFile(io.BytesIO(data)),
    ".zst": lambda data: zstandard.ZstdDecompressor().stream_reader(io.BytesIO(data)),
    ".gz": lambda data: gzip.GzipFile(fileobj=io.BytesIO(data)),
}


class ModuleFile(msgspec.Struct, frozen=True):
    """A module as the guest loads it."""

    name: str
    """With underscores, as the kernel shows it."""
    path: Path
    """Uncompressed."""


def plan(kernel: Kernel, wanted: Sequence[str]) -> tuple[ModuleFile, ...]:
    """The wanted modules and all they depend on, dependencies first; what is built in is left out."""
    found: dict[str, ModuleFile] = {}
    for name in wanted:
        if not has(kernel, name):
            raise UserError(f"{kernel.release}: has no {name}, neither built in nor as a module; the lab needs it")
        for extra in _AT_RUN_TIME.get(_canonical(name), ()):
            if _canonical(extra) in _files(kernel):
                _add(kernel, extra, found, ())
        _add(kernel, name, found, ())
    return tuple(found.values())


def own(name: str, path: Path) -> ModuleFile:
    """A module from elsewhere, in the place of the kernel's."""
    return ModuleFile(_canonical(name), path)


def has(kernel: Kernel, name: str) -> bool:
    """Whether a kernel has something as a module or built in.  One without a list of what is built in is believed."""
    if kernel.modules is None:
        return True
    name = _canonical(name)
    return name in _files(kernel) or name in _builtin(kernel) or _configured(kernel, name)


def config_value(kernel: Kernel, option: str) -> str | None:
    """`y`, `m` or a value of CONFIG_...; `n` where it is not set, None where the configuration is not known."""
    if kernel.config is None:
        return None
    name = option if option.startswith("CONFIG_") else f"CONFIG_{option}"
    match = re.search(rf"^{re.escape(name)}=(.*)$", kernel.config.read_text(errors="replace"), re.MULTILINE)
    return match[1].strip('"') if match else "n"


_CONFIGS = {  # a module's name: the option that builds it in
    "virtio_pci": "VIRTIO_PCI", "virtio_blk": "VIRTIO_BLK", "squashfs": "SQUASHFS", "ext4": "EXT4_FS",
    "erofs": "EROFS_FS", "zram": "ZRAM",
}  # fmt: skip


def _configured(kernel: Kernel, name: str) -> bool:
    return name in _CONFIGS and config_value(kernel, _CONFIGS[name]) == "y"


def _add(kernel: Kernel, name: str, found: dict[str, ModuleFile], chain: tuple[str, ...]) -> None:
    name = _canonical(name)
    if name in found or name not in _files(kernel) or name in chain:
        return
    file = _uncompressed(_files(kernel)[name])
    for other in depends(file):
        _add(kernel, other, found, (*chain, name))
    found[name] = ModuleFile(name, file)


def _canonical(name: str) -> str:
    return name.replace("-", "_")


@cache
def _files(kernel: Kernel) -> Mapping[str, Path]:
    """Name to file."""
    if kernel.modules is None:
        return {}
    found = {}
    for path in kernel.modules.rglob("*.ko*"):
        stem, dot, ending = path.name.partition(".ko")
        if dot and (ending in ("", ".xz", ".zst", ".gz")):
            found[_canonical(stem)] = path
    return found


@cache
def _builtin(kernel: Kernel) -> frozenset[str]:
    if kernel.modules is None or not (kernel.modules / "modules.builtin").is_file():
        return frozenset()
    lines = (kernel.modules / "modules.builtin").read_text(errors="replace").splitlines()
    return frozenset(_canonical(Path(line).name.removesuffix(".ko")) for line in lines)


def _uncompressed(path: Path) -> Path:
    if path.suffix == ".ko":
        return path
    status = path.stat()
    key = digest(path, status.st_size, status.st_mtime_ns)
    return entry("module", f"{path.name.partition('.')[0]}-{key}.ko", lambda made: _write(path, made))


def _write(path: Path, made: Path) -> None:
    made.write_bytes(_read(path))


def _read(path: Path) -> bytes:
    with _OPENERS[path.suffix](path.read_bytes()) as stream:
        data: bytes = stream.read(LARGEST + 1)
    if len(data) > LARGEST:
        raise UserError(f"{path}: larger than {LARGEST >> 20} MiB, which no module is")
    return data


def depends(path: Path) -> tuple[str, ...]:
    """The modules that a module needs, from its own .modinfo."""
    for line in _modinfo(path.read_bytes()):
        if line.startswith(b"depends="):
            return tuple(name for name in line[8:].decode("ascii", "replace").split(",") if name)
    return ()


def vermagic(path: Path) -> str:
    """What the kernel compares before it loads a module."""
    return next((line[9:].decode("ascii", "replace") for line in _modinfo(path.read_bytes()) if line.startswith(b"vermagic=")), "")


def _modinfo(data: bytes) -> Iterator[bytes]:
    """The strings of an ELF file's section .modinfo (both word sizes and byte orders)."""
    if data[:4] != b"\x7fELF" or len(data) < 64:
        raise UserError("not an ELF file: no kernel module")
    wide, order = data[4] == 2, "<" if data[5] == 1 else ">"
    try:
        (table,) = struct.unpack_from(order + ("Q" if wide else "I"), data, 40 if wide else 32)
        size, count, names = struct.unpack_from(order + "HHH", data, 58 if wide else 46)
        where = 24 if wide else 16
        form = order + ("QQ" if wide else "II")
        rows = [
            (struct.unpack_from(order + "I", data, table + n * size)[0], *struct.unpack_from(form, data, table + n * size + where))
            for n in range(count)
        ]
        strings = rows[names][1]
    except (struct.error, IndexError) as error:
        raise UserError("a damaged ELF file: no kernel module") from error
    for name, offset, length in rows:
        if data[strings + name : strings + name + 9] == b".modinfo\0":
            yield from data[offset : offset + length].split(b"\0")

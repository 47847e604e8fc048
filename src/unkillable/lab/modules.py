"""Modules of a kernel: which to load, in which order, uncompressed.  The guest has no modprobe."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path

import msgspec

from unkillable.errors import UserError
from unkillable.lab import arch, modinfo
from unkillable.lab.cache import digest, entry
from unkillable.lab.kernels import Kernel
from unkillable.lab.unpack import DAMAGED, whole
from unkillable.versions import within

LARGEST = 64 << 20
"""Bytes of an uncompressed module; the largest of Debian's that the lab could load has 3 MB."""
_LARGEST_TEXT = 8 << 20
"""Bytes of a configuration or of a list of modules; Debian's have 0.3 MB."""
_DEEPEST = 32
"""Dependencies of dependencies."""

_ON_DEMAND: tuple[tuple[str, tuple[str, ...], str | None], ...] = (
    # Compression through the crypto API until its own backends of 6.12: the algorithm is asked for when a size is set.
    ("zram", ("crypto-lzo-rle", "crypto-lz4", "crypto-zstd"), "6.12"),
    # Checksums of metadata, through the crypto API until 6.14; also where ext4 is built in, and its softdep not to be read.
    ("ext4", ("crypto-crc32c",), "6.14"),
)
"""Module, what it asks the kernel to load only when it is used (request_module), and the release from which it does not."""
_ENDINGS = ("", "_generic")
"""What file names of crypto modules add to the algorithm's."""
_OPTIONS = {
    "virtio_pci": "CONFIG_VIRTIO_PCI", "virtio_mmio": "CONFIG_VIRTIO_MMIO", "virtio_blk": "CONFIG_VIRTIO_BLK",
    "squashfs": "CONFIG_SQUASHFS", "ext4": "CONFIG_EXT4_FS", "erofs": "CONFIG_EROFS_FS", "zram": "CONFIG_ZRAM",
}  # fmt: skip
"""Modules and the options that build them."""
_CONSOLES = {"ttyS0": "CONFIG_SERIAL_8250_CONSOLE", "ttyAMA0": "CONFIG_SERIAL_AMBA_PL011_CONSOLE"}


class ModuleFile(msgspec.Struct, frozen=True):
    """A module as the guest loads it."""

    name: str
    """With underscores, as the kernel shows it."""
    path: Path
    """Uncompressed."""


def plan(kernel: Kernel, wanted: Sequence[str]) -> tuple[ModuleFile, ...]:
    """The wanted modules and all they need, dependencies first; what is built in is left out."""
    check(kernel)
    found: dict[str, ModuleFile] = {}
    for name in wanted:
        if not has(kernel, name):
            raise UserError(f"{kernel.release}: has no {name}, which the lab needs: {_why_not(kernel, name)}")
        for on_demand in _on_demand(kernel, name):
            _add(kernel, on_demand, found)
        _add(kernel, name, found)
    return tuple(found.values())


def check(kernel: Kernel) -> None:
    """An error for a kernel that the lab could neither start nor hear, as far as its configuration is known."""
    row = arch.find(kernel.arch)
    needs = [
        (_CONSOLES[row.console], f"a console on {row.console}"),
        ("CONFIG_BLK_DEV_INITRD", "an initramfs"),
    ]
    if any("pci-serial" in word for word in row.port):
        needs.append(("CONFIG_SERIAL_8250_PCI", "a serial port on PCI, where the guest's watcher reports"))
    for option, what in needs:
        if config_value(kernel, option) not in (None, "y"):
            raise UserError(f"{kernel.release}: was built without {what}; the lab needs {option}=y")


def has(kernel: Kernel, name: str) -> bool:
    """Whether a kernel has something as a module or built in.  Where neither its configuration nor the list of what is
    built in is known, it is believed to."""
    name = _canonical(name)
    if name in _files(kernel) or name in _builtin(kernel):
        return True
    option = _OPTIONS.get(name)
    configured = config_value(kernel, option) if option else None
    if configured is not None:
        return configured == "y"
    return not _builtin(kernel)


def config_value(kernel: Kernel, option: str) -> str | None:
    """`y`, `m` or a value of CONFIG_...; `n` where it is not set, None where the configuration is not known."""
    if kernel.config is None:
        return None
    name = option if option.startswith("CONFIG_") else f"CONFIG_{option}"
    return _options(kernel.config, kernel.config.stat().st_mtime_ns).get(name, "n")


def info(path: Path) -> modinfo.ModInfo:
    """What a module file, compressed or not, says of itself."""
    try:
        return modinfo.read(_content(path))
    except ValueError as error:
        raise UserError(f"{path}: {error}") from error


def _why_not(kernel: Kernel, name: str) -> str:
    option = _OPTIONS.get(_canonical(name))
    if option is None or kernel.config is None:
        return f"neither built in nor in {kernel.modules}"
    if config_value(kernel, option) != "m":
        return f"{option} is not set"
    if kernel.modules is None:
        return f"{option}=m, and no modules were given; say where they are with --modules DIR"
    return f"{option}=m, and it is not in {kernel.modules}"


def _on_demand(kernel: Kernel, name: str) -> Iterator[str]:
    for user, asked, until in _ON_DEMAND:
        if user == _canonical(name) and within(kernel.version, None, until):
            yield from asked


def _add(kernel: Kernel, name: str, found: dict[str, ModuleFile], depth: int = 0) -> None:
    """Adds a module after those that it needs.  What is no file is built in, or an alias that some built-in answers to."""
    name = _file_name(kernel, name)
    if name in found or name not in _files(kernel) or depth > _DEEPEST:
        return
    path = _uncompressed(_files(kernel)[name])
    said = info(path)
    for other in (*said.softdeps, *said.depends):
        _add(kernel, other, found, depth + 1)
    found.setdefault(name, ModuleFile(name, path))


def _file_name(kernel: Kernel, name: str) -> str:
    """The module that a name, or an alias of the crypto API, stands for."""
    bare = _canonical(name).removeprefix("crypto_")
    return next((bare + ending for ending in _ENDINGS if bare + ending in _files(kernel)), bare)


def _canonical(name: str) -> str:
    return name.replace("-", "_")


def _files(kernel: Kernel) -> Mapping[str, Path]:
    return _modules_in(kernel.modules) if kernel.modules else {}


@cache
def _modules_in(folder: Path) -> Mapping[str, Path]:
    """Name to file.  Those of the kernel itself win over what was added later (updates/, extra/)."""
    paths = sorted(folder.rglob("*.ko*"), key=lambda path: "kernel" in path.relative_to(folder).parts[:1])
    named = ((re.fullmatch(r"(.+)\.ko(?:\.xz|\.zst|\.gz)?", path.name), path) for path in paths)
    return {_canonical(match[1]): path for match, path in named if match and path.is_file()}


def _builtin(kernel: Kernel) -> frozenset[str]:
    """Names of what could be a module and is not.  From 6.16 on the list is in the package of the configuration."""
    folders = (kernel.modules, kernel.config.parent if kernel.config else None)
    lists = (folder / "modules.builtin" for folder in folders if folder)
    return next((_listed(path) for path in lists if path.is_file()), frozenset())


@cache
def _listed(path: Path) -> frozenset[str]:
    return frozenset(_canonical(Path(line).name.removesuffix(".ko")) for line in _text(path).splitlines())


@cache
def _options(path: Path, _changed: int) -> Mapping[str, str]:
    return {
        name: value.strip('"')
        for name, value in re.findall(r"^(CONFIG_\w+)=(.*)$", _text(path), re.MULTILINE)
    }


def _text(path: Path) -> str:
    with path.open("rb") as file:
        return file.read(_LARGEST_TEXT).decode("ascii", "replace")


def _uncompressed(path: Path) -> Path:
    if path.suffix == ".ko":
        return path
    status = path.stat()
    key = f"{path.name.partition('.')[0]}-{digest(path, status.st_size, status.st_mtime_ns)}.ko"
    return entry("module", key, lambda made: _write(made, _content(path)))


def _write(path: Path, data: bytes) -> None:
    path.write_bytes(data)


def _content(path: Path) -> bytes:
    with path.open("rb") as file:
        packed = file.read(LARGEST + 1)
    try:
        data = whole(packed, LARGEST)
    except DAMAGED as error:
        raise UserError(f"{path}: damaged: {error}") from error
    if data is None:
        raise UserError(f"{path}: larger than {LARGEST >> 20} MiB, which no module is")
    return data

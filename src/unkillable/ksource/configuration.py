"""A kernel's `.config`: which symbols are set, and to what."""

from __future__ import annotations

import re
import zlib
from pathlib import Path

from unkillable.errors import UserError

__all__ = ["Configuration", "read"]

LARGEST = 8 << 20
"""Bytes; a configuration with everything in it has 400 KiB."""

_SET = re.compile(r"^CONFIG_(\w{1,200})=(.*)$", re.MULTILINE)
_MADE = re.compile(r"^# *Automatically generated", re.MULTILINE)
_GZIP = b"\x1f\x8b"
_PREFIX = "CONFIG_"
_ARCHES = {
    "X86": "x86", "ARM64": "arm64", "ARM": "arm", "MIPS": "mips", "RISCV": "riscv", "PPC": "powerpc", "S390": "s390",
    "LOONGARCH": "loongarch", "SPARC": "sparc", "PARISC": "parisc", "M68K": "m68k", "ARC": "arc", "XTENSA": "xtensa",
    "SUPERH": "sh", "ALPHA": "alpha", "CSKY": "csky", "MICROBLAZE": "microblaze", "NIOS2": "nios2", "OPENRISC": "openrisc",
    "HEXAGON": "hexagon", "IA64": "ia64", "UML": "um",
}  # fmt: skip
"""The symbol that each architecture's Kconfig sets."""


class Configuration:
    """Symbols and their values.  A symbol may be given with or without CONFIG_."""

    def __init__(self, text: str, name: str) -> None:
        """Raises UserError if no symbol is set."""
        self.name = name
        self.values = {match[1]: match[2].strip() for match in _SET.finditer(text)}
        if not self.values:
            raise UserError(f"{name}: no kernel configuration: no line of it begins with CONFIG_NAME=")

    def value(self, symbol: str) -> str:
        """As it is written: y, m, a number, a string in quotes; "" if it is not set."""
        return self.values.get(symbol.removeprefix(_PREFIX), "")

    @property
    def arch(self) -> str | None:
        """The directory below arch/ that it is for; None if it does not say."""
        return next((name for symbol, name in _ARCHES.items() if self.value(symbol) == "y"), None)

    def enabled(self, symbol: str) -> bool:
        """Whether it is built in, a module, or has a value."""
        return self.value(symbol) not in ("", "n")

    def builtin(self, symbol: str) -> bool:
        """Whether C code sees the symbol itself defined, which that of a module is not."""
        return self.enabled(symbol) and not self.module(symbol)

    def module(self, symbol: str) -> bool:
        return self.value(symbol) == "m"


def read(path: Path) -> Configuration:
    """A file as it lies in a build directory, in /boot, or as /proc/config.gz.  Raises UserError."""
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST + 1)
    except OSError as error:
        raise UserError(f"{path}: cannot read the configuration: {error.strerror}") from error
    if data.startswith(_GZIP):
        data = _unpacked(path, data)
    if len(data) > LARGEST:
        raise UserError(f"{path}: no kernel configuration: larger than {LARGEST >> 20} MiB")
    text = data.decode("utf-8", "replace").replace("\r\n", "\n")
    found = Configuration(text, path.name)
    if not _MADE.search(text):
        # What a defconfig or a fragment does not name is set by Kconfig; here it would count as not set.
        raise UserError(
            f"{path}: no whole configuration, as its first lines do not say that it was generated; "
            "`make olddefconfig` makes one of a defconfig or a fragment"
        )
    return found


def _unpacked(path: Path, data: bytes) -> bytes:
    try:
        return zlib.decompressobj(wbits=31).decompress(data, LARGEST + 1)
    except zlib.error as error:
        raise UserError(f"{path}: damaged gzip file") from error

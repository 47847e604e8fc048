"""What a kernel module says of itself: the strings of its ELF section .modinfo, of both word sizes and byte orders."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator

import msgspec

_DAMAGED = "a damaged ELF file: no kernel module"


class ModInfo(msgspec.Struct, frozen=True):
    depends: tuple[str, ...]
    """Modules whose symbols it uses."""
    softdeps: tuple[str, ...]
    """What it asks for while it is loaded (`softdep: pre:`): modules, or aliases such as `crypto-crc32c`."""
    vermagic: str
    """What the kernel compares before it loads a module."""


def read(data: bytes) -> ModInfo:
    """From the content of an uncompressed .ko; ValueError where it is none."""
    fields: dict[str, list[str]] = {}
    for text in _section(data, b".modinfo").split(b"\0"):
        name, _, value = text.decode("ascii", "replace").partition("=")
        fields.setdefault(name, []).append(value)
    depends = ",".join(fields.get("depends", ())).split(",")
    before = (
        part
        for value in fields.get("softdep", ())
        for part in re.findall(r"pre:((?:\s+[^\s:]+(?!\S))+)", value)
    )
    return ModInfo(
        depends=tuple(name for name in depends if name),
        softdeps=tuple(name for part in before for name in part.split()),
        vermagic="".join(fields.get("vermagic", ())[:1]).strip(),
    )


def _section(data: bytes, wanted: bytes) -> bytes:
    if data[:4] != b"\x7fELF" or len(data) < 64:
        raise ValueError("not an ELF file: no kernel module")
    wide, order = data[4] == 2, "<" if data[5] == 1 else ">"
    try:
        (table,) = struct.unpack_from(order + ("Q" if wide else "I"), data, 40 if wide else 32)
        size, count, names = struct.unpack_from(order + "HHH", data, 58 if wide else 46)
        rows = list(_rows(data, order, wide, range(table, table + size * count, size or 1)))
        strings = rows[names][1]
    except (struct.error, IndexError, ValueError) as error:
        raise ValueError(_DAMAGED) from error
    for name, offset, length in rows:
        if data[strings + name : strings + name + len(wanted) + 1] == wanted + b"\0":
            return data[offset : offset + length]
    raise ValueError("an ELF file without .modinfo: no kernel module")


def _rows(data: bytes, order: str, wide: bool, places: range) -> Iterator[tuple[int, int, int]]:
    """(name, offset, size) of each section."""
    form, where = (order + "QQ", 24) if wide else (order + "II", 16)
    for place in places:
        (name,) = struct.unpack_from(order + "I", data, place)
        offset, length = struct.unpack_from(form, data, place + where)
        yield name, offset, length

"""As much of the ELF format as tells what a kernel module was made of; both word sizes, both byte orders."""

from __future__ import annotations

import struct
from pathlib import Path

import msgspec

from unkillable.errors import UserError

_LARGEST = 64 << 20
"""Bytes; the largest module of Debian's that the lab could load has 3 MB."""
_STT_FILE = 4
_SYMBOL = {True: ("IBBHQQ", 1), False: ("IIIBBH", 3)}
"""Layout of a symbol, and where its type is."""


class Elf(msgspec.Struct, frozen=True):
    wide: bool
    order: str
    """As of struct."""
    sections: dict[str, bytes]

    @classmethod
    def read(cls, path: Path) -> Elf:
        with path.open("rb") as file:
            data = file.read(_LARGEST + 1)
        if len(data) > _LARGEST or data[:4] != b"\x7fELF":
            raise UserError(f"{path}: not a kernel module")
        wide, order = data[4] == 2, "<" if data[5] == 1 else ">"
        try:
            return cls(wide, order, _sections(data, wide, order))
        except (struct.error, IndexError) as error:
            raise UserError(f"{path}: a damaged ELF file") from error

    def source_files(self) -> set[str]:
        """Names of the files that were compiled into it, from its symbol table."""
        table, names = self.sections.get(".symtab", b""), self.sections.get(".strtab", b"")
        layout, kind = _SYMBOL[self.wide]
        each = struct.Struct(self.order + layout)
        rows = each.iter_unpack(table[: len(table) // each.size * each.size])
        return {_text(names, row[0]) for row in rows if row[kind] & 15 == _STT_FILE}

    def symbol_sums(self) -> dict[str, int]:
        """Symbols that it takes from the kernel, with the checksums of their types; none without CONFIG_MODVERSIONS."""
        table = self.sections.get("__versions", b"")
        width = 8 if self.wide else 4
        each = struct.Struct(self.order + ("Q" if self.wide else "I") + f"{64 - width}s")
        rows = each.iter_unpack(table[: len(table) // each.size * each.size])
        return {name.partition(b"\0")[0].decode("ascii", "replace"): value for value, name in rows}


def _sections(data: bytes, wide: bool, order: str) -> dict[str, bytes]:
    (table,) = struct.unpack_from(order + ("Q" if wide else "I"), data, 40 if wide else 32)
    size, count, names = struct.unpack_from(order + "HHH", data, 58 if wide else 46)
    form = struct.Struct(order + "II" + ("QQQQ" if wide else "IIII"))
    rows = [form.unpack_from(data, table + index * size) for index in range(count)]
    strings = data[rows[names][4] : rows[names][4] + rows[names][5]]
    return {_text(strings, row[0]): data[row[4] : row[4] + row[5]] for row in rows}


def _text(strings: bytes, offset: int) -> str:
    return strings[offset : strings.find(b"\0", offset)].decode("ascii", "replace")

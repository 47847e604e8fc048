"""Configurations of kernels: fragments, what came out of them, and what a version knows."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import msgspec

from unkillable.errors import UserError

_LARGEST = 4 << 20
"""Bytes of a configuration; a distribution's has 0.3 MiB."""
_SET = re.compile(r"CONFIG_(\w+)=(y|m|n|-?\d+|0[xX][0-9a-fA-F]+|\"(?:[^\"\\]|\\.)*\")")
_UNSET = re.compile(r"# CONFIG_(\w+) is not set")
_ENTRY = re.compile(r"^[ \t]*(?:menu)?config[ \t]+(\w+)[ \t]*(?:#.*)?$((?:\n(?:[ \t].*)?)*)", re.MULTILINE)
_DEPENDS = re.compile(r"^[ \t]+depends on[ \t]+(.+)$", re.MULTILINE)
_SELECT = re.compile(r"^[ \t]+(?:select|imply)[ \t]+(\w+)", re.MULTILINE)


class Symbol(msgspec.Struct, frozen=True):
    """What the Kconfig files say of an option."""

    depends: tuple[str, ...]
    selected_by: tuple[str, ...]


class Missed(msgspec.Struct, frozen=True):
    """An option that did not come out as a fragment has it."""

    name: str
    wanted: str
    got: str

    def told(self, symbols: Mapping[str, Symbol]) -> str:
        symbol = symbols.get(self.name)
        if symbol is None:
            return f"CONFIG_{self.name}={self.wanted}: not known to this version"
        hints = [f"depends on {' && '.join(symbol.depends)}"] if symbol.depends else []
        hints += [f"selected by {', '.join(symbol.selected_by[:3])}"] if symbol.selected_by else []
        hint = f" ({'; '.join(hints)})"[:200] if hints else ""
        return f"CONFIG_{self.name}={self.wanted}: came out as {self.got}{hint}"


def read(path: Path) -> dict[str, str]:
    """Option (without CONFIG_) to value; `n` for one that is not set.  A line of another form is an error."""
    if not path.is_file():
        raise UserError(f"{path}: no such configuration")
    with path.open("rb") as file:
        text = file.read(_LARGEST + 1).decode(errors="replace")
    if len(text) > _LARGEST:
        raise UserError(f"{path}: larger than {_LARGEST >> 20} MiB, which no configuration is")
    found: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        line = line.strip()
        if match := _SET.fullmatch(line):
            found[match[1]] = match[2]
        elif match := _UNSET.fullmatch(line):
            found[match[1]] = "n"
        elif line and not line.startswith("#"):
            raise UserError(
                f"{path}, line {number}: `{line[:60]}` is neither CONFIG_NAME=value nor # CONFIG_NAME is not set"
            )
    return found


def write(options: Mapping[str, str]) -> str:
    """The lines of a configuration."""
    return "".join(
        f"# CONFIG_{name} is not set\n" if value == "n" else f"CONFIG_{name}={value}\n"
        for name, value in options.items()
    )


def missed(wanted: Mapping[str, str], got: Mapping[str, str]) -> list[Missed]:
    """What did not stick.  An option that is not in a .config is not set."""
    return [
        Missed(name, value, got.get(name, "n"))
        for name, value in wanted.items()
        if got.get(name, "n") != value
    ]


def symbols(tree: Path, names: set[str]) -> dict[str, Symbol]:
    """What the Kconfig files of a kernel say of some options; one that none of them defines is left out."""
    depends: dict[str, list[str]] = {}
    selected: dict[str, list[str]] = {}
    for path in sorted(tree.rglob("Kconfig*")):
        if not path.is_file():
            continue
        with path.open("rb") as file:
            text = file.read(_LARGEST).decode(errors="replace")
        for name, body in _ENTRY.findall(text):
            if name in names:
                depends.setdefault(name, []).extend(_DEPENDS.findall(body))
            for target in _SELECT.findall(body):
                if target in names:
                    selected.setdefault(target, []).append(name)
    return {
        name: Symbol(tuple(dict.fromkeys(lines)), tuple(dict.fromkeys(selected.get(name, ()))))
        for name, lines in depends.items()
    }

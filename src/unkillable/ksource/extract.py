"""From a file's text to its facts."""

from __future__ import annotations

import re
from collections.abc import Iterable

import numpy as np

from unkillable.ksource import blocks, handed
from unkillable.ksource.blocks import Block
from unkillable.ksource.facts import ASKS, HANDED, HEADER, MACRO, OPEN, STATIC, Facts
from unkillable.ksource.text import Text

# Backwards, from the parenthesis: a literal is found at once, and a word before it need not be tried at each of its letters.
_CALL = re.compile(r"\(\s*+(\w++)(?:\s*+(?:>-|\.)\s*+(\w++)?)?")
_KEYWORDS = frozenset(
    "if while for switch return sizeof typeof __typeof__ defined do else case goto _Static_assert static_assert alignof "
    "__alignof__ asm __asm__ volatile __attribute__ struct union enum const void int long char unsigned u8 u16 u32 u64 bool".split()
)
_VALUE = re.compile(r"(?:\.|->)\s*+(\w++)(?:\[\w*\])?\s*+=\s*+&?\s*+([A-Za-z_]\w*+)\s*+(?:[,;}]|\Z)")
_LOADED = re.compile(r";\s*+(\w++)\s*+(?:>-|\.)\s*+(\w++)(?:\s*+(?:>-|\.)\s*+\w++)*+\s*+=\s*+(\w++)")
"""A variable that is a member, backwards: get_block_t *get_block = args->get_block;"""
_DECLARED = re.compile(r"\bstruct\s+(\w+)[\s*]+(?:const\s+|__\w+\s+)*+(\w+)")
_POINTER = re.compile(r"\(\s*+\*\s*+(?:const\s+)?(\w++)\s*+(?:\[\w*\])?\)\s*+\(")
_DEFINE = re.compile(r"\s*+(\w++)(\()?")
_ALIAS = re.compile(r"\s*+([A-Za-z_]\w*+)\s*+\Z")
_SKIP = re.compile(rb"[{]|#[ \t]*define[ \t]+\w+(?:\(|[ \t]+[A-Za-z_])")


def extract(source: bytes, header: bool) -> Facts:
    """Everything that is looked for in one file."""
    if not _SKIP.search(source):
        return Facts((), b"", b"", b"", b"", b"", b"", ())
    return _Extraction(Text(source), header).facts()


class _Extraction:
    def __init__(self, text: Text, header: bool) -> None:
        self.text = text
        self.flags = HEADER if header else 0
        self.names: dict[str, int] = {"": 0}
        self.functions: list[tuple[int, int, int, int, int]] = []
        self.calls: list[tuple[int, int, int]] = []
        self.members: list[tuple[int, int, int, int, int]] = []
        self.values: list[tuple[int, int, int, int]] = []
        self.fields: list[tuple[int, int, int, int]] = []
        self.handed: list[tuple[int, int, int, int, int]] = []

    def facts(self) -> Facts:
        for block in blocks.blocks(self.text):
            self._block(block)
        for macro in self.text.macros:
            self._macro(macro.at, macro.rest)
        self._places()
        return Facts(
            names=tuple(self.names),
            functions=_packed(self.functions),
            calls=_packed(self.calls),
            members=_packed(self.members),
            values=_packed(self.values),
            fields=_packed(self.fields),
            handed=_packed(self.handed),
            conditions=self._conditions(),
        )

    def _name(self, name: str) -> int:
        return self.names.setdefault(name, len(self.names))

    def _places(self) -> None:
        """Offsets to lines, all of a table at once."""
        starts = self.text.starts
        for table, column in (
            (self.calls, 2),
            (self.members, 3),
            (self.values, 3),
            (self.functions, 1),
            (self.handed, 4),
        ):
            if table:
                lines = np.searchsorted(starts, [row[column] for row in table], side="right") + 1
                table[:] = [
                    (*row[:column], line, *row[column + 1 :])
                    for row, line in zip(table, lines.tolist(), strict=True)
                ]

    def _block(self, block: Block) -> None:
        head = blocks.function(block.head)
        if head is not None:
            static = STATIC if "static" in block.head.split() else 0
            end = min(block.close + 1, len(self.text.code))
            asks = _asks(self.text.code, block.open, end)
            left = OPEN if block.close == len(self.text.code) else 0
            self._function(head.name, block.at + head.at, block.at, end, static | asks | left | self.flags)
            self._body(block, head.parameters)
            return
        tag = blocks.type_name(block.head)
        if tag is not None:
            self._members_of(tag, self.text.code[block.open + 1 : block.close])
            return
        variable = blocks.variable(block.head)
        if variable is not None:
            self._stored(block, variable[0])

    def _function(self, name: str, named: int, at: int, end: int, flags: int) -> None:
        self.functions.append((self._name(name), named, at, end, flags))

    def _body(self, block: Block, parameters: str) -> None:
        code = self.text.code[block.open : block.close]
        backwards = code[::-1]
        declared: dict[str, str] | None = None
        row, end = len(self.functions) - 1, block.close
        plain: dict[str, int] = {}
        through: dict[tuple[str, str], int] = {}
        for match in _CALL.finditer(backwards):
            name, reached = match[1][::-1], match[2]
            if reached is not None or match[0][-1] in ".>-":
                through[(reached[::-1] if reached else "", name)] = end - match.end(1)
            elif name not in _KEYWORDS:
                plain[name] = end - match.end(1)
        if any(f"{name} =" in code for name in plain):
            for member, reached, variable in _LOADED.findall(backwards):
                if variable[::-1] in plain:
                    through[reached[::-1], member[::-1]] = plain.pop(variable[::-1])
        given = handed.pointers(parameters)
        if given:
            plain |= dict.fromkeys(sorted(handed.called(code, given) - plain.keys()), block.open)
        named = {name: f"{HANDED}{position}" for name, position in given.items()}
        self.calls += [(row, self._name(named.get(name, name)), at) for name, at in plain.items()]
        for to, position, name, at in handed.handed(code, backwards, given):
            handed_on = self._name(named.get(name, name))
            self.handed.append((row, self._name(to), position, handed_on, block.open + at))
        if through:
            declared = {name: kind for kind, name in _DECLARED.findall(f"{parameters};{code}")}
            for (reached, name), at in through.items():
                kind = self._name(declared.get(reached, ""))
                self.members.append((row, self._name(reached), self._name(name), at, kind))
        if "=" in code:
            self._stored(block, "")

    def _stored(self, block: Block, kind: str) -> None:
        code, offset = self.text.code[block.open : block.close], block.open
        for match in _VALUE.finditer(code):
            self.values.append(
                (self._name(kind), self._name(match[1]), self._name(match[2]), offset + match.start(1))
            )

    def _members_of(self, tag: str, body: str) -> None:
        kind = self._name(tag)
        for match in _POINTER.finditer(body):
            self.fields.append((kind, self._name(match[1]), 0, 1))
        for other, name in _DECLARED.findall(body):
            self.fields.append((kind, self._name(name), self._name(other), 0))

    def _macro(self, at: int, rest: str) -> None:
        match = _DEFINE.match(rest)
        if match is None:
            return
        if not match[2]:
            alias = _ALIAS.match(rest, match.end(1))
            if alias:
                self._function(match[1], at, at, at + len(rest), MACRO | _asks(rest) | self.flags)
                self.calls.append((len(self.functions) - 1, self._name(alias[1]), at))
            return
        close = rest.find(")", match.end())
        body = rest[close + 1 :] if close >= 0 else ""
        self._function(match[1], at, at, at + len(rest), MACRO | _asks(rest) | self.flags)
        row = len(self.functions) - 1
        parameters = [one.strip() for one in rest[match.end() : close].split(",")]
        for call in dict.fromkeys(_CALL.findall(body[::-1])):
            name = call[0][::-1]
            if call[1]:
                self.members.append((row, self._name(call[1][::-1]), self._name(name), at, 0))
            elif name in parameters:
                self.calls.append((row, self._name(HANDED), at))
                self.calls.append((row, self._name(f"{HANDED}{parameters.index(name)}"), at))
            elif name not in _KEYWORDS:
                self.calls.append((row, self._name(name), at))

    def _conditions(self) -> tuple[tuple[int, str, str], ...]:
        if not any("CONFIG_" in one.rest for one in self.text.conditions):
            return ()
        return tuple((self.text.line(one.at), one.name, one.rest.strip()) for one in self.text.conditions)


def _asks(code: str, begin: int = 0, end: int | None = None) -> int:
    return ASKS if code.find("GFP_", begin, end) >= 0 or code.find("gfp", begin, end) >= 0 else 0


def _packed(rows: Iterable[tuple[int, ...]]) -> bytes:
    return np.array(list(rows), np.int32).tobytes()

"""C source as a lexer sees it, without moving a character: comments, literals and directives become blanks.

Nothing is preprocessed: both sides of an #if are kept, a macro's call stays a call.  Offsets into the result are offsets
into the file, so a line number is right whatever was blanked before it.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

# One set of first characters, then what kind it is: twice as fast as three alternatives, and possessive so that no file
# can make it slow.
_NOISE = re.compile(
    r"""[/"'](?:"""
    r"""(?<=/)(?:/(?:[^\\\n]|\\.)*+|\*[^*]*+(?:\*(?!/)[^*]*+)*+(?:\*/|\Z))"""
    r"""|(?<=")(?:[^"\\\n]|\\.)*+"?"""
    r"""|(?<=')(?:[^'\\\n]|\\.)*+'?)""",
    re.DOTALL,
)
_DIRECTIVE = re.compile(r"\n[ \t]*+\#[ \t]*+(\w++)((?:[^\n\\]|\\.)*+)", re.DOTALL)
_NEWLINE = 10
_LINE = re.compile(r"[^\n]+")
_CONDITIONS = frozenset("if ifdef ifndef elif else endif".split())


class Directive(NamedTuple):
    """A preprocessor line, continuation lines included."""

    at: int
    """Offset of the beginning of its line."""
    name: str
    """define, if, endif, ..."""
    rest: str
    """What follows the name; comments and literals are blanks."""


class Text:
    """One file: `code` is the C proper, as long as the file; `macros` are its #define, `conditions` its #if to #endif."""

    def __init__(self, source: bytes, without: Sequence[tuple[int, int]] = ()) -> None:
        """Any bytes: what is no C comes out as odd code, never as an error.  `without` are lines, from one to another, that become
        blanks too."""
        self.source = source
        self.macros: list[Directive] = []
        self.conditions: list[Directive] = []
        # The newline before is what a directive's pattern begins with: a literal is found twenty times faster than ^.
        code = "\n" + _NOISE.sub(_blank, source.decode("latin-1"))
        if "#" in code:
            code = _DIRECTIVE.sub(self._directive, code)
        self.code = code[1:]
        if without:
            self._drop(without)

    def _directive(self, match: re.Match[str]) -> str:
        name = match[1]
        if name == "define":
            self.macros.append(Directive(match.start(), name, match[2]))
        elif name in _CONDITIONS:
            self.conditions.append(Directive(match.start(), name, match[2]))
        return _blank(match)

    def _drop(self, ranges: Iterable[tuple[int, int]]) -> None:
        starts = [0, *self.starts.tolist(), len(self.code)]
        for first, last in ranges:
            begin, end = starts[min(first, len(starts)) - 1], starts[min(last, len(starts) - 1)]
            blanks = _LINE.sub(lambda match: " " * len(match[0]), self.code[begin:end])
            self.code = self.code[:begin] + blanks + self.code[end:]
            self.macros = [one for one in self.macros if not begin <= one.at < end]

    @cached_property
    def starts(self) -> NDArray[np.int32]:
        """Offsets of the second line, the third, and so on."""
        return (np.flatnonzero(np.frombuffer(self.source, np.uint8) == _NEWLINE) + 1).astype(np.int32)

    def line(self, at: int) -> int:
        """The line of an offset, counted from 1."""
        return bisect_right(self.starts, at) + 1


def _blank(match: re.Match[str]) -> str:
    text = match[0]
    if "\n" not in text:
        return " " * len(text)
    return "\n".join([" " * len(line) for line in text.split("\n")])

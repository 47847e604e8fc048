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
_SAME_LINE = "\v"
"""Stands for the end of a line in a comment or literal until the directives are found: they go on behind it."""
_DIRECTIVE = re.compile(r"\n([ \t\v]*+)\#[ \t\v]*+(\w++)((?:[^\n\\]|\\.)*+)", re.DOTALL)
_CONFLICT = re.compile(r"\n(<<<<<<<|\|{7}|=======|>>>>>>>)(?![^ \r\n])[^\n]*+")
_SIDES = {"<<<<<<<": "if", "|||||||": "else", "=======": "else", ">>>>>>>": "endif"}
"""What git leaves of a merge: both sides are code, as those of an #if are."""
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
    """What follows the name, on as many lines as it is written on; comments and literals are blanks."""


class Text:
    """One file: `code` is the C proper, as long as the file; `macros` are its #define, `conditions` its #if to #endif."""

    def __init__(self, source: bytes, without: Sequence[tuple[int, int]] = ()) -> None:
        """Any bytes: what is no C comes out as odd code, never as an error.  `without` are lines, from one to another, that become
        blanks too."""
        self.source = source
        # What is said with _SAME_LINE must not be there before; a backslash also joins lines that end in \r\n.
        readable = source.replace(b"\v", b" ").replace(b"\\\r\n", b" \\\n").decode("latin-1")
        self.macros: list[Directive] = []
        self.conditions: list[Directive] = []
        # The newline before is what a directive's pattern begins with: a literal is found twenty times faster than ^.
        if "\n<<<<<<< " in readable:
            readable = _CONFLICT.sub(self._conflict, "\n" + readable)[1:]
        code = "\n" + _NOISE.sub(_noise, readable)
        if "#" in code:
            code = _DIRECTIVE.sub(self._directive, code)
        self.conditions.sort()
        self.code = code[1:].replace(_SAME_LINE, "\n")
        if without:
            self._drop(without)

    def _directive(self, match: re.Match[str]) -> str:
        name = match[2]
        # A comment of several lines may stand before the #, on the same line as far as C is concerned.
        at = match.start() + match[1].rfind(_SAME_LINE) + 1
        if name == "define":
            self.macros.append(Directive(at, name, match[3].replace(_SAME_LINE, "\n")))
        elif name in _CONDITIONS:
            self.conditions.append(Directive(at, name, match[3].replace(_SAME_LINE, "\n")))
        return _blank(match[0].replace(_SAME_LINE, "\n"), "\n")

    def _conflict(self, match: re.Match[str]) -> str:
        self.conditions.append(Directive(match.start(), _SIDES[match[1]], ""))
        return "\n" + _blank(match[0][1:], "")

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


def _noise(match: re.Match[str]) -> str:
    return _blank(match[0], _SAME_LINE)


def _blank(text: str, end: str) -> str:
    """As many blanks; `end` takes the place of the ends of lines."""
    if "\n" not in text:
        return " " * len(text)
    return end.join([" " * len(line) for line in text.split("\n")])

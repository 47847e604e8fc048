"""Calls in a piece of C, with their arguments."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

_CALL = re.compile(r"(?:(\w++)\s*+(->|\.)\s*+|(->|\.)\s*+)?\b([A-Za-z_]\w*+)\s*+\(")
_PARENTHESIS = re.compile(r"[()]")
_BRACKET = re.compile(r"[()\[\]{},]")
_NO_CALL = frozenset("if while for switch return sizeof typeof __typeof__ defined".split())
_MOST = 64 << 10
"""Characters of an argument list; a larger one is a file whose parentheses do not match."""


class Call(NamedTuple):
    name: str
    arguments: tuple[str, ...]
    """As they are written, without the blanks around them."""
    at: int
    """Offset of the name."""
    end: int
    """Offset behind the closing parenthesis."""
    through: str | None
    """None: by its name.  Else the variable or member whose member is called, "" where that is an expression."""


def calls(code: str, offset: int = 0) -> Iterator[Call]:
    """Calls in the order of their names' places, those inside arguments too; `offset` is added to all places.

    An identifier with parentheses is a call, be it a function's, a macro's or a definition's.
    """
    for match in _CALL.finditer(code):
        name = match[4]
        if name in _NO_CALL:
            continue
        inside = closing(code, match.end() - 1)
        if inside is None:
            continue
        through = match[1] if match[2] else "" if match[3] else None
        arguments = tuple(split(code[match.end() : inside]))
        yield Call(name, arguments, offset + match.start(4), offset + inside + 1, through)


def closing(code: str, at: int) -> int | None:
    """Offset of the parenthesis that closes the one at `at`."""
    depth = 0
    for match in _PARENTHESIS.finditer(code, at, at + _MOST):
        depth += 1 if match[0] == "(" else -1
        if depth == 0:
            return match.start()
    return None


def split(arguments: str) -> Iterator[str]:
    """Arguments at the commas outside of all brackets."""
    if not arguments.strip():
        return
    depth, start = 0, 0
    for match in _BRACKET.finditer(arguments):
        if match[0] in "([{":
            depth += 1
        elif match[0] in ")]}":
            depth -= 1
        elif depth == 0:
            yield arguments[start : match.start()].strip()
            start = match.end()
    yield arguments[start:].strip()

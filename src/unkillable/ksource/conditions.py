"""Which lines of a C file a configuration leaves out: #if to #endif, as far as they are about CONFIG_ symbols.

Three answers are possible, and what is not known is kept: a condition about a compiler, an architecture's header or a
debugging macro of a file leaves both sides in.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence

from unkillable.ksource.configuration import Configuration

__all__ = ["evaluate", "left_out"]

Number = int | None
"""The value of an expression; None where it is not known."""

_TOKEN = re.compile(r"[A-Za-z_]\w*+|\d[\w.]*+|\|\||&&|[=!<>]=|<<|>>|\S")
_MOST_TOKENS, _DEEPEST, _LONGEST_NUMBER = 4000, 50, 24
_MASK = (1 << 64) - 1
_PREDEFINED = {
    "__KERNEL__": 1,
    "__ASSEMBLY__": None,
    "__ASSEMBLER__": None,
    "__cplusplus": None,
    "__GENKSYMS__": None,
}
"""What kernel C is compiled with, and (None) without."""


def evaluate(expression: str, configuration: Configuration) -> bool | None:
    """Whether an #if holds; None if that is not known, or if it is no expression."""
    tokens = _TOKEN.findall(expression.replace("\\\n", " ").replace("\\\r\n", " "))
    if len(tokens) > _MOST_TOKENS:
        return None
    try:
        value = _Parser(tokens, configuration).whole()
    except (_UnreadableError, IndexError):
        return None
    return None if value is None else value != 0


def left_out(
    conditions: Iterable[tuple[int, str, str]], configuration: Configuration
) -> tuple[tuple[int, int], ...]:
    """First and last line of each part that is not compiled, in order, not overlapping.

    `conditions` are the directives of one file: line, name, expression.
    """
    found: list[tuple[int, int]] = []
    open_: list[_Branches] = []
    for line, name, expression in conditions:
        if name in _OPENS:
            open_.append(_Branches(line, _OPENS[name](expression, configuration)))
            continue
        if not open_:
            continue
        found += open_[-1].closed(line)
        if name == "endif":
            open_.pop()
        elif name == "elif":
            open_[-1].next(line, evaluate(expression, configuration))
        else:
            open_[-1].next(line, True)
    return _merged(found)


class _Branches:
    """One #if with what has been seen of its branches."""

    def __init__(self, line: int, holds: bool | None) -> None:
        self.taken = False
        """A branch is certainly compiled, so that no later one is."""
        self.next(line, holds)

    def next(self, line: int, holds: bool | None) -> None:
        self.line = line
        self.out = self.taken or holds is False
        self.taken = self.taken or holds is True

    def closed(self, line: int) -> list[tuple[int, int]]:
        return [(self.line + 1, line - 1)] if self.out and line - 1 > self.line else []


def _merged(ranges: list[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    found: list[tuple[int, int]] = []
    for first, last in sorted(ranges):
        if found and first <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], last))
        else:
            found.append((first, last))
    return tuple(found)


def _defined(name: str, configuration: Configuration) -> Number:
    if name.startswith("CONFIG_"):
        base = name.removesuffix("_MODULE")
        if base != name and not configuration.enabled(name):
            return int(configuration.module(base))
        return int(configuration.builtin(name))
    return int(_PREDEFINED[name] is not None) if name in _PREDEFINED else None


def _ifdef(expression: str, configuration: Configuration) -> bool | None:
    names = _TOKEN.findall(expression)
    value = _defined(names[0], configuration) if names else None
    return None if value is None else bool(value)


def _ifndef(expression: str, configuration: Configuration) -> bool | None:
    value = _ifdef(expression, configuration)
    return None if value is None else not value


_OPENS: dict[str, Callable[[str, Configuration], bool | None]] = {
    "if": evaluate,
    "ifdef": _ifdef,
    "ifndef": _ifndef,
}


def _number(text: str) -> Number:
    digits = text.rstrip("uUlL")
    if len(digits) > _LONGEST_NUMBER:
        return None
    try:
        return int(digits, 8) if digits.startswith("0") and digits.isdigit() else int(digits, 0)
    except ValueError:
        return None


def _symbol(name: str, configuration: Configuration) -> Number:
    """A name that stands alone in an expression."""
    if name == "BITS_PER_LONG":
        return 64 if configuration.enabled("64BIT") else 32
    if not name.startswith("CONFIG_"):
        return _PREDEFINED[name] or 0 if name in _PREDEFINED else None
    value = configuration.value(name)
    if value in ("", "n", "m", "y"):
        return _defined(name, configuration)
    return _number(value)


def _reachable(name: str, configuration: Configuration) -> Number:
    """A module can be called by modules only, and which module a file belongs to is not known here."""
    return None if configuration.module(name) else int(configuration.enabled(name))


_MACROS: dict[str, Callable[[str, Configuration], Number]] = {
    "defined": _defined,
    "IS_ENABLED": lambda name, configuration: int(configuration.enabled(name)),
    "IS_BUILTIN": lambda name, configuration: int(configuration.builtin(name)),
    "IS_MODULE": lambda name, configuration: int(configuration.module(name)),
    "IS_REACHABLE": _reachable,
}


def _and(left: Number, right: Number) -> Number:
    if left == 0 or right == 0:
        return 0
    return None if left is None or right is None else 1


def _or(left: Number, right: Number) -> Number:
    if left or right:
        return 1
    return None if left is None or right is None else 0


def _shift(by: Callable[[int, int], int]) -> Callable[[int, int], Number]:
    return lambda left, right: by(left, right) if 0 <= right < 64 else None


_LOGICAL = {"&&": _and, "||": _or}
_ARITHMETIC: dict[str, Callable[[int, int], Number]] = {
    "|": lambda a, b: a | b,
    "^": lambda a, b: a ^ b,
    "&": lambda a, b: a & b,
    "==": lambda a, b: int(a == b),
    "!=": lambda a, b: int(a != b),
    "<": lambda a, b: int(a < b),
    "<=": lambda a, b: int(a <= b),
    ">": lambda a, b: int(a > b),
    ">=": lambda a, b: int(a >= b),
    "<<": _shift(lambda a, b: a << b),
    ">>": _shift(lambda a, b: a >> b),
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1) if b else None,
    "%": lambda a, b: abs(a) % abs(b) * (-1 if a < 0 else 1) if b else None,
}
_LEVELS = (
    ("||",),
    ("&&",),
    ("|",),
    ("^",),
    ("&",),
    ("==", "!="),
    ("<", "<=", ">", ">="),
    ("<<", ">>"),
    ("+", "-"),
    ("*", "/", "%"),
)
_STRENGTH = {name: level for level, names in enumerate(_LEVELS) for name in names}
_SIGNS: dict[str, Callable[[int], int]] = {
    "!": lambda a: int(not a),
    "-": lambda a: -a,
    "+": lambda a: a,
    "~": lambda a: ~a,
}


class _UnreadableError(Exception):
    """No expression, or one too deep to be one of a person's."""


class _Parser:
    """Values while parsing, by strength of operators."""

    def __init__(self, tokens: Sequence[str], configuration: Configuration) -> None:
        self.tokens = [*tokens, ""]
        self.at = 0
        self.deep = 0
        self.configuration = configuration

    def whole(self) -> Number:
        value = self._choice()
        if self.tokens[self.at]:
            raise _UnreadableError
        return value

    def _choice(self) -> Number:
        condition = self._binary(0)
        if self.tokens[self.at] != "?":
            return condition
        self.at += 1
        yes = self._choice_inside()
        self._expect(":")
        no = self._choice_inside()
        if condition is None:
            return yes if yes == no else None
        return yes if condition else no

    def _choice_inside(self) -> Number:
        self.deep += 1
        if self.deep > _DEEPEST:
            raise _UnreadableError
        value = self._choice()
        self.deep -= 1
        return value

    def _binary(self, weakest: int) -> Number:
        left = self._unary()
        while _STRENGTH.get(self.tokens[self.at], -1) >= weakest:
            name = self.tokens[self.at]
            self.at += 1
            right = self._binary(_STRENGTH[name] + 1)
            left = _combined(name, left, right)
        return left

    def _unary(self) -> Number:
        signs = []
        while self.tokens[self.at] in _SIGNS:
            signs.append(_SIGNS[self.tokens[self.at]])
            self.at += 1
        value = self._primary()
        for sign in reversed(signs):
            value = None if value is None else sign(value)
        return value

    def _primary(self) -> Number:
        token = self.tokens[self.at]
        self.at += 1
        if token == "(":  # noqa: S105
            value = self._choice_inside()
            self._expect(")")
            return value
        if token[:1].isdigit():
            return _number(token)
        if token in _MACROS:
            return self._macro(token)
        if not token.isidentifier():
            raise _UnreadableError
        if self.tokens[self.at] == "(":
            self._skip()
            return None
        return _symbol(token, self.configuration)

    def _macro(self, name: str) -> Number:
        """defined X, defined(X), IS_ENABLED(X)."""
        inside = self.tokens[self.at] == "("
        symbol = self.tokens[self.at + 1] if inside else self.tokens[self.at]
        if not symbol.isidentifier():
            raise _UnreadableError
        self.at += 2 if inside else 1
        if inside:
            self._expect(")")
        known = symbol.startswith("CONFIG_") or name == "defined"
        return _MACROS[name](symbol, self.configuration) if known else None

    def _skip(self) -> None:
        """The arguments of a macro that is not known."""
        deep = 0
        while True:
            token = self.tokens[self.at]
            self.at += 1
            deep += {"(": 1, ")": -1}.get(token, 0)
            if not token:
                raise _UnreadableError
            if not deep:
                return

    def _expect(self, token: str) -> None:
        if self.tokens[self.at] != token:
            raise _UnreadableError
        self.at += 1


def _combined(name: str, left: Number, right: Number) -> Number:
    if name in _LOGICAL:
        return _LOGICAL[name](left, right)
    if left is None or right is None:
        return None
    value = _ARITHMETIC[name](left, right)
    return value if value is None or abs(value) <= _MASK else None

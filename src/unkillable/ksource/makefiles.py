"""The variables of a kernel Makefile, as far as they can be known without make.

What a variable holds is text in which two marks may stand: UNKNOWN for text that is not known, and MAYBE behind a word
that is there only under a condition that is not known.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

__all__ = ["MAYBE", "UNKNOWN", "Makefile"]

UNKNOWN, MAYBE = "\0", "\1"

_LARGEST_VALUE = 1 << 18
_BUDGET = 8 << 20
"""Characters that the variables of one Makefile may be expanded to: a few lines can ask for any number."""
_DEEPEST = 30
_INCLUDES = 50

_CONDITION = re.compile(r"\s*(ifeq|ifneq|ifdef|ifndef|else|endif)\b\s*(.*)")
_ASSIGN = re.compile(r"\$\(|\$\{|[(){}]|::?=|\+=|\?=|!=|=|:")
_PREFIX = re.compile(r"\s*(?:(?:override|export|private)\s+)*")
_FUNCTION = re.compile(r"\s*([a-z-]+)\s+(.*)\Z", re.DOTALL)
_QUOTED = re.compile(r"""\s*(?:"([^"]*)"|'([^']*)')\s*(?:"([^"]*)"|'([^']*)')\s*\Z""")

Known = Callable[[str], str | None]
"""What a variable holds that the Makefile does not set; None if that is not known."""


class Makefile:
    """Reads one Makefile and what it includes; any text gives some variables, never an error."""

    def __init__(self, text: str, known: Known, include: Callable[[str], str] = lambda _path: "") -> None:
        self._pieces: dict[str, list[str]] = {}
        self._known, self._include = known, include
        self._budget = _BUDGET
        self._includes = _INCLUDES
        self._deep = 0
        self._open: list[tuple[bool | None, bool | None]] = []
        """Of each condition around a line: whether this branch holds, whether one before it did."""
        self._rule = self._define = False
        self._read(text, 0)

    @property
    def variables(self) -> dict[str, str]:
        return {name: " ".join(pieces) for name, pieces in self._pieces.items()}

    def _read(self, text: str, included: int) -> None:
        for line in _lines(text.replace(UNKNOWN, " ").replace(MAYBE, " ")):
            self._line(line, included)

    def _line(self, line: str, included: int) -> None:
        if self._define:
            self._define = not line.lstrip().startswith("endef")
            return
        if self._rule and line.startswith("\t"):
            return
        condition = _CONDITION.match(line)
        if condition:
            self._condition(condition[1], condition[2])
            return
        if not line.strip():
            return
        self._rule = False
        live = self._live()
        if live is False:
            self._rule = _operator(line)[0] == ":"
            return
        stripped = line.lstrip()
        if stripped.startswith("define "):
            self._define = True
        elif stripped.startswith(("include ", "-include ", "sinclude ")):
            self._included(stripped.partition(" ")[2], included)
        else:
            self._assignment(line, live)

    def _assignment(self, line: str, live: bool | None) -> None:
        operator, at = _operator(line)
        self._rule = operator == ":"
        if not operator or self._rule:
            return
        head = line[:at]
        prefix = _PREFIX.match(head)
        name = self.expand(head[prefix.end() if prefix else 0 :]).strip()
        value = self.expand(line[at + len(operator) :]).strip() if operator != "!=" else UNKNOWN
        if live is None:
            value = _maybe(value)
        elif operator not in ("+=", "?="):
            self._pieces.pop(name, None)
        if operator == "?=" and name in self._pieces:
            return
        pieces = self._pieces.setdefault(name, [])
        pieces.append(value)

    def _included(self, names: str, included: int) -> None:
        if included < _DEEPEST:
            for name in self.expand(names).split():
                self._includes -= 1
                if UNKNOWN not in name and self._includes >= 0:
                    self._read(self._include(name.rstrip(MAYBE)), included + 1)

    def _live(self) -> bool | None:
        states = [holds for holds, _before in self._open]
        if False in states:
            return False
        return None if None in states else True

    def _condition(self, name: str, rest: str) -> None:
        if name == "endif":
            if self._open:
                self._open.pop()
        elif name == "else":
            if not self._open:
                return
            holds, before = self._open.pop()
            before = _either(holds, before)
            again = _CONDITION.match(rest)
            now = self._holds(again[1], again[2]) if again else True
            self._open.append((False if before is True else None if before is None and now else now, before))
        else:
            self._open.append((self._holds(name, rest), False))

    def _holds(self, name: str, rest: str) -> bool | None:
        if name in ("ifdef", "ifndef"):
            value = self._value(self.expand(rest).strip())
            holds = None if UNKNOWN in value or MAYBE in value else bool(value.strip())
        elif name in ("ifeq", "ifneq"):
            holds = self._equal(rest)
        else:
            return None
        return holds if holds is None or name in ("ifdef", "ifeq") else not holds

    def _equal(self, rest: str) -> bool | None:
        quoted = _QUOTED.match(rest)
        if quoted:
            sides = [quoted[1] or quoted[2] or "", quoted[3] or quoted[4] or ""]
        else:
            inside = rest.strip()
            sides = _split(inside[1:-1], 2) if inside.startswith("(") and inside.endswith(")") else []
        if len(sides) != 2:
            return None
        left, right = (self.expand(side).strip() for side in sides)
        return None if UNKNOWN in left + right or MAYBE in left + right else left == right

    def _value(self, name: str) -> str:
        pieces = self._pieces.get(name)
        if pieces is None:
            value = self._known(name)
            return UNKNOWN if value is None else value
        self._budget -= len(pieces)
        return " ".join(pieces) if sum(map(len, pieces)) < _LARGEST_VALUE else UNKNOWN

    def expand(self, text: str) -> str:
        """The text with its variables and functions replaced."""
        if "$" not in text:
            return text
        self._deep += 1
        value = "".join(self._expanded(text)) if self._deep < _DEEPEST else UNKNOWN
        self._deep -= 1
        self._budget -= len(value)
        return value if len(value) < _LARGEST_VALUE and self._budget > 0 else UNKNOWN

    def _expanded(self, text: str) -> Iterator[str]:
        at, size = 0, 0
        while size < _LARGEST_VALUE and self._budget > 0:
            dollar = text.find("$", at)
            if dollar < 0:
                yield text[at:]
                return
            yield text[at:dollar]
            opening = text[dollar + 1 : dollar + 2]
            if opening in ("(", "{"):
                close = _closing(text, dollar + 1)
                if close < 0:
                    break
                part, at = self._reference(text[dollar + 2 : close]), close + 1
            else:
                part, at = ("$" if opening == "$" else UNKNOWN), dollar + 2
            size += len(part)
            yield part
        yield UNKNOWN

    def _reference(self, inside: str) -> str:
        match = _FUNCTION.match(inside)
        if match and match[1] == "if":
            return self._if([self.expand(one) for one in _split(match[2], 3)])
        if match and match[1] in _FUNCTIONS:
            count, function = _FUNCTIONS[match[1]]
            arguments = [self.expand(one) for one in _split(match[2], count)]
            if len(arguments) != count or _growth(arguments) > _LARGEST_VALUE:
                return UNKNOWN
            return function(*arguments)
        if match:
            return UNKNOWN
        name = self.expand(inside)
        if ":" in name and "=" in name:
            name, _, change = name.partition(":")
            old, _, new = change.partition("=")
            if "%" not in old:
                old, new = f"%{old}", f"%{new}"
            value = self._value(name)
            return _patsubst(old, new, value) if _growth([new, value]) <= _LARGEST_VALUE else UNKNOWN
        return self._value(name)

    @staticmethod
    def _if(arguments: list[str]) -> str:
        condition, yes, no = (*arguments, "", "")[:3]
        if UNKNOWN in condition or MAYBE in condition:
            return f"{_maybe(yes)} {_maybe(no)}"
        return yes if condition.strip() else no


def _growth(arguments: list[str]) -> int:
    """No function makes more characters than this of its arguments."""
    longest = max(map(len, arguments[:-1]), default=0)
    return (longest + 1) * (len(arguments[-1]) + 1) if longest > 200 else 200 * len(arguments[-1])


def _lines(text: str) -> Iterator[str]:
    """Lines without comments, continuation lines joined."""
    for line in re.sub(r"[ \t]*\\\r?\n[ \t]*", " ", text).splitlines():
        at = line.find("#")
        while at > 0 and line[at - 1] == "\\":
            at = line.find("#", at + 1)
        yield line if at < 0 else line[:at]


def _operator(line: str) -> tuple[str, int]:
    """The first assignment or colon outside of parentheses, and where it is."""
    deep = 0
    for match in _ASSIGN.finditer(line):
        if match[0] in ("$(", "${", "(", "{"):
            deep += 1
        elif match[0] in (")", "}"):
            deep = max(deep - 1, 0)
        elif not deep:
            return match[0], match.start()
    return "", 0


def _closing(text: str, at: int) -> int:
    """The bracket that ends the one at `at`; -1 if none does."""
    opening, closing = text[at], {"(": ")", "{": "}"}[text[at]]
    deep = 0
    for match in re.compile(r"[(){}]").finditer(text, at):
        deep += (match[0] == opening) - (match[0] == closing)
        if not deep:
            return match.start()
    return -1


def _split(text: str, most: int) -> list[str]:
    """Arguments of a function: the last one may have commas."""
    found: list[str] = []
    deep = begin = 0
    for match in re.finditer(r"[(){},]", text):
        if match[0] in "({":
            deep += 1
        elif match[0] in ")}":
            deep -= 1
        elif not deep and len(found) < most - 1:
            found.append(text[begin : match.start()])
            begin = match.end()
    return [*found, text[begin:]]


def _either(one: bool | None, other: bool | None) -> bool | None:
    if one or other:
        return True
    return None if one is None or other is None else False


def _maybe(text: str) -> str:
    return " ".join(f"{word.rstrip(MAYBE)}{MAYBE}" for word in text.split())


def _each(text: str, change: Callable[[str], str]) -> str:
    """Changes every word; a mark stays behind it."""
    return " ".join(
        change(word.rstrip(MAYBE)) + (MAYBE if word.endswith(MAYBE) else "") for word in text.split()
    )


def _matches(pattern: str, word: str) -> bool:
    before, percent, after = pattern.partition("%")
    if not percent:
        return word == pattern
    return len(word) >= len(before) + len(after) and word.startswith(before) and word.endswith(after)


def _patsubst(pattern: str, to: str, text: str) -> str:
    before, percent, after = pattern.partition("%")

    def change(word: str) -> str:
        if not _matches(pattern, word):
            return word
        return to.replace("%", word[len(before) : len(word) - len(after)], 1) if percent else to

    return _each(text, change)


def _filter(patterns: str, text: str, wanted: bool = True) -> str:
    ones = patterns.replace(MAYBE, UNKNOWN).split()[:100]
    if any(UNKNOWN in one for one in ones) or UNKNOWN in text:
        return _maybe(text)
    return " ".join(
        word for word in text.split() if wanted == any(_matches(one, word.rstrip(MAYBE)) for one in ones)
    )


_FUNCTIONS: dict[str, tuple[int, Callable[..., str]]] = {
    "subst": (3, lambda old, new, text: text.replace(old, new) if old else text),
    "patsubst": (3, lambda old, new, text: _patsubst(old.strip(), new.strip(), text)),
    "addprefix": (2, lambda prefix, text: _each(text, lambda word: prefix + word)),
    "addsuffix": (2, lambda suffix, text: _each(text, lambda word: word + suffix)),
    "filter": (2, _filter),
    "filter-out": (2, lambda patterns, text: _filter(patterns, text, wanted=False)),
    "notdir": (1, lambda text: _each(text, lambda word: word.rpartition("/")[2])),
    "sort": (1, lambda text: " ".join(sorted(set(text.split())))),
    "strip": (1, lambda text: " ".join(text.split())),
}
"""Number of arguments, and what it does with them; a function that is not here gives UNKNOWN."""

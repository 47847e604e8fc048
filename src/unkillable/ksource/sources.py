"""The text behind the numbers: bodies, parameters and calls of the few functions that are looked at closely."""

from __future__ import annotations

import re
from functools import lru_cache

from unkillable.ksource import blocks
from unkillable.ksource.calls import Call, calls, closing, split
from unkillable.ksource.index import Index
from unkillable.ksource.text import Text
from unkillable.ksource.tree import LARGEST, Tree

_LAST_WORD = re.compile(r"(\w+)\s*(?:\[[^\]]*\]\s*)*\Z")
_POINTER = re.compile(r"\(\s*\*+\s*(?:const\s+)?(\w+)\s*(?:\[[^\]]*\])?\)\s*\(")


class Sources:
    """Reads a tree's files again, a few at a time."""

    def __init__(self, tree: Tree, index: Index) -> None:
        self.tree = tree
        self.index = index
        self.text = lru_cache(maxsize=1024)(self._text)
        self.code = lru_cache(maxsize=20_000)(self._code)
        self.parameters = lru_cache(maxsize=20_000)(self._parameters)
        self.calls = lru_cache(maxsize=20_000)(self._calls)

    def _text(self, path: str) -> Text:
        """A file; what can no longer be read is empty."""
        try:
            with (self.tree.root / path).open("rb") as file:
                return Text(file.read(LARGEST), self.index.left_out.get(path, ()))
        except OSError:
            return Text(b"")

    def span(self, function: int) -> tuple[int, int]:
        """Offsets in its file: of the head of the function or the #define, and behind its body."""
        return int(self.index.functions[function, 2]), int(self.index.functions[function, 3])

    def _code(self, function: int) -> str:
        """From the head to the closing brace; of a macro what it stands for, without its name and parameters."""
        at, end = self.span(function)
        text = self.text(self.index.path(function))
        if not self.index.is_macro(function):
            return text.code[at:end]
        return self._macro(text, at)[1]

    def _parameters(self, function: int) -> tuple[str, ...]:
        """Names of the parameters; "..." stays."""
        if self.index.is_macro(function):
            return self._macro(self.text(self.index.path(function)), self.span(function)[0])[0]
        code = self.code(function)
        head = blocks.function(code[: code.find("{")])
        return tuple(_parameter(one) for one in split(head.parameters)) if head else ()

    def declarations(self, function: int) -> tuple[str, ...]:
        """The parameters of a function with their types, as they are written."""
        code = self.code(function)
        head = blocks.function(code[: code.find("{")])
        return tuple(split(head.parameters)) if head else ()

    def body_at(self, function: int) -> int:
        """Offset in the code of the function's opening brace; of a macro 0."""
        return 0 if self.index.is_macro(function) else max(self.code(function).find("{"), 0)

    def _calls(self, function: int) -> tuple[Call, ...]:
        """All calls in the body, in their order; places are offsets in the file (of a macro: in what it stands for)."""
        at = 0 if self.index.is_macro(function) else self.span(function)[0]
        body = self.body_at(function)
        return tuple(calls(self.code(function)[body:], at + body))

    def line(self, function: int, at: int) -> int:
        """The line of an offset in a function's file; any place in a macro is its first line."""
        if self.index.is_macro(function):
            return self.index.line(function)
        return self.text(self.index.path(function)).line(at)

    @staticmethod
    def _macro(text: Text, at: int) -> tuple[tuple[str, ...], str]:
        rest = next((one.rest for one in text.macros if one.at == at), "").replace("\\\n", " \n")
        match = re.match(r"\s*(\w+)(\()?", rest)
        if match is None:
            return (), ""
        if not match[2]:
            return (), rest[match.end(1) :]
        close = closing(rest, match.end() - 1)
        if close is None:
            return (), ""
        return tuple(split(rest[match.end() : close])), rest[close + 1 :]


def _parameter(declaration: str) -> str:
    pointer = _POINTER.search(declaration)
    if pointer:
        return pointer[1]
    match = _LAST_WORD.search(declaration)
    return match[1] if match else declaration

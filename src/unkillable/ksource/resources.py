"""What is waited for, named the same wherever it is written: the member of a structure, not the variable that leads to it."""

from __future__ import annotations

import re
from functools import cached_property, lru_cache
from typing import NamedTuple

import numpy as np

from unkillable.ksource.index import Index
from unkillable.ksource.offered import is_public
from unkillable.ksource.sources import Sources

_CHAIN = re.compile(
    r"[&*(\s]*([A-Za-z_]\w*)((?:\s*(?:\[[^\]]*\]\s*)?(?:->|\.)\s*\w+)*)\s*(?:\[[^\]]*\]\s*)?[)\s]*\Z"
)
_MEMBER = re.compile(r"(?:->|\.)\s*(\w+)")
_DECLARED = r"\b(?:struct|union)\s+(\w+)\b(?:(?!\bstruct\b)[^;(){{}}])*?[\s*,]{name}\b\s*[;,=)\[]"
_LAST_MEMBER = re.compile(r"\)\s*(?:->|\.)\s*(\w+)[)\s]*\Z")
_RETURNS = r"[^(]*\bstruct\s+(\w+)\s*\*\s*(?:\w+\s+)*{name}\s*\("
_INNER_CALL = re.compile(r"[&*(\s]*(\w+)\s*\(")


class Resource(NamedTuple):
    key: str
    """structure.member; the variable's name, with the function's in front if it is the function's own; else as written."""
    local: bool
    """Nobody but this function, and whom it hands it to, can have it."""


class Resources:
    def __init__(self, index: Index, sources: Sources) -> None:
        self.index = index
        self.sources = sources
        self.of = lru_cache(maxsize=100_000)(self._of)
        typed = index.fields[index.fields[:, 2] != 0]
        self._typed = typed[np.argsort(typed[:, 1], kind="stable")]

    @cached_property
    def _public(self) -> frozenset[str]:
        """Structures that a header for everybody defines."""
        public = np.array([is_public(path) for path in self.index.paths] or [False])
        numbers = np.unique(self.index.fields[public[self.index.fields[:, 4]], 0])
        return frozenset(self.index.names[one] for one in numbers.tolist() if one)

    @cached_property
    def _structures(self) -> frozenset[str]:
        numbers = np.unique(self.index.fields[:, 0]).tolist()
        return frozenset(self.index.names[one] for one in numbers if one)

    def is_structure(self, key: str) -> bool:
        """Whether a key says no more than what kind of thing it is."""
        return key in self._structures

    def is_public(self, key: str) -> bool:
        """Whether every directory can have what this key names: it is, or is a member of, a structure of a header for all."""
        return key.partition(".")[0] in self._public

    def _of(self, function: int, expression: str) -> Resource:
        """The resource of an expression in a function."""
        match = _CHAIN.match(expression)
        if match is None:
            inner = _INNER_CALL.match(expression)  # folio_inode(folio)->x, &squashfs_i(inode)->lock
            return Resource(self._returned(inner[1], expression) if inner else expression.strip(), False)
        base, members = match[1], _MEMBER.findall(match[2])
        declared = self._declared(function, base)
        if not members:
            parameters = self.sources.parameters(function)
            if base in parameters:
                return Resource(declared or base, False)
            local = re.search(rf"\b{base}\s*(?:;|=|,|\[)", self.sources.code(function)) is not None
            if local and declared is not None and self._on_stack(function, base):
                return Resource(f"{self.index.name(function)}.{base}", True)
            return Resource(declared if declared and local else base, False)
        member = members[-1]
        owner = declared if len(members) == 1 else self._type_of_member(members[-2])
        return Resource(f"{owner or '?'}.{member}", False)

    def _returned(self, called: str, expression: str) -> str:
        """What is reached by the result of a call, named by the structure that it points to."""
        last = _LAST_MEMBER.search(expression)
        heads = (self.sources.code(one).partition("{")[0] for one in self.index.defined(called).tolist())
        kinds = {match[1] for head in heads if (match := re.match(_RETURNS.format(name=called), head))}
        owner = kinds.pop() if len(kinds) == 1 else f"{called}()"
        return f"{owner}.{last[1]}" if last else owner

    def _declared(self, function: int, variable: str) -> str | None:
        """The structure that a variable of the function points to, or is."""
        match = re.search(_DECLARED.format(name=re.escape(variable)), self.sources.code(function))
        return match[1] if match else None

    def _on_stack(self, function: int, variable: str) -> bool:
        code = self.sources.code(function)
        return (
            re.search(rf"\bstruct\s+\w+\s+(?:\w+\s*,\s*)*{re.escape(variable)}\b\s*[;,=]", code) is not None
        )

    def _type_of_member(self, member: str) -> str | None:
        """The structure that members of this name are of, if that is one only."""
        number = self.index.names.number(member)
        if not number:
            return None
        begin, end = np.searchsorted(self._typed[:, 1], [number, number + 1])
        kinds = np.unique(self._typed[begin:end, 2])
        return self.index.names[int(kinds[0])] if len(kinds) == 1 else None

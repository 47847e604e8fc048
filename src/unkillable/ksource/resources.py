"""What is waited for, named the same wherever it is written: the member of a structure, not the variable that leads to it."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from unkillable.ksource.index import Index
from unkillable.ksource.sources import Sources

_CHAIN = re.compile(
    r"[&*(\s]*([A-Za-z_]\w*)((?:\s*(?:\[[^\]]*\]\s*)?(?:->|\.)\s*\w+)*)\s*(?:\[[^\]]*\]\s*)?[)\s]*\Z"
)
_MEMBER = re.compile(r"(?:->|\.)\s*(\w+)")
_DECLARED = r"\b(?:struct|union)\s+(\w+)\b(?:(?!\bstruct\b)[^;(){{}}])*?[\s*,]{name}\b\s*[;,=)\[]"
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

    def _of(self, function: int, expression: str) -> Resource:
        """The resource of an expression in a function."""
        match = _CHAIN.match(expression)
        if match is None:
            inner = _INNER_CALL.match(expression)  # folio_inode(folio)->x, &squashfs_i(inode)->lock
            return Resource(inner[0].strip("&*( \t") + "()" if inner else expression.strip(), False)
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
        number = self.index.ids.get(member)
        if not number:
            return None
        begin, end = np.searchsorted(self._typed[:, 1], [number, number + 1])
        kinds = np.unique(self._typed[begin:end, 2])
        return self.index.names[int(kinds[0])] if len(kinds) == 1 else None

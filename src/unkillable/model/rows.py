"""The rules as functions on rows of bytes: Python's text for them.

A state is a row of bytes, a field's numbers side by side (`Layout`).  `s.at[t]` becomes `s[9 + t]`, `p.tasks` becomes `p[0]`, and a
requirement becomes `if not (...): return False`; so the first function of a rule that returns True has changed the row.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterable
from functools import cache
from typing import NamedTuple

import msgspec

from unkillable.model.parameters import Parameters
from unkillable.model.reading import Misread, system
from unkillable.model.state import FIELDS

WORD = 8
"""Bytes; a row's length is a multiple, so that it can be compared by words."""

PARAMETERS = (*(one.name for one in msgspec.structs.fields(Parameters)), "pages")
"""The order in which rules get them."""


NEVER = ("sigbus", "spins", "leaks", "panics")
"""Properties of a state that are not to come about; their bits in what `broken(s, p)` returns."""

UNTIL = ("dying", "starving", "waiting")
"""Properties of a task in a state that are not to last; their numbers in `holds(s, p, which, t)`."""


class Layout(NamedTuple):
    """How many of each a row has room for."""

    tasks: int
    entries: int
    pages: int

    @property
    def offsets(self) -> dict[str, int]:
        """Where each field begins."""
        place, found = 0, {}
        for field in FIELDS:
            found[field.name] = place
            place += self.count(field.each)
        return found

    @property
    def width(self) -> int:
        """Bytes of a row."""
        used = sum(self.count(field.each) for field in FIELDS)
        return -(-used // WORD) * WORD

    def count(self, each: str) -> int:
        return {"": 1, "task": self.tasks, "entry": self.entries, "page": self.pages}[each]


def vector(parameters: Parameters) -> tuple[int, ...]:
    """The parameters as the rules get them."""
    return tuple(int(getattr(parameters, name)) for name in PARAMETERS)


@cache
def text(layout: Layout) -> str:
    """A module: a function for each helper, one for each rule (`rule_NUMBER`, which says whether it could be applied), and `broken`,
    which says as bits what a state breaks of NEVER."""
    found, names = system(), _Names(layout.offsets)
    lines: list[str] = []
    for function in found.helpers.values():
        lines += [f"def {function.name}({', '.join(function.parameters)}):", *names.body(function.body)]
    for number, (_rule, function) in enumerate(found.rules):
        lines += [
            f"def rule_{number}({', '.join(function.parameters)}):",
            *(f"    if not ({names.say(one)}): return False" for one in function.requires),
            *names.body(function.body),
            "    return True",
        ]
    bits = " | ".join(f"{name}(s, p) << {number}" for number, name in enumerate(NEVER))
    return "\n".join([*lines, "def broken(s, p):", f"    return {bits}", ""])


class _Names(ast.NodeTransformer):
    """Fields and parameters by their places."""

    def __init__(self, offsets: dict[str, int]) -> None:
        self._offsets = offsets

    def say(self, node: ast.expr | ast.stmt) -> str:
        """The text of an expression or a statement."""
        return ast.unparse(self.visit(copy.deepcopy(node)))

    def body(self, statements: Iterable[ast.stmt]) -> list[str]:
        return [f"    {line}" for statement in statements for line in self.say(statement).splitlines()]

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        inner = self.visit(node.slice)
        if _of(node.value) == "s":
            place = ast.BinOp(ast.Constant(self._offset(node.value)), ast.Add(), inner)
            return ast.Subscript(ast.Name("s"), place, node.ctx)
        raise Misread(f"{ast.unparse(node)}: only fields have numbers")

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        if _of(node) == "s":
            return ast.Subscript(ast.Name("s"), ast.Constant(self._offset(node)), node.ctx)
        if _of(node) == "p":
            return ast.Subscript(ast.Name("p"), ast.Constant(PARAMETERS.index(node.attr)), node.ctx)
        raise Misread(f"{ast.unparse(node)}: neither a field nor a parameter")

    def _offset(self, node: ast.expr) -> int:
        if not isinstance(node, ast.Attribute):
            raise Misread(f"{ast.unparse(node)}: not a field")
        return self._offsets[node.attr]


def _of(node: ast.expr) -> str:
    return node.value.id if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) else ""

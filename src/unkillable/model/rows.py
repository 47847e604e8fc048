"""The rules as functions on rows of bytes: Python's text for them, run as it is or compiled.

A state is a row of bytes, a field's numbers side by side (`Layout`).  `s.at[t]` becomes `s[9 + t]`, `p.tasks` becomes `p[0]`, and a
requirement becomes `if not (...): return False`; so the first function of a rule that returns True has changed the row.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

import msgspec

from unkillable.model.parameters import Parameters
from unkillable.model.reading import Function, Misread, System, system
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
    """A module: a function for each helper, one for each rule, and `fire`, `broken` and `holds`,
    which find a rule or a property by its number."""
    found = system()
    writer = _Writer(layout, found)
    lines: list[str] = []
    for function in found.helpers.values():
        lines += writer.helper(function)
    for number, (_rule, function) in enumerate(found.rules):
        lines += writer.rule(number, function)
    lines += ["@compiled", "def fire(s, p, rule, t, x):"]
    for number, (_rule, function) in enumerate(found.rules):
        arguments = ", ".join(_arguments(function))
        lines += [f"    if rule == {number}:", f"        return rule_{number}({arguments})"]
    lines += ["    return False", "@compiled", "def broken(s, p):", "    bits = 0"]
    for number, name in enumerate(NEVER):
        lines += [f"    if {name}(s, p):", f"        bits |= {1 << number}"]
    lines += ["    return bits", "@compiled", "def holds(s, p, which, t):"]
    for number, name in enumerate(UNTIL):
        lines += [f"    if which == {number}:", f"        return {name}(s, p, t)"]
    lines += ["    return False", ""]
    return "\n".join(lines)


def _arguments(function: Function) -> Iterator[str]:
    """The state, the parameters, the task, and what there is a choice of: a rule of nobody's has the choice only."""
    yield from ("s", "p")
    rest = function.parameters[2:]
    if rest == ("v",):
        yield "x"
    elif rest:
        yield from ("t", "x")[: len(rest)]


class _Writer:
    def __init__(self, layout: Layout, found: System) -> None:
        self._names = _Names(layout.offsets)
        self._helpers = found.helpers

    def helper(self, function: Function) -> list[str]:
        head = ["@compiled", f"def {function.name}({', '.join(function.parameters)}):"]
        value = function.value
        if isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id == "any":
            generator = value.args[0]
            if not isinstance(generator, ast.GeneratorExp) or generator.generators[0].ifs:
                raise Misread(f"{function.name}: any() is over a range")
            loop = generator.generators[0]
            return [
                *head,
                f"    for {ast.unparse(loop.target)} in {self._say(loop.iter)}:",
                f"        if {self._say(generator.elt)}:",
                "            return True",
                "    return False",
            ]
        return [*head, *self._body(function)]

    def rule(self, number: int, function: Function) -> list[str]:
        return [
            "@compiled",
            f"def rule_{number}({', '.join(function.parameters)}):",
            *(f"    if not ({self._say(one)}): return False" for one in function.requires),
            *self._body(function),
            "    return True",
        ]

    def _body(self, function: Function) -> list[str]:
        return [
            f"    {line}"
            for statement in function.body
            for line in ast.unparse(self._names.visit(_copy(statement))).splitlines()
        ]

    def _say(self, expression: ast.expr) -> str:
        return ast.unparse(self._names.visit(_copy(expression)))


def _copy(node: ast.expr | ast.stmt) -> ast.AST:
    return copy.deepcopy(node)


class _Names(ast.NodeTransformer):
    """Fields and parameters by their places."""

    def __init__(self, offsets: dict[str, int]) -> None:
        self._offsets = offsets

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

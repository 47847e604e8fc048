"""The rules as syntax trees, with constants in place: what `rows` and `promela` are written from.

What the rules may consist of is checked here, once, for both.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable
from enum import Enum
from functools import cache
from typing import Any, NamedTuple

from unkillable.model import (
    decompressors,
    memory,
    oomkiller,
    pagecache,
    properties,
    squashfs,
    tasks,
    waitqueues,
)
from unkillable.model.language import HELPERS, RULES, Rule

PARTS = (tasks, waitqueues, memory, pagecache, oomkiller, squashfs, decompressors, properties)
"""The modules that a system consists of."""

_STATEMENTS = (ast.Assign, ast.AugAssign, ast.If, ast.For, ast.Expr, ast.Return)
_EXPRESSIONS = (
    ast.Attribute, ast.BinOp, ast.BoolOp, ast.Call, ast.Compare, ast.Constant, ast.GeneratorExp, ast.IfExp, ast.Name,
    ast.Subscript, ast.UnaryOp, ast.comprehension, ast.boolop, ast.operator, ast.cmpop, ast.unaryop, ast.expr_context,
)  # fmt: skip


class Function(NamedTuple):
    name: str
    parameters: tuple[str, ...]
    requires: tuple[ast.expr, ...]
    """Of a rule: what must hold."""
    body: tuple[ast.stmt, ...]
    """Without them, and without the docstring."""

    @property
    def value(self) -> ast.expr | None:
        """What a helper that is an expression returns."""
        first = self.body[0] if len(self.body) == 1 else None
        return first.value if isinstance(first, ast.Return) else None


class System(NamedTuple):
    rules: tuple[tuple[Rule, Function], ...]
    helpers: dict[str, Function]


class Misread(Exception):
    """A rule is not in the part of Python that both readers understand."""


@cache
def system() -> System:
    """All rules, in the order of their modules, and all helpers."""
    return System(
        tuple((rule, read(rule.function)) for rule in RULES),
        {name: read(function) for name, function in HELPERS.items()},
    )


def read(function: Callable[..., Any]) -> Function:
    """One rule or helper."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(function))).body[0]
    if not isinstance(tree, ast.FunctionDef):
        raise Misread(f"{function}: not a function")
    body = [_Constants(function).visit(one) for one in tree.body]
    if isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant):
        del body[0]
    requires: list[ast.expr] = []
    while body and (wanted := _required(body[0])) is not None:
        requires.append(wanted)
        del body[0]
    made = Function(tree.name, tuple(one.arg for one in tree.args.args), tuple(requires), tuple(body))
    _check(made)
    return made


def _required(statement: ast.stmt) -> ast.expr | None:
    call = statement.value if isinstance(statement, ast.Expr) else None
    if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "require":
        return call.args[0]
    return None


def _check(function: Function) -> None:
    for statement in (*function.body, *(ast.Expr(one) for one in function.requires)):
        for node in ast.walk(statement):
            if not isinstance(node, _STATEMENTS + _EXPRESSIONS):
                raise Misread(f"{function.name}: {type(node).__name__} is not in the language of the rules")
            if isinstance(node, ast.Return) and function.value is None:
                raise Misread(f"{function.name}: a helper is one return, or has none")
            if isinstance(node, ast.Expr) and _required(node) is not None:
                raise Misread(f"{function.name}: require() comes first")


class _Constants(ast.NodeTransformer):
    """Puts the numbers of enumerations and module constants where their names stand."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._globals = function.__globals__

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        owner = self._globals.get(node.value.id) if isinstance(node.value, ast.Name) else None
        if isinstance(owner, type) and issubclass(owner, Enum):
            return ast.copy_location(ast.Constant(int(getattr(owner, node.attr))), node)
        return self.generic_visit(node)

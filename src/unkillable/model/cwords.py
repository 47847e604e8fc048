"""Expressions and statements of the rules in the words that C and SPIN's language share."""

from __future__ import annotations

import ast

from unkillable.model.reading import Misread

_BINARY = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.FloorDiv: "/", ast.Mod: "%", ast.RShift: ">>"}
_COMPARE = {ast.Eq: "==", ast.NotEq: "!=", ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">="}


class Words:
    """Says expressions; what a field, a parameter or a call becomes is left to who uses it."""

    choice = "({test} ? {then} : {other})"

    def field(self, name: str, index: str | None) -> str:
        raise NotImplementedError

    def parameter(self, name: str) -> str:
        raise NotImplementedError

    def call(self, name: str, arguments: list[ast.expr]) -> str:
        raise NotImplementedError

    def name(self, name: str) -> str:
        return name

    def say(self, node: ast.expr) -> str:
        return self._named(node) or self._operation(node)

    def _named(self, node: ast.expr) -> str | None:
        """A number, or what has a name."""
        match node:
            case ast.Constant(value=int() as value):
                return str(int(value))
            case ast.Name(id=name):
                return self.name(name)
            case ast.Attribute(value=ast.Name(id="s"), attr=name):
                return self.field(name, None)
            case ast.Subscript(value=ast.Attribute(value=ast.Name(id="s"), attr=name), slice=index):
                return self.field(name, self.say(index))
            case ast.Attribute(value=ast.Name(id="p"), attr=name):
                return self.parameter(name)
            case ast.Call(func=ast.Name(id=name), args=arguments):
                return self.call(name, arguments)
        return None

    def _operation(self, node: ast.expr) -> str:
        match node:
            case ast.BinOp(left=left, op=op, right=right):
                return f"({self.say(left)} {_BINARY[type(op)]} {self.say(right)})"
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return f"!({self.say(operand)})"
            case ast.BoolOp(op=op, values=values):
                return "(" + (" && " if isinstance(op, ast.And) else " || ").join(map(self.say, values)) + ")"
            case ast.Compare(left=left, ops=[op], comparators=[right]):
                return f"({self.say(left)} {_COMPARE[type(op)]} {self.say(right)})"
            case ast.IfExp(test=test, body=then, orelse=other):
                return self.choice.format(test=self.say(test), then=self.say(then), other=self.say(other))
        raise Misread(f"{ast.unparse(node)}: not in the language of the rules")


def locals_of(body: tuple[ast.stmt, ...]) -> list[str]:
    """The names that a body assigns to."""
    found = {
        target.id: None
        for statement in body
        for node in ast.walk(statement)
        if isinstance(node, ast.Assign | ast.For)
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        if isinstance(target, ast.Name)
    }
    return list(found)


def limit(loop: ast.For | ast.comprehension) -> ast.expr:
    """Of `for v in range(limit)`."""
    if (
        isinstance(loop.iter, ast.Call)
        and ast.unparse(loop.iter.func) == "range"
        and len(loop.iter.args) == 1
    ):
        return loop.iter.args[0]
    raise Misread(f"{ast.unparse(loop.iter)}: loops are over range(limit)")

"""The rules as C: a function for each helper and rule, and `fire`, `broken` and `holds` as in `rows`."""

from __future__ import annotations

import ast

from unkillable.model.cwords import Words, limit, locals_of
from unkillable.model.reading import Function, Misread, system
from unkillable.model.rows import NEVER, PARAMETERS, UNTIL, Layout


def text(layout: Layout) -> str:
    """What `engine.c` stands behind."""
    found, writer = system(), _Writer(layout)
    offsets = layout.offsets
    lines = [
        f"#define WIDTH {layout.width}",
        f"#define PARAMETERS {len(PARAMETERS)}",
        f"#define AT {offsets['at']}",
        f"#define STATE {offsets['state']}",
        f"#define PANICKED {offsets['panicked']}",
    ]
    lines += [f"{writer.head(one)};" for one in found.helpers.values()]
    for one in found.helpers.values():
        lines += writer.helper(one)
    cases = []
    for number, (_rule, one) in enumerate(found.rules):
        lines += writer.rule(number, one)
        rest = ["x"] if one.parameters[2:] == ("v",) else ["t", "x"][: len(one.parameters) - 2]
        cases.append(f"\tcase {number}: return rule_{number}({', '.join(['s', 'p', *rest])});")
    lines += [
        "static int fire(unsigned char *s, const int *p, int rule, int t, int x)",
        "{",
        "\t(void)t; (void)x;",
        "\tswitch (rule) {",
    ]
    lines += [*cases, "\t}", "\treturn 0;", "}"]
    bits = " | ".join(f"{name}(s, p) << {number}" for number, name in enumerate(NEVER))
    lines += ["static int broken(unsigned char *s, const int *p)", "{", f"\treturn {bits};", "}"]
    lines += ["static int holds(unsigned char *s, const int *p, int which, int t)", "{", "\tswitch (which) {"]
    lines += [f"\tcase {number}: return {name}(s, p, t);" for number, name in enumerate(UNTIL)]
    return "\n".join([*lines, "\t}", "\treturn 0;", "}", ""])


class _Writer(Words):
    def __init__(self, layout: Layout) -> None:
        self._offsets = layout.offsets

    def field(self, name: str, index: str | None) -> str:
        return f"s[{self._offsets[name]}]" if index is None else f"s[{self._offsets[name]} + {index}]"

    def parameter(self, name: str) -> str:
        return f"p[{PARAMETERS.index(name)}]"

    def call(self, name: str, arguments: list[ast.expr]) -> str:
        return f"{name}({', '.join(map(self.say, arguments))})"

    def head(self, function: Function) -> str:
        kinds = {"s": "unsigned char *s", "p": "const int *p"}
        arguments = ", ".join(kinds.get(one, f"int {one}") for one in function.parameters)
        return f"static {'void' if function.value is None else 'int'} {function.name}({arguments})"

    def helper(self, function: Function) -> list[str]:
        value = function.value
        if value is None:
            return [self.head(function), "{", *self._body(function.body), "}"]
        if isinstance(value, ast.Call) and isinstance(value.args[0], ast.GeneratorExp):
            loop = value.args[0].generators[0]
            name = ast.unparse(loop.target)
            return [
                self.head(function), "{", f"\tfor (int {name} = 0; {name} < {self.say(limit(loop))}; {name}++)",
                f"\t\tif ({self.say(value.args[0].elt)})", "\t\t\treturn 1;", "\treturn 0;", "}",
            ]  # fmt: skip
        return [self.head(function), "{", f"\treturn {self.say(value)};", "}"]

    def rule(self, number: int, function: Function) -> list[str]:
        head = self.head(function._replace(name=f"rule_{number}")).replace("static void", "static int")
        guards = [f"\tif (!{self.say(one)}) return 0;" for one in function.requires]
        return [
            head,
            "{",
            f"\t{' '.join(f'(void){one};' for one in function.parameters)}",
            *guards,
            *self._body(function.body),
            "\treturn 1;",
            "}",
        ]

    def _body(self, body: tuple[ast.stmt, ...]) -> list[str]:
        declared = [f"\tint {name} = 0;" for name in locals_of(body)]
        return declared + [f"\t{line}" for statement in body for line in self._statement(statement)]

    def _statement(self, node: ast.stmt) -> list[str]:
        match node:
            case ast.Assign(targets=[target], value=value):
                return [f"{self.say(target)} = {self.say(value)};"]
            case ast.AugAssign(target=target, op=op, value=value):
                return [f"{self.say(target)} {'+' if isinstance(op, ast.Add) else '-'}= {self.say(value)};"]
            case ast.Expr(value=ast.Call() as call):
                return [f"{self.say(call)};"]
            case ast.If(test=test, body=body, orelse=other):
                lines = [f"if ({self.say(test)}) {{", *self._block(body), "}"]
                return [*lines, "else {", *self._block(other), "}"] if other else lines
            case ast.For(target=ast.Name(id=name), body=body):
                return [
                    f"for ({name} = 0; {name} < {self.say(limit(node))}; {name}++) {{",
                    *self._block(body),
                    "}",
                ]
        raise Misread(f"{ast.unparse(node)}: not in the language of the rules")

    def _block(self, body: list[ast.stmt]) -> list[str]:
        return [f"\t{line}" for statement in body for line in self._statement(statement)]

"""The rules in SPIN's language: a second, independent engine, which must find as many states and give the same verdicts.

A rule's instance is one `d_step`, so SPIN stores the same states.  Loops and quantifiers are written out, helpers put in place,
and names of a rule's own are hidden variables, which are no part of a state.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

from unkillable.model.cwords import Words, limit, locals_of
from unkillable.model.language import Actor, Rule
from unkillable.model.machine import Machine
from unkillable.model.reading import Function, Misread, System, system
from unkillable.model.rows import NEVER, PARAMETERS, UNTIL
from unkillable.model.state import FIELDS

_OTHERS = (Actor.REAPER, Actor.EARLY, Actor.PARENT, Actor.OUTSIDE)


def text(machine: Machine) -> str:
    """The system as Promela, with a claim for every property: `never_NAME`, `until_NAME_TASK`."""
    return "\n".join(_Writer(machine, system()).lines()) + "\n"


class _Writer(Words):
    choice = "(({test}) -> ({then}) : ({other}))"

    def __init__(self, machine: Machine, found: System) -> None:
        self._machine, self._system = machine, found
        self._values = dict(zip(PARAMETERS, machine.vector, strict=True))
        self._bound: list[dict[str, str]] = [{}]
        """What names stand for, by call."""
        self._hidden = 0

    def lines(self) -> list[str]:
        p = self._machine.parameters
        processes = [f"active [{p.tasks}] proctype task() {{", *self._process(Actor.TASK, ["_pid"]), "}"]
        for actor in _OTHERS:
            tasks = [str(t) for t in range(p.tasks)] if actor is Actor.PARENT else ["0"]
            processes += [f"active proctype {actor.name.lower()}() {{", *self._process(actor, tasks), "}"]
        claims = [f"ltl never_{name} {{ [] !({self._property(name, [])}) }}" for name in NEVER]
        claims += [
            f"ltl until_{name}_{t} {{ [] (({self._property(name, [str(t)])}) -> <> !({self._property(name, [str(t)])})) }}"
            for name in UNTIL
            for t in range(p.tasks)
        ]
        hidden = [f"hidden short h{n};" for n in range(1, self._hidden + 1)]
        return [*self._state(), *hidden, *processes, *claims]

    def _state(self) -> Iterator[str]:
        begin = self._machine.describe(self._machine.initial())
        for field in FIELDS:
            value = begin[field.name]
            if isinstance(value, int):
                yield f"byte {field.name}_ = {value};"
            else:
                yield f"byte {field.name}_[{len(value)}] = {value[0]};"

    def _process(self, actor: Actor, tasks: Sequence[str]) -> Iterator[str]:
        p = self._machine.parameters
        yield "end: do"
        for rule, function in self._system.rules:
            if rule.actor is not actor:
                continue
            for task in tasks:
                for choice in range({"": 1, "task": p.tasks, "page": p.pages}[rule.over]):
                    yield from self._instance(rule, function, task, str(choice))
        yield ":: false -> skip"
        yield "od"

    def _instance(self, rule: Rule, function: Function, task: str, choice: str) -> Iterator[str]:
        names = [one for one in function.parameters if one not in ("s", "p")]
        values = [choice] if names == ["v"] else [task, choice][: len(names)]
        self._bound.append(dict(zip(names, values, strict=True)))
        guards = ["(panicked_ == 0)"]
        if rule.at:
            guards.append("(" + " || ".join(f"at_[{task}] == {int(place)}" for place in rule.at) + ")")
            if not rule.asleep:
                guards.append(f"(state_[{task}] == 0)")
        guards += [f"({self.say(one)})" for one in function.requires]
        yield f":: d_step {{ {' && '.join(guards)} ->"
        yield from self._body(function.body)
        yield "skip }"
        self._bound.pop()

    def _body(self, body: tuple[ast.stmt, ...]) -> Iterator[str]:
        for name in locals_of(body):
            if name not in self._bound[-1]:
                self._hidden += 1
                self._bound[-1][name] = f"h{self._hidden}"
        for statement in body:
            yield from self._statement(statement)

    def _statement(self, node: ast.stmt) -> Iterator[str]:
        match node:
            case ast.Assign(targets=[target], value=value):
                yield f"{self.say(target)} = {self.say(value)};"
            case ast.AugAssign(target=target, op=op, value=value):
                yield f"{self.say(target)} = {self.say(target)} {'+' if isinstance(op, ast.Add) else '-'} {self.say(value)};"
            case ast.Expr(value=ast.Call(func=ast.Name(id=name), args=arguments)):
                function = self._system.helpers[name]
                self._bound.append(self._arguments(function, arguments))
                yield from self._body(function.body)
                self._bound.pop()
            case ast.If(test=test, body=body, orelse=other):
                yield f"if :: ({self.say(test)}) ->"
                yield from self._block(body)
                yield "skip :: else ->"
                yield from self._block(other)
                yield "skip fi;"
            case ast.For(target=ast.Name(id=name), body=body):
                before = self._bound[-1][name]
                for number in range(self._size(limit(node))):
                    self._bound[-1][name] = str(number)
                    yield from self._block(body)
                self._bound[-1][name] = before
            case _:
                raise Misread(f"{ast.unparse(node)}: not in the language of the rules")

    def _block(self, body: list[ast.stmt]) -> Iterator[str]:
        for statement in body:
            yield from self._statement(statement)

    def _size(self, node: ast.expr) -> int:
        value = self.say(node)
        if not value.isdigit():
            raise Misread(f"{value}: loops are over a number of tasks, entries or pages")
        return int(value)

    def field(self, name: str, index: str | None) -> str:
        return f"{name}_" if index is None else f"{name}_[{index}]"

    def parameter(self, name: str) -> str:
        return str(self._values[name])

    def name(self, name: str) -> str:
        return self._bound[-1][name]

    def call(self, name: str, arguments: list[ast.expr]) -> str:
        function = self._system.helpers[name]
        return self._value(function, self._arguments(function, arguments))

    def _property(self, name: str, values: list[str]) -> str:
        function = self._system.helpers[name]
        return self._value(function, dict(zip(function.parameters[2:], values, strict=True)))

    def _arguments(self, function: Function, arguments: list[ast.expr]) -> dict[str, str]:
        pairs = zip(function.parameters, arguments, strict=True)
        return {name: f"({self.say(value)})" for name, value in pairs if name not in ("s", "p")}

    def _value(self, function: Function, bound: dict[str, str]) -> str:
        """What an expression comes to, with its names in place."""
        self._bound.append(bound)
        value = function.value
        if value is None:
            raise Misread(f"{function.name}: a procedure has no value")
        if isinstance(value, ast.Call) and isinstance(value.args[0], ast.GeneratorExp):
            loop = value.args[0].generators[0]
            parts = []
            for number in range(self._size(limit(loop))):
                bound[ast.unparse(loop.target)] = str(number)
                parts.append(self.say(value.args[0].elt))
            said = " || ".join(parts)
        else:
            said = self.say(value)
        self._bound.pop()
        return f"({said})"

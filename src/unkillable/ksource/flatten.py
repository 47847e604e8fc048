"""A primitive with everything that it is made of written out: one text, in which only its own parameters are left.

Each definition of the chain down to schedule(), with the arguments of the call in the place of its parameters, and the
setters that it calls.  It is no C any more, but what happens between the queue and the scheduler can be read off it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from unkillable.ksource.events import Events, Sleeper
from unkillable.ksource.sources import Sources

_WORD = re.compile(r"[A-Za-z_]\w*")
_DEEPEST = 10
_LONGEST = 200_000
"""Characters of the whole; a macro that names its argument many times grows with every level."""


class Flatten:
    def __init__(self, sources: Sources, events: Events, sleepers: Mapping[str, Sequence[Sleeper]]) -> None:
        self.sources = sources
        self.events = events
        self.sleepers = sleepers

    def text(self, function: int) -> str:
        """Of a definition, with its own parameters as they are."""
        parts: list[str] = []
        self._add(function, None, parts, 0)
        return "\n".join(parts)[:_LONGEST]

    def _add(self, function: int, arguments: Sequence[str] | None, parts: list[str], depth: int) -> None:
        index = self.sources.index
        code = self.sources.code(function)[self.sources.body_at(function) :]
        if arguments is not None:
            code = substitute(code, dict(zip(self.sources.parameters(function), arguments, strict=False)))
        if depth > _DEEPEST or sum(map(len, parts)) + len(code) > _LONGEST:
            return
        parts.append(code)
        given = dict(zip(self.sources.parameters(function), arguments or (), strict=False))
        for call in self.events.calls(function):
            # wait_for_common(x, schedule_timeout, ...) calls what it is given: action(timeout).
            name = given.get(call.name, call.name)
            if call.through is None and name != index.name(function):
                inner = [substitute(one, given) for one in call.arguments]
                for other in self._inside(name):
                    if other != function:
                        self._add(other, inner, parts, depth + 1)
                # A scheduler that is handed on is called by what it is handed to.
                for one in inner:
                    if one in self.events.schedulers and depth < _DEEPEST:
                        parts += [self.sources.code(other) for other in self._inside(one)]

    def _inside(self, name: str) -> list[int]:
        """Definitions that a call stands for: a sleeper's first, what calls its argument, a setter that is a function, and
        a scheduler that says in a structure how long."""
        if name in self.sleepers:
            return [self.sleepers[name][0].function]
        if name in self.events.handing:
            return self.events.handing[name][:1]
        if name in self.events.setters or name in self.events.schedulers:
            index = self.sources.index
            return [one for one in index.defined(name).tolist() if not index.is_macro(one)][:1]
        return []


def substitute(code: str, given: Mapping[str, str]) -> str:
    """Names replaced by what is given for them."""
    return _WORD.sub(lambda match: given.get(match[0], match[0]), code) if given else code

"""What the catalogue of the log's own kernel says, in the rows that classification works with.

State, primitive and line come from that kernel's source; what a resource is called, who can hold it and what a holder
needs come from the vocabulary, by the structure's member where it has that, else by the kind of thing.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from unkillable.waits.catalogue import Catalogue, Cite, Internal, Names, Site
from unkillable.waits.generated import Generated, Sleep

_KINDS = {
    "page": "folio-lock",
    "io": "block-io",
    "time": "timer",
    "completion": "completion",
    "queue": "event",
}
"""Kind to the vocabulary's most general word for it."""
_LOCKS = (
    ("percpu", "percpu-rwsem"),
    ("down_read", "rwsem"),
    ("down_write", "rwsem"),
    ("down", "semaphore"),
    ("mutex", "mutex"),
)
"""What is in a lock primitive's name, and the word for such a lock."""
_FORM = re.compile(
    r"_(?:killable|interruptible|uninterruptible|timeout|hrtimeout|exclusive|freezable|idle|io|nested|state)(?=_|\Z)"
)
"""What tells the forms of one primitive apart."""


class Own:
    def __init__(self, catalogue: Catalogue, generated: Generated) -> None:
        self.generated = generated
        self._keys = {row.key for row in catalogue.resources}
        self._members = Names([(member, row.key) for row in catalogue.resources for member in row.members])
        self._site = lru_cache(maxsize=10_000)(self._made)

    def knows(self, function: str) -> bool:
        """Whether this function sleeps by itself."""
        return function in self.generated.sleeps

    def internal(self, function: str) -> Internal | None:
        """A function that a primitive is made of."""
        inner = self.generated.inner.get(function)
        if inner is None or self.knows(function):
            return None
        return Internal(name=function, layer="wait", primitive=inner.primitive, state=inner.state)

    def sites(self, function: str, rows: Sequence[Site]) -> list[Site]:
        """The function's sleeps in this kernel, with what the vocabulary's rows know of them; then the rows about sleeps that
        are not the function's own, such as one that a compiler has put into it."""
        sleeps = self.generated.sleeps.get(function)
        if sleeps is None:
            return list(rows)
        found = [self._site(function, sleep, _like(sleep, rows)) for sleep in sleeps]
        primitives = {one.primitive for one in sleeps}
        return [*found, *(row for row in rows if (row.primitive or "") not in primitives)]

    def _made(self, function: str, sleep: Sleep, like: Site | None) -> Site:
        return Site(
            function=function,
            resource=like.resource if like is not None else self._resource(sleep),
            state=sleep.state,
            primitive=sleep.primitive or None,
            file=self.generated.file(sleep),
            under=like.under if like is not None else None,
            cite=(Cite(self.generated.kernel, self.generated.file(sleep), sleep.line),),
            note=like.note if like is not None else None,
        )

    def _resource(self, sleep: Sleep) -> str:
        known = self._members.get(sleep.resource) if sleep.resource else []
        if known:
            return str(known[0])
        if sleep.kind == "lock":
            return next(
                (key for part, key in _LOCKS if part in sleep.primitive and key in self._keys), "event"
            )
        return _KINDS.get(sleep.kind, "event")


def _like(sleep: Sleep, rows: Sequence[Site]) -> Site | None:
    """The row that speaks of the same sleep: by its primitive, be it another form of it (wait_event_killable, wait_event) or
    a loop written out instead; nothing is taken from a row about something else."""
    forms = [
        row
        for row in rows
        if _form(row.primitive) == _form(sleep.primitive) or not row.primitive or not sleep.primitive
    ]
    same = [row for row in forms if (row.primitive or "") == sleep.primitive]
    return same[0] if same else forms[0] if forms else None


def _form(primitive: str | None) -> str:
    return _FORM.sub("", primitive or "")

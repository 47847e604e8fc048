"""Which of the functions that call a sleeper are a way to sleep themselves, and which do work of their own and sleep meanwhile.

A way to sleep waits for what it is given (a parameter, or what a header makes of one), or for what lies on its own stack and
others finish; and it does little besides.  How much a function does is counted: functions of .c files that it leads to in three
calls, not counting what sleeps.  In 6.1 the waits of mm/, block/ and fs/ that everybody uses lead to at most three
(bh_read()), deactivate_super() to eleven, vfs_fchown() to thirteen.  A function that waits for something on its stack is
not counted: starting the work is what it is for (submit_bio_wait()).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence

from unkillable.ksource import releases
from unkillable.ksource.events import Event, Events
from unkillable.ksource.index import Index
from unkillable.ksource.sources import Sources

_TAIL = 4
"""Calls that a wrapper may make after the sleep: it takes what it waited for, counts, returns."""
_LINES = 60
_WORK = 5
"""Functions that it may lead to."""
_DEEP = 3
_MACHINERY = ("kernel/sched/", "kernel/locking/", "kernel/time/", "kernel/rcu/")
"""What queueing, waking, locks and timers are made of: what is done there is part of the wait."""
_WORD = re.compile(r"[A-Za-z_]\w*")
_CALL = re.compile(r"\b([A-Za-z_]\w*)\s*\(")
_MADE = 3
"""Variables made of variables that are followed back to a parameter."""


class Wrappers:
    def __init__(self, index: Index, sources: Sources, events: Events) -> None:
        self.index = index
        self.sources = sources
        self.events = events

    def wraps(self, function: int, called: Sequence[Event], sleepers: Collection[str]) -> bool:
        """Whether a function that sleeps by these calls is a way to sleep."""
        if not self.is_small(function):
            return False
        last = max(one.end for one in called)
        # What takes a lock for its caller does not give it back.
        gives = {releases.release(one.name) for one in called}
        calls = self.sources.calls(function)
        after = [one for one in calls if one.at >= last and one.name.lower() == one.name]
        if len(after) > _TAIL or not gives.isdisjoint(one.name for one in calls):
            return False
        words = {word for one in called for word in _WORD.findall(one.queue or "")}
        if any(self._on_stack(function, word) for word in words):
            return True
        given = not words or any(self._is_given(function, word) for word in words)
        return given and self.is_light(function, sleepers)

    def is_small(self, function: int) -> bool:
        """Whether it has few lines; a macro's do not matter."""
        if self.index.is_macro(function):
            return True
        begin, end = self.sources.span(function)
        text = self.sources.text(self.index.path(function))
        return text.line(end) - text.line(begin) <= _LINES

    def is_light(self, function: int, sleepers: Collection[str]) -> bool:
        """Whether a function does little beside sleeping."""
        if self.index.path(function).startswith(_MACHINERY):
            return True
        seen: set[int] = set()
        front = {function}
        for _ in range(_DEEP):
            callers = [one for one in front if not self.index.path(one).startswith(_MACHINERY)]
            front = {one for caller in callers for one in self._work(caller, sleepers)} - seen
            seen |= front
            if len(seen) > _WORK:
                return False
        return True

    def _work(self, function: int, sleepers: Collection[str]) -> Iterator[int]:
        """Functions of .c files that one calls; what headers define is taken to be small."""
        here = self.index.path(function)
        for call in self.sources.calls(function):
            name = call.name
            if (
                call.through is None
                and name not in sleepers
                and name not in self.events.setters
                and name not in self.events.schedulers
            ):
                known = self.index.defined(name).tolist()
                meant = [one for one in known if self.index.path(one) == here] or [
                    one for one in known if not self.index.is_static(one) or self.index.is_header(one)
                ]
                if not any(self._is_headers(one) for one in meant):
                    yield from meant[:1]

    def _is_headers(self, function: int) -> bool:
        return self.index.is_macro(function) or self.index.is_header(function)

    def _on_stack(self, function: int, word: str) -> bool:
        code = self.sources.code(function)
        return re.search(
            rf"ONSTACK\w*\(\s*{word}\b|\bstruct\s+\w+\s+{word}\s*[;,=]", code
        ) is not None and word not in self.sources.parameters(function)

    def _is_given(self, function: int, word: str, depth: int = 0) -> bool:
        """Whether this is a parameter, or made of one by what headers or the scheduler define or a calculation of the same file:
        what was looked up elsewhere was found, not given."""
        if word in self.sources.parameters(function):
            return True
        if depth > _MADE:
            return False
        for made in re.findall(rf"\b{word}\s*=(?!=)([^;]*);", self.sources.code(function)):
            if all(self._makes(function, name) for name in _CALL.findall(made)) and any(
                self._is_given(function, one, depth + 1) for one in set(_WORD.findall(made)) - {word}
            ):
                return True
        return False

    def _makes(self, function: int, name: str) -> bool:
        """Whether what this gives back is as good as given: page_waitqueue() of 5.10 finds a page's queue by its address."""
        here = self.index.path(function)
        return all(
            self._is_headers(one)
            or self.index.path(one).startswith(_MACHINERY)
            or (self.index.is_static(one) and self.index.path(one) == here and self._computes(one))
            for one in self.index.defined(name).tolist()
        )

    def _computes(self, function: int) -> bool:
        """Whether a function calls nothing but what headers define."""
        return all(
            call.through is None
            and all(self._is_headers(one) for one in self.index.defined(call.name).tolist())
            for call in self.sources.calls(function)
        )

"""Answers of a store, kept until the store changes: most pages ask for the same totals, trends and lists."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar, cast

__all__ = ["Remembering"]

_MOST = 64
"""Answers.  The largest, a thousand signatures, takes some 3 MiB."""

Given = ParamSpec("Given")
Answer = TypeVar("Answer")


class Remembering:
    """Asks, and remembers what was answered.  Safe to share between threads."""

    def __init__(self, version: Callable[[], object]) -> None:
        self._version = version
        """What changes when the store does."""
        self._lock = threading.Lock()
        self._answers: OrderedDict[tuple[object, ...], tuple[object, Any]] = OrderedDict()

    def __call__(
        self, question: Callable[Given, Answer], *given: Given.args, **named: Given.kwargs
    ) -> Answer:
        """The answer to a question, at once if it was given and the store is still the same."""
        key = (question.__name__, given, tuple(sorted(named.items())))
        version = self._version()
        with self._lock:
            kept = self._answers.pop(key, None)
            if kept is not None and kept[0] == version:
                self._answers[key] = kept
                return cast(Answer, kept[1])
        answer = question(*given, **named)
        with self._lock:
            self._answers[key] = (version, answer)
            while len(self._answers) > _MOST:
                self._answers.popitem(last=False)
        return answer

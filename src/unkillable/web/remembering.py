"""Answers of a store, kept until the store changes: most pages ask for the same totals, trends and lists."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
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
        self._kept: Callable[..., Any] = lru_cache(_MOST)(_ask)

    def __call__(
        self, question: Callable[Given, Answer], *given: Given.args, **named: Given.kwargs
    ) -> Answer:
        """The answer to a question, at once if it was given and the store is still the same."""
        return cast(Answer, self._kept(self._version(), question, *given, **named))


def _ask(_version: object, question: Callable[..., Any], /, *given: object, **named: object) -> Any:
    return question(*given, **named)

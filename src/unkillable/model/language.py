"""How rules are written: Python functions with a mark, in a part of Python that three readers understand.

A rule's body has assignments to fields of the state, `if`, `for ... in range(...)`, and calls of helpers.  `require(...)` comes first:
the rule can be applied where all of them hold.  A helper is an expression (one `return`) or a procedure (no `return`).  What is
not in this part of Python is refused when the rules are read (`reading`), not misunderstood.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Any, NamedTuple, TypeVar

from unkillable.model.state import At


class Actor(Enum):
    """Who takes a step.  Each task, and each of the others, is a process of its own: what fairness is about."""

    TASK = "task"
    REAPER = "oom_reaper"
    EARLY = "early killer"
    PARENT = "parent"
    OUTSIDE = "outside"


class Rule(NamedTuple):
    """One kind of step."""

    name: str
    function: Callable[..., None]
    actor: Actor
    at: tuple[At, ...]
    """Where the task is; () where it does not matter."""
    over: str
    """Of what there is one instance each: "", task, page."""
    kernel: str
    """The kernel's function."""
    says: str
    """A sentence of the story."""
    asleep: bool
    """The task need not be running."""


F = TypeVar("F", bound=Callable[..., Any])

RULES: list[Rule] = []
HELPERS: dict[str, Callable[..., Any]] = {}


def require(_condition: bool) -> None:
    """The rule can be applied only if this holds."""
    raise NotImplementedError  # pragma: no cover - the rules are read, not run


def step(
    *at: At, kernel: str, says: str, actor: Actor = Actor.TASK, over: str = "", asleep: bool = False
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Marks a rule: what a task at one of these places, or somebody else, can do."""

    def mark(function: Callable[..., None]) -> Callable[..., None]:
        RULES.append(Rule(function.__name__, function, actor, at, over, kernel, says, asleep))
        return function

    return mark


def helper(function: F) -> F:
    """Marks a helper."""
    HELPERS[function.__name__] = function
    return function

"""Task states of a tree: what an expression of TASK_ flags means, by the tree's own #defines."""

from __future__ import annotations

import re
from functools import lru_cache

import msgspec

from unkillable.ksource.sources import Sources

_HEADERS = ("include/linux/sched.h",)
_DEFINED = re.compile(r"\s*((?:__)?(?:TASK|EXIT)_\w+)\s(.*)", re.DOTALL)
_STATE = re.compile(r"(?:__)?(?:TASK|EXIT)_\w+\Z")
_NUMBER = re.compile(r"0[xX]([0-9a-fA-F]+)|[0-9]+")
_TOKEN = re.compile(r"[A-Za-z_]\w*|0[xX][0-9a-fA-F]+|\d+|.", re.DOTALL)
_CHOICE = re.compile(r"\(([^()?:]*)\?([^()?:]*):([^()?:]*)\)|\A([^()?:|]*)\?([^()?:]*):([^()?:]*)\Z")
"""TASK_UNINTERRUPTIBLE | (freeze ? TASK_FREEZABLE : 0), or only the choice."""
_CHOICES = 4
"""Of one expression: each doubles what is looked at."""
_DEEPEST = 12
_NAMES = ("TASK_RUNNING", "TASK_INTERRUPTIBLE", "TASK_UNINTERRUPTIBLE", "TASK_KILLABLE", "TASK_IDLE", "TASK_PARKED",
          "TASK_STOPPED", "TASK_TRACED", "TASK_RTLOCK_WAIT", "TASK_FROZEN", "TASK_DEAD")  # fmt: skip
"""What a sleep can be called; flags beside these are told as properties."""


class State(msgspec.Struct, frozen=True):
    """The state in which a task sleeps."""

    name: str
    """TASK_..., without TASK_FREEZABLE."""
    killable: bool
    """SIGKILL wakes it: signal_wake_up_state() wakes TASK_WAKEKILL, and TASK_INTERRUPTIBLE in any case."""
    interruptible: bool = False
    """Any signal wakes it."""
    idle: bool = False
    """Not counted as load, and not looked at by khungtaskd (TASK_NOLOAD, since 4.2)."""
    freezable: bool = False
    """The freezer takes it as frozen (TASK_FREEZABLE, since 6.1)."""


class States:
    """Follows #defines; the numbers of the flags have changed with releases."""

    def __init__(self, sources: Sources) -> None:
        self.defined: dict[str, str] = {}
        for path in _HEADERS:
            for macro in sources.text(path).macros:
                match = _DEFINED.match(macro.rest)
                if match:
                    self.defined.setdefault(match[1], match[2])
        self.value = lru_cache(maxsize=4096)(self._value)
        self.state = lru_cache(maxsize=4096)(self._state)

    def is_state(self, word: str) -> bool:
        """Whether this is the name of a state or of a flag of one."""
        return word in self.defined

    def _state(self, expression: str) -> State | None:
        """What an expression means; None if anything but flags, casts and numbers is in it."""
        choice = _CHOICE.search(expression)
        if choice is not None:
            return self._common(expression, choice)
        flags = self._value(expression)
        if flags is None:
            return None
        bits = {name: self._value(name) or 0 for name in self.defined if _STATE.match(name)}
        freezable = bits.get("TASK_FREEZABLE", 0) | bits.get("__TASK_FREEZABLE_UNSAFE", 0)
        plain = flags & ~freezable
        name = next((one for one in _NAMES if one in bits and bits[one] == plain), None)
        if name is None:
            return None
        return State(
            name=name,
            killable=bool(plain & (bits.get("TASK_INTERRUPTIBLE", 0) | bits.get("TASK_WAKEKILL", 0))),
            interruptible=bool(plain & bits.get("TASK_INTERRUPTIBLE", 0)),
            idle=bool(plain & bits.get("TASK_NOLOAD", 0)),
            freezable=bool(flags & freezable),
        )

    def _common(self, expression: str, choice: re.Match[str]) -> State | None:
        """What both sides of a choice have in common: a wait that is freezable or not is killable or not all the same."""
        if expression.count("?") > _CHOICES:
            return None
        before, behind = expression[: choice.start()], expression[choice.end() :]
        sides = choice.group(2, 3) if choice[2] is not None else choice.group(5, 6)
        one, other = (self.state(f"{before} {side} {behind}") for side in sides)
        if one == other or one is None or other is None:
            return one if one == other else None
        return msgspec.structs.replace(one, freezable=False) if one.name == other.name else None

    def _value(self, expression: str, depth: int = 0) -> int | None:
        """The number of A | B; parentheses do not matter, anything else is not known."""
        if depth > _DEEPEST:
            return None
        total, terms = 0, 0
        for word in _TOKEN.findall(expression.replace("\\", " ")):
            if word.isspace() or word in "()|":
                continue
            value = self._word(word, depth)
            if value is None:
                return None
            total |= value
            terms += 1
        return total if terms else None

    def _word(self, word: str, depth: int) -> int | None:
        number = _NUMBER.fullmatch(word)
        if number is not None:
            return int(number[1], 16) if number[1] else int(word)
        return self._one(word, depth) if word in self.defined else None

    def _one(self, name: str, depth: int) -> int | None:
        text = self.defined[name]
        # (0x4000 * IS_ENABLED(CONFIG_LOCKDEP)): as if it were on, it only marks.
        conditional = re.fullmatch(r"\s*\(?\s*(0x[0-9a-fA-F]+)\s*\*\s*IS_ENABLED\(\w+\)\s*\)?\s*", text)
        return int(conditional[1], 16) if conditional else self._value(text, depth + 1)

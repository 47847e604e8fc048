"""The ten traits of a wait, read off its text: what may end it, how it queues, what it lets go of meanwhile."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

from unkillable.ksource.calls import Call, calls
from unkillable.ksource.states import State
from unkillable.ksource.waits_types import Traits

_EXCLUSIVE = re.compile(r"\bWQ_FLAG_EXCLUSIVE\b")
_BEFORE = 200
"""Characters before it that are looked at."""
_CHOSEN = re.compile(r"(\(?[\w \t\n!=]*+\)?)\s*\?\s*\Z")
"""condition ? WQ_FLAG_EXCLUSIVE : 0."""
_STORED = re.compile(r"(?<![&~=!<>])=\s*\Z")
"""flags = WQ_FLAG_EXCLUSIVE, also with |=."""
_GUARD = re.compile(r"\bif\s*\(([^(){};]*)\)\s*\{?[^(){};]*\Z")
"""What must hold for the statement behind it."""
_COMPARED = re.compile(r"\(*\s*(\w+)\s*([!=]=)\s*(\w+)\s*\)*\Z")
_SWAIT = re.compile(r"\bstruct\s+swait_queue\b|\bDECLARE_SWAITQUEUE\b")
_FREEZER = re.compile(r"\b(?:freezable_schedule\w*|freezer_do_not_count|try_to_freeze)\s*\(")
"""How a sleep was made freezable before TASK_FREEZABLE (Linux 6.1)."""
_HRTIMER = re.compile(r"\b(?:hrtimer_\w+|schedule_hrtimeout\w*)\s*\(")
_WORD = re.compile(r"[A-Za-z_]\w*")


class Written(NamedTuple):
    """A primitive as traits are read off it."""

    text: str
    """Everything that it is made of."""
    parameters: Sequence[str]
    state: State | None
    timed: Callable[[str], bool]
    """Whether a name is a scheduler that takes a time."""
    sleeps: Callable[[str], bool]
    """Whether what is called by a name sleeps: it returns the time that is left."""


def traits(one: Written) -> Traits:
    """What can be said of a primitive."""
    found = list(calls(one.text))
    timed = _takes_time(one, found)
    high_resolution = _HRTIMER.search(one.text) is not None
    queue = one.parameters[0] if one.parameters else ""
    unlocked = [call for call in _first_of_each_lock(found) if "_unlock" in call.name]
    own = [call for call in unlocked if _own_lock(call.arguments[0], queue)]
    callers = [call for call in unlocked if _words(call.arguments[0]) & set(one.parameters[1:])]
    return Traits(
        freezable=(one.state is not None and one.state.freezable) or _FREEZER.search(one.text) is not None,
        timeout=timed and not high_resolution,
        hrtimeout=high_resolution and (timed or _hands_time_to_timer(one, found)),
        exclusive=_is_exclusive(one.text),
        interruptible=one.state is not None and one.state.interruptible,
        killable=one.state is not None and one.state.killable and not one.state.interruptible,
        idle=one.state is not None and one.state.idle,
        locked=bool(own),
        irq=any(call.name.endswith("_irq") for call in (*own, *callers)),
        cmd=_runs_a_parameter(one),
    )


def _takes_time(one: Written, found: Sequence[Call]) -> bool:
    """Whether a parameter reaches the scheduler as a time, by itself or by a variable that is given it."""
    for call in found:
        if call.through is None and one.timed(call.name):
            for argument in call.arguments:
                if _from_parameter(one, argument):
                    return True
    return False


def _hands_time_to_timer(one: Written, found: Sequence[Call]) -> bool:
    return any(
        call.name.startswith("hrtimer_")
        and any(_from_parameter(one, argument) for argument in call.arguments)
        for call in found
    )


def _from_parameter(one: Written, argument: str) -> bool:
    words = _words(argument)
    later = set(one.parameters)
    if words & later:
        return True
    for word in words:
        for given in re.findall(rf"\b{re.escape(word)}\s*=(?!=)([^;]*);", one.text):
            # The time that is left is given back by the same variable: timeout = schedule_timeout(timeout).
            if _words(given) & later and not any(map(one.sleeps, _words(given))):
                return True
    return False


def _first_of_each_lock(found: Sequence[Call]) -> list[Call]:
    """What is done first with each spinlock: one that is let go of first was held by the caller."""
    first: dict[str, Call] = {}
    for call in found:
        if call.arguments and re.fullmatch(r"(?:raw_)?spin_(?:un)?lock(?:_irq\w*|_bh)?", call.name):
            first.setdefault(call.arguments[0], call)
    return list(first.values())


def _own_lock(argument: str, queue: str) -> bool:
    """The lock of the queue itself, which is a member of it."""
    words = _WORD.findall(argument)
    return len(words) >= 2 and words[-1] == "lock" and words[0] == queue


def _is_exclusive(text: str) -> bool:
    if _SWAIT.search(text):
        return True  # swake_up_one() wakes one, and there is no other kind of entry
    for match in _EXCLUSIVE.finditer(text):
        before = text[max(match.start() - _BEFORE, 0) : match.start()]
        chosen = _CHOSEN.search(before)
        if chosen is not None and _holds(chosen[1]):
            return True
        if chosen is None and _STORED.search(before):
            guard = _GUARD.search(before)
            if guard is None or _holds(guard[1]):
                return True
    return False


def _holds(condition: str) -> bool:
    """Whether a condition holds, with the constants that the primitive hands on in the place of parameters."""
    compared = _COMPARED.match(condition.strip())
    if compared is not None:  # behavior == EXCLUSIVE, for folio_wait_bit() SHARED == EXCLUSIVE
        return (compared[1] == compared[3]) == (compared[2] == "==")
    return condition.strip("() \t\n") not in ("0", "false", "exclusive")


def _runs_a_parameter(one: Written) -> bool:
    """Whether a parameter stands as a statement of its own in what is run around schedule()."""
    return any(
        re.search(rf"(?:^|[;{{}}])\s*{re.escape(name)}\s*;", one.text, re.MULTILINE)
        for name in one.parameters
        if name != "..."
    )


def _words(text: str) -> set[str]:
    return set(_WORD.findall(text))

"""Which calls give back what another call took, or wake who waits for it: by the kernel's own habits of naming."""

from __future__ import annotations

import re
from functools import cache

_MODIFIERS = re.compile(
    r"_(?:interruptible|killable|nested|nest_lock|io|timeout|non_owner|slowpath|or_retry|irq|irqsave|bh|exclusive|state|async)(?=_|\Z)"
)
_TRIES = re.compile(r"(?<=down)_trylock|(?<=down_read)_trylock|(?<=down_write)_trylock|try(?=lock)")
"""A lock that was tried is held like one that was waited for."""
_TAKES = (
    (re.compile(r"(?<![a-z])down(?![a-z])"), "up"),
    (re.compile(r"(?<![a-z])lock(?![a-z])"), "unlock"),
)
"""What is in the name of a call that takes, and what stands there in the one that gives back."""
_SIDES = re.compile(r"_(?:read|write|shared)(?=_|\Z)")
"""Readers of a lock wait for its writer."""
_SHARED = re.compile(r"(?:^|_)(?:read|shared)(?:_|\Z)")
WAKES = re.compile(r"(?:^|_)(?:wake|complete|swake)(?:_|$)")
"""In the name of a call that wakes who waits in a queue or for a completion."""


@cache
def release(primitive: str) -> str | None:
    """mutex_lock_killable_nested -> mutex_unlock, down_read_trylock -> up_read; None for a wait that takes nothing."""
    plain = _MODIFIERS.sub("", _TRIES.sub("", primitive))
    for takes, gives in _TAKES:
        if takes.search(plain):
            return takes.sub(gives, plain, count=1)
    return None


@cache
def family(primitive: str) -> str:
    """The same for all waits that are for one lock of a thing that has several: inode_lock_shared and inode_lock_killable."""
    return _SIDES.sub("", release(primitive) or primitive)


@cache
def shares(name: str) -> bool:
    """Whether a call of this name takes a lock, or gives it back, that several have at the same time."""
    return _SHARED.search(name) is not None


@cache
def wakes(name: str) -> bool:
    """Whether a call of this name wakes sleepers of its argument."""
    return WAKES.search(name) is not None

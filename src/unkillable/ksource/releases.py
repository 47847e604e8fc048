"""Which calls give back what another call took, or wake who waits for it: by the kernel's own habits of naming."""

from __future__ import annotations

import re

_MODIFIERS = re.compile(
    r"_(?:interruptible|killable|nested|nest_lock|io|timeout|non_owner|slowpath|or_retry|irq|irqsave|bh|exclusive|state|async)(?=_|\Z)"
)
_TAKES = (
    (re.compile(r"(?<![a-z])down(?![a-z])"), "up"),
    (re.compile(r"(?<![a-z])lock(?![a-z])"), "unlock"),
)
"""What is in the name of a call that takes, and what stands there in the one that gives back."""
WAKES = re.compile(r"(?:^|_)(?:wake|complete|swake)(?:_|$)")
"""In the name of a call that wakes who waits in a queue or for a completion."""


def release(primitive: str) -> str | None:
    """mutex_lock_killable_nested -> mutex_unlock, down_read -> up_read; None for a wait that takes nothing."""
    plain = _MODIFIERS.sub("", primitive)
    for takes, gives in _TAKES:
        if takes.search(plain):
            return takes.sub(gives, plain, count=1)
    return None


def wakes(name: str) -> bool:
    """Whether a call of this name wakes sleepers of its argument."""
    return WAKES.search(name) is not None

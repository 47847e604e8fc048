"""What the reader itself looks for, besides its caller's literals: where boots begin, and what was lost on the way."""

from __future__ import annotations

import re
from functools import lru_cache

from unkillable.klog.boots import BANNER
from unkillable.klog.scan import Scanner

_LOSS = b" messages"
_BOOTS = (BANNER.encode(), b"[    0.000000] ", b"-- Boot ", b"-- Reboot --")
"""Few, as the scanner takes 64 in one pass (limits.MAX_LITERALS_PER_PASS).  Where every line is read, the banner alone."""
_LOST = (
    re.compile(r"\*\* (\d{1,12}) printk messages dropped"),  # printk, since 3.17
    re.compile(r"Missed (\d{1,12}) kernel messages"),  # systemd-journald
)


@lru_cache(maxsize=16)
def scanner(literals: tuple[bytes, ...], close: bool) -> Scanner:
    """The scanner for a caller's literals and our own: building one takes as long as reading many small logs."""
    boots = _BOOTS[:1] if close else _BOOTS
    return Scanner((*literals, _LOSS, *(own for own in boots if own not in literals)))


def lost(message: str) -> int:
    """How many messages the kernel or journald say were lost."""
    return sum(int(found[1]) for pattern in _LOST if (found := pattern.search(message)))

"""Numbers and names as logs print them, with a bound: a garbled line can join digits of two into an absurd one."""

from __future__ import annotations

import re

_DIGITS = 19  # of the largest signed 64-bit number
_HEX_DIGITS = 16
PID_MAX = 1 << 22
"""Linux's PID_MAX_LIMIT on 64-bit machines (include/linux/threads.h, 6.12)."""


def integer(text: str | None) -> int | None:
    """A decimal number, or None where there is none or it is longer than a 64-bit number."""
    if not text:
        return None
    digits = text.lstrip("+-")
    if not digits.isdecimal() or not digits.isascii() or len(digits) > _DIGITS:
        return None
    return int(text)


def pid_number(text: str | None) -> int | None:
    """A process id, or None where it cannot be one."""
    value = integer(text)
    return value if value is not None and 0 <= value <= PID_MAX else None


def hexadecimal(text: str | None) -> int | None:
    """A hexadecimal number with or without 0x, or None."""
    if not text:
        return None
    digits = text[2:] if text[:2] in ("0x", "0X") else text
    if not digits or len(digits) > _HEX_DIGITS:
        return None
    try:
        return int(digits, 16)
    except ValueError:
        return None


def before(match: re.Match[str], limit: int) -> str:
    """The last characters before a match, at most `limit`: where a name of any characters ends.

    A pattern that began with such a name would try every place of a long line, and the name's length at each.
    """
    return match.string[max(0, match.start() - limit) : match.start()].strip()

"""What the name of a log tells: the device, its firmware's release, the day."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import msgspec

from unkillable.errors import UserError
from unkillable.klog.clock import iso

GROUPS = ("device", "release", "date")
_NOT_SET = 1104537600.0
"""2005-01-01: a clock that says less was not set (devices without a battery begin in 1970 or 2000)."""
_DIGITS = {8: "%Y%m%d", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}


class Told(msgspec.Struct, frozen=True):
    """What a name tells; empty where it does not."""

    device: str = ""
    release: str = ""
    date: float | None = None
    """Seconds since 1970."""


class NameFields:
    """`--name-fields`: a regular expression with groups named device, release and date, looked for in a log's name."""

    def __init__(self, pattern: str | None) -> None:
        self._pattern = None
        if pattern is None:
            return
        try:
            self._pattern = re.compile(pattern)
        except re.error as error:
            raise UserError(f"--name-fields {pattern}: not a regular expression: {error}") from None
        wrong = [name for name in self._pattern.groupindex if name not in GROUPS]
        if wrong or not self._pattern.groupindex:
            raise UserError(
                f"--name-fields {pattern}: "
                + (f"knows no group {wrong[0]}" if wrong else "has no named group")
                + r"; write it with (?P<device>...), (?P<release>...) or (?P<date>...)"
            )

    def of(self, name: str) -> Told:
        """What this name tells."""
        found = self._pattern.search(name) if self._pattern is not None else None
        if found is None:
            return Told()
        groups = {key: value or "" for key, value in found.groupdict().items()}
        return Told(groups.get("device", ""), groups.get("release", ""), date(groups.get("date", "")))


def date(text: str) -> float | None:
    """Seconds since 1970 of `20261102`, `2026-11-02_10-15`, an ISO date with time, or seconds since 1970; UTC where it names no zone."""
    whole = iso(text)
    if whole is not None:
        return sane(whole)
    digits = re.sub(r"\D", "", text, flags=re.ASCII)
    if len(digits) == 10:
        return sane(float(digits))
    if len(digits) not in _DIGITS:
        return None
    try:
        return sane(datetime.strptime(digits, _DIGITS[len(digits)]).replace(tzinfo=UTC).timestamp())
    except ValueError:
        return None


def sane(seconds: float | None) -> float | None:
    """The date, or None where the clock that it comes from was not set."""
    return seconds if seconds is not None and seconds >= _NOT_SET else None


def printable(text: str) -> str:
    """The text as UTF-8 can have it, as a file's name need not be: bytes that are none are written `\\xff`."""
    if text.isascii():
        return text
    try:
        data = text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        data = text.encode("utf-8", "surrogatepass")
    return data.decode("utf-8", "backslashreplace")

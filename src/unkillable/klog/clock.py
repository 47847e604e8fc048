"""Dates of log formats to seconds since 1970. A date no calendar has gives None."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from unkillable.klog.limits import MAX_DATES

MONTHS = {name: at for at, name in enumerate("Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(), 1)}
_ISO = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d):(\d\d)(?:[.,](\d{1,9}))?(?: ?(Z|UTC|GMT)| ?([+-])(\d\d):?(\d\d))?"
)
_SYSLOG = re.compile(
    r"(?:(\d{4}) )?([A-Z][a-z]{2}) +(\d{1,2}) (\d\d):(\d\d):(\d\d)(?:[.,](\d{1,9}))?(?: (\d{4}))?"
)
_known: dict[str, float | None] = {}


def iso(text: str) -> float | None:
    """`2024-01-01T00:00:00.123+01:00` and its relatives; without a zone as if UTC."""
    return _cached(text, _iso)


def syslog(text: str) -> float | None:
    """`Jan  1 00:00:00`, with a year or fraction or without; without a year as if this year."""
    return _cached(text, _syslog)


def _cached(text: str, convert: Callable[[str], float | None]) -> float | None:
    try:
        return _known[text]
    except KeyError:
        if len(_known) >= MAX_DATES:
            _known.clear()
        try:
            value = convert(text)
        except (ValueError, OverflowError):
            value = None
        _known[text] = value
        return value


def _iso(text: str) -> float | None:
    found = _ISO.match(text)
    if found is None:
        return None
    year, month, day, hour, minute, second, fraction, _, sign, hours, minutes = found.groups()
    when = datetime(int(year), int(month), int(day), int(hour), int(minute), min(int(second), 59), tzinfo=UTC)
    if sign:
        offset = timedelta(hours=int(hours), minutes=int(minutes))
        when = when - offset if sign == "+" else when + offset
    return when.timestamp() + _fraction(fraction)


def _syslog(text: str) -> float | None:
    found = _SYSLOG.match(text)
    if found is None or found[2] not in MONTHS:
        return None
    before, month, day, hour, minute, second, fraction, after = found.groups()
    year = int(before or after or datetime.now(UTC).year)
    when = datetime(year, MONTHS[month], int(day), int(hour), int(minute), min(int(second), 59), tzinfo=UTC)
    return when.timestamp() + _fraction(fraction)


def _fraction(digits: str | None) -> float:
    return float("0." + digits) if digits else 0.0

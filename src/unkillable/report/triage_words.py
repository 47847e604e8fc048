"""Words that the text and the page of a triage have in common."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from unkillable.fleet.answers import Bucket, Change, Rate
from unkillable.fleet.triage_types import Reading, Triage
from unkillable.report.plain import count

_BARS = "▁▂▃▄▅▆▇█"


def day(seconds: float | None) -> str:
    """`2026-11-02`, UTC; a dash where no log has a date."""
    if not seconds:
        return "-"
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d")
    except (ValueError, OverflowError, OSError):
        return "-"


def spans_days(triage: Triage) -> bool:
    """Whether there is a trend to show: logs of one day have none."""
    return bool(triage.trend) and day(triage.trend[0].start) != day(triage.trend[-1].end)


def sparkline(counts: Sequence[int]) -> str:
    """A column for each count; a blank for none."""
    most = max(counts, default=0)
    return "".join(_BARS[(one * len(_BARS) - 1) // most] if one else " " for one in counts) if most else ""


def narrow(counts: Sequence[int], columns: int) -> list[int]:
    """The counts, neighbours added up until there are so many."""
    step = -(-len(counts) // columns) or 1
    return [sum(counts[at : at + step]) for at in range(0, len(counts), step)]


def tone(triage: Triage) -> str:
    """bad, unsure or good."""
    if triage.totals.hung or triage.totals.failing:
        return "bad"
    return "unsure" if triage.broken or not triage.totals.logs else "good"


def broken(triage: Triage) -> int:
    """Logs that could not be read, or not all of them."""
    return sum(one.count for one in triage.broken)


def number(value: int) -> str:
    """With commas; a dash for none, where it means not known."""
    return f"{value:,}" if value else "-"


def reading(one: Reading) -> str:
    """What the run read, in a sentence."""
    speed = f", {one.logs / one.seconds:,.0f} a second" if one.seconds > 0 else ""
    read = f"read {count(one.logs, 'log')} ({one.bytes / 1e6:,.1f} MB) in {one.seconds:,.1f} s{speed}, in {one.engine}"
    parts = [read if one.logs else "read nothing" if one.inputs else "found no file"]
    if one.unchanged:
        parts.append(f"{count(one.unchanged, 'unchanged file was', 'unchanged files were')} not read")
    if one.copies:
        parts.append(f"{count(one.copies, 'log was a copy', 'logs were copies')} of known ones")
    return "; ".join(parts)


def window(triage: Triage) -> str:
    """`of logs seen from 2026-03-01 to 2026-03-31`; empty where all count."""
    begin = f" from {day(triage.since)}" if triage.since is not None else ""
    # The last day is part of it, and its end the beginning of the next.
    end = f" {'to' if begin else 'up to'} {day(triage.until - 1)}" if triage.until is not None else ""
    return f"of logs seen{begin}{end}" if begin or end else ""


def pruned(triage: Triage) -> str:
    """What --retain did; empty where nothing."""
    return f"{count(triage.pruned, 'old log was', 'old logs were')} forgotten" if triage.pruned else ""


def example(bucket: Bucket) -> str:
    """The example's name and line, as editors take them; empty without one."""
    if bucket.example is None:
        return ""
    return bucket.example.name + (f":{bucket.example.line}" if bucket.example.line else "")


def rate(one: Rate) -> str:
    """`3 of 120 = 2.5 % (0.5-7.1)`"""
    return f"{one.count:,} of {one.of:,} = {100 * one.rate:.2g} % ({100 * one.low:.2g}-{100 * one.high:.2g})"


def ratio(one: Change) -> str:
    """`x 3.1 (1.2-8.0)`"""
    high = "" if one.ratio_high is None else f"{one.ratio_high:.2g}"
    middle = "" if one.ratio is None else f"x {one.ratio:.2g} "
    return f"{middle}({one.ratio_low:.2g}-{high})"

"""The commonest lines: one framing throughout, with printk's time or else a date, plain text. Many of them are told by one pattern."""

from __future__ import annotations

import re
from functools import lru_cache

_SECONDS = r" {0,12}\d{1,12}\.\d{6}"
TIME = rf"\[{_SECONDS}\]"
"""printk's time as most kernels print it."""
_CALLER = r"[TC]\d{1,10}"
_TEXT = r" (?![\w.-]{1,64} kernel:| [(\[]\d|-?\(\d|[IDWE]?\[\d{1,2}: |\[ {0,8}[TC]\d|<[c0-7]|c\d)"
"""A blank, and none of what may stand behind printk's own prefix or in front of another one."""
ALONE = rf"\[({_SECONDS})\]{_TEXT}"
"""Its group is the time."""
MONTH = "(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
DAY = "(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)"
DATE = MONTH + r" [ \d]\d (?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d"
"""syslog's; the day may be one that no month has."""
_UNTIMED = rf"(?!\d|<|\[(?: {{0,12}}[\d+TC]|{MONTH}|{DAY})|[IDWE]\[|c\d|-?\(\d)"
"""None of what may be printk's prefix, or stand behind it."""
_MERGED = rb"\[(?![ \d][ \d.]{9,16}\][ \[])"
"""A bracket that is not the beginning of another printk prefix, which lines merged into one have."""


class Common:
    """Tells lines with one kind of prefix."""

    def __init__(self, prefix: str, group: str, caller: str, text: str) -> None:
        """`prefix`: its pattern; `group`: the part of it that is the time, or the date; `caller`: a caller id's pattern, or nothing;
        `text`: what may follow."""
        self.dates = group == DATE
        """The time is a date: printk's is not printed."""
        timed = prefix.replace(group, f"({group})", 1)
        named = timed + (caller.replace(_CALLER, f"({_CALLER})") or "()") + text
        encoded = (timed + caller + text).encode("ascii")
        bare = (prefix + caller + text).encode("ascii")
        self.times = re.compile(
            rb"^%s(?=[ \t]*[!-~])[^\[\n]*(?:%s[^\[\n]*)*\n" % (encoded, _MERGED), re.MULTILINE
        ).findall
        """The time of each such line that is not blank."""
        self._run = re.compile(
            rb"(?:%s(?=[ \t]*[!-~])[\t -Z\\-~]*(?:%s[\t -Z\\-~]*)*\r*\n)*+" % (bare, _MERGED)
        ).match
        self.fields = re.compile(named + r"([^\n]*)\n", re.ASCII).findall
        """Of lines of which `run` says that all are such lines: time, caller and text of each."""

    def run(self, lines: bytes) -> int:
        """Where the first line begins that is another, blank or not plain text."""
        found = self._run(lines)
        return found.end() if found is not None else 0


@lru_cache(maxsize=64)
def common(forms: tuple[str | None, ...], caller: bool) -> Common | None:
    """For lines whose prefixes have these forms (Row.form), with a caller id behind printk's time or without one.

    None where one of them has no form, the last has no time and no date, or no place for a caller.
    """
    if not forms or None in forms or (caller and forms[-1] == TIME):
        return None
    prefix = "".join(form or "" for form in forms)
    if prefix.endswith(TIME):
        return Common(prefix, _SECONDS, rf"\[ {{0,8}}{_CALLER}\]" if caller else "", _TEXT)
    return Common(prefix, DATE, "", _UNTIMED) if len(forms) == 1 and prefix.startswith(DATE) else None

"""The commonest lines: one framing throughout, printk's time, plain text. Many of them are told by one pattern."""

from __future__ import annotations

import re
from functools import lru_cache

TIME = r"\[( {0,12}\d{1,12}\.\d{6})\]"
"""printk's time as most kernels print it; the only group."""
_CALLER = r"\[ {0,8}([TC]\d{1,10})\]"
_TEXT = r" (?![\w.-]{1,64} kernel:| [(\[]\d|-?\(\d|[IDWE]?\[\d{1,2}: |\[ {0,8}[TC]\d|<[c0-7]|c\d)"
"""A blank, and none of what may stand behind printk's own prefix or in front of another one."""
ALONE = TIME + _TEXT
_MERGED = rb"\[(?![ \d][ \d.]{9,16}\][ \[])"
"""A bracket that is not the beginning of another printk prefix, which lines merged into one have."""


class Common:
    """Tells lines with one kind of prefix."""

    def __init__(self, prefix: str, caller: str) -> None:
        """`prefix`: its pattern, with the time as the only group; `caller`: that of a caller id, the only group too, or nothing."""
        whole = prefix + caller + _TEXT
        bare = whole.replace("[( ", "[(?: ").replace("([TC]", "(?:[TC]").encode("ascii")
        timed = whole.replace("([TC]", "(?:[TC]").encode("ascii")
        named = prefix + (caller or "()") + _TEXT
        self.times = re.compile(
            rb"^%s(?=[ \t]*[!-~])[^\[\n]*(?:%s[^\[\n]*)*\n" % (timed, _MERGED), re.MULTILINE
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

    None where one of them has no form, none has the time, or the last has no place for a caller.
    """
    prefix = "".join(form or "" for form in forms)
    if None in forms or prefix.count(TIME) != 1 or (caller and forms[-1] == TIME):
        return None
    return Common(prefix, _CALLER if caller else "")

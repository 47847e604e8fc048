"""Logs pasted into mail, forums and web pages: quoting, wrapping, entities and tags undone."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator

from unkillable.klog.limits import PASTE_WINDOW
from unkillable.klog.scan import Scanner

Pairs = Iterator[tuple[int, bytes]]

_QUOTE = re.compile(rb"(?:[>|] ?){1,16}(?=\S|$| )")
_QUOTES = (b"> ", b">> ", b">[", b">>[", b"| ")
_FIELDS = (b"From: ", b"To: ", b"Subject: ", b"Message-ID: ", b"Message-Id: ", b"Date: ", b"Content-Type: ", b"MIME-Version: ",
           b"Received: ", b"List-Id: ")  # fmt: skip
_scanner = Scanner(
    [b"\n" + mark for mark in (*_QUOTES, *_FIELDS)] + [b"=\n", b"=\r", b"rintable", b"RINTABLE"]
)
"""Where none of these occurs nothing was quoted, mailed or encoded."""
_PRINTABLE = re.compile(rb"^Content-Transfer-Encoding: *quoted-printable", re.MULTILINE | re.IGNORECASE)
_FLOWED = re.compile(rb"format=[\"']?flowed", re.IGNORECASE)
_SOFT = re.compile(
    rb"(?<!=)=\r?$", re.MULTILINE
)  # not lockdep's rules of `====`, which mails write as =3D=3D
_WRITTEN = re.compile(rb"(?<!=)=(?:3D|20|09|\r?\n)")
_HEX = re.compile(rb"=([0-9A-Fa-f]{2})")
_BREAK = re.compile(rb"<(?:br|/p|/div|/tr|/li|/h\d)\b[^<>]{0,200}>", re.IGNORECASE)
_TAG = re.compile(rb"</?(?:a|b|i|u|p|em|tt|td|tr|li|ul|ol|br|hr|h[1-6]|div|pre|code|span|font|table|tbody|strong|"
                  rb"blockquote|html|body|head|title|samp|kbd|mark)(?:\s[^<>]{0,500})?/?>", re.IGNORECASE)  # fmt: skip
_ENTITY = re.compile(rb"&(?:lt|gt|amp|quot|nbsp|apos|#\d{1,6}|#x[0-9a-fA-F]{1,5});")
_PREFIXED = re.compile(
    rb"(?:<\d{1,3}>)?\[ {0,8}\d{1,10}\.\d{6}\]|"
    rb"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) [ \d]\d \d\d:\d\d:\d\d |\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d"
)
_NARROW, _WIDE = 64, 82
"""Columns between which mail programs and forums wrap; a line that a blank and the next word would have made
longer than the first and that is itself no longer than the second was wrapped."""
_LONG = re.compile(
    rb"^(?=[\[<JFMASOND\d])(?=[^\r\n]{%d})(?:%s)" % (_WIDE + 1, _PREFIXED.pattern), re.MULTILINE
)
"""A line with a time that is longer than that: whoever had it did not wrap."""


class _Signs:
    """What the beginning shows of how the text was treated."""

    def __init__(self, head: bytes) -> None:
        self.mail = self.printable = self.flowed = self.quoted = False
        if _scanner.find(b"\n" + head):
            self._look(head)
        self.markup = _has_markup(head)
        self.wrapped = _LONG.search(head) is None and _wrapped(
            [_unquote(line.rstrip(b"\r")) for line in head.split(b"\n")]
        )

    def _look(self, head: bytes) -> None:
        lines = head.split(b"\n")
        self.mail = sum(line.startswith(_FIELDS) for line in head[:8192].split(b"\n")) >= 2
        self.printable = _PRINTABLE.search(head) is not None or (
            len(_SOFT.findall(head)) >= 2 and len(_WRITTEN.findall(head)) >= 3
        )
        self.flowed = self.mail and _FLOWED.search(head) is not None
        quoted = sum(line.startswith(_QUOTES) for line in lines)
        self.quoted = quoted >= 3 and quoted * 4 >= len(lines)


def _has_markup(head: bytes) -> bool:
    if b"&" in head and len(_ENTITY.findall(head)) >= 2:
        return True
    return b"<" in head and len(_BREAK.findall(head)) + len(_TAG.findall(head)) >= 3


def _wrapped(lines: list[bytes]) -> bool:
    """Whether lines with a timestamp end early and go on in lines without one."""
    narrow = broken = other = longest = 0
    before = b""
    for line in lines:
        if _PREFIXED.match(line):
            narrow += 1
            longest = max(longest, len(line))
        elif line.strip() and _PREFIXED.match(before):
            if _goes_on(before, line):
                broken += 1
            else:
                other += 1
        before = line
    return narrow >= 3 and longest <= _WIDE and broken >= 2 and broken > 2 * other


def _goes_on(before: bytes, line: bytes) -> bool:
    """Whether `line` can be the rest of `before`: its first word would not have fitted."""
    word = len(line.split(None, 1)[0]) if line.strip() else 0
    return word > 0 and len(before) <= _WIDE and len(before) + 1 + word > _NARROW


def is_pasted(head: bytes) -> bool:
    """Whether the text went through a mail program, a forum or a browser."""
    signs = _Signs(head)
    return signs.printable or signs.markup or signs.wrapped or signs.flowed or signs.quoted


def decode_pasted(lines: Pairs, head: bytes) -> Pairs:
    """Plain lines; a joined line has the number of its first part."""
    signs = _Signs(head)
    if signs.printable:
        lines = _unprintable(lines)
    if signs.markup:
        lines = _unmarked(lines)
    lines = ((number, _unquote(line.rstrip(b"\r"))) for number, line in lines)
    if signs.flowed:
        lines = _unflowed(lines)
    return _unwrapped(lines) if signs.wrapped or signs.mail or signs.quoted else lines


def _unquote(line: bytes) -> bytes:
    found = _QUOTE.match(line) if line[:1] in (b">", b"|") else None
    return line[found.end() :] if found else line


def _unprintable(lines: Pairs) -> Pairs:
    """Quoted-printable (RFC 2045): `=` at a line's end joins, =XX is a byte."""
    held: list[bytes] = []
    first = 0
    for number, line in lines:
        first = first if held else number
        line = line.rstrip(b" \t\r")
        soft = line.endswith(b"=") and len(held) < PASTE_WINDOW * 4
        held.append(line[:-1] if soft else line)
        if not soft:
            yield first, _HEX.sub(lambda found: bytes((int(found[1], 16),)), b"".join(held))
            held = []
    if held:
        yield first, _HEX.sub(lambda found: bytes((int(found[1], 16),)), b"".join(held))


def _unmarked(lines: Pairs) -> Pairs:
    """Tags of HTML removed (a <br> ends a line), entities replaced; unknown tags are the log's (<IRQ>, <TASK>)."""
    for number, line in lines:
        if b"<" in line:
            line = _TAG.sub(b"", _BREAK.sub(b"\n", line))
        if b"&" in line:
            line = _ENTITY.sub(_character, line)
        for part in line.removesuffix(b"\n").split(b"\n"):
            yield number, part


def _character(found: re.Match[bytes]) -> bytes:
    text = html.unescape(found[0].decode("ascii"))
    return (" " if text == "\xa0" else text).encode("utf-8", "replace")


def _unflowed(lines: Pairs) -> Pairs:
    """format=flowed (RFC 3676): a blank at a line's end means that the paragraph goes on."""
    held = b""
    first = count = 0
    for number, line in lines:
        if held and not _PREFIXED.match(line) and count < PASTE_WINDOW:
            held, count = held + line, count + 1
        else:
            if count:
                yield first, held
            held, first, count = line, number, 1
        if not held.endswith(b" ") or held == b"-- ":
            yield first, held
            held, count = b"", 0
    if count:
        yield first, held


def _unwrapped(lines: Pairs) -> Pairs:
    """A line with a timestamp takes up the lines without one that its width left over."""
    held, first, count = b"", 0, 0
    last = b""
    for number, line in lines:
        if count and not _PREFIXED.match(line) and count < PASTE_WINDOW and _goes_on(last, line):
            held, last, count = held + b" " + line.strip(), line, count + 1
            continue
        if count:
            yield first, held
            count = 0
        if _PREFIXED.match(line):
            held, last, first, count = line.rstrip(), line.rstrip(), number, 1
        else:
            yield number, line
    if count:
        yield first, held

"""Characters: what serial lines, terminals and pagers put into a line that the kernel did not print."""

from __future__ import annotations

import re

_ESCAPES = re.compile(
    r"\x1b\[[0-?]{0,32}[ -/]{0,4}[@-~]"  # CSI: colours, cursor movement
    r"|\x1b[\]PX^_][^\x07\x1b]{0,256}(?:\x07|\x1b\\|$)"  # OSC, DCS: window titles and such
    r"|\x1b[ -/]{0,4}[0-~]"  # other escapes
    r"|(?:\^\[|␛)\[[0-9;]{0,32}[A-Za-z]"  # the same made visible by cat -v and pagers
)
PLAIN = bytes(range(32, 127)) + b"\t"
"""Bytes that need no attention."""

_CONTROL: dict[int, int | None] = dict.fromkeys((*range(9), *range(14, 32), *range(0x7F, 0xA0)))
_CONTROL |= {0xA0: 0x20, 0x2007: 0x20, 0x202F: 0x20, 0x200B: None, 0x200E: None, 0x200F: None, 0xFEFF: None}
_RETURNS = re.compile(r"[\r\n\x0b\x0c\x85\u2028\u2029]+")


def decode(raw: bytes) -> str:
    """The line as text: UTF-8, and where it is not, Latin-1, so that no byte is lost."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def clean(text: str) -> list[str]:
    """The lines within a line: escapes, control characters and overtyped text removed, split at lone returns.

    Non-breaking blanks (mail programs, browsers) become blanks; tabs stay.
    """
    if "\x1b" in text or "^[" in text or "\u241b" in text:
        text = _ESCAPES.sub("", text)
    if "\x08" in text:
        text = _rub_out(text)
    lines = _RETURNS.split(text) if _RETURNS.search(text) else [text]
    return [line.translate(_CONTROL).rstrip() for line in lines if line.strip("\0 \t")] or [""]


def _rub_out(text: str) -> str:
    """Backspaces remove what stands before them: a shell's line editing, a progress display."""
    out: list[str] = []
    for piece in re.split(r"(\x08+)", text):
        if piece.startswith("\x08"):
            left = len(piece)
            while left and out:
                last = out.pop()
                if len(last) > left:
                    out.append(last[:-left])
                    left = 0
                else:
                    left -= len(last)
        elif piece:
            out.append(piece)
    return "".join(out)

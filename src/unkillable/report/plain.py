"""Text from a log is somebody else's: what may reach a terminal and what may not."""

from __future__ import annotations

import shutil
import textwrap


def clean(text: str) -> str:
    """Replaces everything unprintable (escape sequences, bidirectional overrides, NULs) by a visible escape."""
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() else ("    " if char == "\t" else _escape(char)) for char in text
    )


def _escape(char: str) -> str:
    code = ord(char)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def width(limit: int = 110) -> int:
    """Columns to wrap at."""
    return min(max(shutil.get_terminal_size((limit, 24)).columns, 40), limit)


def wrap(text: str, indent: str, columns: int, first: str | None = None) -> list[str]:
    """Wrapped lines; `first` is the indent of the first one."""
    return textwrap.wrap(
        text,
        columns,
        initial_indent=indent if first is None else first,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    ) or [first or indent]


def cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"


def count(value: int, one: str, many: str | None = None) -> str:
    """`1 task`, `2 tasks`."""
    return f"{value:,} {one if value == 1 else many or one + 's'}"

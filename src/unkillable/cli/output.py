"""Where output goes: colour only on a terminal, files written aside and renamed."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import click

from unkillable.errors import UserError
from unkillable.files import replacing

_COLOURS: dict[str, dict[str, object]] = {
    "headline-bad": {"fg": "red", "bold": True},
    "headline-good": {"fg": "green", "bold": True},
    "headline-unsure": {"fg": "yellow", "bold": True},
    "head": {"bold": True},
    "dim": {"dim": True},
}


def painter(colour: bool) -> Callable[[str, str], str]:
    """The style function for a text report."""

    def paint(role: str, text: str) -> str:
        return click.style(text, **_COLOURS.get(role, {})) if colour else text  # type: ignore[arg-type]

    return paint


def wants_colour(stream: object) -> bool:
    """Colour on a terminal, unless NO_COLOR is set or the terminal is dumb (no-color.org)."""
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    return bool(getattr(stream, "isatty", lambda: False)())


def forget_output() -> None:
    """The reader of our output (head, less) went away, which is no error: nothing more goes there."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def write_file(path: str, data: bytes) -> None:
    """Writes a file whole or not at all.  What is there and no file, such as /dev/null, is written to, never replaced."""
    target = Path(path)
    try:
        if target.exists() and not (target.is_file() or target.is_dir()):
            target.write_bytes(data)
            return
        with replacing(target) as aside:
            aside.write_bytes(data)
    except OSError as error:
        raise UserError(f"{path}: cannot write: {error.strerror}") from error

"""What the commands that read a kernel tree have in common."""

from __future__ import annotations

import importlib.util
import time

from unkillable.cli.progress import Line
from unkillable.errors import UserError

__all__ = ["SourceProgress", "need_numpy"]


def need_numpy() -> None:
    """Raises UserError, with the command to install it, if it is missing."""
    if importlib.util.find_spec("numpy") is None:
        raise UserError("reading a kernel tree needs numpy: pip install 'unkillable[source]'")


class SourceProgress:
    """What is being done and how long it will take, on a terminal, once it takes longer than two seconds."""

    PATIENCE, OFTEN = 2.0, 0.2
    """Seconds: before anything is shown, and between two lines."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.line = Line()
        self.began = self.shown = time.monotonic()
        self.what, self.since = "", self.began

    def __enter__(self) -> SourceProgress:
        return self

    def __exit__(self, *_: object) -> None:
        if self.shown != self.began:
            self.line.clear()

    def report(self, what: str, share: float) -> None:
        now = time.monotonic()
        if what != self.what:
            self.what, self.since = what, now
        if not self.line.terminal or now - self.began < self.PATIENCE or now - self.shown < self.OFTEN:
            return
        self.shown = now
        left = f", about {(now - self.since) / share * (1 - share):,.0f} s left" if share > 0.05 else ""
        self.line.show(f"{self.name}: {what}, {100 * share:.0f} %{left}")

"""How far something is that takes minutes."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[str, float | None], None]
"""Called with the phase, in words, and the share of it that is over; None where that cannot be told."""


def silent(_phase: str, _share: float | None) -> None:
    """Says nothing."""

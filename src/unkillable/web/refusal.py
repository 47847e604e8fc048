"""What a visitor is told instead of an answer."""

from __future__ import annotations

__all__ = ["FAULT", "Refusal"]

FAULT = "This is a fault of the program; the terminal it was started in says more."
"""What is said of a fault of ours."""


class Refusal(Exception):
    """A request that is not done: an HTTP status, and a sentence that says why and what to do."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status
        self.sentence = sentence

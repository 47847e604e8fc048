"""Every bound of this room with its reason: whoever can reach the port can send anything, for as long as they like."""

from __future__ import annotations

from typing import Any

import msgspec

from unkillable.web.worker import Job

__all__ = ["Limits"]


class Limits(msgspec.Struct, frozen=True):
    """Sizes are bytes, times seconds."""

    upload: int = 64 << 20
    """One request's body.  A console of a day has a few MiB, and what is larger is read where it lies."""
    paste: int = 8 << 20
    """Text pasted into the page: the browser sends it in one piece, which is held in memory."""
    files: int = 100
    """Files of one upload."""
    header: int = 16 << 10
    """A request's line and headers together."""
    head: float = 10.0
    """From a connection, or the answer before, until a request's headers are here."""
    pause: float = 20.0
    """Between two pieces of an upload, and until a piece of an answer is taken."""
    whole: float = 600.0
    """An upload from its first to its last byte."""
    seconds: int = 60
    """Reading and diagnosing one upload; a log of 64 MiB takes a second or two."""
    memory: int = 1 << 30
    """Address space of the process that does it.  The largest log stays below 200 MiB; a decompressor may want 192 MiB more."""
    answer: int = 64 << 20
    """What that process may answer with."""
    workers: int = 2
    """Such processes at a time."""
    waiting: int = 8
    """Uploads that are received or wait for their turn."""
    connections: int = 64
    """Connections at a time."""

    def job(self, **given: Any) -> Job:
        """A worker's job within these limits."""
        return Job(self.memory, self.seconds, **given)

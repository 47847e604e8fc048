"""What is read as one: a file, the rotated files of one log, the parts of a crash dump."""

from __future__ import annotations

from hashlib import blake2b

import msgspec

from unkillable.fleet.types import Input, Log


class Given(msgspec.Struct, frozen=True, gc=False):
    """Files that are read together."""

    inputs: tuple[Input, ...]
    paths: tuple[str, ...]
    """Where each is opened: its name, unless that is no UTF-8."""
    changed: float = 0.0
    """Seconds since 1970 of the newest one's last change; 0: not known."""

    @property
    def size(self) -> int:
        return sum(one.size for one in self.inputs)


def broken(name: str, reason: str, seen: float = 0.0) -> Log:
    """A log of which nothing could be read; others that cannot be read are no copies of it."""
    content = blake2b(f"{name}\0{reason}".encode(errors="surrogateescape"), digest_size=16).hexdigest()
    return Log(name=name, content=content, size=0, seen=seen, problem=reason)

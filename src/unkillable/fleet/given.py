"""What is read as one: a file, the rotated files of one log, the parts of a crash dump."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from hashlib import blake2b
from itertools import chain

import msgspec

from unkillable.fleet.types import Earlier, Input, Log
from unkillable.klog.groups import is_pstore, is_rotated, join_rotated


class Given(msgspec.Struct, frozen=True, gc=False):
    """Files that are read together."""

    inputs: tuple[Input, ...]
    paths: tuple[str, ...]
    """Where each is opened: its name, unless that is no UTF-8."""
    changed: float = 0.0
    """Seconds since 1970 of the newest one's last change; 0: not known."""
    earlier: Earlier | None = None
    """What the store has under its name."""

    @property
    def name(self) -> str:
        """That of the log, unless it is made of a dump's parts or one of several: of rotated files, which are given
        oldest first, the newest has it."""
        return self.inputs[-1].name

    @property
    def size(self) -> int:
        return sum(one.size for one in self.inputs)


def grouped(names: Sequence[str]) -> Iterator[list[str]]:
    """The names in one place: those that are parts of one log together, oldest first, and then each other one alone."""
    parts = {name for name in names if is_pstore(name)}
    groups = [sorted(parts)] if parts else []
    if any(map(is_rotated, names)):
        rotated = join_rotated([name for name in names if name not in parts])
        groups += (members for members in rotated.values() if len(members) > 1)
    yield from groups
    members = set(chain.from_iterable(groups))
    yield from ([name] for name in names if name not in members)


def joined(some: Sequence[Given]) -> Given:
    """One of several."""
    return Given(
        tuple(chain.from_iterable(one.inputs for one in some)),
        tuple(chain.from_iterable(one.paths for one in some)),
        max(one.changed for one in some),
    )


def broken(name: str, reason: str, seen: float = 0.0, again: bool = False) -> Log:
    """A log of which nothing could be read; others that cannot be read are no copies of it."""
    return Log(name=name, content=_of_none(name, reason), size=0, seen=seen, problem=reason, again=again)


def unread(name: str, content: str, problem: str | None) -> bool:
    """Whether that is the content of a log of which nothing could be read."""
    return problem is not None and content == _of_none(name, problem)


def _of_none(name: str, reason: str) -> str:
    return blake2b(f"{name}\0{reason}".encode(errors="surrogateescape"), digest_size=16).hexdigest()

"""The names of a tree as numbers: 0 is no name, the others count in the order in which they are met.

A name is known by a digest of 64 bits that is kept with it: a dictionary of a million strings takes longer than everything
else that joins a tree (that two of them have one digest happens once in thirty million trees).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property, lru_cache
from itertools import chain

import numpy as np
from numpy.typing import NDArray

__all__ = ["DIGEST", "Names", "digests"]

DIGEST = 8
"""Bytes of a digest."""
_REMEMBERED = 1 << 18


def digests(names: Iterable[str]) -> bytes:
    """DIGEST bytes for each."""
    return b"".join(hashlib.blake2b(name.encode(), digest_size=DIGEST).digest() for name in names)


class Names:
    """A sequence of all names, each once; the lists that it is made of hold one on every line."""

    def __init__(self, lists: Sequence[tuple[str, bytes]]) -> None:
        self._lists = ("", *(names for names, _ in lists))
        all_ = np.frombuffer(b"".join([digests([""]), *(one for _, one in lists)]), np.uint64)
        self._digests, first, places = np.unique(all_, return_index=True, return_inverse=True)
        order = np.argsort(first)
        self._first = first[order]
        self._numbers = np.empty(len(order), np.int32)
        self._numbers[order] = np.arange(len(order), dtype=np.int32)
        self.places: NDArray[np.int32] = self._numbers[places][1:]
        """The number of every line of the lists, one behind the other."""
        self.number = lru_cache(maxsize=_REMEMBERED)(self._number)

    def _number(self, name: str) -> int:
        """The number of a name; 0 if it does not occur."""
        digest = np.frombuffer(digests([name]), np.uint64)
        at = int(np.searchsorted(self._digests, digest[0]))
        return int(self._numbers[at]) if at < len(self._digests) and self._digests[at] == digest[0] else 0

    @cached_property
    def _lines(self) -> list[str]:
        return list(chain.from_iterable(one.split("\n") for one in self._lists))

    def __len__(self) -> int:
        return len(self._first)

    def __getitem__(self, number: int) -> str:
        return self._lines[int(self._first[number])]

    def __iter__(self) -> Iterator[str]:
        return map(self._lines.__getitem__, self._first.tolist())

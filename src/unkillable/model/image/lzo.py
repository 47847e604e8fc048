"""LZO1X, decompressed: the metadata blocks of squashfs images made with `-comp lzo`.

Written from Documentation/staging/lzo.rst of the kernel.  A block of metadata has 8 KiB, so speed is no question, and the
packages that have it would be a compiled dependency for a compressor that few images use.
"""

from __future__ import annotations

__all__ = ["decompress"]


def decompress(data: bytes, limit: int) -> bytes:
    """At most `limit` bytes; ValueError or IndexError for what is no LZO1X stream or has more."""
    return _Stream(data, limit).run()


class _Stream:
    def __init__(self, data: bytes, limit: int) -> None:
        self._data = data
        self._at = 0
        self._out = bytearray()
        self._limit = limit

    def run(self) -> bytes:
        state = self._begin()
        while True:
            code = self._byte()
            if code >= 16:
                match = self._far(code)
                if match is None:
                    return bytes(self._out)
                distance, length, state = match
                self._copy(distance, length)
                self._literals(state)
            elif state == 0:  # a long run of literals
                self._literals(3 + (code or self._longer(15)))
                state = 4
            else:
                # After a long run of literals a match is longer and farther away than after a few.
                distance = (code >> 2) + (self._byte() << 2) + (2049 if state == 4 else 1)
                self._copy(distance, 3 if state == 4 else 2)
                state = code & 3
                self._literals(state)

    def _begin(self) -> int:
        """The first byte alone can begin with literals of any number; returns the state after it."""
        if self._data[0] <= 17:
            return 0
        count = self._byte() - 17
        self._literals(count)
        return min(count, 4)

    def _far(self, code: int) -> tuple[int, int, int] | None:
        """Distance, length and literals after a match of 16 or more; None is the end of the stream."""
        if code >= 64:
            return (self._byte() << 3) + ((code >> 2) & 7) + 1, (code >> 5) + 1, code & 3
        bits = 31 if code >= 32 else 7
        length = 2 + (code & bits or self._longer(bits))
        low = self._byte() | self._byte() << 8
        if code >= 32:
            return (low >> 2) + 1, length, low & 3
        distance = ((code & 8) << 11) + (low >> 2)
        return (distance + 16384, length, low & 3) if distance else None

    def _longer(self, base: int) -> int:
        """A length that does not fit into its bits: zeros of 255 each, then the rest."""
        while (byte := self._byte()) == 0:
            base += 255
            if base > self._limit:
                raise ValueError("more than one block")
        return base + byte

    def _byte(self) -> int:
        self._at += 1
        return self._data[self._at - 1]

    def _literals(self, count: int) -> None:
        if self._at + count > len(self._data):
            raise ValueError("ends within literals")
        if len(self._out) + count > self._limit:
            raise ValueError("more than one block")
        self._out += self._data[self._at : self._at + count]
        self._at += count

    def _copy(self, distance: int, length: int) -> None:
        start = len(self._out) - distance
        if start < 0:
            raise ValueError("a match before the beginning")
        if len(self._out) + length > self._limit:
            raise ValueError("more than one block")
        # What is copied may reach into what it makes: then it repeats.
        piece = bytes(self._out[start : start + length])
        self._out += (piece * (length // len(piece) + 1))[:length]

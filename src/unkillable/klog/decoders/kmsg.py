"""/dev/kmsg's records and extended netconsole: `level,sequence,microseconds,flags[,fields];text`.

Text has everything unprintable as \\x0a (devkmsg, since 3.5). netconsole sends records as datagrams: they may
arrive out of order, and long ones in pieces marked ncfrag=offset/length (4.3).
"""

from __future__ import annotations

import heapq
import re
from collections.abc import Iterator

from unkillable.klog.decoders.header import header
from unkillable.klog.limits import MAX_FRAGMENTS, REORDER_WINDOW

Pairs = Iterator[tuple[int, bytes]]
Waiting = tuple[int, int, bytes, bytes]
"""Sequence number, line number, header, text."""

_RECORD = re.compile(
    rb"(?:\d{1,2}\.\d{1,3}[\w.+~-]{0,64},)?"  # release, where netconsole is told to prepend it (6.2)
    rb"(\d{1,4}),(\d{1,19}),(\d{1,18}),[-c+](?:,([^;]{0,200}))?;(.*)",
    re.DOTALL,
)
KMSG_MARKS = tuple(b",%c%c" % (flag, end) for flag in b"-c+" for end in b";,")
"""One of these is in every record, behind its time."""
_FRAGMENT = re.compile(rb"ncfrag=(\d{1,6})/(\d{1,6})")
_CALLER = re.compile(rb"caller=([TC]\d{1,10})")
_ESCAPE = re.compile(rb"\\x([0-9a-fA-F]{2})")
_RESTART = 1000
"""A sequence number this much smaller than the last one is another boot's."""


def is_kmsg(head: bytes) -> bool:
    """Whether most of the first lines are records (lines that begin with a blank continue one)."""
    lines = [line for line in head.split(b"\n")[:64] if line.strip() and not line.startswith(b" ")]
    return len(lines) > 0 and sum(1 for line in lines if _RECORD.match(line)) * 2 > len(lines)


def decode_kmsg(lines: Pairs, head: bytes) -> Pairs:
    """Plain lines in order of sequence numbers, each with its own line number; fragments put together."""
    waiting: list[Waiting] = []
    fragments = _Fragments()
    last = -1
    in_record = False
    for number, line in lines:
        found = _RECORD.match(line)
        if found is None:
            if in_record and line.startswith(b" "):
                continue  # ` SUBSYSTEM=block`: the record's dictionary
            in_record = False
            if line.strip():
                heapq.heappush(waiting, (last, number, header(), line))
            continue
        in_record = True
        sequence = int(found[2])
        if sequence < last - _RESTART:
            yield from _drain(waiting, 0)
        last = sequence
        piece = _FRAGMENT.search(found[4]) if found[4] else None
        if piece is None:
            heapq.heappush(waiting, (sequence, number, _header(found), found[5]))
        else:
            for whole in fragments.add(sequence, int(piece[1]), int(piece[2]), number, found):
                heapq.heappush(waiting, whole)
        yield from _drain(waiting, REORDER_WINDOW)
    for whole in fragments.rest():
        heapq.heappush(waiting, whole)
    yield from _drain(waiting, 0)


class _Fragments:
    """Messages of which some pieces are still to come."""

    def __init__(self) -> None:
        self._parts: dict[tuple[int, int], dict[int, tuple[int, bytes]]] = {}
        self._headers: dict[tuple[int, int], bytes] = {}

    def add(
        self, sequence: int, offset: int, length: int, number: int, found: re.Match[bytes]
    ) -> list[Waiting]:
        """Take a piece; the message is returned once it is complete, and the oldest one where too many wait."""
        key = (sequence, length)
        parts = self._parts.setdefault(key, {})
        parts[offset] = (number, found[5])
        self._headers[key] = _header(found)
        if sum(len(part) for _, part in parts.values()) >= length:
            return [self._take(key)]
        return [self._take(next(iter(self._parts)))] if len(self._parts) > MAX_FRAGMENTS else []

    def rest(self) -> list[Waiting]:
        """What never became complete."""
        return [self._take(key) for key in list(self._parts)]

    def _take(self, key: tuple[int, int]) -> Waiting:
        """The pieces in order; where one is missing the text goes on after it."""
        parts = self._parts.pop(key)
        text = b"".join(parts[offset][1] for offset in sorted(parts))
        return key[0], min(number for number, _ in parts.values()), self._headers.pop(key), text


def _header(found: re.Match[bytes]) -> bytes:
    priority = int(found[1])
    caller = _CALLER.search(found[4] or b"")
    return header(
        time=int(found[3]) / 1e6,
        level=priority & 7,
        caller=caller[1].decode() if caller else "",
        kernel=priority < 8,
    )


def _drain(waiting: list[Waiting], keep: int) -> Pairs:
    while len(waiting) > keep:
        _, number, start, text = heapq.heappop(waiting)
        if b"\\x" in text:
            text = _ESCAPE.sub(lambda found: bytes((int(found[1], 16),)), text)
        for line in text.split(b"\n"):
            yield number, start + line

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

_RECORD = re.compile(
    rb"(?:\d{1,2}\.\d{1,3}[\w.+~-]{0,64},)?"  # release, where netconsole is told to prepend it (6.2)
    rb"(\d{1,4}),(\d{1,19}),(\d{1,18}),[-c+](?:,([^;]{0,200}))?;(.*)",
    re.DOTALL,
)
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
    waiting: list[tuple[int, int, bytes, bytes]] = []
    fragments: dict[tuple[int, int], dict[int, tuple[int, bytes]]] = {}
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
        text = found[5]
        fields = found[4] or b""
        if piece := _FRAGMENT.search(fields):
            parts = fragments.setdefault((sequence, int(piece[2])), {})
            parts[int(piece[1])] = (number, text)
            if sum(len(part) for _, part in parts.values()) < int(piece[2]):
                if len(fragments) > MAX_FRAGMENTS:
                    key = next(iter(fragments))
                    for lost in _joined(fragments.pop(key)):
                        heapq.heappush(waiting, (key[0], lost[0], _header(found), lost[1]))
                continue
            for number, text in _joined(fragments.pop((sequence, int(piece[2])))):
                heapq.heappush(waiting, (sequence, number, _header(found), text))
        else:
            heapq.heappush(waiting, (sequence, number, _header(found), text))
        yield from _drain(waiting, REORDER_WINDOW)
    for (sequence, _), parts in fragments.items():
        for number, text in _joined(parts):
            heapq.heappush(waiting, (sequence, number, header(), text))
    yield from _drain(waiting, 0)


def _joined(parts: dict[int, tuple[int, bytes]]) -> list[tuple[int, bytes]]:
    """The fragments' text in order; where one is missing the text goes on after a gap."""
    return [(min(number for number, _ in parts.values()), b"".join(parts[at][1] for at in sorted(parts)))]


def _header(found: re.Match[bytes]) -> bytes:
    priority = int(found[1])
    caller = _CALLER.search(found[4] or b"")
    return header(
        time=int(found[3]) / 1e6,
        level=priority & 7,
        caller=caller[1].decode() if caller else "",
        kernel=priority < 8,
    )


def _drain(waiting: list[tuple[int, int, bytes, bytes]], keep: int) -> Pairs:
    while len(waiting) > keep:
        _, number, start, text = heapq.heappop(waiting)
        if b"\\x" in text:
            text = _ESCAPE.sub(lambda found: bytes((int(found[1], 16),)), text)
        for line in text.split(b"\n"):
            yield number, start + line

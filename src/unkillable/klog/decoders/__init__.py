"""Encoded inputs to plain lines: which decoder an input needs is told by its beginning.

A line decoder turns (number, line) pairs of the input into (number, line) pairs of plain text, each line beginning
with a `header`; numbers are those of the input. All of them stream and hold a bounded window.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import chain

import msgspec

from unkillable.klog.decoders.header import HEADER, header
from unkillable.klog.decoders.journal import EXPORT_MARKS, decode_export, is_export
from unkillable.klog.decoders.jsonlines import (
    PRETTY_MARKS,
    decode_json,
    decode_pretty,
    is_json,
    is_pretty,
    json_name,
)
from unkillable.klog.decoders.kmsg import KMSG_MARKS, decode_kmsg, is_kmsg
from unkillable.klog.decoders.pasted import decode_pasted, is_pasted
from unkillable.klog.decoders.wide import WIDE_ROWS
from unkillable.klog.limits import HEAD, MAX_ENCODED_LINE
from unkillable.klog.lines import Block, blocks_of_lines, blocks_of_pairs, numbered_lines
from unkillable.klog.scan import Scanner

__all__ = ["HEADER", "Prepared", "header", "peek", "prepare"]

Pairs = Iterator[tuple[int, bytes]]


class Decoder(msgspec.Struct, frozen=True):
    """One encoded format."""

    name: Callable[[bytes], str]
    recognises: Callable[[bytes], bool]
    decode: Callable[[Pairs, bytes], Pairs]
    """(number, line) pairs of the input and its head to pairs of plain lines."""
    header: bool = True
    marks: tuple[bytes, ...] = ()
    """One of these is in every head that `recognises` takes; empty: it must be asked."""


DECODERS: tuple[Decoder, ...] = (
    Decoder(lambda head: "journal-export", is_export, decode_export, marks=EXPORT_MARKS),
    Decoder(json_name, is_json, decode_json),
    Decoder(json_name, is_pretty, decode_pretty, marks=PRETTY_MARKS),
    Decoder(lambda head: "kmsg", is_kmsg, decode_kmsg, marks=KMSG_MARKS),
    Decoder(lambda head: "pasted", is_pasted, decode_pasted, header=False),
)
_MARKS = Scanner([mark for row in DECODERS for mark in row.marks])
_UNMARKED = tuple(row for row in DECODERS if not row.marks)


class Prepared(msgspec.Struct):
    """An input ready to be scanned."""

    name: str | None
    """The decoder's framing, None where the lines are plain."""
    blocks: Iterator[Block]
    header: bool = False
    """Lines begin with what HEADER reads."""
    count: Callable[[], int] | None = None
    """Lines of the input read so far, where blocks do not tell."""


def peek(chunks: Iterator[bytes]) -> tuple[bytes, Iterator[bytes]]:
    """The first bytes, limits.HEAD of them if there are as many, and the whole stream again."""
    held = []
    size = 0
    for chunk in chunks:
        held.append(chunk)
        size += len(chunk)
        if size >= HEAD:
            break
    head = held[0][:HEAD] if len(held) == 1 else b"".join(held)[:HEAD]
    return head, chain(held, chunks)


def widen(head: bytes, chunks: Iterator[bytes]) -> tuple[bytes, Iterator[bytes]]:
    """The stream as bytes with ASCII in it and line ends: UTF-16 and lone returns rewritten."""
    for row in WIDE_ROWS:
        if row.recognises(head):
            return peek(row.decode(chunks))
    return head, chunks


def prepare(head: bytes, chunks: Iterator[bytes]) -> Prepared:
    """Choose the decoders for an input that begins with `head`."""
    rows = DECODERS if _MARKS.find(head) else _UNMARKED
    decoder = next((row for row in rows if row.recognises(head)), None)
    if decoder is None:
        return Prepared(None, blocks_of_lines(chunks))
    counter = _Counter(numbered_lines(blocks_of_lines(chunks, MAX_ENCODED_LINE)))
    pairs = decoder.decode(iter(counter), head)
    return Prepared(decoder.name(head), blocks_of_pairs(pairs), decoder.header, lambda: counter.count)


class _Counter:
    """Passes pairs through and remembers how far it came."""

    def __init__(self, pairs: Iterable[tuple[int, bytes]]) -> None:
        self._pairs = pairs
        self.count = 0

    def __iter__(self) -> Pairs:
        for pair in self._pairs:
            self.count = pair[0]
            yield pair

"""Bytes to blocks of whole lines, whatever sizes they arrive in.

What a block holds may depend on how the input was cut; where lines begin, end and are cut does not.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from unkillable.klog.limits import MAX_LINE


class Block(msgspec.Struct, gc=False):
    """Lines in `data[:end]`: whole ones, or one piece of a line that was too long (`cut`)."""

    data: bytes
    end: int
    cut: bool = False
    numbers: list[int] | None = None
    """The number of each line where they do not simply follow one another (decoded input)."""


def blocks_of_lines(chunks: Iterable[bytes], limit: int = MAX_LINE) -> Iterator[Block]:
    """Cut a stream at line ends; lines above `limit` bytes come as pieces of `limit` bytes."""
    rest = b""
    for chunk in chunks:
        data = rest + chunk if rest else chunk
        start, pos, length = 0, 0, len(data)
        while length - pos > limit:
            newline = data.rfind(b"\n", pos, pos + limit + 1)
            if newline >= 0:
                pos = newline + 1
                continue
            if pos > start:
                yield Block(data[start:pos], pos - start)
            yield Block(data[pos : pos + limit], limit, cut=True)
            start = pos = pos + limit
        if start:
            data = data[start:]
        end = data.rfind(b"\n") + 1
        if end:
            yield Block(data, end)
            rest = data[end:]
        else:
            rest = data
    if rest:
        yield Block(rest, len(rest))


def numbered_lines(blocks: Iterable[Block]) -> Iterator[tuple[int, bytes]]:
    """(number, line) of each line, 1-based; the pieces of a cut line share its number."""
    number = 1
    for block in blocks:
        if block.cut:
            yield number, block.data
            continue
        lines = block.data[: block.end].split(b"\n")
        last = lines.pop()
        for line in lines:
            yield number, line
            number += 1
        if last:
            yield number, last
            number += 1


def blocks_of_pairs(pairs: Iterable[tuple[int, bytes]], size: int = 1 << 17) -> Iterator[Block]:
    """Gather (number, line) pairs into blocks; a line too long is handed on in pieces with its number."""
    numbers: list[int] = []
    lines: list[bytes] = []
    held = 0
    for number, line in pairs:
        for part in line.split(b"\n"):  # an encoded line end (=0A, &#10;) is decoded to one
            for at in range(0, len(part), MAX_LINE) if len(part) > MAX_LINE else (0,):
                piece = part[at : at + MAX_LINE]
                numbers.append(number)
                lines.append(piece)
                held += len(piece) + 1
        if held >= size:
            yield _gathered(lines, numbers)
            numbers, lines, held = [], [], 0
    if lines:
        yield _gathered(lines, numbers)


def _gathered(lines: list[bytes], numbers: list[int]) -> Block:
    lines.append(b"")
    data = b"\n".join(lines)
    return Block(data, len(data), numbers=numbers)

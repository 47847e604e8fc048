"""The reader: one source in, the lines that matter out, as Records."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from itertools import islice

from unkillable.klog.boots import BANNER, Boots
from unkillable.klog.contents import describe
from unkillable.klog.decoders import HEADER, peek, prepare
from unkillable.klog.framing import Framer, Line
from unkillable.klog.limits import MAX_LINE, MAX_PROBLEMS, PEEK
from unkillable.klog.lines import Block
from unkillable.klog.record import Record
from unkillable.klog.rows import ROWS
from unkillable.klog.scan import Match, Scanner
from unkillable.klog.streams import Source
from unkillable.klog.text import clean, decode

_OWN = (BANNER.encode(), b"[    0.000000] ", b"-- Boot ", b"-- Reboot --", b" messages dropped", b"kernel messages")
"""Looked for besides the caller's literals: where boots begin, and what the kernel says it lost."""

_MIDDLE = re.compile(r"\[(?: {4}\d| {3}\d\d| {2}\d{3}| \d{4}|\d{5,10}| \d{1,3})\.\d{6}\](?=[ \[])")
"""A printk prefix within a line: `[%5lu.%06lu]`, also with its blanks collapsed by a browser."""
_TIMES = re.compile(rb"\[ {0,12}(\d{1,10}\.\d{6})\]|^(\d{1,10}\.\d{6}),", re.MULTILINE)
_LEVEL_BEFORE = re.compile(r"<\d{1,3}>\Z")
_LOST = (
    re.compile(r"\*\* (\d{1,12}) printk messages dropped"),  # printk, since 3.17
    re.compile(r"Missed (\d{1,12}) kernel messages"),  # systemd-journald
)


class Reader:
    """Reads a Source once and yields, in order, each line in which one of `literals` occurs.

    While `want` is true the following lines are yielded too; all others are skipped at full speed. Nothing in
    the input raises: what could not be read is told in `problems`. `progress` is called now and then with the
    number of bytes of the source (on disk, where that is known) consumed so far.
    """

    def __init__(
        self, source: Source, literals: Sequence[bytes], progress: Callable[[int], None] | None = None
    ) -> None:
        self.source = source
        self.want = False
        self.lines = 0
        """Lines read so far, as `grep -n` counts."""
        self.bytes_read = 0
        """Decompressed bytes read so far."""
        self.lost_messages = 0
        """Messages that the kernel, journald or the network lost, as far as the log tells."""
        self.cut_lines = 0
        """Lines that were longer than limits.MAX_LINE and came in pieces."""
        self.looks_like_text = True
        self.summary = ""
        """What was found, in words, where it is no log; else empty."""
        self.problems: list[str] = []
        self._scanner = Scanner([*literals, *_OWN])
        self._count = len(literals)
        self._progress = progress
        self._framer = Framer(ROWS)
        self._line = Line()
        self._boots = Boots()
        self._quick = not self._scanner.overlapping
        self._blind = any(not literal for literal in literals)
        self._decoded: str | None = None
        self._header = False
        self._lost = False
        self._cut_short = False
        self._rest = Block(b"", 0)
        self._ahead: Iterator[Block] = iter(())
        self._peeked: list[Block] = []

    @property
    def format(self) -> str | None:
        """Name of the framing that most lines had (printk, syslog, journal-json ...), None where there was none."""
        return self._decoded or self._framer.name

    def __iter__(self) -> Iterator[Record]:
        chunks = self._chunks()
        head, chunks = peek(chunks)
        summary = describe(head)
        if summary is not None:
            self.looks_like_text = False
            self.summary = self.problems[0] if self.problems and not head else summary
            return
        prepared = prepare(head, chunks)
        self._decoded, self._header = prepared.name, prepared.header
        self._ahead = prepared.blocks
        yield from self._records()
        if prepared.count is not None:
            self.lines = prepared.count()
        if self._cut_short:
            self.problems = [f"{problem}: {self.lines:,} lines before that were read" for problem in self.problems]
        if self.cut_lines:
            self._problem(f"{self.cut_lines:,} lines longer than {MAX_LINE >> 10} KiB were read in pieces")

    def _chunks(self) -> Iterator[bytes]:
        for data in self.source.blocks(self._damaged):
            self.bytes_read += len(data)
            if self._progress is not None:
                self._progress(self.source.consumed or self.bytes_read)
            yield data

    def _damaged(self, reason: str) -> None:
        self._cut_short = self.source.parts == 1
        self._problem(reason)

    def _problem(self, reason: str) -> None:
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append(reason)

    def _blocks(self) -> Iterator[Block]:
        while True:
            if self._peeked:
                yield self._peeked.pop(0)
            elif (block := next(self._ahead, None)) is not None:
                yield block
            else:
                return

    def _records(self) -> Iterator[Record]:
        find = self._scanner.find
        read = self._read
        number = 1
        was_cut = False
        for block in self._blocks():
            data, end, numbers = block.data, block.end, block.numbers
            self._rest = block
            matches = find(data)
            matches.append((-1, end, end))
            at = pos = index = 0
            while pos < end:
                if self.want:
                    start = pos
                else:
                    while matches[at][1] < pos:
                        at += 1
                    first = matches[at][1]
                    if first >= end:
                        break
                    start = data.rfind(b"\n", pos, first) + 1 or pos
                    if start > pos:
                        index += data.count(b"\n", pos, start)
                stop = data.find(b"\n", start, end)
                if stop < 0:
                    stop = end
                while matches[at][1] < start:
                    at += 1
                until = at
                while matches[until][1] < stop:
                    until += 1
                pos = stop + 1
                self.lines = here = number + index if numbers is None else numbers[index]
                for record in read(here, data[start:stop], matches[at:until], start, pos):
                    if record.hits or self.want:
                        yield record
                at = until
                index += stop < end
            if numbers is None:
                number += index + data.count(b"\n", pos, end)
                self.lines = number - (data[end - 1] == 10)
                self.cut_lines += block.cut and not was_cut
                was_cut = block.cut

    def _read(self, number: int, raw: bytes, matches: list[Match], start: int, after: int) -> Sequence[Record]:
        """The records of one line, which begins at `start` of the block; the next one begins at `after`."""
        try:
            text = raw.decode().rstrip()
        except UnicodeDecodeError:
            text = decode(raw).rstrip()
        header = None
        if self._header and (header := HEADER.match(text)) is not None:
            text = text[header.end() :]
            start += header.end()
        if not text.isprintable():
            pieces = clean(text)
            if len(pieces) > 1 or pieces[0] != text:
                return [
                    record
                    for piece in pieces
                    for record in self._pieces(number, piece, header, None, 0, after)
                ]
        return self._pieces(number, text, header, matches if text.isascii() else None, start, after)

    def _pieces(
        self,
        number: int,
        text: str,
        header: re.Match[str] | None,
        matches: list[Match] | None,
        start: int,
        after: int,
    ) -> Sequence[Record]:
        """One record, or several where a printk prefix shows that lines were merged."""
        line = self._line
        line.reset(text)
        begin = self._framer.strip(line)
        if text.find("[", begin) >= 0:
            cuts = [found.start() for found in _MIDDLE.finditer(text, begin)]
            if cuts:
                return self._merged(number, text, cuts, begin, header, after)
        message = text[begin:]
        if not matches:
            hits = () if matches is not None and not self._blind else self._hits(message)
        elif self._quick:
            edge = start + begin
            hits = self._distinct([which for which, at, _ in matches if at >= edge])
        else:
            hits = self._hits(message)
        record = self._record(number, message, hits, header, after)
        return (record,) if record is not None else ()

    def _merged(
        self, number: int, text: str, cuts: list[int], begin: int, header: re.Match[str] | None, after: int
    ) -> Sequence[Record]:
        line = self._line
        edges = []
        for cut in cuts:
            level = _LEVEL_BEFORE.search(text, max(begin, cut - 5), cut)
            edges.append(level.start() if level is not None else cut)
        first = text[begin : edges[0]].rstrip()
        records = [self._record(number, first, self._hits(first), header, after)] if first else []
        for edge, end in zip(edges, [*edges[1:], len(text)], strict=True):
            line.reset(text[edge:end].rstrip())
            message = line.text[self._framer.strip(line) :]
            records.append(self._record(number, message, self._hits(message), header, after))
        return [record for record in records if record is not None]

    def _hits(self, message: str) -> tuple[int, ...]:
        return self._own(self._scanner.all_in(message.encode("utf-8", "surrogatepass")))

    def _distinct(self, found: list[int]) -> tuple[int, ...]:
        if len(found) == 1:
            return (found[0],) if found[0] < self._count else self._own((found[0],))
        return self._own(tuple(sorted(set(found))))

    def _own(self, hits: tuple[int, ...]) -> tuple[int, ...]:
        """Without the literals that only this room looks for."""
        if hits and hits[-1] >= self._count:
            self._lost = True
            return tuple(which for which in hits if which < self._count)
        return hits

    def _record(
        self, number: int, message: str, hits: tuple[int, ...], header: re.Match[str] | None, after: int
    ) -> Record | None:
        line = self._line
        if header is not None:
            self._apply(header)
        if line.mark is not None:
            self._boots.named(line.mark, number)
        if line.drop:
            return None
        time = line.time
        if self._lost:
            self._count_lost(message)
        boots = self._boots
        if line.kernel:
            confirmed = time is not None and boots.fell(time) and self._agrees(after)
            boot = boots.see(number, message, time, confirmed)
        else:
            boot = boots.number
        return Record(number, message, time, line.wall, line.level, line.caller, hits, line.kernel, boot)

    def _apply(self, header: re.Match[str]) -> None:
        """What the decoder knew about the line; the message's own prefix goes before it."""
        line = self._line
        time, wall, level, caller, kernel, boot = header.groups()
        if line.time is None and time:
            line.time = float(time)
        if line.wall is None and wall:
            line.wall = float(wall)
        if line.level is None and level:
            line.level = int(level)
        line.caller = line.caller or caller or None
        line.kernel = kernel == "1"
        if boot:
            line.mark = boot

    def _count_lost(self, message: str) -> None:
        self._lost = False
        for pattern in _LOST:
            if found := pattern.search(message):
                self.lost_messages += int(found[1])

    def _agrees(self, after: int) -> bool:
        """Whether the next timestamps, too, lie before what was reached: a new boot, not a garbled number."""
        rest = self._rest
        following = rest.data[after : min(rest.end, after + PEEK)]
        for block in self._peeked:
            following += block.data[: min(block.end, PEEK)]
        while len(following) < PEEK and (block := next(self._ahead, None)) is not None:
            self._peeked.append(block)
            following += block.data[: min(block.end, PEEK)]
        times = [float(found[1] or found[2]) for found in islice(_TIMES.finditer(following[:PEEK]), 3)]
        return bool(times) and all(self._boots.agrees(time) for time in times)

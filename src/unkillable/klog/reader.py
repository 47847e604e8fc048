"""The reader: one source in, the lines that matter out, as Records."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import cast

from unkillable.klog.boots import JITTER, Boots
from unkillable.klog.compression import Damaged
from unkillable.klog.contents import describe
from unkillable.klog.decoders import HEADER, peek, prepare, widen
from unkillable.klog.framing import Framer, Line
from unkillable.klog.limits import MAX_LINE, MAX_PROBLEMS, PEEK
from unkillable.klog.lines import Block
from unkillable.klog.own import lost, scanner
from unkillable.klog.record import Record
from unkillable.klog.rows import TABLE
from unkillable.klog.scan import Match
from unkillable.klog.streams import Source
from unkillable.klog.stretch import Stretch, plain_lines, start_of, together
from unkillable.klog.text import PLAIN, clean, decode

_NO_HITS: tuple[int, ...] = ()
_MIDDLE = re.compile(r"\[(?: {4}\d| {3}\d\d| {2}\d{3}| \d{4}|\d{5,10}| \d{1,3})\.\d{6}\](?=[ \[])")
"""A printk prefix within a line: `[%5lu.%06lu]`, also with its blanks collapsed by a browser."""
_MIDDLE_HINT = re.compile(r"\[[ \d][ \d.]{9,16}\][ \[]").search
_TIMES = re.compile(rb"\[ {0,12}(\d{1,10}\.\d{6})\]|^(\d{1,10}\.\d{6}),", re.MULTILINE)
_NONE: tuple[Record, ...] = ()
_LEVEL_BEFORE = re.compile(r"<\d{1,3}>\Z")


class Reader:
    """Reads a Source once and yields, in order, each line in which one of `literals` occurs.

    While `want` is true the following lines are yielded too; all others are skipped at full speed. `close`: no line is
    skipped, as if `want` were always true, and a record with printk's time may lack its date and level.

    Nothing in the input raises: what could not be read is told in `problems`. `progress` is called now and then with the
    number of bytes of the source (on disk, where that is known) consumed so far.
    """

    def __init__(
        self,
        source: Source,
        literals: Sequence[bytes],
        progress: Callable[[int], None] | None = None,
        close: bool = False,
    ) -> None:
        self.source = source
        self.want = close
        self.each = True
        """False: `pieces` may give lines of the commonest kind in which no literal occurs together, as a Stretch."""
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
        self._close = close
        self._scanner = scanner(tuple(literals), close)
        self._count = len(literals)
        self._progress = progress
        self._framer = Framer(TABLE)
        self._line = Line()
        self._boots = Boots()
        self._clear = self._scanner.clear
        self._always = self._scanner.always
        self._decoded: str | None = None
        self._header = False
        self._cut_short = False
        self._was_cut = False
        self._rest = Block(b"", 0)
        self._ahead: Iterator[Block] = iter(())
        self._peeked: list[Block] = []
        self._ran_lines = self._ran_to = 0
        self._next_number = 1
        self._apart = 0
        """Up to this line none are looked at together."""

    @property
    def format(self) -> str | None:
        """Name of the framing that most lines had (printk, syslog, journal-json ...), None where there was none."""
        return self._decoded or self._framer.name

    def __iter__(self) -> Iterator[Record]:
        return cast("Iterator[Record]", self.pieces())  # as long as `each` is not touched

    def pieces(self) -> Iterator[Record | Stretch]:
        """As iteration does, but see `each`."""
        chunks = self._chunks()
        head, chunks = widen(*peek(chunks))
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
            self.problems = [
                f"{problem}: {self.lines:,} lines before that were read" for problem in self.problems
            ]
        if self.cut_lines:
            self._problem(f"{self.cut_lines:,} lines longer than {MAX_LINE >> 10} KiB were read in pieces")

    def _chunks(self) -> Iterator[bytes]:
        for data in self.source.blocks(self._damaged):
            self.bytes_read += len(data)
            if self._progress is not None:
                self._progress(self.source.consumed or self.bytes_read)
            yield data

    def _damaged(self, error: Damaged) -> None:
        self._cut_short = self.source.parts == 1
        self._problem(str(error))

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

    def _records(self) -> Iterator[Record | Stretch]:
        number = 1
        for block in self._blocks():
            self._rest = block
            yield from self._of_block(block, number)
            if block.numbers is None:
                number = self._next_number
                self._read_up_to(block, number)

    def _of_block(self, block: Block, number: int) -> Iterator[Record | Stretch]:
        """The records of one block, whose first line is line `number`."""
        data, end, numbers = block.data, block.end, block.numbers
        matches = self._scanner.find(data)
        matches.append((-1, end, end))
        plain = not (self._header or self._always or numbers)
        at = pos = index = 0
        while pos < end:
            while matches[at][1] < pos:
                at += 1
            if plain and self.want and (self._framer.alone is not None or not self.each):
                yield from self._run(data, pos, data.rfind(b"\n", pos, matches[at][1]) + 1, number + index)
                if self._ran_lines:
                    pos = self._ran_to
                    index += self._ran_lines
                    continue
            start = pos
            if not self.want:
                first = matches[at][1]
                if first >= end:
                    break
                start = data.rfind(b"\n", pos, first) + 1 or pos
                index += data.count(b"\n", pos, start)
            stop = data.find(b"\n", start, end)
            if stop < 0:
                stop = end
            until = at
            while matches[until][1] < stop:
                until += 1
            pos = stop + 1
            self.lines = here = number + index if numbers is None else numbers[index]
            for record in self._read(here, data[start:stop], matches[at:until], start, pos):
                if record.hits or self.want:
                    yield record
            at = until
            index += stop < end
        if numbers is None:
            self._next_number = number + index + data.count(b"\n", pos, end)

    def _stretch(self, data: bytes, pos: int, limit: int, number: int) -> Stretch | None:
        """The lines of a run in one piece, where that can be; what it comes to is left as by `_run`."""
        boots, callers = self._boots, self._line.caller is not None
        common = self._framer.common(callers) if limit > pos and number >= self._apart else None
        if common is None:
            return None
        lines, times, seen = together(data, pos, limit, common)
        if len(times) * 4 < seen:
            self._apart = (
                number + seen
            )  # a log of which little can be told at once: not to look at it again and again
        if not times or (not common.dates and float(times[0]) < boots.floor):
            return None
        found = Stretch(
            number, len(times), boots.number, lines, times, common.dates, callers, self._framer.rows
        )
        if common.dates:
            boots.see(number, "", None, confirmed=False)
        else:
            boots.passed(number, times)
        self._ran(found.count, lines)
        self.lines = number
        self._ran_lines, self._ran_to = found.count, pos + len(lines)
        return found

    def _run(self, data: bytes, pos: int, limit: int, number: int) -> Iterator[Record | Stretch]:
        """The records of a run of the commonest lines: one framing, plain text, no literal in them; or a Stretch of them.

        Ends before a line that is anything else, or when the consumer wants no more of them. `number` is the first
        line's; how far it came is left in `_ran_lines` and `_ran_to`.
        """
        if not self.each and (found := self._stretch(data, pos, limit, number)) is not None:
            yield found
            self.lines = number + found.count - 1
            return
        boots, framer, first, each = self._boots, self._framer, number, self.each
        alone = framer.alone is not None
        common = framer.common(self._line.caller is not None) if alone or self._close else None
        if common is not None and common.dates:
            common = None
        boot, floor, newest = boots.number, boots.floor, -1.0
        go_on = True
        while (
            common is not None and go_on and pos < limit and (lines := plain_lines(data, pos, limit, common))
        ):
            fields = common.fields(lines.decode("ascii"))
            taken = 0
            for printed, caller, message in fields:
                time = float(printed)
                if time < floor:
                    go_on = False
                    break
                if time != newest or floor < time - JITTER:  # a third line of one time tells nothing new
                    boots.see(number, message, time, False)
                    newest, floor = time, boots.floor
                self.lines = here = number + taken
                taken += 1
                yield Record(here, message.rstrip(), time, None, None, caller or None, _NO_HITS, True, boot)
                if not self.want or (each and not self.each):
                    go_on = False
                    break
            number += taken
            pos += len(lines) if taken == len(fields) else start_of(lines, taken)
        self._ran_lines, self._ran_to = number - first, pos
        self._ran(number - first, data[:pos])

    def _ran(self, count: int, data: bytes) -> None:
        """So many lines, the last ones of `data`, were read without the framer."""
        framer = self._framer
        if (
            count and len(framer.rows) > 1
        ):  # a header: whose it was last tells how the next ones are to be read
            self._line.reset(data[data.rfind(b"\n", 0, -1) + 1 :].decode("ascii").rstrip())
            framer.strip(self._line)
            count -= 1
        framer.run += count

    def _read_up_to(self, block: Block, number: int) -> None:
        """Count the lines of a block after which line `number` follows (or goes on, where it is cut)."""
        self.lines = number - block.data.endswith(b"\n", 0, block.end)
        self.cut_lines += block.cut and not self._was_cut
        self._was_cut = block.cut

    def _read(
        self, number: int, raw: bytes, matches: list[Match], start: int, after: int
    ) -> Sequence[Record]:
        """The records of one line, which begins at `start` of the block; the next one begins at `after`."""
        raw = raw.rstrip()
        odd = raw.translate(None, PLAIN)
        text = decode(raw).rstrip() if odd else raw.decode("ascii")
        header = None
        if self._header and (header := HEADER.match(text)) is not None:
            text = text[header.end() :]
            start += header.end()
        if odd:
            return [record for piece in clean(text) for record in self._pieces(number, piece, header, after)]
        line, framer = self._line, self._framer
        if not self._header and framer.alone is not None and (found := framer.alone(text, 0)) is not None:
            line.time = float(found[1])  # the other fields are still as the last line left them: not set
            framer.run += 1
            begin = found.end()
        else:
            line.reset(text)
            begin = framer.strip(line)
        message = text[begin:]
        if "[" in message and _MIDDLE_HINT(message) is not None:
            return self._merged(number, text, begin, header, after)
        if not matches:
            hits = self._always
        elif len(matches) == 1 and matches[0][0] in self._clear:
            which, at, _ = matches[0]
            hits = (which,) if at >= start + begin else ()
        else:
            hits = self._scanner.all_in(message.encode("utf-8", "replace"))
        record = self._record(number, message, hits, header, after)
        return _NONE if record is None else (record,)

    def _pieces(self, number: int, text: str, header: re.Match[str] | None, after: int) -> Sequence[Record]:
        """The records of a line, or part of one, whose raw bytes do not tell what occurs in it."""
        line = self._line
        line.reset(text)
        return self._merged(number, text, self._framer.strip(line), header, after)

    def _merged(
        self, number: int, text: str, begin: int, header: re.Match[str] | None, after: int
    ) -> Sequence[Record]:
        """The records of a line in which printk prefixes show where lines were merged, if any do."""
        line = self._line
        edges = [begin]
        for found in _MIDDLE.finditer(text, begin):
            mark = _LEVEL_BEFORE.search(text, max(begin, found.start() - 5), found.start())
            edges.append(mark.start() if mark is not None else found.start())
        records: list[Record] = []
        for edge, end in zip(edges, [*edges[1:], len(text)], strict=True):
            message = text[edge:end]
            if edge != begin:
                wall, level, alone = line.wall, line.level, not records
                line.reset(message.rstrip())
                message = line.text[self._framer.strip(line) :]
                line.wall = line.wall or wall
                if alone and line.level is None:
                    line.level = level
            elif len(edges) > 1 and not (message := message.rstrip()):
                continue
            hits = self._scanner.all_in(message.encode("utf-8", "replace"))
            record = self._record(number, message, hits, header, after)
            if record is not None:
                records.append(record)
        line.reset("")
        return records

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
        if hits and hits[-1] >= self._count:
            hits = tuple(which for which in hits if which < self._count)
            self.lost_messages += lost(message)
        time = line.time
        boots = self._boots
        if line.kernel:
            confirmed = time is not None and time < boots.floor and boots.fell(time) and self._agrees(after)
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

    def _agrees(self, after: int) -> bool:
        """Whether the next timestamps, too, lie before what was reached: a new boot, not a garbled number."""
        rest = self._rest
        following = rest.data[after : min(rest.end, after + PEEK)]
        for block in self._peeked:
            following += block.data[: min(block.end, PEEK)]
        while len(following) < PEEK and (more := next(self._ahead, None)) is not None:
            self._peeked.append(more)
            following += more.data[: min(more.end, PEEK)]
        times = [float(found[1] or found[2]) for found in islice(_TIMES.finditer(following[:PEEK]), 3)]
        return bool(times) and all(self._boots.agrees(time) for time in times)

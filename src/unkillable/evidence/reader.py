"""Drives the format table over the records of a source: one `Evidence` per boot."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import cache
from typing import cast

import msgspec

from unkillable.evidence.builder import Builder
from unkillable.evidence.formats import literals, table
from unkillable.evidence.hints import Told, hints
from unkillable.evidence.kernelinfo import vote
from unkillable.evidence.opened import Opened
from unkillable.evidence.table import Format
from unkillable.evidence.types import Evidence
from unkillable.klog import Reader, Source, Stretch
from unkillable.klog.record import Record

CLOSE_READING = 8 << 20
"""Bytes up to which every line is examined, not only those the fast scan points to: a fragment pasted by
hand has lost the heads by which the fast scan would find it."""

LINE_LIMIT = 4096
"""Characters of a line that are looked at: printk cuts its records at about 1 KiB (LOG_LINE_MAX), and patterns must
not be fed what a hostile log has made long."""

Tried = tuple[tuple[Format, Callable[[str], re.Match[str] | None]], ...]
"""Rows and how their patterns are tried."""


@cache
def _literals() -> tuple[bytes, ...]:
    return tuple(name.encode() for name in literals())


@cache
def _by_literal() -> tuple[Tried, ...]:
    """The rows of each literal."""
    rows = [(row, row.matcher) for row in table()]
    return tuple(tuple(one for one in rows if name in one[0].literals) for name in literals())


class EvidenceReader:
    """Reads a source; `boots()` yields the evidence of each boot, in order."""

    def __init__(self, source: Source, progress: Callable[[int], None] | None = None) -> None:
        self.source = source
        self.close_reading = source.size is not None and source.size <= CLOSE_READING
        self.reader = Reader(source, _literals(), progress, close=self.close_reading)
        self.by_literal = _by_literal()
        self.hints = hints(votes=True)
        """As long as the kernel's signs are counted, else those without signs."""
        self.open = Opened()
        self.last: Record | None = None
        """The last line that an open report took; the span of a boot needs only the last of them."""

    def boots(self) -> Iterator[Evidence]:
        builder = Builder(self.source.name)
        reader, opened = self.reader, self.open
        reader.each = not self.close_reading
        for piece in reader.pieces():
            if piece.boot != builder.boot:
                yield self._finish(builder)
                builder, opened = Builder(self.source.name, piece.boot), self.open
                self.hints = hints(votes=True)
            if type(piece) is Record:
                # The short way for the bulk of a dump: the next line of the report that is open.
                short = piece.time is not None and builder.votes_left <= 0 and len(piece.text) <= LINE_LIMIT
                if short and opened.feed(piece):
                    builder.kernel_lines += 1
                    self.last = piece
                    continue
                self._take(builder, piece, offered=short)
            else:
                self._skim(builder, cast("Stretch", piece))
            if self.close_reading:
                reader.each = bool(opened.sections)
            else:
                reader.want = bool(opened.sections)
        if not builder.empty or builder.boot == 0:
            yield self._finish(builder)

    def _finish(self, builder: Builder) -> Evidence:
        self.open.close_all()
        self.open = Opened()
        if self.last is not None:
            builder.saw(self.last.number, self.last.time)
            self.last = None
        builder.lines = self.reader.lines
        builder.lost_messages = self.reader.lost_messages
        return builder.finish()

    def _take(self, builder: Builder, record: Record, offered: bool) -> None:
        """A line that is not simply the next one of a report; `offered` to the open ones already or not."""
        if len(record.text) > LINE_LIMIT:
            record = msgspec.structs.replace(record, text=record.text[:LINE_LIMIT])
        if record.time is None and record.wall is not None and record.kernel:
            record = builder.dated(record)
        if builder.wall is None:
            builder.dates(record)
        builder.kernel_lines += 1
        told: Told | None = None
        if builder.votes_left > 0:
            told = self.hints.told(record.text)
            vote(builder, record.text, told)
            if builder.votes_left <= 0:
                self.hints = hints(votes=False)
        if not offered and self.open.feed(record):
            self.last = record
            return
        self.open.refused(record)
        builder.saw(record.number, record.time)
        told = told or self.hints.told(record.text)
        if self._dispatch(builder, record, told) or not record.text.strip():
            return
        builder.unknown += 1
        builder.printed_by_program(record)
        self.open.stray(record.number)

    def _dispatch(self, builder: Builder, record: Record, told: Told) -> bool:
        """Whether a row knew the line: rows with literals in the table's order for each, then the others."""
        text = record.text
        for tried in (*map(self.by_literal.__getitem__, record.hits), told.rows):
            for row, match in tried:
                found = match(text)
                if found is not None:
                    section = row.handle(builder, found, record)
                    if section is not None:
                        self.open.open(section, record)
                    return True
        return False

    def _skim(self, builder: Builder, lines: Stretch) -> None:
        """Lines of which most, or all, say nothing: only those with hints are looked at."""
        if builder.wall is None and lines.both:
            builder.dates(lines.record(0, 0))
        begin, at = 0, 0  # line and byte up to which they were taken
        if (
            lines.dates and builder.clock == "boot"
        ):  # some lines have printk's time, or it is not known yet whether any has
            for record in lines.records(begin, at):
                self._take(builder, record, offered=False)
            return
        for start in self.hints.starts(lines.data):
            if start < at:
                continue  # in the line that was looked at last
            line = lines.data.rfind(b"\n", at, start) + 1 or at
            index = begin + lines.data.count(b"\n", at, line)
            self._pass(builder, lines, begin, index)
            self._take(builder, lines.record(index, line), offered=False)
            begin, at = index + 1, lines.data.find(b"\n", line) + 1
            if self.open.sections:
                for record in lines.records(begin, at):
                    self._take(builder, record, offered=False)
                return
        self._pass(builder, lines, begin, lines.count)

    def _pass(self, builder: Builder, lines: Stretch, begin: int, end: int) -> None:
        """Lines that no open report is there to take, and no row knows."""
        if begin == end:
            return
        times = lines.seconds(begin, end)
        if lines.dates:
            times = [time - (builder.first_wall or 0.0) for time in times]
        builder.passed(end - begin)
        builder.saw(lines.number + begin, times[0])
        builder.saw(lines.number + end - 1, times[-1])
        if not lines.callers:
            self.open.passed(lines.number + begin, times)

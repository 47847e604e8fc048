"""Drives the format table over the records of a source: one `Evidence` per boot."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import cache

import msgspec

from unkillable.evidence.builder import Builder
from unkillable.evidence.formats import literals, table
from unkillable.evidence.kernelinfo import vote
from unkillable.evidence.opened import Opened
from unkillable.evidence.table import Format
from unkillable.evidence.types import Evidence
from unkillable.klog import Reader, Source
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
def _tried() -> tuple[tuple[Tried, ...], Tried]:
    """The rows of each literal, and those that have none."""
    rows = [(row, row.matcher) for row in table()]
    return (
        tuple(tuple(one for one in rows if name in one[0].literals) for name in literals()),
        tuple(one for one in rows if not one[0].literals),
    )


class EvidenceReader:
    """Reads a source; `boots()` yields the evidence of each boot, in order."""

    def __init__(self, source: Source, progress: Callable[[int], None] | None = None) -> None:
        self.source = source
        self.reader = Reader(source, _literals(), progress)
        self.by_literal, self.unmarked = _tried()
        self.close_reading = source.size is not None and source.size <= CLOSE_READING
        self.open = Opened()
        self.last: Record | None = None
        """The last line that an open report took; the span of a boot needs only the last of them."""

    def boots(self) -> Iterator[Evidence]:
        builder = Builder(self.source.name)
        reader, opened = self.reader, self.open
        reader.want = self.close_reading
        for record in reader:
            if record.boot != builder.boot:
                yield self._finish(builder)
                builder, opened = Builder(self.source.name, record.boot), self.open
            # The short way for the bulk of a dump: the next line of the report that is open.
            short = record.time is not None and builder.votes_left <= 0 and len(record.text) <= LINE_LIMIT
            if short and opened.feed(record):
                builder.kernel_lines += 1
                self.last = record
                continue
            self._take(builder, record, offered=short)
            reader.want = self.close_reading or bool(opened.sections)
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
        builder.kernel_lines += 1
        if builder.votes_left > 0:
            vote(builder, record.text)
        if not offered and self.open.feed(record):
            self.last = record
            return
        self.open.refused(record)
        builder.saw(record.number, record.time)
        if self._dispatch(builder, record) or not record.text.strip():
            return
        builder.unknown += 1
        builder.printed_by_program(record)
        self.open.stray(record.number)

    def _candidates(self, record: Record) -> Iterator[tuple[Format, re.Match[str]]]:
        """Rows whose pattern the line matches, in the table's order within each group."""
        text = record.text
        for hit in record.hits:
            for row, match in self.by_literal[hit]:
                found = match(text)
                if found is not None:
                    yield row, found
        for row, match in self.unmarked:
            for word in row.guard:
                if word in text:
                    break
            else:
                if row.guard:
                    continue
            found = match(text)
            if found is not None:
                yield row, found

    def _dispatch(self, builder: Builder, record: Record) -> bool:
        for row, match in self._candidates(record):
            section = row.handle(builder, match, record)
            if section is not None:
                self.open.open(section, record)
            return True
        return False

"""Drives the format table over the records of a source: one `Evidence` per boot."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import msgspec

from unkillable.evidence.builder import Builder
from unkillable.evidence.formats import literals, table
from unkillable.evidence.kernelinfo import vote
from unkillable.evidence.table import Format, Section
from unkillable.evidence.types import Evidence
from unkillable.klog import Reader, Source
from unkillable.klog.record import Record

CLOSE_READING = 8 << 20
"""Bytes up to which every line is examined, not only those the fast scan points to: a fragment pasted by
hand has lost the heads by which the fast scan would find it."""

LINE_LIMIT = 4096
"""Characters of a line that are looked at: printk cuts its records at about 1 KiB (LOG_LINE_MAX), and patterns must
not be fed what a hostile log has made long."""

_CALLERS = 64  # reports open at once, one per printk caller
_IDLE = 1_000  # lines that no open report took: a caller that falls silent must not hold up the fast scan


class EvidenceReader:
    """Reads a source; `boots()` yields the evidence of each boot, in order."""

    def __init__(self, source: Source, progress: Callable[[int], None] | None = None) -> None:
        self.source = source
        rows = table()
        names = literals()
        self.reader = Reader(source, [name.encode() for name in names], progress)
        self.by_literal = tuple(
            tuple((row, row.matcher) for row in rows if name in row.literals) for name in names
        )
        self.unmarked = tuple((row, row.matcher) for row in rows if not row.literals)
        self.close_reading = source.size is not None and source.size <= CLOSE_READING
        self.open: dict[str | None, Section] = {}
        self.strays: dict[str | None, int] = {}
        """How many lines in a row an open report has refused."""
        self.idle = 0
        """How many lines in a row no open report took, whoever printed them."""
        self.last: Record | None = None
        """The last line that an open report took; the span of a boot needs only the last of them."""

    def boots(self) -> Iterator[Evidence]:
        builder = Builder(self.source.name)
        reader, opened, strays = self.reader, self.open, self.strays
        reader.want = self.close_reading
        for record in reader:
            if record.boot != builder.boot:
                yield self._finish(builder)
                builder = Builder(self.source.name, record.boot)
            if record.time is not None and builder.votes_left <= 0:
                # The short way for the bulk of a dump: the next line of the report that is open.
                section = opened.get(record.caller)
                if section is not None and len(record.text) <= LINE_LIMIT and section.feed(record):
                    builder.kernel_lines += 1
                    self.last = record
                    self.idle = 0
                    if strays:
                        strays.pop(record.caller, None)
                    continue
            self._take(builder, record)
            reader.want = self.close_reading or bool(opened)
        if not builder.empty or builder.boot == 0:
            yield self._finish(builder)

    def _finish(self, builder: Builder) -> Evidence:
        for key in list(self.open):
            self._close(key)
        if self.last is not None:
            builder.saw(self.last.number, self.last.time)
            self.last = None
        builder.lines = self.reader.lines
        builder.lost_messages = self.reader.lost_messages
        return builder.finish()

    def _close(self, key: str | None) -> None:
        section = self.open.pop(key)
        self.strays.pop(key, None)
        section.close()

    def _take(self, builder: Builder, record: Record) -> None:
        if len(record.text) > LINE_LIMIT:
            record = msgspec.structs.replace(record, text=record.text[:LINE_LIMIT])
        if record.time is None and record.wall is not None and record.kernel:
            record = builder.dated(record)
        builder.kernel_lines += 1
        key = record.caller
        if builder.votes_left > 0:
            vote(builder, record.text)
        section = self.open.get(key)
        if section is not None and section.feed(record):
            self.strays.pop(key, None)
            self.last = record
            self.idle = 0
            return
        if self.open:
            self.idle += 1
            if self.idle > _IDLE:
                for caller in list(self.open):
                    self._close(caller)
                section = None
        builder.saw(record.number, record.time)
        if self._dispatch(builder, record, key) or not record.text.strip():
            return
        builder.unknown += 1
        if section is not None and key in self.open:
            self.strays[key] = self.strays.get(key, 0) + 1
            if self.strays[key] > section.patience:
                self._close(key)

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

    def _dispatch(self, builder: Builder, record: Record, key: str | None) -> bool:
        for row, match in self._candidates(record):
            opened = row.handle(builder, match, record)
            if opened is not None:
                if key in self.open:
                    self._close(key)
                if len(self.open) >= _CALLERS:
                    self._close(next(iter(self.open)))
                self.open[key] = opened
                self.idle = 0
            return True
        return False

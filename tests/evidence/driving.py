"""Drives the format table over lines, as the reader does with a small input, and gives what the builder holds."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Sequence

from unkillable.evidence.builder import Builder
from unkillable.evidence.formats import table
from unkillable.evidence.reader import EvidenceReader
from unkillable.evidence.table import Format, Section
from unkillable.evidence.types import Evidence
from unkillable.klog.record import Record
from unkillable.klog.streams import Part, Source

_STAMP = re.compile(r"^\[ *(\d+\.\d+)\] ?")


def records(lines: Iterable[str]) -> list[Record]:
    """Lines with or without printk's time stamp as records."""
    found = []
    for number, line in enumerate(lines, 1):
        stamp = _STAMP.match(line)
        text = line[stamp.end() :] if stamp else line
        found.append(Record(number=number, text=text, time=float(stamp[1]) if stamp else None))
    return found


def read(text: str | list[str], rows: tuple[Format, ...] | None = None) -> Builder:
    """The facts of a text; every row must keep its promise that one of its literals is in the line."""
    builder = Builder("test")
    open_section: Section | None = None
    foreign = 0
    for record in records(text.splitlines() if isinstance(text, str) else text):
        if open_section is not None and open_section.feed(record):
            foreign = 0
            continue
        handled = False
        for row in rows if rows is not None else table():
            match = row.find(record.text)
            if match is None:
                continue
            handled = True
            opened = row.handle(builder, match, record)
            if opened is not None:
                if open_section is not None:
                    open_section.close()
                open_section, foreign = opened, 0
            break
        if handled or not record.text.strip() or open_section is None:
            continue
        foreign += 1
        if foreign > open_section.patience:
            open_section.close()
            open_section = None
    if open_section is not None:
        open_section.close()
    return builder


def kept(builder: Builder, name: str) -> list:  # type: ignore[type-arg]
    """What the builder holds of one kind."""
    return list(builder.kept[name].all())


def read_console(lines: Sequence[str], close: bool = True) -> Evidence:
    """The evidence of a console of one boot by the way of the reader; `close`: every line is examined."""
    data = "".join(line + "\n" for line in lines).encode()
    part = Part("console", lambda: io.BytesIO(data))
    (evidence,) = EvidenceReader(Source("console", [part], len(data) if close else None)).boots()
    return evidence

"""ftrace's events of the page cache (include/trace/events/filemap.h), as `trace_pipe` prints them.

mm_filemap_fault and mm_filemap_get_pages (since 6.11) are what programs want; where a trace has them, what the page cache
did is left out.  Older kernels have only that: mm_filemap_add_to_page_cache and mm_filemap_delete_from_page_cache.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator

from unkillable.errors import UserError
from unkillable.model.image.accesses import ADDED, DROPPED, FAULT, READ, Access, Trace
from unkillable.model.image.pages import PAGE

_EVENT = re.compile(
    r"^\s*(?P<task>.+-\d+)\s+(?:\(\s*[-\d]+\)\s+)?\[\d+\].*?\s[\d.]+: mm_filemap_(?P<event>\w+): "
    r"dev[ =](?P<dev>\d+:\d+) ino[ =](?P<ino>[0-9a-f]+) (?:(?:page|pfn)=\S+ )*ofs=(?P<begin>\d+)(?:-(?P<end>\d+))?"
)
_KINDS = {
    "fault": FAULT,
    "get_pages": READ,
    "add_to_page_cache": ADDED,
    "delete_from_page_cache": DROPPED,
}
_KNOWN = {*_KINDS, "map_pages"}
NOTE_ADDED = (
    "the trace says which pages the kernel added, not which were wanted: readahead is in it already, and belongs to the"
    " block size of the image that was traced"
)


def looks_like(line: str) -> bool:
    return "mm_filemap_" in line or line.startswith("# tracer:")


class _Lines:
    """The events of one device."""

    def __init__(self, trace: Trace) -> None:
        self.trace = trace
        self.found: list[tuple[str, str, Access]] = []
        self.devices: Counter[str] = Counter()

    def add(self, line: str) -> None:
        match = _EVENT.match(line)
        if match is None:
            self.trace.skipped += "mm_filemap_" in line
            return
        kind = _KINDS.get(match["event"])
        if kind is None:
            self.trace.skipped += match["event"] not in _KNOWN
            return
        begin = int(match["begin"])
        length = int(match["end"]) + 1 - begin if match["end"] else PAGE
        access = Access(match["task"], kind, None, int(match["ino"], 16), begin, max(0, length))
        self.devices[match["dev"]] += 1
        self.found.append((match["dev"], kind, access))


def parse(lines: Iterable[str], trace: Trace) -> Iterator[Access]:
    """The accesses of the one device in a trace: the image is on one, and which inode is meant depends on it."""
    from unkillable.model.image.traces import MOST

    events = _Lines(trace)
    for line in lines:
        events.add(line)
        if len(events.found) > 4 * MOST:
            trace.whole = False
            break
    device = trace.device or next(iter(events.devices), "")
    if len(events.devices) > 1 and not trace.device:
        counted = ", ".join(f"{name} ({count})" for name, count in events.devices.most_common(8))
        raise UserError(f"{trace.source}: events of several devices: {counted}; say --device for the image's")
    mine = [(kind, access) for name, kind, access in events.found if name == device]
    wanted = any(kind in (FAULT, READ) for kind, _ in mine)
    if not wanted and mine:
        trace.notes.append(NOTE_ADDED)
    for kind, access in mine:
        if (kind in (FAULT, READ)) is wanted:
            yield access

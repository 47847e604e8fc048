"""A list of accesses: `PATH`, `PATH OFFSET` or `PATH OFFSET LENGTH [TASK]` in a line.

A path alone is a file that is read whole, with an offset it is a page fault there, with a length a read.  Lines that begin
with # are comments.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from unkillable.model.image.accesses import FAULT, READ, Access, Trace

_NUMBER = r"(?:0[xX][0-9a-fA-F]{1,16}|\d{1,19})"
_LINE = re.compile(
    rf"^\s*(?P<path>\S(?:.*?\S)??)(?:\s+(?P<offset>{_NUMBER})(?:\s+(?P<length>{_NUMBER})(?:\s+(?P<task>\S+))?)?)?\s*$"
)


def parse(lines: Iterable[str], trace: Trace) -> Iterator[Access]:
    for line in lines:
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        match = _LINE.match(line)
        if match is None:
            trace.skipped += 1
            continue
        path, task = match["path"], match["task"] or ""
        if match["offset"] is None:
            yield Access(task, READ, path, length=None)
        elif match["length"] is None:
            yield Access(task, FAULT, path, offset=int(match["offset"], 0), length=1)
        else:
            yield Access(task, READ, path, offset=int(match["offset"], 0), length=int(match["length"], 0))

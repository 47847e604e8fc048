"""Parts of captures, as long as what a pstore or a console's ring keeps, in which the incident still shows.

The parts are chosen once, by diagnosing them, and kept in cuts.txt: `python -m benchmarks.corpus.cuts [CAPTURE ...]` prints them.
Only the verdict's kind decides, and whether what the cause can be told by is there (labels.toml), never the signature: that is what
is measured with them.
"""

from __future__ import annotations

import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import msgspec

from benchmarks.corpus.labels import Capture, captures, reports
from benchmarks.corpus.text import STAMP
from unkillable.pipeline import inspect

CUTS = Path(__file__).parent / "cuts.txt"
SIZES = (2500, 4000, 5500, 7500, 10500)
"""Bytes; what an ordinary log's lines add comes on top."""
PER_SIZE = 2
"""Parts of one size kept of a capture."""
TRIED = 40
"""Beginnings tried in a capture."""
LONG_BOOT = 5
"""Parts: a capture with fewer has only the first lines of its boot, which say nothing."""
BANNER = re.compile(rb"Linux version \d")
_HEAD = re.compile(
    rb"INFO: task |sysrq: |task:|invoked oom-killer|SQUASHFS error|Mem-Info|soft lockup|rcu: INFO|Killed process| D "
)


class Cut(msgspec.Struct, frozen=True):
    """Lines `first` to `last` (from 0, `last` not included) of a capture."""

    capture: str
    first: int
    last: int
    boot: bool = False
    """Nothing but lines of the boot, before anything happened."""


def load() -> list[Cut]:
    rows = (line.split() for line in CUTS.read_text().splitlines() if line and not line.startswith("#"))
    return [Cut(name, int(first), int(last), what == "boot") for name, first, last, what in rows]


def verdict(log: bytes) -> str:
    """What the program says of a log, `` if it cannot read it."""
    with tempfile.NamedTemporaryFile(suffix=".log") as file:
        file.write(log)
        file.flush()
        return inspect([file.name]).verdict.kind


def tells(capture: Capture, log: bytes) -> bool:
    """Whether a part has what its cause can be told by."""
    text = log.decode("utf-8", "replace")
    return all(re.search(pattern, text) for pattern in capture.label.shows)


def _good(capture: Capture, log: bytes) -> bool:
    if capture.label.kind == "oom" and not (b"invoked oom-killer" in log and b"Killed process" in log):
        return False
    return tells(capture, log) and verdict(log) in capture.label.verdicts


def _windows(lines: list[bytes], size: int) -> Iterator[tuple[int, int]]:
    """Parts that begin at the head of a report, and the last one that fits."""
    begins = [number for number, line in enumerate(lines) if _HEAD.search(line)]
    step = max(len(begins) // TRIED, 1)
    for first in begins[::step]:
        last, total = first, 0
        while last < len(lines) and total + len(lines[last]) + 1 <= size:
            total += len(lines[last]) + 1
            last += 1
        if total > size * 0.6:
            yield first, last
    first, total = len(lines), 0
    while first > 0 and total + len(lines[first - 1]) + 1 <= size:
        first -= 1
        total += len(lines[first]) + 1
    yield first, len(lines)


def _ordinary(capture: Capture, lines: list[bytes]) -> Iterator[Cut]:
    """Of a log in which nothing happens, the lines of its boot: never a part of a dump."""
    end = next((n for n, line in enumerate(lines) if _HEAD.search(line)), len(lines))
    for size in SIZES[:3]:
        first = 0
        while first < end and sum(map(len, lines[first:end])) > size // 2:
            last, total = first, 0
            while last < end and total < size:
                total += len(lines[last]) + 1
                last += 1
            yield Cut(capture.name, first, last, boot=True)
            first = last


def choose(capture: Capture) -> list[Cut]:
    """The parts of one capture."""
    lines = capture.log.split(b"\n")
    banner = next((line + b"\n" for line in lines if BANNER.search(line)), b"")
    found: dict[tuple[int, int], Cut] = {}
    for size in SIZES:
        good = [
            Cut(capture.name, first, last)
            for first, last in _windows(lines, size)
            if _good(capture, log := b"\n".join(lines[first:last]) + b"\n") and _good(capture, banner + log)
        ]
        spread = good[:: max(len(good) // PER_SIZE, 1)][:PER_SIZE]
        found |= {(one.first, one.last): one for one in spread}
    boot = list(_ordinary(capture, lines))
    return [*(boot if len(boot) >= LONG_BOOT else ()), *found.values()]


def main() -> None:
    sys.stdout.write("# capture, first line, last line, what: written by python -m benchmarks.corpus.cuts\n")
    for capture in (*captures(), *reports()):
        if sys.argv[1:] and capture.name not in sys.argv[1:]:
            continue
        if capture.label.kind == "skip" or capture.label.cause == "squashfs-cache-wait":
            continue  # nothing in them is to be found
        if sum(STAMP.match(line) is not None for line in capture.log.splitlines()) * 2 < capture.log.count(
            b"\n"
        ):
            continue  # framed already, or without times that could be moved
        chosen = choose(capture)
        sys.stderr.write(f"{len(chosen):3} of {capture.name}\n")
        for cut in chosen:
            sys.stdout.write(f"{cut.capture} {cut.first} {cut.last} {'boot' if cut.boot else 'incident'}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()

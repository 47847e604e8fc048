"""The bytes of each planned log."""

from __future__ import annotations

import gzip
import random
import re
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache

import msgspec

from benchmarks.corpus.cuts import BANNER, Cut, load
from benchmarks.corpus.labels import Capture, captures, reports
from benchmarks.corpus.ordinary import before
from benchmarks.corpus.plan import Plan, Planned
from benchmarks.corpus.text import FRAMINGS, Filled, Framing, Line, Template

BOOT_SHARE = 0.3
"""Of ordinary logs: with the lines of a boot."""
BANNER_SHARE = 0.5
"""Of logs with an incident: the kernel's first line has been kept too, as by a collector that reads /proc/version."""
MEAN, LEAST, MOST = 5000, 2000, 12000
"""Bytes of a log."""
_DAY = 86400
_CLOCK = [f"{n // 3600:02}:{n // 60 % 60:02}:{n % 60:02}".encode() for n in range(_DAY)]


class Part(msgspec.Struct, frozen=True):
    """A template and where it is from."""

    capture: Capture
    template: Template
    banner: Line | None


@cache
def _parts() -> dict[tuple[str, str], list[list[Part]]]:
    """By class and cause: the parts, those of one capture together."""
    known = {one.name: one for one in (*captures(), *reports())}
    found: dict[tuple[str, str], dict[str, list[Part]]] = {}
    for cut in load():
        capture = known[cut.capture]
        key = ("boot", "") if cut.boot else (capture.label.kind, capture.label.cause)
        found.setdefault(key, {}).setdefault(cut.capture, []).append(part(capture, cut))
    return {key: list(groups.values()) for key, groups in found.items()}


def part(capture: Capture, cut: Cut) -> Part:
    lines = capture.log.split(b"\n")
    banner = next((line for line in lines if BANNER.search(line)), None)
    first = Template([banner]).lines[0] if banner else None
    return Part(capture, Template(lines[cut.first : cut.last]), first)


@cache
def filled(key: tuple[str, str], group: int, index: int, framing: str, banner: bool) -> Filled:
    """The template in a framing; some thousand of them."""
    one = _parts()[key][group][index]
    row = next(row for row in FRAMINGS if row.name == framing)
    return Filled(one.template, row, one.banner if banner else None)


@cache
def _day(day: int, pattern: str) -> tuple[bytes, bytes]:
    """What stands before and after the clock on a day."""
    date = datetime.fromtimestamp(day * _DAY, UTC).strftime(pattern.replace("%H:%M:%S", "\0"))
    head, _, tail = date.partition("\0")
    return head.encode(), tail.encode()


def wall(boot: int, framing: Framing) -> Callable[[int], bytes]:
    """From microseconds since boot to the date as a framing prints it.  `boot`: seconds since 1970."""

    def printed(microseconds: int) -> bytes:
        day, second = divmod(boot + microseconds // 1_000_000, _DAY)
        head, tail = _day(day, framing.date)
        return head + _CLOCK[second] + tail

    return printed


class Made(msgspec.Struct, frozen=True):
    """A log, and what is known of how it was made."""

    data: bytes
    capture: str = ""
    kernel: str = ""
    arch: str = ""
    framing: str = ""
    suffix: str = ".log"


def make(plan: Plan, planned: Planned) -> Made:
    number = planned.number if planned.duplicate_of is None else planned.duplicate_of
    rng = random.Random(plan.seed << 41 | number)  # noqa: S311
    if planned.kind == "broken":
        return _broken(rng, number)
    framing = rng.choices(FRAMINGS, [row.share for row in FRAMINGS])[0]
    size = int(min(max(rng.lognormvariate(0, 0.4) * MEAN * 0.78, LEAST), MOST))
    # The microseconds tell logs apart that have all else in common.
    since = rng.randrange(120, 2_000_000) * 1_000_000 + number % 1_000_000
    seen = int(planned.seen.timestamp())
    host = planned.device.encode()
    clock = wall(seen - since // 1_000_000, framing)
    if planned.kind == "ordinary" and rng.random() >= BOOT_SHARE:
        return Made(_lines(rng, framing, host, clock, since, size, framing.head), framing=framing.name)
    cause, _, driver = planned.cause.partition("@")
    key = ("boot", "") if planned.kind == "ordinary" else (planned.kind, cause)
    groups = _parts()[key]
    group = rng.randrange(len(groups))
    index = rng.randrange(len(groups[group]))
    source = groups[group][index].capture
    if key[0] == "boot":
        since = number % 1_000_000
        clock = wall(seen - 60, framing)
        text = filled(key, group, index, framing.name, False).print(rng, host, since, clock)
        text += _lines(rng, framing, host, clock, since + 20_000_000, max(size - len(text), 400), b"")
    else:
        banner = rng.random() < BANNER_SHARE
        text = filled(key, group, index, framing.name, banner).print(rng, host, since, clock)
        head = framing.head
        more = _lines(rng, framing, host, clock, since - 60_000_000, size - len(text), head)
        text = more + text[len(head) :] if more else text
    if driver:
        text = re.sub(rb"\blab\b(?!=)|\blab(?=_)", driver.encode(), text)
    return Made(text, source.name, source.kernel, source.arch, framing.name)


def _lines(
    rng: random.Random,
    framing: Framing,
    host: bytes,
    clock: Callable[[int], bytes],
    since: int,
    size: int,
    head: bytes,
) -> bytes:
    """Ordinary lines within a minute."""
    lines = before(rng, size)
    if not lines:
        return b""
    step = 59_000_000 // len(lines)
    number = rng.randrange(300, 90000)
    values: list[int | bytes] = []
    for line in lines:
        since += step
        number += 1
        for field in framing.fields:
            if field == "s":
                values.append(since // 1_000_000)
            elif field == "us":
                values.append(since % 1_000_000)
            elif field == "wall":
                values.append(clock(since))
            else:
                values.append(since if field == "all" else number)
        values.append(line)
    space = b"" if framing.name == "netconsole" else b" "
    log = head + (framing.before + space + b"%b" + framing.after) * len(lines) % tuple(values)
    return log.replace(b"HOST", host) if "wall" in framing.fields else log


def _broken(rng: random.Random, number: int) -> Made:
    """What uploads that went wrong look like."""
    kind = number % 3
    if kind == 0:
        return Made(b"")
    if kind == 1:
        return Made(rng.randbytes(rng.randrange(1000, 8000)))
    text = b"".join(b"[%5d.000000] %b\n" % (turn, line) for turn, line in enumerate(before(rng, 6000)))
    packed = gzip.compress(text, mtime=0)
    return Made(packed[: len(packed) // 3], suffix=".log.gz")

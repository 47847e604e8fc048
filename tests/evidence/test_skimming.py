"""Lines that are passed over together, or read many at once, lead to the same facts as lines that are read one by one."""

import io
from collections.abc import Callable
from contextlib import AbstractContextManager
from unittest.mock import patch

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.promises import real_logs
from unkillable.evidence.reader import EvidenceReader
from unkillable.klog import Reader, Record, Stretch
from unkillable.klog.streams import Part, Source

LOGS = real_logs()
ODD = [
    b"", b"  ", b"login: root", b"\x1b[32mok\x1b[0m", b"caf\xc3\xa9", b"Killed", b"[    5.000000]", b"[    5.000000] ",
    b"[    5.000000]  two blanks", b"[   10.000000] \ttab", b"[   10.000000] trailing  \t ", b"[   10.000000] \x01odd",
    b"[   11.000000] lone\rreturn", b"[   12.000000] usb 1-1: new device [   12.500000] merged", b"[   12.000000] [sda] disk",
    b"[    0.000000] back again", b"[99999.000000] a leap", b"[123456.000000] another width", b"[   13.000000][  T12] caller",
    b"[   13.000000] [<c0123456>] do_one_initcall+0x1/0x2", b"[   14.000000] sh            D c0123456     0    12      1 0x00000000",
    b"[   14.000000] usb 1-1: reset high-speed USB device number 2", b"** 12 printk messages dropped **",
    b"[    0.000000] Linux version 6.1.0-custom (a@b) #1", b"Jan  1 00:00:00 box kernel: [   15.000000] syslog", b"<6>[   15.000000] x",
    b"[   16.000000] ARMv7 Processor", b"[   16.000000] x kernel: y", b"[   17.000000] " + b"long " * 900,
]  # fmt: skip

FRAMINGS: list[Callable[[bytes, int], bytes]] = [
    lambda line, number: line,
    lambda line, number: b"<6>" + line,
    lambda line, number: line.replace(b"] ", b"][    T%d] " % (number % 3), 1),
    lambda line, number: b"<4>" + line.replace(b"] ", b"][    C0] ", 1),
    lambda line, number: b"Jan  2 00:00:01 box kernel: " + line,
    lambda line, number: b"Jan  2 00:00:01 box%d kernel: " % (number // 20) + line,
    lambda line, number: b"Jan  2 00:00:01 box kernel: " + line.partition(b"] ")[2],
    lambda line, number: (
        b"Mar %02d %02d:00:%02d box kernel: " % (1 + number // 50, number % 24, number % 60)
        + line.partition(b"] ")[2]
    ),
    lambda line, number: b"Feb 31 00:00:%02d box kernel: " % (number // 3 % 60) + line.partition(b"] ")[2],
    lambda line, number: b"Oct 10 10:%02d:59 box kernel: " % (number // 3 % 62) + line.partition(b"] ")[2],
    lambda line, number: b"2026-01-02T00:00:01.25+01:00 box kernel: " + line,
    lambda line, number: (
        b"Jan  2 00:00:01 box app: " + line if number % 9 == 0 else b"Jan  2 00:00:01 box kernel: " + line
    ),
]


ONE_BY_ONE = patch("unkillable.klog.framing.common", lambda *_: None)
AT_ONCE = patch("unkillable.klog.stretch._FEWEST", 1 << 60)
"""Lines of one framing are read many at once, and each is looked at."""
TOGETHER = patch("unkillable.klog.stretch._FEWEST", 1)
"""Lines are passed over together, however few they are."""


def facts(data: bytes, way: AbstractContextManager[object]) -> tuple[bytes, object]:
    """The evidence of all boots, and what the reader says of the log."""
    source = Source("console", [Part("console", lambda: io.BytesIO(data))], len(data))
    with way:
        reader = EvidenceReader(source)
        found = msgspec.json.encode(list(reader.boots()))
    log = reader.reader
    return found, (log.lines, log.bytes_read, log.lost_messages, log.cut_lines, log.problems, log.format)


def assert_the_same(log: bytes) -> None:
    expected = facts(log, ONE_BY_ONE)
    assert facts(log, AT_ONCE) == expected
    assert facts(log, TOGETHER) == expected


def test_on_every_bundled_log():
    for log in LOGS:
        assert_the_same(log)


@st.composite
def cut_logs(draw: st.DrawFn) -> bytes:
    """A piece of a log, with odd lines in it, in another log's company, its lines ended in one way or another."""
    log = draw(st.sampled_from(LOGS))
    size = draw(st.integers(200, 8000))
    begin = draw(st.integers(0, max(0, len(log) - size)))
    lines = log[begin : begin + size].split(b"\n")
    for odd in draw(st.lists(st.sampled_from(ODD), max_size=6)):
        lines.insert(draw(st.integers(0, len(lines))), odd)
    framing = draw(st.sampled_from(FRAMINGS))
    lines = [framing(line, number) if line.startswith(b"[") else line for number, line in enumerate(lines)]
    if draw(st.booleans()):
        lines += draw(st.sampled_from(LOGS))[:2000].split(b"\n")
    return draw(st.sampled_from([b"\n", b"\r\n", b"\r\r\n"])).join(lines)


def test_a_second_line_of_one_time_says_how_far_the_clock_was() -> None:
    again = b"[   12.000000] [sda] disk\n"
    assert_the_same(
        b"[    5.000000] a\n" + again + again + b"[    0.000000] Machine model: x\n[    0.000000] y\n"
    )


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(cut_logs())
def test_on_cuts_of_them(log: bytes):
    assert_the_same(log)


@pytest.mark.parametrize("odd", ODD)
def test_with_each_odd_line_among_ordinary_ones(odd):
    def ordinary(first: int) -> list[bytes]:
        return [b"[%5d.%06d] eth0: link is up, %d" % (first + i, i, i) for i in range(8)]

    log = b"\n".join([*ordinary(3), odd, *ordinary(20), odd, odd, *ordinary(40000), b""])
    assert_the_same(log)


def test_ordinary_lines_come_together_as_they_lie_there():
    lines = [b"[%5d.000000] eth0: link is up\r\n" % i for i in range(100)]
    lines[50] = b"[   50.000000] INFO: task x blocked for more than 120 seconds\r\n"
    data = b"".join(lines)
    reader = Reader(
        Source("console", [Part("console", lambda: io.BytesIO(data))], len(data)), [b"more than "], close=True
    )
    reader.each = False
    first, early, hung, late = reader.pieces()
    assert [type(piece) for piece in (first, early, hung, late)] == [Record, Stretch, Record, Stretch]
    assert (early.number, early.count, late.number, late.count) == (2, 49, 52, 49)
    assert early.data == b"".join(lines[1:50])
    assert hung.number == 51
    assert hung.hits == (0,)
    records = list(late.records(0, 0))
    assert [(one.number, one.time) for one in records] == [(52 + i, 51.0 + i) for i in range(49)]
    assert {one.text for one in records} == {"eth0: link is up"}

"""What holds for any bytes at all: nothing raises, numbers grow, cuts and compression do not matter, time is linear."""

from __future__ import annotations

import bz2
import gzip
import lzma
import time
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

import lz4.frame
import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.klog.klog_samples import FOLDER, read_bytes
from unkillable.klog import Record
from unkillable.klog.compression import FORMATS, Format
from unkillable.klog.decoders import DECODERS, Decoder

SAMPLES = sorted(path for path in FOLDER.iterdir() if path.suffix != ".md")
LITERALS = (b"oom", b"Killed process", b"e", b"[ ")

TOKENS = [
    b"\n", b"\r", b"\r\n", b" ", b"\0", b"\x1b[0m", b"\x1b]0;", b"\x08", b"\xff", b"\xe2\x82", b"[", b"]", b"<6>", b"[    1.000000] ",
    b"[12345.678901][  T12] ", b"[  C0] ", b"Jan  1 00:00:00 host kernel: ", b"2024-01-01T00:00:00Z ", b"> ", b"Linux version ",
    b"-- Boot 0123456789abcdef0123456789abcdef --\n", b"-- Reboot --\n", b"oom", b"Killed process", b'{"MESSAGE":"oom"}\n', b'{"', b'"msg": "x",\n',
    b"6,1,2,-;oom", b",ncfrag=0/9;", b"__REALTIME_TIMESTAMP=1\n", b"MESSAGE\n\x03\0\0\0\0\0\0\0abc\n", b"MESSAGE=oom\n", b"\n\n",
    b"=\n", b"=3D", b"&lt;", b"<br>", b"<pre>", b"====1.2-D\n", b"Panic#1 Part1\n", b"\x1f\x8b\x08", b"BZh91AY&SY", b"\xfd7zXZ\0",
    b"\x28\xb5\x2f\xfd", b"\x04\x22\x4d\x18", b"\xff\xfe", b"** 3 printk messages dropped **", b"[Mon Jan  1 00:00:00 2024] ",
    b"From: a\nSubject: b\n", b"kern  :info  : ", b"99999999999999999999", b"Jan 99 99:99:99 host kernel: ", b"9999-99-99T99:99:99Z ",
]  # fmt: skip
documents = st.one_of(
    st.binary(max_size=400),
    st.lists(st.sampled_from(TOKENS), max_size=60).map(b"".join),
    st.tuples(
        st.sampled_from(SAMPLES), st.integers(0, 4000), st.binary(max_size=20), st.integers(0, 4000)
    ).map(
        lambda parts: (
            parts[0].read_bytes()[parts[1] : parts[1] + 1500] + parts[2] + parts[0].read_bytes()[: parts[3]]
        )
    ),
)
COMPRESSORS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "xz": lzma.compress,
    "zstd": zstandard.compress,
    "bzip2": bz2.compress,
    "lz4": lz4.frame.compress,
}
quick = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def pieces(data: bytes, cuts: Sequence[int]) -> list[bytes]:
    edges = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    return [data[a:b] for a, b in pairwise(edges)]


def check(data: bytes, records: Sequence[Record], in_order: bool) -> None:
    for record in records:
        assert 1 <= record.number <= data.count(b"\n") + data.count(b"\r") + 1
        assert "\n" not in record.text
        assert "\0" not in record.text
        assert list(record.hits) == sorted(set(record.hits))
        for at, literal in enumerate(LITERALS):
            assert (at in record.hits) == (literal in record.text.encode("utf-8", "replace"))
    numbers = [record.number for record in records]
    if in_order:
        assert numbers == sorted(numbers)


@quick
@given(documents)
def test_any_bytes(data: bytes) -> None:
    for want in (True, False):
        reader, records = read_bytes(data, literals=LITERALS, want=want)
        packed = any(data.startswith(row.magic) for row in FORMATS)
        if not packed:
            check(data, records, reader.format != "kmsg")  # whose lines are put in order of sequence numbers


@quick
@given(documents, st.lists(st.integers(0, 10000), max_size=12))
def test_cuts_do_not_matter(data: bytes, cuts: list[int]) -> None:
    whole_reader, whole = read_bytes(data, literals=LITERALS)
    reader, records = read_bytes(*pieces(data, cuts), literals=LITERALS)
    assert records == whole
    assert (reader.lines, reader.problems) == (whole_reader.lines, whole_reader.problems)
    assert read_bytes(*pieces(data, cuts), literals=LITERALS, want=False)[1] == [
        r for r in whole if r.hits
    ] or any(record.boot for record in whole)


@quick
@given(
    documents,
    st.sampled_from(sorted(COMPRESSORS)),
)
def test_compression_does_not_matter(data: bytes, how: str) -> None:
    if any(data.startswith(row.magic) for row in FORMATS) or data[:1] == b"\x78":
        return
    packed = COMPRESSORS[how](data)
    _, plain = read_bytes(data, literals=LITERALS)
    assert read_bytes(packed, literals=LITERALS)[1] == plain


@quick
@given(
    st.sampled_from(FORMATS),
    st.sampled_from(SAMPLES),
    st.integers(0, 3000),
    st.binary(min_size=1, max_size=30),
)
def test_damaged_compression(row: Format, sample: Path, at: int, junk: bytes) -> None:
    data = bytearray(COMPRESSORS[row.name](sample.read_bytes()))
    data[at % len(data) : at % len(data) + len(junk)] = junk
    read_bytes(bytes(data))


@pytest.mark.parametrize(
    "unit",
    [*TOKENS, b"[ 1.000000] ", b"\x1b[0;", b"a\x08", b"[" * 30, b"<" * 30, b"> " * 20, b"1" * 40, b" " * 50, b"'\"{[", b"{" * 40,
     b"Jan  1 00:00:00 " + b"a" * 60 + b" ", b"=" * 30, b"&#1;", b"<a " + b"x" * 90, b"1,1,1,-," + b"a,", b"a" * 50 + b"< "],
)  # fmt: skip
@pytest.mark.parametrize("end", [b"", b"\n"])
def test_time_is_linear(unit: bytes, end: bytes) -> None:
    """400 kB of any repeated piece, as one line and as many."""
    data = b"[    1.000000] x\n" + (unit * 40 + end) * (400_000 // (len(unit) * 40 + len(end)))
    begin = time.process_time()
    read_bytes(data, literals=LITERALS)
    assert (
        time.process_time() - begin < 15
    )  # up to 0.5 s on a quiet machine, 3 on a busy one; a quadratic pattern takes minutes


@pytest.mark.parametrize(
    "unit", [*TOKENS, b"a" * 70, b"> [    1.000000] " + b"x" * 60 + b"\n" + b"y" * 40 + b"\n"]
)
@pytest.mark.parametrize("decoder", DECODERS, ids=lambda decoder: decoder.decode.__name__)
def test_decoders_are_linear(decoder: Decoder, unit: bytes) -> None:
    data = (unit * (300_000 // len(unit))).split(b"\n")
    head = b"\n".join(data)[: 1 << 16]
    begin = time.process_time()
    decoder.recognises(head)
    for _ in decoder.decode(iter(enumerate(data, 1)), head):
        pass
    assert time.process_time() - begin < 15  # up to 0.4 s on a quiet machine

"""The reader: literals, want, numbers, merged lines, boots, lost messages, what is no log."""

from __future__ import annotations

import pytest

from tests.klog.klog_samples import FOLDER, Chunks, read, read_bytes
from unkillable.klog import Reader, Source
from unkillable.klog.limits import MAX_LINE
from unkillable.klog.streams import Part


def texts(data: bytes, **options: object) -> list[str]:
    return [record.text for record in read_bytes(data, **options)[1]]  # type: ignore[arg-type]


def line(time: float, text: str) -> bytes:
    return f"[{time:12.6f}] {text}\n".encode()


def test_only_lines_with_a_literal() -> None:
    _, records = read_bytes(b"one\ntwo\nthree\ntwo three\n", literals=(b"two", b"three", b"wo"), want=False)
    assert [(record.number, record.hits) for record in records] == [(2, (0, 2)), (3, (1,)), (4, (0, 1, 2))]


def test_want_may_change_at_any_record() -> None:
    reader = Reader(
        Source("x", [Part("x", lambda: Chunks([b"a\nBEGIN\nb\nc\nEND\nd\ne\nBEGIN\nf\n"]))]), [b"BEGIN"]
    )
    seen = []
    for record in reader:
        seen.append(record.text)
        reader.want = record.text != "END"
    assert seen == ["BEGIN", "b", "c", "END", "BEGIN", "f"]
    assert reader.lines == 9


def test_hits_are_not_looked_for_in_the_prefix() -> None:
    _, records = read_bytes(
        b"Jan  1 00:00:00 oom kernel: [    1.000000] text\n", literals=(b"oom", b"text"), want=False
    )
    assert [record.hits for record in records] == [(1,)]


def test_more_literals_than_one_pass_takes() -> None:
    literals = [f"literal{n:03};".encode() for n in range(150)]
    data = b"".join(b"[    1.000000] " + literal + literals[-1] + b"\n" for literal in literals)
    _, records = read_bytes(data, literals=literals, want=False)
    assert [record.hits for record in records] == [*((n, 149) for n in range(149)), (149,)]


def test_literals_given_twice_or_empty() -> None:
    _, records = read_bytes(b"abc\n", literals=(b"b", b"", b"b", b"bc"))
    assert records[0].hits == (0, 1, 2, 3)


def test_merged_lines_are_split_where_a_timestamp_begins() -> None:
    data = b"user text[    1.500000] first<6>[    2.000000][  T12]  second [12345.678901] third\n"
    _, records = read_bytes(data, literals=(b"second",))
    assert [(r.number, r.text, r.time, r.level, r.caller, r.hits) for r in records] == [
        (1, "user text", None, None, None, ()),
        (1, "first", 1.5, None, None, ()),
        (1, " second", 2.0, 6, "T12", (0,)),
        (1, "third", 12345.678901, None, None, ()),
    ]


def test_noise_of_serial_consoles() -> None:
    _, records = read(FOLDER / "serial.bin")
    assert [r.text for r in records if "root@box" in r.text] == ["root@box:~# ls -l"]
    assert {"10%", "20%", "100%"} <= {record.text for record in records}
    assert all(record.text.isprintable() for record in records)


def test_a_line_without_end_is_read_in_pieces() -> None:
    data = b"first\n" + b"x" * (3 * MAX_LINE + 5) + b"\nBEGIN\n"
    reader, records = read_bytes(data, literals=(b"BEGIN",))
    assert [(record.number, len(record.text)) for record in records] == [
        (1, 5), (2, MAX_LINE), (2, MAX_LINE), (2, MAX_LINE), (2, 5), (3, 5)
    ]  # fmt: skip
    assert reader.cut_lines == 1
    assert reader.problems == ["1 lines longer than 64 KiB were read in pieces"]
    assert reader.lines == 3


@pytest.mark.parametrize("last", [b"", b"\n"])
def test_lines_are_counted_with_and_without_a_last_line_end(last: bytes) -> None:
    for want in (True, False):
        assert read_bytes(b"a\nb\nc" + last, want=want)[0].lines == 3


def test_lost_messages() -> None:
    data = line(1, "** 12 printk messages dropped **") + line(
        2, "** 3 printk messages dropped ** [    2.000000] x"
    )
    data += b"Jan  1 00:00:00 box systemd-journald[12]: Missed 5 kernel messages\n"
    assert read_bytes(data, literals=(b"nothing",), want=False)[0].lost_messages == 20


BOOT = line(0, "Linux version 6.1.0") + line(0, "Command line: quiet") + line(1.5, "up") + line(300, "oom a")


@pytest.mark.parametrize(
    ("data", "boots"),
    [
        pytest.param(BOOT + BOOT, [0, 1], id="banner"),
        pytest.param(BOOT + line(301, "oom a") + line(2, "oom b") + line(2.1, "x"), [0, 0, 1], id="clock falls without a banner"),
        pytest.param(line(300, "oom a") + line(295, "oom b") + line(300.1, "oom c"), [0, 0, 0], id="jitter"),
        pytest.param(
            line(300, "oom a") + line(0.5, "oom b") + line(300.1, "oom c") + line(300.2, "x"), [0, 0, 0], id="garbled low"
        ),
        pytest.param(
            line(10, "oom a") + line(90000, "oom b") + line(10.2, "oom c") + line(10.3, "x"), [0, 0, 0], id="garbled high"
        ),
        pytest.param(line(300, "oom a") + line(0.5, "oom b"), [0, 0], id="nothing follows to confirm"),
        pytest.param(b"Linux version 6.1\noom\n" + b"x\n" * 9 + b"Linux version 6.1\noom\n", [0, 1], id="untimed"),
        pytest.param(b"U-Boot\n" * 99 + BOOT, [0], id="a boot loader before the first boot"),
        pytest.param(
            line(0, "Linux version 6.1") + line(0.4, "oom a") + line(0, "Linux version 6.1") + line(0.4, "oom b"),
            [0, 0], id="replayed by the real console",
        ),
        pytest.param(
            line(0, "Linux version 6.1") + line(4, "oom a") + line(0, "Linux version 6.1") + line(4, "oom b"),
            [0, 1], id="a boot that died early",
        ),
        pytest.param(
            b"-- Boot " + b"a" * 32 + b" --\nJan  1 00:00:00 h kernel: oom\n"
            b"-- Boot " + b"b" * 32 + b" --\nJan  1 00:00:00 h kernel: oom\n", [0, 1], id="journal",
        ),
        pytest.param(
            b"Jan  1 00:00:00 h kernel: oom\n-- Reboot --\nJan  1 00:00:00 h kernel: oom\n-- Reboot --\n"
            b"Jan  1 00:00:00 h kernel: oom\n", [0, 1, 2], id="old journal",
        ),
    ],
)  # fmt: skip
def test_boots(data: bytes, boots: list[int]) -> None:
    for want in (True, False):
        _, records = read_bytes(data, literals=(b"oom",), want=want)
        assert [record.boot for record in records if record.hits] == boots


def test_interleaved_journal_boots_keep_their_numbers() -> None:
    entry = '{{"_TRANSPORT":"kernel","_BOOT_ID":"{}","MESSAGE":"oom"}}\n'
    data = "".join(entry.format(name * 32) for name in "abab").encode()
    assert [record.boot for record in read_bytes(data)[1]] == [0, 1, 0, 1]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "an empty file"),
        (b"\x7fELF" + bytes(200), "ELF"),
        (b"LPKSHHRH" + bytes(200), "journalctl --file"),
        (bytes(1000), "zero bytes"),
        (b"\xff" * 1000, "erased flash"),
        (bytes(range(32)) * 20, "binary data"),
        (b"  \n \n", "blanks"),
        (b"\x1f\x8b\x08\x00", "gzip data ends early"),
    ],
)
def test_what_is_no_log_is_named(data: bytes, words: str) -> None:
    reader, records = read_bytes(data)
    assert records == []
    assert not reader.looks_like_text
    assert words in reader.summary
    assert reader.lines == 0


def test_a_log_has_no_summary() -> None:
    reader, _ = read(FOLDER / "printk.txt")
    assert (reader.looks_like_text, reader.summary, reader.problems) == (True, "", [])
    assert reader.bytes_read == (FOLDER / "printk.txt").stat().st_size


def test_progress_tells_bytes_of_the_file() -> None:
    from tests.klog.klog_samples import sources

    (source,) = sources(FOLDER / "printk.txt")
    told: list[int] = []
    list(Reader(source, [b"x"], told.append))
    assert told[-1] == source.size == (FOLDER / "printk.txt").stat().st_size


def test_fragments_that_never_complete_are_kept() -> None:
    data = b"".join(b"6,%d,1000,-,ncfrag=0/2000;part %d\n" % (n, n) for n in range(200))
    _, records = read_bytes(data)
    assert {record.text for record in records} == {f"part {n}" for n in range(200)}


def test_messages_of_several_lines_in_kmsg() -> None:
    _, records = read_bytes(b"6,1,1500000,-;first\\x0asecond \\x5c \\xc3\\xa9\n KEY=value\n")
    assert [(r.number, r.text, r.time) for r in records] == [(1, "first", 1.5), (1, "second \\ é", 1.5)]


def test_array_messages_of_the_journal() -> None:
    _, records = read_bytes(
        b'{"MESSAGE":[111,111,109,27],"_TRANSPORT":"kernel"}\n{"MESSAGE":null}\n{"MESSAGE":["a","oom"]}\n'
    )
    assert [record.text for record in records] == ["oom", "", "oom"]


def test_wrapped_lines_take_the_first_number() -> None:
    _, records = read(FOLDER / "mail-quoted-wrapped.txt")
    lines = (FOLDER / "mail-quoted-wrapped.txt").read_text().split("\n")
    banner = next(record for record in records if record.text.startswith("Linux version"))
    assert lines[banner.number - 1].startswith("> [    0.000000] Linux version")
    assert banner.number == 2
    assert records[2].number == next(n for n, text in enumerate(lines, 1) if "Command line" in text)

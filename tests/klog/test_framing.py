"""Each framing has a sample; the records of all of them are the same excerpt, as far as a format keeps it."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.klog.klog_samples import FOLDER, LINES, read, read_bytes
from unkillable.klog import Record
from unkillable.klog.rows import ROWS

# Name of the sample: what the framing is called, which fields survive, kernel lines after which boot 1 begins.
SAMPLES: dict[str, tuple[str | None, str]] = {
    "asuswrt.txt": ("syslog", "wall"),
    "busybox-syslogd.txt": ("syslog", "time wall level"),
    "busybox-syslogd-small.txt": ("syslog", "time wall"),
    "cat-n.txt": ("grep+printk", "time"),
    "cri.txt": ("cri+printk", "time wall"),
    "dmesg-color.txt": ("printk", "time"),
    "dmesg-ctime.txt": ("dmesg-time", "wall"),
    "dmesg-decode-ctime.txt": ("dmesg-decode", "wall level"),
    "dmesg-decode.txt": ("dmesg-decode", "time level"),
    "dmesg-delta.txt": ("dmesg-delta", "time"),
    "dmesg-iso.txt": ("dmesg-iso", "wall"),
    "dmesg-json-decode.txt": ("dmesg-json", "time level"),
    "dmesg-json.txt": ("dmesg-json", "time level"),
    "dmesg-notime.txt": (None, ""),
    "dmesg-raw.txt": ("printk", "time level"),
    "dmesg-reltime.txt": ("dmesg-reltime", ""),
    "docker-json.txt": ("docker-json", "time wall"),
    "forum.txt": ("pasted", "time"),
    "grabserial.txt": ("grabserial+printk", "time"),
    "grep.txt": ("grep+printk", "time"),
    "html.txt": ("pasted", "time"),
    "journal-cat.txt": (None, "boots"),
    "journal-export.bin": ("journal-export", "time wall level boots program"),
    "journal-json-pretty.txt": ("journal-json", "time wall level boots program"),
    "journal-json-seq.txt": ("journal-json", "time wall level boots program"),
    "journal-json-sse.txt": ("journal-json", "time wall level boots program"),
    "journal-json.txt": ("journal-json", "time wall level boots program"),
    "journal-short-delta.txt": ("journal-monotonic", "time boots program"),
    "journal-short-full.txt": ("journal-full", "wall boots program"),
    "journal-short-iso-precise.txt": ("iso-syslog", "wall boots program"),
    "journal-short-iso.txt": ("iso-syslog", "wall boots program"),
    "journal-short-monotonic.txt": ("journal-monotonic", "time boots program"),
    "journal-short-precise.txt": ("syslog", "wall boots program"),
    "journal-short-unix.txt": ("journal-unix", "wall boots program"),
    "journal-short.txt": ("syslog", "wall boots program"),
    "journal-verbose.txt": ("journal-verbose", "boots"),
    "kmsg.txt": ("kmsg", "time level caller"),
    "labgrid.txt": ("labgrid+printk", "time"),
    "lava-yaml.txt": ("lava", "time wall"),
    "lava.txt": ("terminal-time+printk", "time wall"),
    "logcat-brief.txt": ("logcat-brief", ""),
    "logcat-kernel.txt": ("logcat", "wall"),
    "logread.txt": ("logread", "time wall level"),
    "mail-flowed.txt": ("pasted", "time"),
    "mail-printable.txt": ("pasted", "time"),
    "mail-quoted-wrapped.txt": ("pasted", "time"),
    "mail-wrapped.txt": ("pasted", "time"),
    "mediatek-cpu.txt": ("printk", "time level"),
    "mediatek.txt": ("printk", "time level caller"),
    "netconsole-extended.txt": ("kmsg", "time level"),
    "nonbreaking.txt": ("printk", "time"),
    "printk-caller-notime.txt": ("caller", "caller"),
    "printk-caller.txt": ("printk", "time caller"),
    "printk-cpu.txt": ("printk", "time level caller"),
    "printk-level-cpu.txt": ("printk", "time level"),
    "printk-level.txt": ("printk-level", "level"),
    "printk.txt": ("printk", "time"),
    "quote-bar.txt": ("pasted", "time"),
    "quote.txt": ("pasted", "time"),
    "ramoops.txt": ("printk", "time level"),
    "returns.txt": ("printk", "time"),
    "rsyslog-5424.txt": ("rfc5424", "time wall level program"),
    "rsyslog-iso.txt": ("iso-syslog", "time wall program"),
    "rsyslog-traditional.txt": ("syslog", "time wall program"),
    "samsung.txt": ("printk", "time level caller"),
    "script.txt": ("printk", "time"),
    "serial.bin": ("printk", "time"),
    "spreadtrum.txt": ("printk", "time level caller"),
    "teraterm.txt": ("terminal-time+printk", "time wall"),
    "terminal-bracket.txt": ("terminal-time+printk", "time wall"),
    "terminal-clock.txt": ("terminal-time+printk", "time"),
    "terminal-tio.txt": ("terminal-time+printk", "time"),
    "terminal-zulu.txt": ("terminal-time+printk", "time wall"),
    "ts.txt": ("ts+printk", "time wall"),
    "utf-16-nobom.bin": ("printk", "time"),
    "utf-16.bin": ("printk", "time"),
}
OTHERS = {"collapsed.txt", "latin-1.bin", "README.md"}
"""Samples whose text differs from the excerpt; they have tests of their own."""


def test_every_sample_is_listed() -> None:
    assert {path.name for path in FOLDER.iterdir() if path.is_file()} == set(SAMPLES) | OTHERS


def test_every_sample_is_described() -> None:
    described = (FOLDER / "README.md").read_text()
    assert [name for name in SAMPLES if f"`{name}`" not in described] == []


@pytest.mark.parametrize("name", SAMPLES)
def test_sample(name: str) -> None:
    framing, fields = SAMPLES[name]
    kept = set(fields.split())
    reader, records = read(FOLDER / name)
    assert reader.problems == []
    assert reader.looks_like_text
    assert reader.format == framing
    texts = {text for _, _, text in LINES}
    found = [record for record in records if record.text in texts]
    boots = 2 if "boots" in kept else 1
    assert [record.text for record in found] == [text for _, _, text in LINES] * boots
    for boot in range(boots):
        part = found[boot * len(LINES) : (boot + 1) * len(LINES)]
        assert {record.boot for record in part} == {boot}
        assert all(record.kernel for record in part)
        assert [record.time for record in part] == [
            float(time) if "time" in kept else None for _, time, _ in LINES
        ]
        if "level" in kept:
            assert [record.level for record in part] == [level for level, _, _ in LINES]
        assert all((record.wall is not None) == ("wall" in kept) for record in part)
        assert all((record.caller is not None) == ("caller" in kept) for record in part)
    program = [record for record in records if record.text.strip().startswith("INFO: task fake")]
    if "program" in kept:
        assert program
        assert not any(record.kernel for record in program)


@pytest.mark.parametrize("name", SAMPLES)
def test_hits_are_the_same_without_want(name: str) -> None:
    literals = (b"invoked oom-killer", b"oom_kill_process", b"Killed process", b"oom")
    reader, some = read(FOLDER / name, literals, want=False)
    whole, every = read(FOLDER / name, literals)
    assert [(r.number, r.text, r.hits, r.boot) for r in some] == [
        (r.number, r.text, r.hits, r.boot) for r in every if r.hits
    ]
    assert reader.lines == whole.lines
    oom = [record for record in some if "invoked oom-killer" in record.text]
    assert oom
    assert all(record.hits == (0, 3) for record in oom)
    killed = [record for record in some if "Killed process" in record.text]
    assert all(record.hits == (2, 3) for record in killed)  # `oom_score_adj` holds the last one


@pytest.mark.parametrize("name", [name for name in SAMPLES if name.endswith("txt")])
def test_numbers_are_those_of_grep(name: str) -> None:
    """The text at a record's number is the record's, in every format that keeps a line's text as it is."""
    data = (FOLDER / name).read_bytes()
    lines = data.split(b"\n")
    _, records = read(FOLDER / name)
    for record in records:
        if "Killed process" in record.text and name != "returns.txt":
            assert b"Killed" in lines[record.number - 1] or b"Killed" in lines[record.number]


def test_wall_clock() -> None:
    _, records = read(FOLDER / "rsyslog-iso.txt")
    assert records[0].wall == 1793887402.0  # 2026-11-05T14:03:22Z
    _, records = read(FOLDER / "journal-short-unix.txt")
    assert records[0].wall == 1704067200.001


def test_caller_ids() -> None:
    assert {record.caller for record in read(FOLDER / "printk-caller.txt")[1]} == {"T112"}
    assert {record.caller for record in read(FOLDER / "printk-cpu.txt")[1]} == {"C1"}
    assert {record.caller for record in read(FOLDER / "samsung.txt")[1]} == {"T112"}


def test_collapsed_blanks() -> None:
    """A browser makes one blank of several: the prefix is still read."""
    _, records = read(FOLDER / "collapsed.txt")
    assert [record.time for record in records] == [float(time) for _, time, _ in LINES]
    assert [record.text.split() for record in records] == [text.split() for _, _, text in LINES]


def test_other_character_sets_keep_every_character() -> None:
    _, records = read(FOLDER / "latin-1.bin")
    assert [record.text for record in records] == [
        f"{text.rstrip()} \u00e9\u00fc" for _, _, text in LINES
    ] or all(record.text.endswith(" \u00e9\u00fc") for record in records)


def test_rows_are_found_by_their_first_character() -> None:
    """A row whose pattern matches must be looked up for the character it matched at."""
    for path in Path(FOLDER).glob("*.txt"):
        for line in path.read_text(errors="replace").splitlines():
            for row in ROWS:
                if line and row.pattern.match(line):
                    assert line[0] in row.begins, (row.name, line)


@pytest.mark.parametrize(
    ("line", "text", "time"),
    [
        ("[12.34] not a timestamp of printk", "[12.34] not a timestamp of printk", None),
        ("[   12.345678 no bracket", "[   12.345678 no bracket", None),
        ("array[12.345678] = 3", "array[12.345678] = 3", None),
        ("Jan is a month, and so is May: yes", "Jan is a month, and so is May: yes", None),
        ("Jan  1 00:00:00 usb 1-1: new device", "usb 1-1: new device", None),
        ("[   12.345678] usb 1-1: new device", "usb 1-1: new device", 12.345678),
        ("[   12.345678] SQUASHFS error: Unable to read", "SQUASHFS error: Unable to read", 12.345678),
        ("2024-01-01T00:00:00Z SQUASHFS error: Unable to read", "SQUASHFS error: Unable to read", None),
        ("<TASK>", "<TASK>", None),
        ("[   12.345678]  <TASK>", " <TASK>", 12.345678),
        ("[   12.345678] [<c0194db8>] (schedule+0x0/0x5fc)", "[<c0194db8>] (schedule+0x0/0x5fc)", 12.345678),
        ("[   12.345678] (null)", "(null)", 12.345678),
        ("6 of 12, 30 left; done", "6 of 12, 30 left; done", None),
        ("kernel:info", "kernel:info", None),
        ("> a quoted remark", "a quoted remark", None),
        ("c1 is a processor", "c1 is a processor", None),
        ("-- Boot me --", "-- Boot me --", None),
        ("Panic#1 Part1 of the story", "Panic#1 Part1 of the story", None),
        ("[Tuesday] something", "[Tuesday] something", None),
        ("12:30 lunch", "12:30 lunch", None),
    ],
)
def test_what_only_looks_like_a_prefix(line: str, text: str, time: float | None) -> None:
    _, (record,) = read_bytes(line.encode())
    assert (record.text, record.time) == (text, time)


def test_a_line_means_the_same_whatever_came_before_it() -> None:
    """The rows that fitted last are tried first; that must not change what a line is taken for."""
    lines: list[bytes] = []
    for name, (framing, _) in SAMPLES.items():
        if (
            name.endswith("txt")
            and framing != "pasted"
            and "json" not in name
            and name not in ("kmsg.txt", "returns.txt")
        ):
            lines += [line for line in (FOLDER / name).read_bytes().split(b"\n") if line.strip()][2:18:3]
    random.Random(1).shuffle(lines)  # noqa: S311  the same order each time
    plain = b"text\n" * 300  # so that no decoder is chosen
    together = read_bytes(plain + b"\n".join(lines))[1][300:]
    alone = [record for line in lines for record in read_bytes(plain + line)[1][300:]]

    def told(record: Record) -> tuple[object, ...]:
        return record.text, record.time, record.wall, record.level, record.caller, record.kernel

    different = [(a, b) for a, b in zip(together, alone, strict=True) if told(a) != told(b)]
    assert different == []

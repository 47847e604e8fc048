"""Traces: lines of real kernels and of strace, lists, and what is none."""

from __future__ import annotations

import io
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.model.recorded import FOLDER
from unkillable.errors import UserError
from unkillable.model.image import traces
from unkillable.model.image.accesses import ADDED, DROPPED, FAULT, READ, Access, Trace
from unkillable.model.image.trace_ftrace import NOTE_ADDED
from unkillable.model.image.trace_strace import NOTE_MAPPED


def parse(text: str, device: str | None = None) -> Trace:
    return traces.parse(text.splitlines(), "test", device)


FTRACE = """\
# tracer: nop
#           TASK-PID     CPU#  |||||  TIMESTAMP  FUNCTION
            init-1       [000] .....     5.285093: mm_filemap_fault: dev=254:0 ino=2e ofs=286720
            init-1       [000] .....     5.285100: mm_filemap_add_to_page_cache: dev 254:0 ino 2e pfn=0x7217 ofs=286720 order=0
   my daemon (x)-4711    [001] d..1.     5.376831: mm_filemap_get_pages: dev=254:0 ino=3 ofs=0-4095
            init-1       [000] .....     5.376840: mm_filemap_map_pages: dev=254:0 ino=2e ofs=262144-327679
            init-1       [000] .....     5.376850: sched_wakeup: comm=x pid=1 prio=120 target_cpu=000
"""


def test_faults_and_reads_of_ftrace() -> None:
    """As 7.3 prints them; what the page cache did about them is left out."""
    trace = parse(FTRACE)
    assert (trace.format, trace.skipped, trace.notes) == ("ftrace", 0, [])
    assert trace.accesses == [
        Access("init-1", FAULT, None, 0x2E, 286720, 4096),
        Access("my daemon (x)-4711", READ, None, 3, 0, 4096),
    ]


OLD = """\
            init-1       [000] .N..     5.374481: mm_filemap_add_to_page_cache: dev 254:0 ino 46 page=ffffe13d002afbc0 pfn=44015 ofs=221184
            init-1       [000] d.2.    49.343124: mm_filemap_delete_from_page_cache: dev 254:0 ino 3 pfn=0x7219 ofs=8192 order=0
"""


def test_what_the_page_cache_did_where_there_is_nothing_else() -> None:
    """As 5.10 and 6.1 print them."""
    trace = parse(OLD)
    assert [(one.kind, one.number, one.offset) for one in trace.accesses] == [
        (ADDED, 0x46, 221184),
        (DROPPED, 3, 8192),
    ]
    assert trace.notes == [NOTE_ADDED]
    assert trace.ordered


def test_events_of_several_devices_need_a_choice() -> None:
    two = FTRACE + FTRACE.replace("254:0", "8:1")
    with pytest.raises(UserError, match=r"several devices: 254:0 \(3\), 8:1 \(3\); say --device"):
        parse(two)
    assert len(parse(two, "8:1").accesses) == 2
    with pytest.raises(UserError, match="no access in it"):
        parse(two, "9:9")


def test_damaged_events_are_counted() -> None:
    trace = parse(
        FTRACE + "   init-1  [000] ..... 5.3: mm_filemap_fault: dev=254:0 ino=\n   x mm_filemap_fa\n"
    )
    assert (len(trace.accesses), trace.skipped) == (2, 2)


def test_a_real_strace() -> None:
    """strace -f -o of a shell that starts two programs at the same time: calls are cut in two."""
    text = (FOLDER / "strace-plain.txt").read_text()
    trace = parse(text)
    assert (trace.format, trace.skipped, trace.notes) == ("strace", 0, [NOTE_MAPPED])
    assert "<unfinished ...>" in text
    by_task: dict[str, list[Access]] = {}
    for one in trace.accesses:
        by_task.setdefault(one.task, []).append(one)
    assert len(by_task) == 3
    for accesses in by_task.values():
        # Every one loads the C library: its head, its program headers, its four segments.
        libc = [one for one in accesses if one.path == "/lib/x86_64-linux-gnu/libc.so.6"]
        assert [(one.kind, one.offset, one.length, one.executable) for one in libc[:7]] == [
            (READ, 0, 832, False),
            (READ, 64, 784, False),
            (READ, 64, 784, False),
            (FAULT, 0, 1974096, False),
            (FAULT, 0x26000, 1400832, True),
            (FAULT, 0x17C000, 339968, False),
            (FAULT, 0x1CF000, 24576, False),
        ]


def test_a_real_strace_with_paths() -> None:
    trace = parse((FOLDER / "strace-y.txt").read_text())
    assert trace.skipped == 0
    assert trace.accesses[0] == Access("7338", READ, "/usr/bin/sh", length=256)
    paths = {one.path for one in trace.accesses}
    assert "/usr/lib/x86_64-linux-gnu/libc.so.6" in paths, "the path behind the descriptor, links followed"
    assert "/lib/x86_64-linux-gnu/libc.so.6" not in paths


def test_a_read_begins_where_the_last_one_ended() -> None:
    trace = parse(
        'openat(AT_FDCWD, "/etc/a\\303\\244\\" b", O_RDONLY) = 3\n'
        'read(3, "x) = 7, \\"y\\""..., 100) = 100\n'
        "[pid   12] 12:00:01.000001 read(3, 0x7ffe, 50) = -1 EFAULT (Bad address)\n"
        'read(3, "..."..., 50) = 20\n'
        "lseek(3, 4096, SEEK_SET) = 4096\n"
        'read(3, ""..., 8) = 8\n'
        'read(3, "", 8) = 0\n'
        "close(3) = 0\n"
    )
    assert trace.skipped == 0
    assert [(one.path, one.offset, one.length) for one in trace.accesses] == [
        ('/etc/aä" b'.encode().decode("ascii", "surrogateescape"), 0, 100),
        ('/etc/aä" b'.encode().decode("ascii", "surrogateescape"), 100, 20),
        ('/etc/aä" b'.encode().decode("ascii", "surrogateescape"), 4096, 8),
    ]


def test_what_strace_cannot_place_is_counted() -> None:
    trace = parse(
        'openat(AT_FDCWD, "relative", O_RDONLY) = 3\nread(3, "x", 1) = 1\n'
        'read(9, "x", 1) = 1\nread(4</etc/x>, "x", 1) = 1\nread(5<pipe:[1]>, "x", 1) = 1\n'
    )
    assert [one.path for one in trace.accesses] == ["/etc/x"]
    assert trace.skipped == 3


def test_a_list() -> None:
    trace = parse("# a comment\n\n/bin/sh\n/lib/a b.so 0x1000\n/etc/x 10 20\n/etc/x 10 20 init\n")
    assert trace.format == "list"
    assert trace.accesses == [
        Access("", READ, "/bin/sh", length=None),
        Access("", FAULT, "/lib/a b.so", offset=4096, length=1),
        Access("", READ, "/etc/x", offset=10, length=20),
        Access("init", READ, "/etc/x", offset=10, length=20),
    ]


@pytest.mark.parametrize("text", ["", "# nothing\n\n", "# tracer: nop\n#\n"])
def test_nothing_is_an_error(text: str) -> None:
    with pytest.raises(UserError, match="test: no access in it"):
        parse(text)


def test_there_is_no_such_file(tmp_path: Path) -> None:
    for path in (tmp_path / "none", tmp_path):
        with pytest.raises(UserError, match="no such trace"):
            traces.load(str(path))


def test_lines_without_end_and_without_sense(tmp_path: Path) -> None:
    path = tmp_path / "trace"
    path.write_bytes(b"/a " + b"9" * (1 << 20) + b"\n/b 1 2\n\xff\xfe\0 1 2\n" + b"x" * (1 << 20))
    assert "/b" in {one.path for one in traces.load(str(path)).accesses}


def test_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"/a\n/b\n")))
    assert [one.path for one in traces.load("-").accesses] == ["/a", "/b"]


def test_no_more_than_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(traces, "MOST", 3)
    trace = parse("/a 1 2\n" * 5)
    assert (len(trace.accesses), trace.whole) == (3, False)


_WORDS = ["init-1 [000] ..... 1.0: ", "mm_filemap_fault: ", "dev=1:0 ", "ino=1 ", "ofs=4096", "read(3", ', "x"', ", 5)", " = 5",
          "openat(AT_FDCWD, ", '"/a"', " <unfinished ...>", "<... read resumed>", "[pid 3] ", "\n", "\0", "9" * 30, "0x", "-1"]  # fmt: skip


@given(words=st.lists(st.one_of(st.sampled_from(_WORDS), st.text(max_size=5)), max_size=40))
def test_any_text_is_a_trace_or_an_error(words: Iterable[str]) -> None:
    try:
        trace = parse("".join(words))
    except UserError:
        return
    for one in trace.accesses:
        assert one.offset >= 0
        assert one.length is None or one.length >= 0

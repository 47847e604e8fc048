"""The watcher's lines: what it makes of the kernel's trace and of hostile names, and the whole of it in a guest."""

from __future__ import annotations

import ctypes
import json
import shutil
import subprocess
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unkillable.lab import programs


class NoEventError(Exception):
    """The line is none of the trace's."""


Translate = Callable[[bytes], dict[str, Any] | None]


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    """Parts of the watcher that need no guest, compiled for this machine."""
    if shutil.which("gcc") is None:
        pytest.skip("needs gcc")
    path = tmp_path_factory.mktemp("watcher") / "watcher.so"
    sources = [programs.SOURCES / name for name in ("event.c", "quote.c", "conf.c", "files.c")]
    flags = ("-std=gnu11", "-Wall", "-Wextra", "-Werror", "-fsanitize=undefined", "-shared", "-fPIC")
    subprocess.run(["gcc", *flags, *sources, "-o", path], check=True)
    return ctypes.CDLL(str(path))


@pytest.fixture(scope="module")
def translate(library: ctypes.CDLL) -> Translate:
    """A line of the trace as the host reads it; None for an event that is left out."""

    def call(line: bytes) -> dict[str, Any] | None:
        out = ctypes.create_string_buffer(512)
        if not library.event_translate(ctypes.create_string_buffer(line), out, ctypes.c_size_t(512)):
            raise NoEventError
        return json.loads(b"{" + out.value + b"}") if out.value else None

    library.event_translate.restype = ctypes.c_bool
    return call


EVENTS = [
    # Linux 5.10: no preemption letter, four flags.
    (
        b"         churn1-94      [001] d...    67.142853: mark_victim: pid=91",
        {"at": 67.142853, "what": "mark_victim", "pid": 91},
    ),
    # Since 6.9 the mark says more.
    (
        (
            b"           <...>-100     [000] .....    33.195269: mark_victim: pid=100 comm=churn7 total-vm=54436kB "
            b"anon-rss=52448kB file-rss:0kB shmem-rss:0kB uid=0 pgtables=136kB oom_score_adj=300"
        ),
        {"at": 33.195269, "what": "mark_victim", "pid": 100},
    ),
    (
        (
            b"           <...>-101     [001] d..1.    33.194697: signal_generate: sig=9 errno=0 code=128 comm=churn7 "
            b"pid=100 grp=1 res=0"
        ),
        {"at": 33.194697, "what": "kill", "pid": 100, "by": 101},
    ),
    (
        b"           <...>-102     [000] .....     4.738755: sched_process_exit: comm=canary pid=102 prio=120",
        {"at": 4.738755, "what": "exit", "pid": 102, "comm": "canary"},
    ),
    # Since 6.16, before exit_mm().
    (
        (
            b"           <...>-102     [000] .....     4.738755: sched_process_exit: comm=canary pid=102 prio=120 "
            b"group_dead=true"
        ),
        {"at": 4.738755, "what": "exit", "pid": 102, "comm": "canary"},
    ),
    # SIGCHLD to the parent: it is the sender who is gone.
    (
        (
            b"           <...>-102     [000] d..2.     4.749194: signal_generate: sig=17 errno=0 code=2 comm=canary pid=87 "
            b"grp=1 res=0"
        ),
        {"at": 4.749194, "what": "dead", "pid": 102},
    ),
    # A program may call itself as it likes.
    (
        b'    a" b pid=7-103     [000] .....     9.000001: sched_process_exit: comm=a" b pid=7 pid=103 prio=120',
        {"at": 9.000001, "what": "exit", "pid": 103, "comm": 'a" b pid=7'},
    ),
]


@pytest.mark.parametrize(("line", "expected"), EVENTS)
def test_trace_lines(translate: Translate, line: bytes, expected: dict[str, Any]) -> None:
    assert translate(line) == {"ev": "trace", **expected}


@pytest.mark.parametrize(
    "line",
    [
        # Stopped, not dead.
        b" <...>-1 [000] d..2. 4.7: signal_generate: sig=17 errno=0 code=5 comm=sh pid=87 grp=1 res=0",
        # Another signal, should the filter let it through.
        b" <...>-1 [000] d..2. 4.7: signal_generate: sig=15 errno=0 code=0 comm=sh pid=87 grp=1 res=0",
        b" <...>-1 [000] d..2. 4.7: sched_switch: prev_comm=a prev_pid=1",
        b" <...>-1 [000] d..2. 4.7: mark_victim: what=ever",
        b" <...>-1 [000] d..2. 4.7: sched_process_exit: pid=9 comm=x",
    ],
)
def test_events_that_are_left_out(translate: Translate, line: bytes) -> None:
    assert translate(line) is None


@pytest.mark.parametrize(
    "line",
    [
        b"CPU:1 [LOST 12 EVENTS]",
        b"",
        b"x",
        b" [: : :",
        *(
            b" <...>-1 [000] d..2. %s: mark_victim: pid=1" % seconds
            for seconds in (b"soon", b"6.7.142853", b"67.", b".5", b"067.142853", b"6e1", b"-1")
        ),
    ],
)
def test_lines_that_are_no_event(translate: Translate, line: bytes) -> None:
    with pytest.raises(NoEventError):
        translate(line)


@given(
    st.lists(st.sampled_from([*b"a -[]:=.,0123456789", 0xFF, 9]), max_size=40),
    st.sampled_from(EVENTS),
    st.data(),
)
def test_damaged_lines_never_break_the_protocol(
    translate: Translate, noise: list[int], event: tuple[bytes, dict[str, Any]], data: st.DataObject
) -> None:
    line = event[0]
    at = data.draw(st.integers(0, len(line)))
    cut = data.draw(st.integers(at, len(line)))
    with suppress(NoEventError):
        found = translate(line[:at] + bytes(noise) + line[cut:])
        assert found is None or found["ev"] == "trace"


@given(st.binary(max_size=200).map(lambda raw: raw.replace(b"\0", b"")))
def test_quoted_text_comes_back(library: ctypes.CDLL, raw: bytes) -> None:
    out = ctypes.create_string_buffer(2048)
    library.quote.restype = ctypes.c_char_p
    text = library.quote(out, ctypes.c_size_t(2048), raw, ctypes.c_size_t(len(raw)))
    assert json.loads(b'"' + text + b'"').encode("latin-1") == raw


@given(st.binary(min_size=1, max_size=200), st.integers(8, 64))
def test_quoted_text_is_cut_between_characters(library: ctypes.CDLL, raw: bytes, size: int) -> None:
    out = ctypes.create_string_buffer(size)
    library.quote.restype = ctypes.c_char_p
    text = library.quote(out, ctypes.c_size_t(size), raw, ctypes.c_size_t(len(raw)))
    assert len(text) < size
    assert raw.startswith(json.loads(b'"' + text + b'"').encode("latin-1"))


@pytest.mark.parametrize("line", [b'run "a', b'run "a\\', b'run "a"b', b" ".join([b"x"] * 64)])
def test_malformed_directives(library: ctypes.CDLL, line: bytes) -> None:
    words = (ctypes.c_char_p * 64)()
    assert library.split(ctypes.create_string_buffer(line), words) == -1


def test_as_many_words_as_there_is_room_for(library: ctypes.CDLL) -> None:
    words = (ctypes.c_char_p * 64)()
    assert library.split(ctypes.create_string_buffer(b" ".join([b"x"] * 63)), words) == 63
    assert words[62] == b"x"
    assert words[63] is None


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        # Not the number of pgscan_direct_throttle, which older kernels list first.
        (b"pgscan_direct ", 12),
        (b"pgscan_direct_throttle ", 3),
        (b"oom_kill ", 5),
        (b"scan_direct ", 0),
        (b"absent ", 0),
    ],
)
def test_counters(library: ctypes.CDLL, key: bytes, expected: int) -> None:
    text = b"pgscan_direct_throttle 3\npgscan_direct 12\nnr_free 7\noom_kill 5\n"
    library.number_after.restype = ctypes.c_longlong
    assert library.number_after(text, key) == expected

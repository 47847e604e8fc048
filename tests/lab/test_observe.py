"""The watcher's lines become facts; lines that are not the watcher's become nothing."""

from __future__ import annotations

import json
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unkillable.lab.observe import MOST, Observed, stalls
from unkillable.lab.types import Beat

SAMPLE = {"free": 9000, "available": 20000, "file": 12000, "swap_free": 0, "majflt": 10, "scan": 5, "steal": 4,
          "oom": 0, "psi_some": 7, "psi_full": 3, "took": 0.001}  # fmt: skip


def fed(*rows: object) -> Observed:
    seen = Observed()
    for row in rows:
        seen.feed(row if isinstance(row, bytes) else json.dumps(row).encode())
    return seen


def test_a_run_is_read() -> None:
    seen = fed(
        {"t": 1.0, "ev": "hello", "v": 1, "release": "6.1.0", "page": 4096},
        {"t": 2.0, "ev": "ready", "trace": True, "psi": True},
        {"t": 2.1, "ev": "pulse", "n": 1},
        {"t": 2.3, "ev": "pulse", "n": 2},
        {"t": 3.0, "ev": "beat", "n": 1, "at": 2.9, "took": 0.1, "status": 0},
        {"t": 3.0, "ev": "start", "who": "churn1", "pid": 91},
        {"t": 3.5, "ev": "sample", **SAMPLE},
        {"t": 8.9, "ev": "trace", "at": 8.8, "what": "mark_victim", "pid": 91},
        {"t": 8.9, "ev": "trace", "at": 8.8, "what": "kill", "pid": 91, "by": 7},
        {"t": 9.9, "ev": "trace", "at": 9.5, "what": "exit", "pid": 91, "comm": "churn1"},
        {"t": 9.9, "ev": "exit", "who": "churn1", "pid": 91, "at": 9.7, "signal": 9, "status": 0},
    )
    assert (seen.release, seen.ready, seen.traced, seen.strange) == ("6.1.0", 2.0, True, 0)
    assert seen.pulse_gap == pytest.approx(0.2)
    assert seen.beats == [Beat(2.9, 0.1)]
    assert seen.samples[0].available_kib == 20000
    (kill,) = seen.kills()
    assert (kill.pid, kill.comm, kill.by) == (91, "churn1", "oom")
    assert kill.latency == pytest.approx(
        0.9
    )  # until the supervisor had reaped it, not until the trace's exit


def test_the_speed_is_that_of_the_time_before_the_workload() -> None:
    lines = [{"t": 1.0 + n / 10, "ev": "speed", "pages": 2048 * n, "available": 180000} for n in range(3)]
    ready = {"t": 2.0, "ev": "ready", "trace": True, "psi": True}
    assert fed(*lines, ready).worked == [0, 2048, 4096]
    assert fed(lines[0], ready, *lines[1:]).worked == [0], "a line that comes later is not the watcher's"
    assert fed({"t": 1.0, "ev": "speed", "pages": "many"}, {"t": 1.0, "ev": "speed"}).strange == 2
    assert len(fed(*lines * 1000).worked) == 100


def test_memory_is_back_when_the_exit_was_told_to_the_parent() -> None:
    """Neither when the exit began (7.2 traces that before exit_mm) nor when a frozen supervisor came to reap."""
    seen = fed(
        {"t": 8.9, "ev": "trace", "at": 8.8, "what": "mark_victim", "pid": 91},
        {"t": 9.9, "ev": "trace", "at": 9.5, "what": "exit", "pid": 91, "comm": "churn1"},
        {"t": 9.9, "ev": "trace", "at": 9.6, "what": "dead", "pid": 91},
        {"t": 19.9, "ev": "exit", "who": "churn1", "pid": 91, "at": 19.7, "signal": 9, "status": 0},
    )
    assert seen.kills()[0].latency == pytest.approx(0.8)


def test_a_victim_that_never_exits_has_no_latency() -> None:
    seen = fed({"t": 8.9, "ev": "trace", "at": 8.8, "what": "mark_victim", "pid": 5})
    assert seen.kills()[0].latency is None


def test_an_exit_before_the_kill_is_another_process() -> None:
    seen = fed(
        {"t": 3, "ev": "exit", "who": "a", "pid": 5, "at": 3.0, "signal": 0, "status": 1},
        {"t": 9, "ev": "trace", "at": 8.8, "what": "mark_victim", "pid": 5},
    )
    assert seen.kills()[0].exited_at is None


def test_a_kill_by_a_daemon_is_not_the_oom_killers() -> None:
    seen = fed({"t": 9, "ev": "trace", "at": 8.8, "what": "kill", "pid": 5, "by": 60})
    assert seen.kills()[0].by == "user"


def test_a_canary_that_failed_is_no_answer() -> None:
    seen = fed({"t": 9, "ev": "beat", "n": 1, "at": 8.0, "took": 0.5, "status": 137})
    assert seen.beats == []
    assert seen.failed_beats == 1


@pytest.mark.parametrize(
    "line",
    [
        b"", b"\n", b"{", b"[]", b"null", b'{"ev":"pulse"}', b'{"t":"x","ev":"pulse"}', b'{"t":1e999,"ev":"pulse"}',
        b'{"t":-1,"ev":"pulse"}', b'{"t":1,"ev":"unheard"}', b'{"t":1,"ev":"beat"}', b"\xff\xfe\x00",
        b'{"t":1,"ev":"beat","at":"NaN","took":1,"status":0}', b'{"t":1,"ev":["pulse"]}',
    ],
)  # fmt: skip
def test_strange_lines_are_counted_and_change_nothing(line: bytes) -> None:
    seen = fed(line)
    assert seen.strange == 1
    assert (seen.beats, seen.now, seen.pulses) == ([], 0.0, 0)


@given(st.binary(max_size=300))
def test_no_line_raises(line: bytes) -> None:
    Observed().feed(line)


def test_a_flood_is_bounded() -> None:
    seen = Observed()
    for number in range(MOST + 50):
        seen.feed(b'{"t":1,"ev":"beat","at":%d,"took":0.1,"status":0}' % number)
    assert len(seen.beats) == MOST


def test_stalls_are_gaps_between_answers_less_the_period() -> None:
    found = stalls([Beat(1.0, 0.1), Beat(2.0, 0.1), Beat(3.0, 20.0)], 0.5, 30.0)
    assert [round(one.seconds, 1) for one in found] == [0.0, 0.0, 19.9, 6.0]
    assert [one.ended for one in found] == [True, True, True, False]
    assert found[2].began == pytest.approx(2.1)


def test_without_an_answer_the_whole_time_is_an_open_stall() -> None:
    assert [(one.began, one.seconds, one.ended) for one in stalls([], 2.0, 63.0)] == [(2.0, 60.0, False)]


def test_answers_from_before_the_workload_do_not_count() -> None:
    assert len(stalls([Beat(0.1, 0.1), Beat(1.0, 0.1)], 2.0, 10.0)) == 1


def test_the_order_of_answers_of_a_long_run() -> None:
    chance = random.Random(3)  # noqa: S311  the same in every run
    beats, at = [], 0.0
    for _ in range(500):
        took = chance.random() * 3
        beats.append(Beat(at, took))
        at += max(took, 1.0)
    found = stalls(beats, 0.0, at)
    assert len(found) == 501
    assert max(one.seconds for one in found) <= 3.0

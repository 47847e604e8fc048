"""Whatever the bytes: an answer that every report can show, or one line that says why there is none."""

from __future__ import annotations

import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz import promises
from tests.fuzz.mutations import HEADS, mutated
from unkillable.diagnosis import diagnose

LOGS = promises.real_logs()
CORPUS = sorted(promises.CORPUS.glob("*"))

some = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
few = settings(some, max_examples=50)

anything = st.one_of(
    st.binary(max_size=2000),
    st.text(max_size=500).map(lambda text: text.encode("utf-8", "surrogatepass")),
    st.lists(st.one_of(st.sampled_from(HEADS), st.binary(max_size=12), st.just(b"\n")), max_size=40).map(
        b"".join
    ),
    st.lists(st.sampled_from(HEADS).map(lambda head: b"[   12.000000] " + head), max_size=40).map(b"".join),
)
damaged = st.integers(0, 2**64).map(lambda seed: mutated(random.Random(seed), LOGS, 6000))  # noqa: S311  a test's choice
"""A seed stands for the input: hypothesis then tries other seeds, not smaller inputs."""


@some
@given(anything, st.booleans())
def test_any_bytes(data: bytes, close: bool) -> None:
    promises.keep_evidence(data, close)


@some
@given(damaged, st.booleans())
def test_damaged_logs(data: bytes, close: bool) -> None:
    promises.keep_evidence(data, close)


@few
@given(st.one_of(anything, damaged))
def test_files_by_the_way_of_the_command(data: bytes) -> None:
    promises.keep_file(data)


@few
@given(st.sampled_from(range(len(LOGS))), st.floats(0, 1), st.booleans())
def test_a_log_cut_at_any_line(which: int, share: float, close: bool) -> None:
    """A box that freezes stops in the middle of its report."""
    lines = LOGS[which].splitlines(keepends=True)
    promises.keep_evidence(b"".join(lines[: round(share * len(lines))]), close)


def test_every_cut_of_a_report() -> None:
    """An OOM report, a lock dump, a hung task: each with every number of its lines."""
    short = [log for log in LOGS if b"invoked oom-killer" in log or b"locks held" in log]
    for log in sorted(short, key=len)[:3]:
        lines = log.splitlines(keepends=True)
        for count in range(len(lines)):
            for evidence in promises.evidence_of(b"".join(lines[:count]), close=True):
                promises.keep_reports(diagnose(evidence), "json")


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.name)
@pytest.mark.parametrize("close", [True, False], ids=["close", "fast"])
def test_inputs_that_failed_once(path: object, close: bool) -> None:
    promises.keep_evidence(path.read_bytes(), close)  # type: ignore[attr-defined]


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.name)
def test_files_that_failed_once(path: object) -> None:
    promises.keep_file(path.read_bytes())  # type: ignore[attr-defined]


def test_a_caller_that_falls_silent_does_not_hold_the_reader_up() -> None:
    """With CONFIG_PRINTK_CALLER a report may be open for a thread that prints nothing more: the fast scan goes on."""
    report = b"[    1.000000][   T12] task:a state:D stack:0 pid:12 ppid:2 flags:0x0\n[    1.000000][   T12]  schedule+0x1/0x2\n"
    others = b"".join(
        b"[    2.%06d][%6s] usb 1-1: new device\n" % (n, b"T%d" % (100 + n % 40)) for n in range(50_000)
    )
    (evidence,) = promises.evidence_of(report + others, close=False)
    assert [(one.pid, one.stack is not None) for one in evidence.tasks] == [(12, True)]
    assert evidence.coverage.kernel_lines < 5_000

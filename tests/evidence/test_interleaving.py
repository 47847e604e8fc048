"""Two printers on one console: no frame goes to a task that does not own it unless the trace is marked as mixed."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import samples_file
from tests.evidence.driving import read_console as read
from unkillable.diagnosis import diagnose
from unkillable.evidence.types import Evidence, TaskSighting

Dump = list[str]
COMMON = ("__schedule", "schedule", "entry_SYSCALL_64_after_hwframe")


def trace(pid: int, depth: int) -> Dump:
    """A task as x86 prints it since 5.16; its frames tell whose they are, but for the outermost and the innermost."""
    own = [f"f{pid}_{number}" for number in range(depth)]
    return [
        f"task:t{pid:<14} state:D stack:0     pid:{pid}     ppid:1      flags:0x00000002",
        "Call Trace:",
        " <TASK>",
        *[
            f" {name}+0x10/0x20"
            for name in ("__schedule", "schedule", *own, "entry_SYSCALL_64_after_hwframe")
        ],
        " </TASK>",
    ]


def dump(first: int, depths: Sequence[int]) -> Dump:
    return [line for number, depth in enumerate(depths) for line in trace(first + number, depth)]


def consoles(seed: int) -> list[tuple[int, str]]:
    """Which printer, and its line, in the order of the console: single lines or several at a time."""
    chance = random.Random(seed)  # noqa: S311  a test's choice
    left = [
        dump(first, [chance.randint(0, 5) for _ in range(chance.randint(1, 4))])[::-1] for first in (100, 200)
    ]
    longest = chance.choice((1, 3, 12))
    console: list[tuple[int, str]] = []
    turn = 0
    while any(left):
        count = min(chance.randint(1, longest), len(left[turn]))
        console += [(turn, left[turn].pop()) for _ in range(count)]
        turn = 1 - turn if longest > 1 else chance.randint(0, 1)
    return console


interleaved = st.integers(0, 2**64).map(consoles)
"""A seed stands for the console: hypothesis then tries other seeds, not smaller consoles."""


def foreign(task: TaskSighting) -> list[str]:
    """The frames of a sighting that are another task's."""
    frames = task.stack.frames if task.stack is not None else ()
    return [
        one.function
        for one in frames
        if one.function not in COMMON and not one.function.startswith(f"f{task.pid}_")
    ]


def check(evidence: Evidence) -> None:
    for task in evidence.tasks:
        assert task.pid is not None, "a task without a name"
        assert task.stack is None or task.stack.mixed or not foreign(task), (task.pid, foreign(task))
    assert evidence.coverage.mixed == sum(
        task.stack is not None and task.stack.mixed for task in evidence.tasks
    )
    found = diagnose(evidence)
    assert all(one.pid is not None for one in found.waiters)
    for task in evidence.tasks:
        waiter = next((one for one in found.waiters if one.pid == task.pid), None)
        if waiter is not None and task.stack is not None and task.stack.mixed:
            assert waiter.inferred


many = settings(max_examples=200, deadline=None)


@many
@given(interleaved, st.booleans())
def test_nothing_tells_the_printers_apart(console: list[tuple[int, str]], close: bool) -> None:
    check(read([line for _, line in console], close))


@many
@given(interleaved, st.booleans())
def test_one_clock_for_both(console: list[tuple[int, str]], close: bool) -> None:
    check(read([f"[{50 + at / 1000:12.6f}] {line}" for at, (_, line) in enumerate(console)], close))


@many
@given(interleaved, st.booleans())
def test_the_clock_of_one_stands_still(console: list[tuple[int, str]], close: bool) -> None:
    """A dump with interrupts off (6.1, lab-amd64-6.1-squashfs-stalled), and a processor whose clock goes on."""
    lines = [
        f"[{56.478966 if turn == 0 else 56.5 + at / 1000:12.6f}] {line}"
        for at, (turn, line) in enumerate(console)
    ]
    check(read(lines, close))


@many
@given(interleaved, st.booleans())
def test_caller_ids_keep_every_frame(console: list[tuple[int, str]], close: bool) -> None:
    """CONFIG_PRINTK_CALLER, since 5.1: nothing is uncertain, nothing is lost."""
    lines = [
        f"[{50 + at / 1000:12.6f}][{'    T23' if turn else '     C1'}] {line}"
        for at, (turn, line) in enumerate(console)
    ]
    evidence = read(lines, close)
    check(evidence)
    assert not evidence.coverage.mixed
    assert not evidence.coverage.unattributed
    assert len(evidence.tasks) == sum(line.startswith("task:") for _, line in console)
    assert sum(len(task.stack.frames) for task in evidence.tasks if task.stack) == sum(
        "+0x" in line for _, line in console
    )


def test_a_dump_alone_is_not_mixed() -> None:
    evidence = read(dump(100, [3, 0, 5, 2]))
    assert len(evidence.tasks) == 4
    assert not evidence.coverage.mixed


def test_a_lost_end_is_not_owed_for_ever() -> None:
    lines = [*trace(100, 4)[:-2], *dump(101, [4] * 60)]
    evidence = read(lines)
    assert evidence.tasks[1].stack is not None
    assert evidence.tasks[1].stack.mixed
    assert evidence.tasks[-1].stack is not None
    assert not evidence.tasks[-1].stack.mixed


def test_a_damaged_time_is_no_other_printer() -> None:
    """QEMU's log file doubled digits: 566.478966 between two lines of 56.478966."""
    lines = [f"[   56.478966] {line}" for line in dump(100, [5, 5, 5])]
    lines[6] = lines[6].replace("56.", "566.")
    evidence = read(lines)
    assert [len(task.stack.frames) for task in evidence.tasks if task.stack] == [8, 8, 8]
    assert not evidence.coverage.mixed


@pytest.fixture(scope="module")
def stalled() -> Evidence:
    path = samples_file.SAMPLES / "captures" / "lab-amd64-6.1-squashfs-stalled.sample.xz"
    return read(samples_file.load(path)[1].decode().splitlines())


def test_the_report_of_the_other_processor_is_whole(stalled: Evidence) -> None:
    """Debian's 6.1: a sysrq-t and an OOM report line by line; only the clock tells them apart."""
    (report,) = stalled.ooms
    assert report.comm == "churn8"
    assert len(report.tasks) == 11
    assert report.kills
    invoker = next(one for one in stalled.tasks if one.origin == "oom-invoker")
    assert invoker.stack is not None
    assert [frame.function for frame in invoker.stack.frames[:2]] == ["dump_stack_lvl", "dump_header"]
    assert not any(frame.function.startswith("kthread") for frame in invoker.stack.frames)


def test_the_dump_goes_on_where_the_report_cut_it(stalled: Evidence) -> None:
    cut = next(one for one in stalled.tasks if one.comm == "slub_flushwq")
    assert cut.stack is not None
    assert [frame.function for frame in cut.stack.frames][-1] == "ret_from_fork"
    assert "kthread" in [frame.function for frame in cut.stack.frames]

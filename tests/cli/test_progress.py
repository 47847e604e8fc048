"""What is shown on standard error while a kernel is built or a guest runs."""

from __future__ import annotations

import io

import pytest

from unkillable.cli.progress import Counting, Line, Preparing
from unkillable.cli.reproduce import _Progress
from unkillable.fleet.filling import Tally


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True

    def lines(self) -> list[str]:
        return self.getvalue().removeprefix("\r\x1b[K").split("\r\x1b[K")


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def shown(stream: io.StringIO, *reports: tuple[float, str, float | None]) -> None:
    clock = Clock()
    preparing = Preparing(Line(stream), clock)
    for clock.now, phase, share in reports:
        preparing.report(phase, share)


def test_the_time_left_is_told_once_the_speed_is_known() -> None:
    terminal = Terminal()
    shown(
        terminal,
        (0, "reading", None),
        (10, "compiling: 13", 0.01),
        (20, "compiling: 65", 0.05),
        (100, "compiling: 247", 0.19),
        (460, "compiling: 1183", 0.91),
        (500, "compiling: 1300", None),
    )
    assert terminal.lines() == [
        "reading",
        "1 %: compiling: 13",
        "5 %: compiling: 65",
        "19 %, about 7 min left: compiling: 247",
        "91 %, about 45 s left: compiling: 1183",
        "compiling: 1300",
    ]


def test_another_kernel_has_a_speed_of_its_own() -> None:
    terminal = Terminal()
    shown(terminal, (0, "a", 0.0), (100, "a", 0.5), (200, "b", 0.0), (210, "b", 0.5), (220, "b", 0.75))
    assert terminal.lines()[2:] == ["0 %: b", "50 %: b", "75 %, about 7 s left: b"]


def test_elsewhere_there_is_a_line_a_minute_and_none_of_what_takes_seconds() -> None:
    log = io.StringIO()
    shown(
        log,
        (0, "reading", None),
        *((float(second), f"compiling: {second}", second / 200) for second in range(1, 150)),
        (190, "preparing", None),
    )
    assert log.getvalue().splitlines() == [
        "0 %: compiling: 1",
        "30 %, about 2 min left: compiling: 61",
        "60 %, about 79 s left: compiling: 121",
    ]


def test_a_name_of_a_file_can_do_nothing_to_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    terminal = Terminal()
    shown(terminal, (0, "compiling: \x1b[31m" + "x" * 200 + ".o", 0.5))
    (line,) = terminal.lines()
    assert line.startswith("50 %: compiling: \\x1b[31mxxx")
    assert len(line) == 59


def test_reproduce_shows_files_and_runs_on_the_same_line(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    with _Progress(2, 60.0) as progress:
        progress.report(None, "preparing the kernel", None)
        progress.report(0, "boot", 0.5)
        progress.report(1, "measure", 0.25)
    assert terminal.lines() == [
        "preparing the kernel",
        "run 1 of 2: boot  50 %, about 197 s left",
        "run 2 of 2: measure  25 %, about 79 s left",
        "",
    ]


def test_how_many_logs_how_fast_and_how_long() -> None:
    counting = Counting(Line(io.StringIO()), lambda: 1000)
    tally = Tally(inputs=500, unchanged=100, logs=400, files=400, bytes=2_000_000)
    assert counting.words(tally, 2.0) == "400 logs, 200 logs/s, 1 MB/s"  # no total: not counted yet
    counting.total = 1000
    assert (
        counting.words(tally, 2.0)
        == "[##########          ] 50 %, about 2 s left: 400 logs, 200 logs/s, 1 MB/s"
    )
    counting.total = 400  # files came meanwhile
    assert counting.words(tally, 2.0) == "400 logs, 200 logs/s, 1 MB/s"


def test_counting_is_quiet_at_first_and_where_nobody_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal, file = Terminal(), io.StringIO()
    for stream, patience, words in (
        (terminal, 60.0, ""),
        (file, 0.0, ""),
        (terminal, 0.0, "0 logs, 0 logs/s, 0 MB/s"),
    ):
        monkeypatch.setattr(Counting, "PATIENCE", patience)
        with Counting(Line(stream), lambda: None) as counting:
            counting.began -= 1.0
            counting.report(Tally())
            counting.report(Tally())  # not so often
        assert stream.getvalue().count("logs/s") == (1 if words else 0)
        assert words in stream.getvalue()
    assert terminal.getvalue().endswith("\r\x1b[K")  # nothing of it is left

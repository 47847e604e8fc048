"""A triage as text and as a page."""

from __future__ import annotations

import html as escaping
import re
from pathlib import Path

import pytest

from tests.report import triage_given as given
from tests.report.test_browser import MEASURE, PHONE, browse
from unkillable.fleet.answers import Table
from unkillable.report import triage_words as words
from unkillable.report.triage_html import render as page
from unkillable.report.triage_text import render, table

PAGES = {
    "whole": lambda: page(given.triage()),
    "hostile": lambda: page(given.triage(given.HOSTILE)),
    "long names": lambda: page(given.triage("x" * 5000)),
    "nothing": lambda: page(given.nothing()),
}


def test_the_first_line_is_the_answer_and_the_table_has_every_figure() -> None:
    lines = render(given.triage(), columns=110).splitlines()
    assert lines[0] == "30 of 90 logs hang, 3 causes; the most frequent: x"
    assert "Logs that hang  2026-09-21 ██████████ 2026-10-01" in lines
    row = "       10        5         2  2026-09-21  2026-09-30   ▁▂▃▄▅▆▇██  reclaim-livelock: readers of squashfs wait for memory"
    assert lines.count(row) == 3
    assert "          such as logs/0.log:17" in lines
    assert "          known: unkillable fix TREE" in lines
    assert "  4 more causes: --limit 7 shows all" in lines


def test_what_changed_is_told_with_its_uncertainty() -> None:
    text = render(given.triage(), columns=140)
    assert "From 2026.9 to 2026.10:" in text
    assert "  new     cause that is new" in text
    assert "devices: 3 of 100 = 3 % (0.6-8.5), now 6 of 100 = 6 % (2.2-13); (0.5-), p 0.02" in text
    assert "x 2 (0.5-8), p 0.02" in text
    assert "  1 more cause without a difference that these numbers show" in text


def test_full_has_the_rest() -> None:
    text = render(given.triage(), columns=110, full=True)
    for one in (
        "page fault", "by release: 2026.10 9 of 40, 2026.9 1 of 50", "by kernel: 5.10.0-46 10 of 90",
        "by architecture: arm 10 of 90", "A known hang.", "cause 000000000000",
    ):  # fmt: skip
        assert one in text


def test_a_log_cannot_write_to_the_terminal() -> None:
    for full in (False, True):
        text = render(given.triage(given.HOSTILE), columns=110, full=full)
        assert "\x1b" not in text
        assert "\u202e" not in text
        assert max(map(len, render(given.triage("x" * 5000), columns=110, full=full).splitlines())) < 1000


def test_nothing_is_said_of_nothing() -> None:
    assert render(given.nothing()) == "no logs\n"


def test_an_answer_in_columns() -> None:
    found = Table(("name", "n"), (("a\x1b[1m", 1), (None, 22)), cut=True)
    assert table(found) == "name      n\na\\x1b[1m  1\n-         22\n... more than 2 rows: ask for fewer\n"
    assert table(Table((), ())) == "\n"


@pytest.mark.parametrize(
    ("counts", "line"),
    [
        ([], ""),
        ([0, 0], ""),
        ([0, 1, 0], " █ "),
        ([1, 8], "▁█"),
        ([1, 1000], "▁█"),
        (range(1, 9), "▁▂▃▄▅▆▇█"),
    ],
)
def test_sparklines(counts: list[int], line: str) -> None:
    assert words.sparkline(list(counts)) == line


def test_counts_are_added_up_to_fit() -> None:
    assert words.narrow(list(range(10)), 5) == [1, 5, 9, 13, 17]
    assert words.narrow([1, 2, 3], 10) == [1, 2, 3]
    assert words.narrow([], 10) == []


def test_days_that_no_calendar_has() -> None:
    assert [words.day(one) for one in (None, 0.0, 1e30, -1e30, 1_790_000_000.0)] == [
        "-",
        "-",
        "-",
        "-",
        "2026-09-21",
    ]


def test_the_page_escapes_what_logs_say_and_has_no_script() -> None:
    html = PAGES["hostile"]()
    assert "<script" not in html
    assert "\x1b" not in html
    assert "&lt;script&gt;" in html


def test_the_page_has_every_bar() -> None:
    html = PAGES["whole"]()
    assert html.count('class="hung" x=') == 10
    assert "2026-09-21: 3 of 9 logs hang" in html
    assert html.count('class="spark"') == 3
    assert 'class="hung" x=' not in PAGES["nothing"]()


@pytest.mark.browser
@pytest.mark.parametrize("name", PAGES)
def test_a_browser_shows_it_without_complaint(name: str, tmp_path: Path) -> None:
    dom, log = browse(PAGES[name](), tmp_path)
    assert "CONSOLE" not in log, log
    assert re.findall(r"<h1>(.*?)</h1>", dom) == ["No hang" if name == "nothing" else "30 of 90 logs hang"]


@pytest.mark.browser
@pytest.mark.parametrize("name", PAGES)
def test_a_phone_does_not_scroll_sideways(name: str, tmp_path: Path) -> None:
    dom, _ = browse(MEASURE % (escaping.escape(PAGES[name]()), PHONE), tmp_path)
    (found,) = re.findall(r"MEASURED (\{.*?\})<", dom)
    assert '"scroll":390,"client":390,"wide":[]' in found, found

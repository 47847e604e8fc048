"""The words by which lines are passed over: whatever a row, a sign or a form of an era matches has one of its words."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unkillable.evidence.archsigns import SIGNS
from unkillable.evidence.formats import table
from unkillable.evidence.hints import hints
from unkillable.evidence.kernelinfo import ERAS
from unkillable.evidence.table import Format


def _words(row: Format) -> tuple[str, ...]:
    """Those of a row, and the literals of the rows that look for the same and find it in large logs, too."""
    return row.guard + tuple(
        name for other in table() if other.pattern is row.pattern for name in other.literals
    )


BY_WORDS = [
    *((row.name, _words(row), row.pattern) for row in table() if not row.literals),
    *((f"sign of {arch}", words, pattern) for arch, words, pattern in SIGNS),
    *((f"era by {words[0]}", words, pattern) for words, pattern, _, _ in ERAS),
]
ASCII = st.characters(codec="ascii")


@pytest.mark.parametrize(("name", "words", "pattern"), BY_WORDS, ids=[name for name, _, _ in BY_WORDS])
@settings(max_examples=12, deadline=None)
@given(data=st.data())
def test_every_match_has_one_of_the_words(name, words, pattern, data):
    text = data.draw(st.from_regex(pattern, fullmatch=True, alphabet=ASCII))
    # The kernel puts one blank there; a pattern that takes more of them is kind to mails.
    line = re.sub(r"\s+", " ", text) if name.startswith(("task-line", "scheduler-row")) else text
    assert any(word in line for word in words), f"{name}: none of {words} in {text!r}"


def test_every_row_without_literals_has_words():
    assert all(row.guard for row in table() if not row.literals)


def test_hints_point_to_rows_in_the_order_of_the_table():
    everything = " ".join(word for row in table() if not row.literals for word in row.guard)
    rows = [row for row, _ in hints(votes=False).told(everything).rows]
    assert rows == [row for row in table() if not row.literals]


def test_a_line_is_told_as_it_is_in_a_block():
    lines = ["usb 1-1: reset high-speed USB device number 2", "nothing here", "PC is at x", "mmap_lock"]
    block = "".join(f"[    1.000000] {line}\n" for line in lines).encode()
    asked = hints(votes=True)
    numbers = {block.count(b"\n", 0, start) for start in asked.starts(block)}
    assert numbers == {0, 2, 3}
    told = [asked.told(line) for line in lines]
    assert [row.name for row, _ in told[0].rows] == ["usb-reset"]
    assert [arch for arch, _ in told[2].signs] == ["arm"]
    assert [since for _, since, _ in told[3].eras] == ["5.8"]
    assert told[1] is asked.told("nor here")

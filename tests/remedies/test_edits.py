"""Text for headers, and blank lines."""

from __future__ import annotations

from unkillable.remedies.edits import insert, tidy
from unkillable.remedies.recipes import Insert

HEADER = "#define A 1\n#define B 2\n\nint f(void);\n"


def test_text_goes_behind_or_before_its_anchor() -> None:
    assert insert(HEADER, Insert("x.h", r"#define B.*\n", "int g;\n")) == HEADER.replace("2\n", "2\nint g;\n")
    before = insert(HEADER, Insert("x.h", r"#define A", "int g;\n", before=True))
    assert before == "int g;\n" + HEADER
    assert insert(HEADER, Insert("x.h", r"#define C", "int g;\n")) is None


def test_added_blank_lines_are_blank_and_single() -> None:
    before = "a\nb\n"
    assert tidy(before, "a\nif (x)\n\treturn;\n\n\t\nb\n") == "a\nif (x)\n\treturn;\n\nb\n"
    assert tidy("a\n\nb\n", "a\nx\n\n\nb\n") == "a\nx\n\nb\n"


def test_what_was_there_stays() -> None:
    odd = "a\n\n\n\t\nb  \n"
    assert tidy(odd, odd) == odd
    assert tidy(odd, odd.replace("a", "c")) == odd.replace("a", "c")

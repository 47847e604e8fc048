"""C as a lexer sees it: what is blanked, and that nothing moves."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unkillable.ksource.text import Text


@pytest.mark.parametrize(
    ("source", "code"),
    [
        ("a /* b */ c", "a         c"),
        ("a /* b\n** c */ d", "a     \n        d"),
        ("a // b\nc", "a     \nc"),
        ("a // b \\\nc\nd", "a       \n \nd"),
        ('f("{\\"}", x)', "f(      , x)"),
        ("c = '{';", "c =    ;"),
        ("c = '\\'';", "c =     ;"),
        ("a / b", "a / b"),
        ("/* never closed {", "                 "),
        ('"never closed {\nx', "               \nx"),
        ("#define A {\nx", "           \nx"),
        ("  # define A \\\n  {\nx", "              \n   \nx"),
        ('#include "a.h"\n', "              \n"),
        ("x # y", "x # y"),
    ],
)
def test_blanked(source: str, code: str) -> None:
    assert Text(source.encode()).code == code


def test_directives() -> None:
    text = Text(
        b"int a;\n#define MAX(a, b) \\\n\t(a) /* why */\n#ifdef CONFIG_X\n#elif Y\n# endif\n#pragma once\n"
    )
    assert [(one.at, one.rest) for one in text.macros] == [(7, " MAX(a, b) \\\n\t(a)          ")]
    assert [(one.name, one.rest) for one in text.conditions] == [
        ("ifdef", " CONFIG_X"),
        ("elif", " Y"),
        ("endif", ""),
    ]


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (b"#define X(a) /* one \\\n two */ \\\n a\nb", ["X(a)", "\\", "a"]),
        (b"#define X /* one\n two */ a\nb", ["X", "a"]),
        (b'#define X f("one \\\n two", a)\nb', ["X", "f(", ",", "a)"]),
        (b"#define X // one \\\n two\nb", ["X"]),
        (b"#define X(a) \\\r\n a\r\nb", ["X(a)", "\\", "a"]),
        (b"#define X \v a\nb", ["X", "a"]),
    ],
)
def test_a_directive_goes_on_behind_a_comment(source: bytes, words: list[str]) -> None:
    text = Text(source)
    assert [(one.at, one.rest.split()) for one in text.macros] == [(0, words)]
    assert text.code.split() == ["b"]
    assert text.macros[0].rest.count("\n") == source.count(b"\n") - 1


def test_a_directive_behind_a_comment_is_on_its_own_line() -> None:
    text = Text(b"a\n/* b\n c */ #if X\n/* d\n */\n#endif\n")
    assert [(text.line(one.at), one.name) for one in text.conditions] == [(3, "if"), (6, "endif")]


def test_sides_of_a_merge_conflict_are_those_of_a_condition() -> None:
    source = b"a {\n<<<<<<< HEAD\n1 {\n||||||| base\n0 {\n=======\n#if X\n2 {\n#endif\n>>>>>>> topic\n}\n======== b\n"
    text = Text(source)
    assert [(text.line(one.at), one.name) for one in text.conditions] == [
        (2, "if"), (4, "else"), (6, "else"), (7, "if"), (9, "endif"), (10, "endif"),
    ]  # fmt: skip
    assert text.code.split() == ["a", "{", "1", "{", "0", "{", "2", "{", "}", "========", "b"]
    assert len(text.code) == len(source)
    assert Text(b"a\n=======\nb").conditions == []


def test_lines() -> None:
    text = Text(b"a\nb\n\nc")
    assert [text.line(at) for at in range(6)] == [1, 1, 2, 2, 3, 4]


@given(
    st.lists(
        st.sampled_from(
            [b"/*", b"*/", b"//", b'"', b"'", b"\\", b"\n", b"\v", b"#", b"define", b"x", b"{", b"}", b"\xff"]
        ),
        max_size=60,
    )
)
def test_any_bytes_stay_in_their_places(parts: list[bytes]) -> None:
    source = b"".join(parts)
    code = Text(source).code
    assert len(code) == len(source)
    kept = [(a, b) for a, b in zip(source.decode("latin-1"), code, strict=True) if b != " "]
    assert all(a == b for a, b in kept)
    assert [at for at, char in enumerate(code) if char == "\n"] == [
        at for at, char in enumerate(source) if char == 10
    ]

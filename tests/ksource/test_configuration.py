"""A .config, and which #if it makes true."""

from __future__ import annotations

import gzip
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unkillable.errors import UserError
from unkillable.ksource import configuration as configurations
from unkillable.ksource.conditions import evaluate, left_out
from unkillable.ksource.configuration import Configuration, read

TEXT = """#
# Automatically generated file; DO NOT EDIT.
#
CONFIG_64BIT=y
CONFIG_SQUASHFS=m
# CONFIG_UBIFS is not set
CONFIG_LEVELS=5
CONFIG_BASE=0xff
CONFIG_NAME="x86"
"""
CONFIG = Configuration(TEXT, ".config")


def test_values() -> None:
    assert [CONFIG.enabled(name) for name in ("SQUASHFS", "CONFIG_64BIT", "UBIFS", "LEVELS")] == [
        True, True, False, True,
    ]  # fmt: skip
    assert (CONFIG.value("NAME"), CONFIG.value("NOBODY")) == ('"x86"', "")
    assert (CONFIG.module("SQUASHFS"), CONFIG.builtin("SQUASHFS"), CONFIG.builtin("64BIT")) == (
        True, False, True,
    )  # fmt: skip


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_read(tmp_path: Path, pack) -> None:
    file = tmp_path / "config.gz"
    file.write_bytes(pack(TEXT.replace("\n", "\r\n").encode()))
    found = read(file)
    assert (found.name, found.values) == ("config.gz", CONFIG.values)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "no kernel configuration: no line"),
        (b"\x00\xff\xfe" * 100, "no kernel configuration: no line"),
        (b"\x1f\x8bdamaged", "damaged gzip file"),
        (b"CONFIG_SQUASHFS=y\n", "no whole configuration.*olddefconfig"),
        (gzip.compress(b"\n" * 2000), "larger than 0 MiB"),
    ],
)
def test_what_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: bytes, says: str) -> None:
    monkeypatch.setattr(configurations, "LARGEST", 1000)
    file = tmp_path / "c"
    file.write_bytes(data)
    with pytest.raises(UserError, match=says):
        read(file)


def test_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot read the configuration: No such file"):
        read(tmp_path / "none")


@pytest.mark.parametrize(
    ("expression", "holds"),
    [
        ("CONFIG_64BIT", True),
        ("defined(CONFIG_64BIT) && defined CONFIG_UBIFS", False),
        ("defined(CONFIG_SQUASHFS)", False),
        ("defined(CONFIG_SQUASHFS_MODULE)", True),
        ("IS_ENABLED(CONFIG_SQUASHFS)", True),
        ("IS_BUILTIN(CONFIG_SQUASHFS) || IS_MODULE(CONFIG_SQUASHFS)", True),
        ("IS_REACHABLE(CONFIG_SQUASHFS)", None),
        ("IS_REACHABLE(CONFIG_UBIFS)", False),
        ("!defined(CONFIG_UBIFS)", True),
        ("!(defined(CONFIG_64BIT) || OTHER)", False),
        ("OTHER", None),
        ("OTHER && CONFIG_UBIFS", False),
        ("defined(OTHER) || defined(CONFIG_64BIT)", True),
        ("defined(OTHER) && defined(CONFIG_64BIT)", None),
        ("CONFIG_LEVELS > 4 && CONFIG_LEVELS - 2 * 2 == 1", True),
        ("CONFIG_BASE & 0x10", True),
        ("CONFIG_NAME == 1", None),
        ("BITS_PER_LONG == 64", True),
        ("GCC_VERSION(4, (5)) >= 3 || 1", True),
        ("__has_attribute(x)", None),
        ("defined(__KERNEL__) && !defined(__ASSEMBLY__)", True),
        ("CONFIG_64BIT ? 0 : OTHER", False),
        ("OTHER ? 0 : 0", False),
        ("defined(CONFIG_UBIFS) \\\n || \\\n 0", False),
        ("1 / 0", None),
        ("1 << 70", None),
        ("-1 < 0 && ~0 == -1", True),
        ("0x10UL == 020 && 16 == 0x10", True),
        ("", None),
        ("(", None),
        ("1 1", None),
        ("defined(", None),
        ("IS_ENABLED(OPTION)", None),
        ("f(((", None),
        ("(" * 2000 + "1" + ")" * 2000, None),
        ("!" * 3000 + "1", True),
        ("1 " * 5000, None),
        ("* 1", None),
        ("9" * 5000, None),
    ],
)
def test_expressions(expression: str, holds: bool | None) -> None:
    assert evaluate(expression, CONFIG) is holds


def conditions(text: str) -> list[tuple[int, str, str]]:
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith("#"):
            name, _, expression = line[1:].partition(" ")
            found.append((number, name, expression))
    return found


def left(text: str) -> str:
    """The lines that stay, without the directives."""
    out = left_out(conditions(text), CONFIG)
    return "".join(
        line
        for number, line in enumerate(text.splitlines(), 1)
        if not line.startswith("#") and not any(first <= number <= last for first, last in out)
    )


@pytest.mark.parametrize(
    ("text", "stays"),
    [
        ("#ifdef CONFIG_64BIT\na\n#else\nb\n#endif\nc", "ac"),
        ("#ifndef CONFIG_64BIT\na\n#else\nb\n#endif\nc", "bc"),
        ("#ifdef OTHER\na\n#else\nb\n#endif", "ab"),
        ("#if OTHER\na\n#elif defined(CONFIG_64BIT)\nb\n#elif OTHER\nc\n#else\nd\n#endif", "ab"),
        ("#if CONFIG_UBIFS\na\n#elif 0\nb\n#else\nd\n#endif", "d"),
        ("#ifdef CONFIG_UBIFS\na\n#if 1\nb\n#else\nc\n#endif\nd\n#endif\ne", "e"),
        ("#ifdef CONFIG_64BIT\na\n#if 0\nb\n#endif\nc\n#endif", "ac"),
        ("#ifdef CONFIG_UBIFS\n#endif\na", "a"),
        ("#ifdef CONFIG_UBIFS\na", "a"),
        ("#else\na\n#endif\n#endif\nb", "ab"),
        ("#ifdef\na\n#endif", "a"),
    ],
)
def test_left_out(text: str, stays: str) -> None:
    assert left(text) == stays


@given(st.lists(st.sampled_from("( ) ! && || == < + ? : defined IS_ENABLED CONFIG_64BIT X 1 0 ,".split())))
def test_any_expression_has_an_answer(tokens: list[str]) -> None:
    assert evaluate(" ".join(tokens), CONFIG) in (True, False, None)


@given(st.text())
def test_any_text_has_an_answer(text: str) -> None:
    assert evaluate(text, CONFIG) in (True, False, None)


@given(st.lists(st.tuples(st.sampled_from("if ifdef ifndef elif else endif".split()), st.sampled_from("0 1 X".split()))))  # fmt: skip
def test_ranges_are_in_order(directives: list[tuple[str, str]]) -> None:
    rows = [(3 * number, name, expression) for number, (name, expression) in enumerate(directives, 1)]
    found = left_out(rows, CONFIG)
    assert all(first <= last for first, last in found)
    assert all(one[1] < other[0] for one, other in pairwise(found))

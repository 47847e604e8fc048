"""The top level of a file, and what its heads say."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unkillable.ksource.blocks import blocks, function, type_name, variable
from unkillable.ksource.text import Text


def heads(source: str) -> list[str]:
    return [" ".join(block.head.split()) for block in blocks(Text(source.encode()))]


def test_top_level() -> None:
    assert heads(
        "int a;\nint f(void)\n{ if (a) { b(); } }\nstruct s { int x; };\nstatic int g(int a) { }"
    ) == [
        "int f(void)",
        "struct s",
        "static int g(int a)",
    ]


def test_two_heads_for_one_body() -> None:
    source = "#ifdef A\nint f(int a)\n{\n#else\nint f(void)\n{\n#endif\n}\nint g(void)\n{\n}\n"
    assert heads(source) == ["int f(void)", "int g(void)"]


def test_two_openings_for_one_end() -> None:
    source = "int f(void)\n{\n#ifdef A\nif (a) {\n#elif B\nif (b) {\n#else\nif (c) {\n#endif\n}\n}\nint g(void)\n{\n}\n"
    assert heads(source) == ["int f(void)", "int g(void)"]


def test_a_body_that_never_ends() -> None:
    (block,) = blocks(Text(b"int f(void) { if (a) {"))
    assert block.close == 22


@pytest.mark.parametrize(
    ("head", "name", "parameters"),
    [
        ("static int f(struct a *b, int c)", "f", "struct a *b, int c"),
        ("int __sched f(void)", "f", "void"),
        ("__printf(1, 2) void f(const char *s, ...)", "f", "const char *s, ..."),
        ("static void __attribute__((noinline)) f(int a)", "f", "int a"),
        ("static void f(int a) __releases(a->lock) __acquires(b)", "f", "int a"),
        ("void f(int (*call)(int), int b)", "f", "int (*call)(int), int b"),
        (
            "SYSCALL_DEFINE3(read, unsigned int, fd, char *, buf)",
            "sys_read",
            " unsigned int, fd, char *, buf",
        ),
        ("SYSCALL_DEFINE0(sync)", "sys_sync", ""),
        ("COMPAT_SYSCALL_DEFINE1(x, int, a)", "compat_sys_x", " int, a"),
        ("static inline struct info *JFS_IP(struct inode *inode)", "JFS_IP", "struct inode *inode"),
    ],
)
def test_functions(head: str, name: str, parameters: str) -> None:
    found = function(head)
    assert found is not None
    assert (found.name, found.parameters) == (name, parameters)
    assert type_name(head) is None


@pytest.mark.parametrize(
    "head", ["struct a", "enum b", "static int a[] =", "int a = f(1) ?", "", "f(", ")(", "x = (struct y)"]
)
def test_no_functions(head: str) -> None:
    assert function(head) is None


@pytest.mark.parametrize(
    ("head", "name"),
    [
        ("struct a", "a"), ("union b", "b"), ("typedef struct", ""), ("struct __packed c", "c"),
        ("struct __attribute__((packed)) d", "d"), ("static const struct e", "e"),
    ],
)  # fmt: skip
def test_types(head: str, name: str) -> None:
    assert type_name(head) == name


@pytest.mark.parametrize(
    ("head", "kind", "name"),
    [
        ("const struct file_operations my_fops =", "file_operations", "my_fops"),
        ("static struct a b[] __initdata =", "a", "b"),
        ("static const struct a * const b[2][3] =", "", ""),
        ("struct a b __read_mostly = (struct a)", "a", "b"),
        ("static int a =", "", ""),
    ],
)
def test_variables(head: str, kind: str, name: str) -> None:
    assert variable(head) == ((kind, name) if kind else None)


@given(st.text("(){};=#\n \\ab_*,/'\"", max_size=200))
def test_any_text(source: str) -> None:
    text = Text(source.encode())
    end = 0
    for block in blocks(text):
        assert end <= block.at <= block.open < block.close + 1
        end = block.close
        function(block.head)
        type_name(block.head)
        variable(block.head)

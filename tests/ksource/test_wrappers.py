"""Which functions are a way to sleep, and which only sleep while they do something else."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.ksource.kernel import write
from tests.ksource.small_kernel import FILES
from unkillable.ksource.load import load
from unkillable.ksource.sleeps import Sleeps
from unkillable.ksource.sources import Sources
from unkillable.ksource.tree import Tree

HEADER = "include/linux/chest.h"
CHEST_H = """\
#define chest_of(x) ((x)->chest)
#define hash_of(x) ((unsigned long)(x) % 64)
static inline struct lounge *lounge_in(struct chest *chest) { return &chest->lounge; }
extern void chest_rest(struct chest *chest);
extern void chest_rest_inside(struct trunk *trunk);
extern int /* __must_check */ chest_rest_checked(struct chest *chest);
extern void chest_find(int number);
extern void chest_busy(struct chest *chest);
extern void chest_order(struct chest *chest);
extern void chest_opened(struct chest *chest);
asmlinkage long sys_chest(struct chest *chest);
extern void chest_slot(void);
extern void chest_hashed(struct chest *chest);
extern void chest_searched(struct chest *chest);
"""
WORK = "".join(
    f"void work{n}(struct chest *chest)\n{{\n\twork{n + 1}(chest);\n\tmore{n}(chest);\n\tless{n}(chest);\n}}\n"
    f"void less{n}(struct chest *chest)\n{{\n\tchest->count--;\n}}\n"
    f"void more{n}(struct chest *chest)\n{{\n\tchest->count++;\n}}\n"
    for n in range(4)
)
CHEST_C = """\
void chest_rest(struct chest *chest)
{
	rest(chest->lounge, chest->empty);
}
void chest_rest_inside(struct trunk *trunk)
{
	struct chest *chest = chest_of(trunk);
	struct lounge *lounge = lounge_in(chest);

	rest(*lounge, chest->empty);
}
int chest_rest_checked(struct chest *chest)
{
	rest(chest->lounge, chest->empty);
	return 0;
}
struct chest *lookup(int number)
{
	return table[number];
}
void chest_find(int number)
{
	struct chest *chest = lookup(number);

	rest(chest->lounge, chest->empty);
}
static struct lounge *lounge_by_address(struct chest *chest)
{
	return &lounges[hash_of(chest)];
}
void chest_hashed(struct chest *chest)
{
	struct lounge *lounge = lounge_by_address(chest);

	rest(*lounge, chest->empty);
}
static struct lounge *lounge_by_search(struct chest *chest)
{
	return &lookup(chest->number)->lounge;
}
void chest_searched(struct chest *chest)
{
	struct lounge *lounge = lounge_by_search(chest);

	rest(*lounge, chest->empty);
}
void chest_busy(struct chest *chest)
{
	work0(chest);
	rest(chest->lounge, chest->empty);
}
void chest_order(struct chest *chest)
{
	struct note note;

	work0(chest);
	rest(note.lounge, note.done);
}
void chest_opened(struct chest *chest)
{
	hatch_lock(&chest->guard);
	chest->count++;
	hatch_unlock(&chest->guard);
}
SYSCALL_DEFINE1(chest, struct chest *, chest)
{
	rest(chest->lounge, chest->empty);
}
void chest_slot(void)
{
	rest(table_lounge, table_empty);
}
"""


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def made(files: Mapping[str, str]) -> Sleeps:
        tree = Tree(write(tmp_path / "linux", files))
        index = load(tree, tree.scope(None, drivers=True))
        return Sleeps(index, Sources(tree, index))

    return made


def tree(code: str = CHEST_C) -> dict[str, str]:
    return {**FILES, HEADER: CHEST_H, "mm/chest.c": code, "lib/work.c": WORK}


@pytest.mark.parametrize(
    ("name", "offered"),
    [
        ("chest_rest", True),
        ("chest_rest_inside", True),
        ("chest_rest_checked", True),
        ("chest_order", True),
        ("chest_hashed", True),
        ("chest_searched", False),
        ("chest_find", False),
        ("chest_busy", False),
        ("chest_opened", False),
        ("sys_chest", False),
        ("chest_slot", False),
    ],
)
def test_wrappers(make, name: str, offered: bool) -> None:
    sleeps = make(tree())
    assert (name in sleeps.primitives()) == offered
    if not offered:
        assert [
            point.state.name
            for one in sleeps.index.defined(name).tolist()
            for point in sleeps.points(one)
            if not sleeps.index.is_header(one)
        ] == ["TASK_UNINTERRUPTIBLE"]


def test_a_long_function_is_none(make) -> None:
    body = "".join(f"\tchest->field{n} = {n};\n" for n in range(80))
    code = CHEST_C.replace(
        "void chest_rest(struct chest *chest)\n{\n", f"void chest_rest(struct chest *chest)\n{{\n{body}"
    )
    assert "chest_rest" not in make(tree(code)).primitives()


def test_variables_that_make_each_other(make) -> None:
    code = "void chest_rest(struct chest *chest)\n{\n\ta = b;\n\tb = a;\n\trest(*a, 1);\n}\n"
    assert "chest_rest" not in make(tree(code)).primitives()


def test_functions_that_call_each_other(make) -> None:
    work = "void work0(struct chest *c)\n{\n\twork1(c);\n}\nvoid work1(struct chest *c)\n{\n\twork0(c);\n}\n"
    assert "chest_busy" in make({**tree(), "lib/work.c": work}).primitives()


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.lists(
        st.sampled_from(
            ["rest(", "put_state(", "TASK_IDLE", "schedule()", "(", ")", "{", "}", ";", ",", "\n", "chest", "*", "=",
             "#define rest(", "\\\n", "void f(int chest)\n{", "rest(chest, 1)", "\x00", "\xff", "enter(chest, TASK_IDLE)"]
        ),
        max_size=40,
    )
)  # fmt: skip
def test_any_text_is_read(make, words: list[str]) -> None:
    text = "".join(words)
    sleeps = make({**FILES, HEADER: CHEST_H, "include/linux/odd.h": text, "mm/odd.c": text})
    for function in sleeps.candidates():
        sleeps.points(function)
    assert "rest_killable" in sleeps.primitives()

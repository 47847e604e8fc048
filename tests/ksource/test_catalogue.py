"""What a catalogue says of a kernel whose waits nobody has heard of."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.ksource.kernel import write
from tests.ksource.small_kernel import FILES
from unkillable.ksource.catalogue import catalogue
from unkillable.ksource.tree import Tree
from unkillable.waits.generated import Inner, Kernel, pack

KILL, DEEP, LATER = "TASK_KILLABLE", "TASK_UNINTERRUPTIBLE", "caller"
PAGES_H = """\
extern void page_rest(struct page *page);
extern void page_moved(struct page *page);
static inline void page_latch(struct page *page)
{
	page_rest(page);
}
"""
PAGES_C = """\
static inline int page_rest_common(struct page *page, int state)
{
	for (;;) {
		put_state(state);
		if (page->free)
			break;
		schedule();
	}
	return 0;
}
void page_rest(struct page *page)
{
	page_rest_common(page, TASK_UNINTERRUPTIBLE);
}
static int page_read(struct page *page)
{
	page_rest_common(page, TASK_KILLABLE);
	hatch_lock(&page->guard);
	return page->count;
}
"""
TRUNK_H = """\
static inline void trunk_open(struct trunk *trunk)
{
	hatch_lock(&trunk->lid);
	trunk->open++;
	hatch_unlock(&trunk->lid);
}
"""
LONG = "".join(f"\ttrunk->count[{number}] += number_of(trunk, {number});\n" for number in range(40))
TRUNK_C = f"""\
static void once(struct trunk *trunk)
{{
	rest(trunk->lounge, trunk->empty);
{LONG}}}
static void twice(struct trunk *trunk)
{{
	rest(trunk->lounge, trunk->empty);
{LONG}}}
static void small(struct trunk *trunk)
{{
	rest_killable(trunk->lounge, trunk->empty);
}}
void tiny(struct trunk *trunk)
{{
	rest(trunk->lounge, trunk->empty);
}}
void large(struct trunk *trunk)
{{
	rest(trunk->lounge, trunk->empty);
{LONG}}}
void first(struct trunk *trunk)
{{
	once(trunk);
	twice(trunk);
	small(trunk);
	tiny(trunk);
	large(trunk);
}}
static void second(struct trunk *trunk)
{{
	twice(trunk);
	small(trunk);
}}
void third(struct trunk *trunk)
{{
	second(trunk);
	trunk_open(trunk);
}}
void ready(struct trunk *trunk)
{{
	trunk->count++;
}}
"""
TREE = {
    **FILES,
    "include/linux/pagemap.h": PAGES_H,
    "mm/filemap.c": FILES["mm/filemap.c"] + PAGES_C,
    "drivers/trunk/trunk.h": TRUNK_H,
    "drivers/trunk/trunk.c": TRUNK_C,
    "drivers/other/other.c": "static void small(struct other *other)\n{\n\trest(other->lounge, 1);\n}\nvoid other(void)\n{\n\tonce(0);\n}\n",
}


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def made(files: Mapping[str, str] = TREE) -> Kernel:
        return catalogue(Tree(write(tmp_path / "linux", files)), "test")

    return made


def sleeps(kernel: Kernel, name: str) -> list[tuple[str, str | None, str | None]]:
    return [
        (sleep.primitive, sleep.state, sleep.resource)
        for one in kernel.functions[name].definitions
        for sleep in one.sleeps
    ]


def test_sleeps(make) -> None:
    kernel = make()
    assert kernel.version == "6.1.192"
    assert sleeps(kernel, "take") == [("rest", DEEP, "box.lounge")]
    assert sleeps(kernel, "written_out") == [("", DEEP, "box.lounge")]
    assert sleeps(kernel, "box_open") == [("hatch_lock_killable", KILL, "?.guard")]
    assert sleeps(kernel, "by_callers_word") == [("rest_in", None, "box.lounge")]
    for name in ("only_runs", "preempted", "give", "ready", "enter"):
        assert name not in kernel.functions


def test_what_a_primitive_is_made_of_is_nobodys_own_wait(make) -> None:
    functions = make().functions
    inner = {name: one.inner for name, one in functions.items() if one.inner is not None}
    assert inner["hatch_lock"] == Inner("hatch_lock", DEEP)
    assert inner["__latch_slowly"] == Inner("hatch_lock", DEEP)
    assert inner["__latch_common"] == Inner("hatch_lock", LATER)
    assert inner["schedule_for"] == Inner("schedule", LATER)
    assert all(not functions[name].definitions for name in inner)
    # Macros are in no stack.
    assert not {"rest", "__rest", "___rest"} & set(functions)


def test_pages(make) -> None:
    """Waits for pages lie among the functions that read files."""
    kernel = make()
    inner = {name: one.inner for name, one in kernel.functions.items() if one.inner is not None}
    assert inner["page_rest"] == Inner("page_rest", DEEP)
    assert inner["page_latch"] == Inner("page_latch", DEEP)
    assert inner["page_rest_common"] == Inner("page_rest", LATER)
    assert sleeps(kernel, "page_read") == [
        ("page_rest_common", KILL, "page"),
        ("hatch_lock", DEEP, "page.guard"),
    ]
    assert kernel.primitives["page_rest_common"].way == ("schedule",)


def test_a_helper_that_is_given_the_state_names_no_sleep_of_its_own(make) -> None:
    helper = "static void nap(struct box *box, int state)\n{\n\tput_state(state);\n\tschedule();\n}\n"
    user = "static void napper(struct box *box)\n{\n\tnap(box, TASK_KILLABLE);\n}\n"
    kernel = make({**TREE, "fs/nap.c": helper + user})
    assert kernel.functions["nap"].inner == Inner("nap", LATER)
    assert sleeps(kernel, "napper") == [("nap", KILL, "box")]


def test_what_a_compiler_may_put_into_a_function(make) -> None:
    functions = make().functions
    (first,) = functions["first"].definitions
    # `twice` is long and has two callers, `large` is not static.
    assert (first.file, first.sleeps, first.inlined) == (
        "drivers/trunk/trunk.c",
        (),
        ("once", "small", "tiny"),
    )
    (second,) = functions["second"].definitions
    assert second.inlined == ("small",)
    (third,) = functions["third"].definitions
    assert third.inlined == ("second", "trunk_open")
    assert "other" not in functions  # its once() is in another file
    assert [one.file for one in functions["small"].definitions] == [
        "drivers/other/other.c",
        "drivers/trunk/trunk.c",
    ]


def test_ways(make) -> None:
    primitives = make().primitives
    assert primitives["hatch_lock"].way == ("__latch_slowly", "__latch_common", "schedule")
    assert primitives["rest"].way[:2] == ("__rest", "___rest")


def test_without_lockdep_a_name_is_a_macro_for_another(make) -> None:
    """A stack may show either."""
    header = TREE["include/linux/latch.h"] + (
        "#ifdef LOCKDEP\nextern void hatch_lock_nested(struct latch *latch, int number);\n"
        "#else\n#define hatch_lock_nested(latch, number) hatch_lock(latch)\n#endif\n"
    )
    code = TREE["kernel/locking/latch.c"] + (
        "void hatch_lock_nested(struct latch *latch, int number)\n{\n\t__latch_common(latch, TASK_UNINTERRUPTIBLE);\n}\n"
    )
    user = "#define box_lock_nested(box) hatch_lock_nested(&(box)->guard, 1)\n"
    kernel = make(
        {
            **TREE,
            "include/linux/latch.h": header,
            "kernel/locking/latch.c": code,
            "include/linux/boxes.h": user,
        }
    )
    assert {"hatch_lock", "hatch_lock_nested", "__latch_slowly", "__latch_common"} <= set(
        kernel.primitives["box_lock_nested"].way
    )


def test_the_same_tree_gives_the_same_bytes(make) -> None:
    assert pack([make()]) == pack([make()])

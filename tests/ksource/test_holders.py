"""Who holds what others sleep for, and which memory is asked for meanwhile."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.ksource.kernel import write
from tests.ksource.test_gfp import HEADER
from unkillable.ksource.allocations import Allocations
from unkillable.ksource.areas import Areas
from unkillable.ksource.gfp import Flags
from unkillable.ksource.graph import Graph
from unkillable.ksource.holders import Holders, Taken
from unkillable.ksource.load import load
from unkillable.ksource.resources import Resources
from unkillable.ksource.sources import Sources
from unkillable.ksource.tree import Tree

POOL = """\
struct pool {
	struct mutex guard;
	struct wait_queue_head queue;
};
struct page *page_of(gfp_t gfp);
"""

LOCKED = """\
int under_the_lock(struct pool *pool)
{
	before(GFP_KERNEL);
	mutex_lock(&pool->guard);
	page_of(GFP_NOIO);
	mutex_unlock(&pool->guard);
	after(GFP_KERNEL);
	return 0;
}
int nothing_asked_for(struct pool *pool)
{
	mutex_lock(&pool->guard);
	pool->count++;
	mutex_unlock(&pool->guard);
}
int cannot_wait(struct pool *pool)
{
	mutex_lock(&pool->guard);
	page_of(GFP_NOWAIT);
	mutex_unlock(&pool->guard);
}
int another_lock(struct other *other)
{
	mutex_lock(&other->guard);
	page_of(GFP_KERNEL);
	mutex_unlock(&other->guard);
}
"""

QUEUED = """\
static struct slot *take(struct pool *pool)
{
	sleep_until(pool->queue, pool->free);
	return pool->slots;
}
static struct slot *take_first(struct pool *pool)
{
	return take(pool);
}
static void put(struct pool *pool)
{
	wake_up(&pool->queue);
}
static void *deep(void)
{
	return page_of(GFP_NOIO);
}
static void *fill(void)
{
	return deep();
}
int user(struct pool *pool)
{
	page_of(GFP_KERNEL);
	take_first(pool);
	fill();
	put(pool);
}
int only_puts(struct pool *pool)
{
	fill();
	put(pool);
}
"""


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def made(files: Mapping[str, str]) -> Holders:
        tree = Tree(write(tmp_path / "linux", {"include/linux/gfp.h": HEADER, **files}))
        index = load(tree, tree.scope(None, False))
        graph, sources = Graph(index), Sources(tree, index)
        allocations = Allocations(graph, sources, Flags(sources))
        return Holders(graph, Areas(graph), sources, Resources(index, sources), allocations)

    return made


def sleeps(holders: Holders, call: str) -> tuple[tuple[int, int, str], ...]:
    """Where a call of this name is made."""
    return tuple(
        (function, one.at, call)
        for function in holders.index.callers([call]).tolist()
        for one in holders.sources.calls(function)
        if one.name == call
    )


def test_lock(make) -> None:
    holders = make({"fs/a/a.h": POOL, "fs/a/a.c": LOCKED})
    (holder,) = holders.find(Taken("pool.guard", "fs/a", sleeps(holders, "mutex_lock")))
    assert (holder.function, holder.acquired, holder.released) == ("under_the_lock", 4, 6)
    (asked,) = holder.allocations
    assert (asked.call, asked.line, asked.waits, asked.kills) == ("page_of(GFP_NOIO)", 5, True, False)


def test_queue(make) -> None:
    holders = make({"fs/a/a.h": POOL, "fs/a/a.c": QUEUED})
    (holder,) = holders.find(Taken("pool.queue", "fs/a", sleeps(holders, "sleep_until")))
    assert (holder.function, holder.acquired, holder.released) == ("user", 25, 27)
    (asked,) = holder.allocations
    assert (asked.function, asked.call) == ("deep", "page_of(GFP_NOIO)")
    assert [step.function for step in asked.path] == ["fill", "deep"]


def test_who_wakes_has_it_from_its_beginning(make) -> None:
    waker = "int finish(struct pool *pool)\n{\n\tpage_of(GFP_KERNEL);\n\twake_up_all(&pool->queue);\n\tpage_of(GFP_NOIO);\n}\n"
    sleeper = "int wait(struct pool *pool)\n{\n\tsleep_until(pool->queue, 1);\n}\n"
    holders = make({"fs/a/a.h": POOL, "fs/a/a.c": waker + sleeper})
    (holder,) = holders.find(Taken("pool.queue", "fs/a", sleeps(holders, "sleep_until")))
    assert [one.call for one in holder.allocations] == ["page_of(GFP_KERNEL)"]


def test_nobody_wakes(make) -> None:
    holders = make(
        {"fs/a/a.h": POOL, "fs/a/a.c": "int wait(struct pool *pool)\n{\n\tsleep_until(pool->queue, 1);\n}\n"}
    )
    assert holders.find(Taken("pool.queue", "fs/a", sleeps(holders, "sleep_until"))) == ()


def test_flags_of_a_caller_are_the_callers(make) -> None:
    code = (
        "static void *inner(gfp_t gfp)\n{\n\treturn page_of(gfp);\n}\n"
        "int f(struct pool *pool)\n{\n\tmutex_lock(&pool->guard);\n\tinner(GFP_KERNEL);\n\tmutex_unlock(&pool->guard);\n}\n"
    )
    holders = make({"fs/a/a.h": POOL, "fs/a/a.c": code})
    (holder,) = holders.find(Taken("pool.guard", "fs/a", sleeps(holders, "mutex_lock")))
    assert [(one.function, one.call) for one in holder.allocations] == [("f", "inner(GFP_KERNEL)")]


def test_through_operations_of_the_same_directory(make) -> None:
    header = POOL + "struct how {\n\tint (*start)(void);\n};\n"
    code = (
        "static int start_a(void)\n{\n\treturn page_of(GFP_KERNEL);\n}\nconst struct how how_a = { .start = start_a };\n"
        "int f(struct pool *pool, struct how *how)\n{\n\tmutex_lock(&pool->guard);\n\thow->start();\n\tmutex_unlock(&pool->guard);\n}\n"
    )
    holders = make({"fs/a/a.h": header, "fs/a/a.c": code})
    (holder,) = holders.find(Taken("pool.guard", "fs/a", sleeps(holders, "mutex_lock")))
    assert [one.function for one in holder.allocations] == ["start_a"]


def test_giving_memory_back_is_not_asking_for_it(make) -> None:
    code = (
        "void kfree_all(void *p)\n{\n\tpage_of(GFP_KERNEL);\n}\nint step(void *p)\n{\n\tkfree_all(p);\n}\n"
        "int f(struct pool *pool)\n{\n\tmutex_lock(&pool->guard);\n\tkfree_all(pool);\n\tstep(pool);\n\tmutex_unlock(&pool->guard);\n}\n"
    )
    holders = make({"fs/a/a.h": POOL, "fs/a/a.c": code})
    assert holders.find(Taken("pool.guard", "fs/a", sleeps(holders, "mutex_lock"))) == ()


def test_recursion_ends(make) -> None:
    code = (
        "int g(void)\n{\n\treturn h();\n}\nint h(void)\n{\n\treturn g();\n}\n"
        "int f(struct pool *pool)\n{\n\tmutex_lock(&pool->guard);\n\tg();\n\tmutex_unlock(&pool->guard);\n}\n"
    )
    holders = make({"fs/a/a.h": POOL, "fs/a/a.c": code})
    assert holders.find(Taken("pool.guard", "fs/a", sleeps(holders, "mutex_lock"))) == ()


SHARED = """\
int reads(struct tree *tree)
{
	down_read(&tree->sem);
	page_of(GFP_NOIO);
	up_read(&tree->sem);
}
int writes(struct tree *tree)
{
	down_write(&tree->sem);
	page_of(GFP_NOIO);
	up_write(&tree->sem);
}
int changes_over(struct tree *tree)
{
	down_read(&tree->sem);
	up_read(&tree->sem);
	down_write(&tree->sem);
	page_of(GFP_KERNEL);
	up_write(&tree->sem);
}
"""


def test_readers_share_and_a_writer_does_not(make) -> None:
    holders = make({"fs/a/a.c": SHARED})
    found = holders.find(Taken("tree.sem", "fs/a", sleeps(holders, "down_read")))
    assert [(one.function, one.shared) for one in found] == [
        ("writes", False), ("changes_over", False), ("reads", True),
    ]  # fmt: skip


def test_a_try_takes_too(make) -> None:
    code = LOCKED.replace(
        "mutex_lock(&pool->guard);\n\tpage_of(GFP_NOIO)", "mutex_trylock(&pool->guard);\n\tpage_of(GFP_NOIO)"
    )
    holders = make({"fs/a/a.h": POOL, "fs/a/a.c": code})
    (holder,) = holders.find(Taken("pool.guard", "fs/a", sleeps(holders, "mutex_lock")))
    assert holder.function == "under_the_lock"


def test_holders_elsewhere(make) -> None:
    """Of what all can have: those in code that all share, and in the sleeper's own, not in another file system's."""
    registers = "int {name}_init(void)\n{{\n\tregister_filesystem(0);\n}}\n"
    files = {
        "include/linux/pool.h": POOL,
        "mm/m.c": LOCKED.replace("under_the_lock", "in_mm"),
        "fs/a/a.c": LOCKED.replace("under_the_lock", "in_a") + registers.format(name="a"),
        "fs/b/b.c": LOCKED.replace("under_the_lock", "in_b") + registers.format(name="b"),
    }
    holders = make(files)
    at = sleeps(holders, "mutex_lock")
    found = holders.find(Taken("pool.guard", holders.areas.names["fs/a"], at))
    assert [one.function for one in found] == ["in_a", "in_mm"]
    assert [one.function for one in holders.find(Taken("pool.guard", 0, at))] == ["in_a", "in_b", "in_mm"]
    assert [one.function for one in holders.find(Taken("pool.guard", "fs/a", at))] == ["in_a"]


POOLED = """\
void *from_reserve(struct reserve *reserve, gfp_t gfp)
{
	return mempool_alloc(reserve, gfp);
}
void *without(gfp_t gfp)
{
	return from_reserve(gfp, NULL);
}
int f(struct pool *pool)
{
	mutex_lock(&pool->guard);
	from_reserve(pool->reserve, GFP_NOIO);
	mutex_unlock(&pool->guard);
}
"""


def test_what_has_a_reserve_does_not_wait_for_memory(make) -> None:
    holders = make({"fs/a/a.h": POOL, "fs/a/a.c": POOLED})
    assert holders.find(Taken("pool.guard", "fs/a", sleeps(holders, "mutex_lock"))) == ()
    code = POOLED.replace("from_reserve(pool->reserve, GFP_NOIO)", "without(GFP_NOIO)")
    (again,) = make({"fs/a/a.c": code}).find(Taken("pool.guard", "fs/a", sleeps(holders, "mutex_lock")))
    assert [one.call for one in again.allocations] == ["without(GFP_NOIO)"]


def test_flags_that_do_not_wait_are_not_looked_behind(make) -> None:
    code = (
        "void *inner(gfp_t gfp)\n{\n\treturn page_of(GFP_KERNEL);\n}\n"
        "int f(struct pool *pool)\n{\n\tmutex_lock(&pool->guard);\n\tinner(GFP_NOWAIT);\n\tmutex_unlock(&pool->guard);\n}\n"
    )
    holders = make({"fs/a/a.h": POOL, "fs/a/a.c": code})
    assert holders.find(Taken("pool.guard", "fs/a", sleeps(holders, "mutex_lock"))) == ()


def test_who_takes_for_a_caller_has_it_to_its_own_end(make) -> None:
    code = QUEUED.replace("return pool->slots;", "fill();\n\treturn pool->slots;").replace(
        "\tfill();\n\tput", "\tput"
    )
    holders = make({"fs/a/a.h": POOL, "fs/a/a.c": code})
    (holder,) = holders.find(Taken("pool.queue", "fs/a", sleeps(holders, "sleep_until")))
    assert (holder.function, holder.acquired, holder.released) == ("take", 3, 6)
    assert [(one.function, one.call) for one in holder.allocations] == [("deep", "page_of(GFP_NOIO)")]
    nobody_gives = code.replace("take_first(pool);", "other(pool);")
    assert (
        make({"fs/a/a.c": nobody_gives}).find(Taken("pool.queue", "fs/a", sleeps(holders, "sleep_until")))
        == ()
    )

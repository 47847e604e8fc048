"""Who can call whom: by name, through structures of function pointers, and the way there."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.ksource.kernel import write
from unkillable.ksource.extract import extract
from unkillable.ksource.graph import Graph
from unkillable.ksource.index import Index
from unkillable.ksource.join import join
from unkillable.ksource.load import load
from unkillable.ksource.parts import part
from unkillable.ksource.tree import Tree


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def graph(tmp_path: Path, files: Mapping[str, str]) -> Graph:
    tree = Tree(write(tmp_path / "linux", files))
    return Graph(load(tree, tree.scope(None, drivers=True)))


def edges(graph: Graph, name: str) -> set[str]:
    """What functions of this name can call, with the file where there are several."""
    found = set()
    for node in graph.index.defined(name).tolist():
        for target in graph.callees(node).tolist():
            many = not graph.is_slot(target) and len(graph.index.defined(graph.name(target))) > 1
            found.add(f"{graph.index.path(target)}:{graph.name(target)}" if many else graph.name(target))
    return found


def ways(graph: Graph, start: str, end: str, closed: str = "") -> list[list[str]]:
    reach = graph.reach(
        graph.index.defined(start).tolist(), graph.index.defined(closed).tolist() if closed else ()
    )
    return [
        [graph.name(step.node) for step in reach.path(node)]
        for node in graph.index.defined(end).tolist()
        if reach.has(node)
    ]


CALL = "int f(void)\n{{\n\t{}\n}}\n"


def test_static_functions_are_their_files_own(tmp_path: Path) -> None:
    found = graph(
        tmp_path,
        {
            "fs/a/a.c": "static int help(void)\n{\n}\n" + CALL.format("help(); other();"),
            "fs/b/b.c": "static int help(void)\n{\n}\nstatic int other(void)\n{\n}\n",
            "mm/c.c": "int g(void)\n{\n\thelp();\n}\n",
        },
    )
    assert edges(found, "f") == {"fs/a/a.c:help"}
    assert edges(found, "g") == set()


def test_private_headers_are_their_directorys_own(tmp_path: Path) -> None:
    found = graph(
        tmp_path,
        {
            "fs/a/a.h": "#define ERROR(x) report(x)\n",
            "fs/a/a.c": CALL.format("ERROR(1);"),
            "fs/b/b.h": "#define ERROR(x) panic(x)\n",
            "include/linux/r.h": "static inline int report(int x)\n{\n}\nstatic inline int panic(int x)\n{\n}\n",
        },
    )
    assert edges(found, "f") == {"fs/a/a.h:ERROR"}
    assert ways(found, "f", "report") == [["f", "ERROR", "report"]]
    assert ways(found, "f", "panic") == []


def test_other_architectures_are_not_called(tmp_path: Path) -> None:
    files = {f"arch/{arch}/include/asm/x.h": "#define x() y()\n" for arch in ("arm", "mips")}
    found = graph(
        tmp_path, {**files, "arch/arm/a.c": CALL.format("x();"), "mm/m.c": "int g(void)\n{\n\tx();\n}\n"}
    )
    assert edges(found, "f") == {"arch/arm/include/asm/x.h:x"}
    assert edges(found, "g") == {"arch/arm/include/asm/x.h:x", "arch/mips/include/asm/x.h:x"}


OPERATIONS = {
    "include/linux/fs.h": (
        "struct ops {\n\tint (*read)(struct file *);\n\tint (*write)(struct file *);\n};\n"
        "struct file {\n\tconst struct ops *f_op;\n\tint read;\n};\n"
    ),
    "mm/core.c": (
        "int by_chain(struct file *file)\n{\n\treturn file->f_op->read(file);\n}\n"
        "int by_variable(struct file *file)\n{\n\tconst struct ops *o = file->f_op;\n\treturn o->write(file);\n}\n"
    ),
    "fs/a/a.c": (
        "static int a_read(struct file *f)\n{\n}\nstatic int a_write(struct file *f)\n{\n}\n"
        "const struct ops a_ops = {\n\t.read = a_read,\n\t.write\t= a_write,\n};\n"
    ),
    "fs/b/b.c": "static int b_read(struct file *f)\n{\n}\nconst struct ops b_ops = { .read = b_read };\n",
}


def test_calls_through_operations(tmp_path: Path) -> None:
    found = graph(tmp_path, OPERATIONS)
    assert edges(found, "by_chain") == {"ops.read"}
    assert edges(found, "by_variable") == {"ops.write"}
    assert ways(found, "by_chain", "a_read") == [["by_chain", "ops.read", "a_read"]]
    assert ways(found, "by_chain", "b_read") == [["by_chain", "ops.read", "b_read"]]
    assert ways(found, "by_chain", "a_write") == []
    assert ways(found, "by_variable", "a_write") == [["by_variable", "ops.write", "a_write"]]


def test_function_stored_by_an_assignment(tmp_path: Path) -> None:
    found = graph(
        tmp_path,
        {
            "fs/a/a.h": "struct actor {\n\tvoid *(*next_page)(struct actor *);\n};\n",
            "fs/a/a.c": (
                "static void *step(struct actor *actor)\n{\n}\n"
                "void init(struct actor *actor)\n{\n\tactor->next_page = step;\n}\n"
                "void run(struct actor *actor)\n{\n\tactor->next_page(actor);\n}\n"
            ),
        },
    )
    assert ways(found, "run", "step") == [["run", "actor.next_page", "step"]]


def test_a_member_that_many_structures_have_is_not_guessed(tmp_path: Path) -> None:
    kinds = "".join(f"struct k{n} {{\n\tint (*run)(void);\n}};\n" for n in range(5))
    found = graph(tmp_path, {"mm/m.c": kinds + CALL.format("get()->run();")})
    assert edges(found, "f") == set()


def test_closed_functions_are_reached_and_not_left(tmp_path: Path) -> None:
    found = graph(
        tmp_path,
        {"mm/m.c": "int c(void)\n{\n}\nint b(void)\n{\n\tc();\n}\nint a(void)\n{\n\tb();\n}\n"},
    )
    assert ways(found, "a", "c") == [["a", "b", "c"]]
    assert ways(found, "a", "c", closed="b") == []
    assert ways(found, "a", "b", closed="b") == [["a", "b"]]


def test_path_has_the_lines_of_the_calls(tmp_path: Path) -> None:
    found = graph(tmp_path, OPERATIONS)
    reach = found.reach(found.index.defined("by_chain").tolist())
    (node,) = found.index.defined("a_read").tolist()
    assert [(found.name(step.node), step.line) for step in reach.path(node)] == [
        ("by_chain", 0), ("ops.read", 3), ("a_read", 8),
    ]  # fmt: skip


CALLBACKS = """\
static int filler(struct file *file)
{
	return sleeps_here(file);
}
static int other(struct file *file)
{
	return 0;
}
int direct(int (*run)(struct file *), struct file *file)
{
	return run(file);
}
int pointed(struct file *file, act_f *act, int mode)
{
	return (*act)(file, mode);
}
int passes_on(struct file *file, int (*run)(struct file *))
{
	return direct(run, file);
}
int stores(struct work *work, int (*run)(struct file *))
{
	work->run = run;
	queue(work);
}
static int does(struct args *args)
{
	act_f *act = args->act;

	return act(args->file);
}
int keeps(struct file *file, act_f act)
{
	struct args args = {
		.file = file,
		.act = act,
	};

	return does(&args);
}
int keeps_later(struct file *file, act_f act)
{
	struct args args;

	args.act = act;
	return does(&args);
}
#define each(list, run) do { run(list); } while (0)
int a(struct file *file) { return direct(filler, file); }
int b(struct file *file) { return pointed(file, filler, 0); }
int c(struct file *file) { return passes_on(get(file, 1), filler); }
int d(struct file *file) { return keeps(file, filler); }
int e(struct file *file) { return keeps_later(file, filler); }
int f(struct file *file) { each(file, filler); }
int g(struct work *work) { return stores(work, filler); }
int h(struct file *file) { return direct(other, file); }
int i(struct file *file) { return pointed(filler, other, 0); }
int j(struct file *file) { int (*filler)(struct file *) = 0; return direct(filler, file); }
"""


def test_a_function_that_is_handed_on_is_called_by_who_hands_it(tmp_path: Path) -> None:
    found = graph(tmp_path, {"mm/m.c": CALLBACKS})
    for one in "abcdef":
        assert ways(found, one, "filler") == [[one, "filler"]], one
    for one in "ghij":
        assert ways(found, one, "filler") == [], one
    (node,) = found.index.defined("filler").tolist()
    reach = found.reach(found.index.defined("a").tolist())
    line = CALLBACKS[: CALLBACKS.index("int a(")].count("\n") + 1
    assert [step.line for step in reach.path(node)] == [0, line]


def test_a_parameter_is_not_the_function_of_its_name(tmp_path: Path) -> None:
    files = {
        "mm/m.c": CALLBACKS,
        "mm/run.c": "int run(void)\n{\n\treturn 0;\n}\nint act(void)\n{\n\treturn 0;\n}\n",
    }
    found = graph(tmp_path, files)
    for one in ("direct", "pointed", "does", "keeps"):
        assert ways(found, one, "run") == []
        assert ways(found, one, "act") == []


def test_a_macro_of_a_c_file_is_not_meant_elsewhere(tmp_path: Path) -> None:
    files = {
        "lib/l.c": "#define get(x) own(x)\nint a(void)\n{\n\treturn get(1);\n}\nint own(int x)\n{\n\treturn 0;\n}\n",
        "mm/m.c": "int b(void)\n{\n\treturn get(1);\n}\n",
    }
    found = graph(tmp_path, files)
    assert ways(found, "a", "own") == [["a", "get", "own"]]
    assert ways(found, "b", "own") == []


def test_nothing_was_read(tmp_path: Path) -> None:
    found = graph(tmp_path, {"mm/empty.c": ""})
    assert len(found.targets) == 0
    assert not found.reach([]).depth.size


@settings(deadline=None)
@given(
    st.lists(st.integers(0, 5), max_size=30),
    st.lists(st.integers(0, 5), max_size=30),
    st.sampled_from([1, 10**12]),
)
def test_join_is_all_pairs(left: list[int], right: list[int], apart: int) -> None:
    rows, others = join(np.array(left, np.int64) * apart, np.array(right, np.int64) * apart)
    expected = {(a, b) for a, x in enumerate(left) for b, y in enumerate(right) if x == y}
    assert set(zip(rows.tolist(), others.tolist(), strict=True)) == expected
    assert len(rows) == len(expected)
    assert rows.tolist() == sorted(rows.tolist())


def bodies(calls: list[tuple[int, int]]) -> str:
    return "".join(
        f"int f{one}(void)\n{{\n{''.join(f'f{b}();' for a, b in calls if a == one)}\n}}\n" for one in range(8)
    )


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7)), max_size=30))
def test_paths_are_shortest(calls: list[tuple[int, int]]) -> None:
    found = Graph(Index([part([("mm/m.c", extract(bodies(calls).encode(), header=False))])]))
    reach = found.reach(found.index.defined("f0").tolist())
    distance = {0: 0}
    queue = deque([0])
    while queue:
        one = queue.popleft()
        for a, b in calls:
            if a == one and b not in distance:
                distance[b] = distance[one] + 1
                queue.append(b)
    for one in range(8):
        (node,) = found.index.defined(f"f{one}").tolist()
        path = reach.path(node)
        assert len(path) == (distance[one] + 1 if one in distance else 0)
        names = [int(found.name(step.node)[1:]) for step in path]
        assert all(pair in calls for pair in pairwise(names))

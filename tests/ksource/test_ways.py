"""The way from an entry: by what belongs together, around what does not, and in which allocation scope."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.ksource.kernel import write
from unkillable.errors import UserError
from unkillable.ksource import entries
from unkillable.ksource.areas import Areas
from unkillable.ksource.graph import Graph
from unkillable.ksource.load import load
from unkillable.ksource.scopes import Scopes
from unkillable.ksource.tree import Tree
from unkillable.ksource.ways import Ways

FILES = {
    "include/linux/fs.h": "struct ops {\n\tint (*open)(struct file *);\n\tint (*fault)(struct vmf *);\n};\n",
    "mm/filemap.c": (
        "int filemap_fault(struct ops *ops)\n{\n\tmemalloc_nofs_save();\n\tops->fault(0);\n}\n"
        "int try_to_free_pages(void)\n{\n\tonly_for_reclaim();\n}\n"
        "int only_for_reclaim(void)\n{\n}\n"
        "int handle_mm_fault(void)\n{\n\ttry_to_free_pages();\n}\n"
    ),
    "fs/namei.c": "int vfs_open(struct ops *ops)\n{\n\tops->open(0);\n}\n",
    "fs/plain/a.c": (
        "static int plain_init(void)\n{\n\tregister_filesystem(1);\n}\n"
        "static int plain_open(struct file *f)\n{\n\tplain_sleep();\n}\n"
        "static int plain_sleep(void)\n{\n}\n"
        "const struct ops plain_ops = { .open = plain_open };\n"
    ),
    "fs/stacked/a.c": (
        "static int stacked_init(void)\n{\n\tregister_filesystem(2);\n}\n"
        "static int stacked_fault(struct vmf *v)\n{\n\tlibrary(0);\n\tvfs_open(0);\n}\n"
        "const struct ops stacked_ops = { .fault = stacked_fault };\n"
    ),
    "fs/library/l.c": "int library(int a)\n{\n}\n",
}


@pytest.fixture
def graph(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Graph:
    return made(tmp_path, monkeypatch, FILES)


def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: Mapping[str, str]) -> Graph:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    tree = Tree(write(tmp_path / "linux", files))
    return Graph(load(tree, tree.scope(None, False)))


def way(graph: Graph, name: str, *names: str):
    ways = Ways(graph, Areas(graph), entries.chosen(names, graph.index))
    (function,) = graph.index.defined(name).tolist()
    found = ways.to(function)
    path = [graph.name(step.node) for step in found.reach.path(function)] if found.reach else []
    return [one.key for one in found.led], path, found.detour


def test_direct(graph: Graph) -> None:
    assert way(graph, "stacked_fault") == (["fault"], ["filemap_fault", "ops.fault", "stacked_fault"], False)


def test_by_a_library_that_is_no_file_system(graph: Graph) -> None:
    assert way(graph, "library", "fault") == (
        ["fault"], ["filemap_fault", "ops.fault", "stacked_fault", "library"], True,
    )  # fmt: skip


def test_by_another_file_system_is_a_detour(graph: Graph) -> None:
    led, path, detour = way(graph, "plain_sleep", "fault")
    assert led == ["fault"]
    assert path[2] == "stacked_fault"
    assert detour
    assert way(graph, "plain_sleep", "vfs_open") == (
        ["vfs_open"], ["vfs_open", "ops.open", "plain_open", "plain_sleep"], False,
    )  # fmt: skip


def test_nothing_is_reached_through_reclaim_but_by_reclaim(graph: Graph) -> None:
    assert way(graph, "only_for_reclaim") == (["reclaim"], ["try_to_free_pages", "only_for_reclaim"], False)
    assert way(graph, "try_to_free_pages")[0] == ["fault", "reclaim"]


def test_not_reached(graph: Graph) -> None:
    assert way(graph, "plain_init") == ([], [], False)


def test_chosen(graph: Graph) -> None:
    assert [one.key for one in entries.chosen(["read", "vfs_open"], graph.index)] == ["read", "vfs_open"]
    assert entries.chosen([], graph.index) == entries.ENTRIES
    with pytest.raises(UserError, match="nobody: no entry"):
        entries.chosen(["nobody"], graph.index)


def test_point_names_what_there_is(graph: Graph) -> None:
    assert entries.point(entries.ENTRIES[0], graph.index).functions == ("filemap_fault", "handle_mm_fault")


def test_scopes(graph: Graph) -> None:
    reach = graph.reach(graph.index.defined("filemap_fault").tolist())
    scopes = Scopes(graph)
    (inside,) = graph.index.defined("stacked_fault").tolist()
    assert scopes.on(reach.path(inside)) == ("nofs",)
    assert scopes.on(()) == ()


def test_a_scope_that_begins_behind_the_call_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    graph = made(
        tmp_path,
        monkeypatch,
        {
            "mm/a.c": "int b(void)\n{\n}\nint a(void)\n{\n\tb();\n\tmemalloc_noio_save();\n\tb();\n}\nint c(void)\n{\n\tmemalloc_noio_save();\n\tb();\n}\n"
        },
    )
    (b,) = graph.index.defined("b").tolist()
    assert Scopes(graph).on(graph.reach(graph.index.defined("a").tolist()).path(b)) == ()
    assert Scopes(graph).on(graph.reach(graph.index.defined("c").tolist()).path(b)) == ("noio",)

"""A tree on disk, and what is read of it the first time and the second."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.ksource.kernel import write
from unkillable.errors import UserError
from unkillable.ksource import load as loading
from unkillable.ksource.load import load
from unkillable.ksource.sources import Sources
from unkillable.ksource.store import Store, shard_of
from unkillable.ksource.tree import Tree

FILES = {
    "fs/a/one.c": "static int helper(void)\n{\n\treturn 0;\n}\nint one(void)\n{\n\thelper();\n\treturn two(1);\n}\n",
    "fs/a/two.c": "int two(int x)\n{\n\treturn wait(x, STATE);\n}\n",
    "include/linux/wait.h": "#define wait(a, b) ___wait(a, (b))\n",
    "arch/x86/x.c": "int x86(void)\n{\n\tone();\n}\n",
    "arch/arm/a.c": "int arm(void)\n{\n\tone();\n}\n",
    "drivers/d.c": "int driver(void)\n{\n\tone();\n}\n",
    "tools/t.c": "int tool(void)\n{\n\tone();\n}\n",
}


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return write(tmp_path / "linux", FILES)


def callers(root: Path, name: str, arch: str | None = None, drivers: bool = False) -> set[str]:
    tree = Tree(root)
    index = load(tree, tree.scope(arch, drivers))
    return {index.name(one) for one in index.callers([name])}


def test_version(root: Path) -> None:
    assert Tree(root).version == "6.1.192"


def test_scope(root: Path) -> None:
    assert callers(root, "one", "x86") == {"x86"}
    assert callers(root, "one") == {"x86", "arm"}
    assert callers(root, "one", "x86", drivers=True) == {"x86", "driver"}


def test_index(root: Path) -> None:
    tree = Tree(root)
    index = load(tree, tree.scope(None, False))
    (one,) = index.defined("one").tolist()
    assert (index.path(one), index.line(one), index.is_static(one)) == ("fs/a/one.c", 5, False)
    assert index.defined("nobody").size == 0
    (macro,) = index.defined("wait").tolist()
    assert index.is_macro(macro)
    assert index.is_header(macro)


def test_sources(root: Path) -> None:
    tree = Tree(root)
    index = load(tree, tree.scope(None, False))
    sources = Sources(tree, index)
    (two,) = index.defined("two").tolist()
    assert sources.parameters(two) == ("x",)
    (call,) = sources.calls(two)
    assert (call.name, call.arguments, sources.line(two, call.at)) == ("wait", ("x", "STATE"), 3)
    (macro,) = index.defined("wait").tolist()
    assert sources.parameters(macro) == ("a", "b")
    assert [call.arguments for call in sources.calls(macro)] == [("a", "(b)")]


def read_files(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    seen: list[str] = []
    portion = loading._portion

    def watched(root, paths, have):
        seen.extend(paths)
        return portion(root, paths, have)

    monkeypatch.setattr(loading, "_portion", watched)
    return seen


def test_second_run_reads_what_changed(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "_SETTLED", 0)
    assert callers(root, "two") == {"one"}
    seen = read_files(monkeypatch)
    assert callers(root, "two") == {"one"}
    assert seen == []
    (root / "fs/a/two.c").write_text("int three(void)\n{\n\ttwo(2);\n}\n")
    assert callers(root, "two") == {"one", "three"}
    assert seen == ["fs/a/two.c"]


def everything(root: Path, *within: str) -> tuple[object, ...]:
    index = load(Tree(root), within or ("fs", "include", "arch/x86", "drivers"))
    tables = (index.functions, index.calls, index.members, index.values, index.fields)
    return index.paths, list(index.names), index.conditions, *(one.tobytes() for one in tables)


def added(root: Path) -> None:
    (root / "fs/a/a.c").write_text("int zero(struct x *x)\n{\n\treturn x->ops->run(x);\n}\n")


def changed(root: Path) -> None:
    (root / "fs/a/one.c").write_text("struct x x = {\n\t.run = newcomer,\n};\n#ifdef CONFIG_A\n#endif\n")


def moved(root: Path) -> None:
    (root / "fs/a/one.c").rename(root / "drivers/one.c")


@pytest.mark.parametrize(
    "change",
    [added, changed, moved, lambda root: (root / "fs/a/one.c").unlink(), lambda _root: None],
    ids=["added", "changed", "moved", "removed", "nothing"],
)
def test_second_run_is_what_a_first_one_is(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: Callable[[Path], None]
) -> None:
    monkeypatch.setattr(loading, "_SETTLED", 0)
    before = everything(root)
    change(root)
    second = everything(root)
    assert second == everything(root)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "other"))
    assert second == everything(root)
    assert (second == before) == (change.__name__ == "<lambda>" and (root / "fs/a/one.c").exists())


def test_part_of_a_directory_after_all_of_it(root: Path) -> None:
    whole = everything(root)
    (one, *_) = everything(root, "fs/a/two.c")
    assert one == ["fs/a/two.c"]
    assert everything(root) == whole
    assert everything(root, "fs", "fs/a/two.c", "fs/a") == everything(root, "fs")


def test_a_write_that_size_and_time_do_not_show(root: Path) -> None:
    path = root / "fs/a/two.c"
    os.utime(path, ns=(0, 0))
    assert callers(root, "wait") == {"two"}
    path.write_text(path.read_text().replace("two", "six"))
    os.utime(path, ns=(0, 0))
    assert callers(root, "wait") == {"six"}


def test_same_content_elsewhere_is_not_extracted_again(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert callers(root, "two") == {"one"}
    copy = write(tmp_path / "copy", FILES)
    monkeypatch.setattr(loading, "extract", lambda *_: pytest.fail("extracted again"))
    assert callers(copy, "two") == {"one"}


def test_damaged_cache_is_as_good_as_none(root: Path) -> None:
    assert callers(root, "two") == {"one"}
    store = Store(Tree(root))
    for path in [store.files, *store.shards.iterdir(), *(store.tree / "parts").iterdir()]:
        path.write_bytes(b"\xff\x00damaged")
    assert callers(root, "two") == {"one"}


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_cache_that_cannot_be_written(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "readonly"
    folder.mkdir(mode=0o500)
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder))
    assert callers(root, "two") == {"one"}


def test_cache_that_is_a_file(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert callers(root, "two") == {"one"}


def test_symlink_loop_is_not_walked(root: Path) -> None:
    (root / "fs/loop").symlink_to(root / "fs")
    (root / "fs/a/link.c").symlink_to(root / "fs/a/two.c")
    (root / "fs/a/gone.c").symlink_to(root / "nowhere.c")
    assert callers(root, "wait") == {"two"}


def test_too_large(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "LARGEST", 50)
    tree = Tree(root)
    index = load(tree, ["fs"])
    assert [index.name(one) for one in range(len(index.functions))] == ["two"]
    assert tree.skipped == ["fs/a/one.c: larger than 0 MiB"]


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda path: None, "no such directory"),
        (lambda path: path.write_text("x"), "is no directory"),
        (lambda path: path.mkdir(), "no kernel tree"),
    ],
)
def test_no_tree(tmp_path: Path, make, says: str) -> None:
    make(tmp_path / "x")
    with pytest.raises(UserError, match=says):
        Tree(tmp_path / "x")


def test_no_such_architecture(root: Path) -> None:
    with pytest.raises(UserError, match="has no mips; it has arm, x86"):
        Tree(root).scope("mips", False)


def test_shards() -> None:
    assert [shard_of(path) for path in ("fs/a.c", "fs/ext4/a.c", "drivers/gpu/drm/x.h")] == [
        "fs",
        "fs+ext4",
        "drivers+gpu",
    ]


def test_processes_agree_with_one(root: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    alone = callers(root, "one", drivers=True)
    monkeypatch.setattr(loading, "_ALONE", 0)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "other"))
    assert callers(root, "one", drivers=True) == alone


def test_what_no_brace_closes_is_named_each_time(root: Path) -> None:
    (root / "fs/a/broken.c").write_text(
        "int cut(void)\n{\n\tif (one()) {\n\treturn 0;\n}\nint behind(void)\n{\n\tone();\n}\n"
    )
    for _again in range(2):
        tree = Tree(root)
        load(tree, tree.scope(None, False))
        assert tree.skipped == [
            "fs/a/broken.c:1: no brace closes cut(): what follows it was not told from it"
        ]
    (root / "fs/a/broken.c").unlink()
    tree = Tree(root)
    load(tree, tree.scope(None, False))
    assert tree.skipped == []

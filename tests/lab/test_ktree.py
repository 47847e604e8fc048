"""A kernel built with patched squashfs through links: the tree stays as it is, and what did not change is not built again."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.lab import test_kbuild
from unkillable.errors import UserError
from unkillable.lab import cache, kbuild, kconfig, ktree, prepare, sourcetree
from unkillable.lab.arch import find
from unkillable.lab.setup import Module, Setup
from unkillable.lab.squashfssource import Edit

pytestmark = test_kbuild.pytestmark
linux = test_kbuild.tree

KCONFIG = """\
config SQUASHFS
	tristate
config SQUASHFS_FILE_CACHE
	bool
config SQUASHFS_FILE_DIRECT
	bool
config SQUASHFS_DECOMP_SINGLE
	bool
config SQUASHFS_DECOMP_MULTI
	bool
"""
PATCH = """\
--- a/fs/squashfs/cache.c
+++ b/fs/squashfs/cache.c
@@ -1 +1 @@
-int wait_event;
+int wait_event_killable;
"""
MODULE = Module(file="cache", decompressors="single")


@pytest.fixture
def tree(linux: Path) -> Path:
    folder = linux / "fs/squashfs"
    (folder / "Kconfig").write_text(KCONFIG)
    (folder / "Makefile").write_text("")
    (folder / "cache.c").write_text("int wait_event;\n")
    makefile = (linux / "Makefile").read_text()
    # The "kernel" is the file of squashfs.
    (linux / "Makefile").write_text(makefile.replace("@cp init/main.c", "@cp fs/squashfs/cache.c"))
    return linux


def patches(folder: Path, text: str = PATCH) -> str:
    folder.mkdir(exist_ok=True)
    (folder / "1.patch").write_text(text)
    return str(folder)


def test_a_patch_is_built_in_and_the_tree_is_not_written(tree: Path, tmp_path: Path) -> None:
    before = sourcetree.content(tree)
    own = Module("cache", "single", patches(tmp_path / "series"))
    kernel = kbuild.build(tree, find("x86_64"), module=own)
    assert kernel.image.read_text() == "int wait_event_killable;\n"
    got = kconfig.read(kernel.config or Path())
    assert got["SQUASHFS_FILE_CACHE"] == got["SQUASHFS_DECOMP_SINGLE"] == "y"
    assert got["SQUASHFS_FILE_DIRECT"] == got["SQUASHFS_DECOMP_MULTI"] == "n"
    assert sourcetree.content(tree) == before
    assert dict(kernel.provenance)["squashfs"].startswith("cache single ")


def test_each_variant_is_a_kernel_of_its_own_and_all_share_one_build(tree: Path, tmp_path: Path) -> None:
    plain = kbuild.build(tree, find("x86_64"))
    stock = kbuild.build(tree, find("x86_64"), module=MODULE)
    series = Module("cache", "single", patches(tmp_path / "series"))
    patched = kbuild.build(tree, find("x86_64"), module=series)
    other = kbuild.build(tree, find("x86_64"), module=Module("cache", "multi"))
    assert len({one.image for one in (plain, stock, patched, other)}) == 4
    assert stock.image.read_text() == other.image.read_text() == "int wait_event;\n"
    assert len(list((tmp_path / "cache/unkillable/kernel-tree").iterdir())) == 1
    assert kbuild.build(tree, find("x86_64"), module=series) == patched
    assert {dict(one.provenance)["squashfs"] for one in (stock, other)} == {
        "cache single as it is",
        "cache multi as it is",
    }


def test_the_trees_last_used_stay_and_one_in_use_does(tree: Path, tmp_path: Path) -> None:
    folder = tmp_path / "cache/unkillable/kernel-tree"
    for number in range(ktree.KEPT + 2):
        place = folder / f"{number:032x}"
        (place / "build").mkdir(parents=True)
        os.utime(place, (number, number))
    in_use = folder / f"{0:032x}"
    with cache.locked(in_use.with_suffix(".lock")):
        kbuild.build(tree, find("x86_64"), module=MODULE)
    left = {path.name for path in folder.iterdir()}
    made = left - {f"{number:032x}" for number in range(ktree.KEPT + 2)}
    assert len(made) == 1, "the new one, and no lock file"
    assert left - made == {in_use.name, *(f"{number:032x}" for number in range(3, ktree.KEPT + 2))}
    kbuild.build(tree, find("x86_64"), module=Module("cache", "multi"))
    assert {path.name for path in folder.iterdir()} == left - {in_use.name}


def test_prepare_hands_the_choice_on(tree: Path, tmp_path: Path) -> None:
    setup = Setup(kernel=f"source:{tree}", module=Module("cache", "single", patches(tmp_path / "series")))
    kernel = prepare.kernel_of(setup, find("x86_64"))
    assert kernel.image.read_text() == "int wait_event_killable;\n"


def test_a_patch_that_does_not_fit_is_named_and_nothing_is_kept(tree: Path, tmp_path: Path) -> None:
    own = Module("cache", "single", patches(tmp_path / "series", PATCH.replace("-int wait", "-long wait")))
    with pytest.raises(UserError, match=r"1\.patch: does not fit fs/squashfs of 6\.1\.9: hunk 1 of "):
        kbuild.build(tree, find("x86_64"), module=own)
    assert not list((tmp_path / "cache/unkillable/built-kernel").iterdir())
    assert kbuild.build(tree, find("x86_64"), module=MODULE).image.read_text() == "int wait_event;\n"


def test_what_an_experiment_adds(tree: Path) -> None:
    edit = Edit("cache.c", "^int wait_event", "_slowly")
    kernel = kbuild.build(tree, find("x86_64"), module=MODULE, edits=(edit,))
    assert kernel.image.read_text() == "int wait_event_slowly;\n"
    assert kernel.image != kbuild.build(tree, find("x86_64"), module=MODULE).image
    for wrong in (Edit("cache.c", "^no such line", "x"), Edit("nofile.c", "^", "x")):
        with pytest.raises(UserError, match=r"fs/squashfs/\w+\.c of 6\.1\.9 has not the shape"):
            kbuild.build(tree, find("x86_64"), module=MODULE, edits=(wrong,))


def test_only_what_differs_is_written(tmp_path: Path) -> None:
    source, into = tmp_path / "source", tmp_path / "into"
    for folder in (source, into):
        folder.mkdir()
        (folder / "same.c").write_text("same")
    (source / "new.c").write_text("new")
    (into / "gone.c").write_text("gone")
    os.utime(into / "same.c", (1, 1))
    ktree.put({path.name: path.read_bytes() for path in source.iterdir()}, into)
    assert {path.name: path.read_text() for path in into.iterdir()} == {"same.c": "same", "new.c": "new"}
    assert (into / "same.c").stat().st_mtime == 1, "make would compile it again"

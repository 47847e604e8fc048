"""Directories of patches, who signs them, and commits to a tree."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.remedies.trees import changed, needs_programs
from unkillable.errors import UserError
from unkillable.remedies import applying, output
from unkillable.remedies.author import author
from unkillable.remedies.series import make
from unkillable.remedies.types import Author, Series, Step

ADA = Author("Ada Example", "ada@example.org")
SERIES = Series(
    tree="tree",
    version="6.1",
    variant="series",
    steps=(Step(key="a", subject="a", status="patched", name="0001-a.patch", patch="text\n"),),
)


def test_a_new_directory(tmp_path: Path) -> None:
    output.write(SERIES, tmp_path / "new")
    assert (tmp_path / "new" / "0001-a.patch").read_text() == "text\n"
    assert [path.name for path in tmp_path.iterdir()] == ["new"]


def test_a_directory_with_files_is_refused_without_force(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "0007-old.patch").write_text("old")
    with pytest.raises(UserError, match="not empty"):
        output.check(tmp_path, force=False)
    output.check(tmp_path, force=True)
    output.write(SERIES, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0001-a.patch", "notes.txt"]


def test_where_nothing_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="is no directory"):
        output.check(tmp_path / "file", force=True)
    with pytest.raises(UserError, match="is no directory"):
        output.check(tmp_path / "absent" / "patches", force=False)


@pytest.mark.parametrize("text", ["", "Ada", "Ada <ada>", "Ada <a@b> c", "Ada\n<a@b.c>"])
def test_an_author_that_is_none(text: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="--author"):
        author(text, tmp_path)


def test_an_author(tmp_path: Path) -> None:
    assert author(" Ada B. Example <ada@example.org> ", tmp_path) == Author(
        "Ada B. Example", "ada@example.org"
    )


def test_without_an_author(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    with pytest.raises(UserError, match="who signs"):
        author(None, tmp_path)


def _git(tree: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=Ada", "-c", "user.email=ada@example.org")
    done = subprocess.run(
        ["git", *identity, "-C", tree, *arguments], check=True, capture_output=True, text=True
    )
    return done.stdout


@needs_programs
def test_commits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{name}_NAME", "Ada")
        monkeypatch.setenv(f"GIT_{name}_EMAIL", "ada@example.org")
    tree = changed(tmp_path / "tree")
    series = make(tree, ADA, "series")
    with pytest.raises(UserError, match="no git work tree"):
        applying.commit(tree, series.patches)
    _git(tree, "init", "--quiet")
    _git(tree, "add", "-A")
    _git(tree, "commit", "--quiet", "-m", "The vendor's tree")
    (tree / "Makefile").write_text("changed\n")
    with pytest.raises(UserError, match="without changes"):
        applying.commit(tree, series.patches)
    _git(tree, "checkout", "--quiet", "Makefile")
    applying.commit(tree, series.patches)
    subjects = _git(tree, "log", "--format=%s", "--reverse").splitlines()
    assert subjects == ["The vendor's tree", *(f"squashfs: {step.subject}" for step in series.patches)]
    assert _git(tree, "status", "--porcelain") == ""
    assert "wait_event_killable" in (tree / "fs/squashfs/cache.c").read_text()


@needs_programs
def test_patches_that_do_not_apply_leave_the_tree_as_it_was(tmp_path: Path) -> None:
    tree = changed(tmp_path / "tree")
    series = make(tree, ADA, "series")
    path = tree / "fs/squashfs/block.c"
    path.write_text(path.read_text().replace("GFP_NOIO", "GFP_NOFS"))
    _git(tree, "init", "--quiet")
    _git(tree, "add", "-A")
    _git(tree, "commit", "--quiet", "-m", "Another tree")
    before = _git(tree, "rev-parse", "HEAD")
    with pytest.raises(UserError, match="not applied"):
        applying.commit(tree, series.patches)
    assert _git(tree, "rev-parse", "HEAD") == before
    assert _git(tree, "status", "--porcelain") == ""
    with pytest.raises(UserError), applying.patched(tree, series.patches) as folders:
        list(folders)

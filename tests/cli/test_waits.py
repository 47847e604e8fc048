"""`unkillable waits` as a process, on a kernel of two hundred lines."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.cli.lab_cli import complaint, run

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
KERNEL = EXAMPLES / "kernel"


def waits(tmp_path: Path, *words: object, tree: Path = KERNEL):
    return run("waits", tree, *words, cwd=tmp_path, XDG_CACHE_HOME=str(tmp_path / "cache"))


def document(tmp_path: Path, *words: object, tree: Path = KERNEL):
    done = waits(tmp_path, "--format", "json", *words, tree=tree)
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


def changed(tmp_path: Path, name: str, old: str, new: str) -> Path:
    """A copy of the kernel in which one file is other."""
    tree = tmp_path / "changed"
    shutil.copytree(KERNEL, tree)
    text = (tree / name).read_text()
    assert old in text
    (tree / name).write_text(text.replace(old, new))
    return tree


def test_the_answer_comes_first(tmp_path: Path) -> None:
    done = waits(tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(
        "Linux 6.1.0-example offers 4 ways to sleep: SIGKILL does not end 2 of them"
    )
    assert "\x1b" not in done.stdout


def test_document(tmp_path: Path) -> None:
    found = document(tmp_path)
    assert (found["schema"], found["kernel"]) == ("unkillable.waits/1", "6.1.0-example")
    assert found["tool"].startswith("unkillable ")
    (one,) = [one for one in found["primitives"] if one["name"] == "wait_event_killable"]
    assert (one["file"], one["line"], one["task_state"], one["wakes_on_sigkill"]) == (
        "include/linux/wait.h", 19, "TASK_KILLABLE", True,
    )  # fmt: skip
    assert len(one["traits"]) == 10


def test_only_some_families(tmp_path: Path) -> None:
    found = document(tmp_path, "--family", "mutex")
    assert {one["family"] for one in found["primitives"]} == {"mutex"}
    both = document(tmp_path, "--family", "mutex", "--family", "wait")
    assert {one["family"] for one in both["primitives"]} == {"mutex", "wait"}


def test_every_format_is_printed_and_written(tmp_path: Path) -> None:
    for form, mark in (
        ("json", '"unkillable.waits/1"'),
        ("html", "<!DOCTYPE html>"),
        ("text", "6.1.0-example"),
    ):
        assert mark in waits(tmp_path, "--format", form).stdout
        done = waits(tmp_path, "--format", form, "-o", f"out.{form}", "--html", "page.html")
        assert done.stdout == ""
        assert mark in (tmp_path / f"out.{form}").read_text()
    assert "wait_event_killable" in (tmp_path / "page.html").read_text()


def test_exactly_the_difference(tmp_path: Path) -> None:
    tree = changed(
        tmp_path,
        "kernel/locking/mutex.c",
        "__mutex_lock(lock, TASK_UNINTERRUPTIBLE)",
        "\n\n__mutex_lock(lock, TASK_KILLABLE)",
    )
    found = document(tmp_path, "--against", KERNEL, tree=tree)
    assert [(one["kind"], one["wait"]["name"], one["what"]) for one in found["changes"]] == [
        ("changed", "mutex_lock", ["task_state TASK_UNINTERRUPTIBLE -> TASK_KILLABLE", "traits +killable"])
    ]
    assert found["against"] == "6.1.0-example"
    assert "1 changed" in waits(tmp_path, "--against", KERNEL, tree=tree).stdout
    assert document(tmp_path, "--against", KERNEL, "--family", "wait", tree=tree)["changes"] == []


def test_moved_lines_are_no_change(tmp_path: Path) -> None:
    tree = changed(tmp_path, "include/linux/wait.h", "#define wait_event(", "\n\n\n#define wait_event(")
    assert document(tmp_path, "--against", KERNEL, tree=tree)["changes"] == []


def test_half_a_tree_says_what_is_missing(tmp_path: Path) -> None:
    shutil.copytree(KERNEL / "include", tmp_path / "half/include")
    found = document(tmp_path, tree=tmp_path / "half")
    assert found["skipped"] == ["kernel/sched: is not there"]
    shutil.copytree(KERNEL / "fs", tmp_path / "less/fs")
    done = waits(tmp_path, tree=tmp_path / "less")
    assert (done.returncode, done.stderr) == (0, "")
    assert "nothing was found that sleeps" in done.stdout
    assert "include/linux/sched.h: is not there" in done.stdout


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["nowhere"], "nowhere: no such directory"),
        (["file"], "file: is no directory"),
        (["empty"], "empty: no kernel tree"),
        ([KERNEL, "--against", "nowhere"], "nowhere: no such directory"),
        ([KERNEL, "--family", "nosuch"], "--family nosuch: no header of that name offers a wait; there are mutex, sched, wait"),
        ([KERNEL, "--html", "none/x.html"], "none/x.html: cannot write there: none is no directory"),
        ([KERNEL, "--format", "sarif"], "sarif"),
        ([], "TREE"),
    ],
    ids=str,
)  # fmt: skip
def test_what_cannot_be_used_is_one_line(words: list[object], says: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "empty").mkdir()
    assert says in complaint(run("waits", *words, cwd=tmp_path, XDG_CACHE_HOME=str(tmp_path / "cache")))


def test_a_tree_that_cannot_be_written_is_read(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    shutil.copytree(KERNEL, tree)
    for one in [tree, *tree.rglob("*")]:
        one.chmod(0o555 if one.is_dir() else 0o444)
    before = {one: one.stat().st_mtime_ns for one in tree.rglob("*")}
    assert waits(tmp_path, tree=tree).returncode == 0
    assert {one: one.stat().st_mtime_ns for one in tree.rglob("*")} == before
    for one in [tree, *tree.rglob("*")]:
        one.chmod(0o755)

"""`unkillable audit` as a process, on a kernel of two hundred lines."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.cli.lab_cli import complaint, run
from unkillable.cli import source
from unkillable.errors import UserError

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
KERNEL, KILLABLE, CONFIG = (
    EXAMPLES / "kernel",
    EXAMPLES / "kernel-killable",
    EXAMPLES / "kernel/device.config",
)


def audit(tmp_path: Path, *words: object, tree: Path = KERNEL):
    return run(
        "audit", tree, "--in", "fs/boxfs", *words, cwd=tmp_path, XDG_CACHE_HOME=str(tmp_path / "cache")
    )


def document(tmp_path: Path, *words: object, tree: Path = KERNEL):
    done = audit(tmp_path, "--format", "json", *words, tree=tree)
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


def test_the_answer_comes_first(tmp_path: Path) -> None:
    done = audit(tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(
        "6.1.0-example fs/boxfs: 2 sleeps that SIGKILL does not wake can be reached from a page fault; at 1 a holder"
    )
    assert "\x1b" not in done.stdout


def test_document(tmp_path: Path) -> None:
    found = document(tmp_path)
    assert found["schema"] == "unkillable.audit/1"
    assert found["tool"].startswith("unkillable ")
    assert [(one["function"], one["rank"]) for one in found["sites"]] == [
        ("box_cache_get", "red"), ("box_journal", "amber"), ("box_open", "green"), ("box_open", "green"),
    ]  # fmt: skip


def test_every_format_is_printed_and_written(tmp_path: Path) -> None:
    for form, mark in (("sarif", '"2.1.0"'), ("html", "<!DOCTYPE html>"), ("text", "6.1.0-example")):
        assert mark in audit(tmp_path, "--format", form).stdout
        done = audit(tmp_path, "--format", form, "-o", f"out.{form}", "--html", "page.html")
        assert done.stdout == ""
        assert mark in (tmp_path / f"out.{form}").read_text()
    page = (tmp_path / "page.html").read_text()
    assert "wait_event(cache-&gt;queue, cache-&gt;unused);" in page, "lines of source"


def test_configuration(tmp_path: Path) -> None:
    found = document(tmp_path, "--config", CONFIG)
    assert found["configuration"] == "device.config"
    assert "box_journal" not in {one["function"] for one in found["sites"]}
    assert "arch/x86" in found["scope"], "the configuration's architecture"


def test_only_from_an_entry(tmp_path: Path) -> None:
    found = document(tmp_path, "--entry", "lookup", "--arch", "all")
    assert {one["function"] for one in found["sites"] if one["entries"]} == {"box_open"}


def test_exactly_the_difference(tmp_path: Path) -> None:
    found = document(tmp_path, "--against", KERNEL, tree=KILLABLE)
    (change,) = found["changes"]
    assert (change["kind"], change["site"]["function"], change["before"]["rank"], change["site"]["rank"]) == (
        "changed", "box_cache_get", "red", "green",
    )  # fmt: skip
    assert audit(tmp_path, "--against", KERNEL, "--exit-code", tree=KILLABLE).returncode == 0
    assert audit(tmp_path, "--against", KILLABLE, "--exit-code").returncode == 1


def test_against_a_tree_without_that_driver(tmp_path: Path) -> None:
    tree = shutil.copytree(KERNEL, tmp_path / "linux")
    shutil.rmtree(tree / "fs/boxfs")
    found = document(tmp_path, "--against", tree)
    assert [one["kind"] for one in found["changes"]] == ["appeared"] * 4
    assert found["against"] == "6.1.0-example"


def test_baseline(tmp_path: Path) -> None:
    assert audit(tmp_path, "--exit-code").returncode == 1
    done = audit(tmp_path, "--write-baseline", "known.json", "--exit-code")
    assert done.returncode == 1, "written for the next time"
    done = audit(tmp_path, "--baseline", "known.json", "--exit-code")
    assert done.returncode == 0
    assert "; 2 others are accepted" in done.stdout
    known = json.loads((tmp_path / "known.json").read_text())
    known["accepted"][0]["why"] = "to be mended in spring"
    (tmp_path / "known.json").write_text(json.dumps(known))
    audit(tmp_path, "--baseline", "known.json", "--write-baseline", "known.json")
    assert json.loads((tmp_path / "known.json").read_text()) == known


def test_new_findings_are_not_accepted(tmp_path: Path) -> None:
    audit(tmp_path, "--write-baseline", "known.json")
    tree = shutil.copytree(KERNEL, tmp_path / "linux")
    more = "\nint box_write(struct box_cache *cache)\n{\n\tmutex_lock(&cache->lock);\n\treturn 0;\n}\n"
    for name, text in (
        ("fs/boxfs/cache.c", more),
        ("fs/open.c", "int vfs_write(void)\n{\n\treturn box_write(0);\n}\n"),
    ):
        (tree / name).write_text((tree / name).read_text() + text)
    found = document(tmp_path, "--baseline", "known.json", tree=tree)
    assert [one["function"] for one in found["sites"] if one["rank"] in ("red", "amber")] == ["box_write"]
    assert found["accepted"] == 2


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--in", "fs/nobody"), "has no fs/nobody"),
        (("--in", "../x"), "--in ../x: takes a path below the tree"),
        (("--in", "/etc"), "--in /etc: takes a path below the tree"),
        (("--entry", "nobody"), "nobody: no entry (fault, read"),
        (("--arch", "vax"), "has no vax; it has x86"),
        (("--config", "none"), "none: cannot read the configuration"),
        (("--config", "bad"), "bad: no kernel configuration"),
        (("--against", "none"), "none: no such directory"),
        (("--baseline", "none"), "none: cannot read the baseline"),
        (("--baseline", "bad"), "bad: no baseline"),
        (("-o", "none/out"), "none/out: cannot write there"),
        (("--html", "none/out"), "none/out: cannot write there"),
        (("--write-baseline", "none/out"), "none/out: cannot write there"),
        (("--format", "xml"), "'xml' is not one of"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_unusable(tmp_path: Path, words: tuple[str, ...], says: str) -> None:
    (tmp_path / "bad").write_bytes(b"\xff\x00 nothing\n")
    assert says in complaint(audit(tmp_path, *words))


def test_no_tree(tmp_path: Path) -> None:
    assert "no such directory" in complaint(audit(tmp_path, tree=tmp_path / "none"))
    assert "no kernel tree" in complaint(audit(tmp_path, tree=tmp_path))


def test_numpy_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with pytest.raises(UserError, match=r"pip install 'unkillable\[source\]'"):
        source.need_numpy()


class Terminal:
    def __init__(self) -> None:
        self.written = ""

    def isatty(self) -> bool:
        return True

    def write(self, text: str) -> None:
        self.written += text

    def flush(self) -> None:
        pass


def test_progress_comes_late_and_says_how_long(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    stream = Terminal()
    monkeypatch.setattr("sys.stderr", stream)
    with source.SourceProgress("linux") as progress:
        progress.report("reading", 0.1)
        now[0] = 1.9
        progress.report("reading", 0.2)
        assert stream.written == ""
        now[0] = 3.0
        progress.report("reading", 0.25)
        assert "linux: reading, 25 %, about 9 s left" in stream.written
        now[0] = 4.0
        progress.report("judging", 0.0)
        assert stream.written.endswith("linux: judging, 0 %")
    assert stream.written.endswith("\r\x1b[K")

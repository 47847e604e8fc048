"""The files of the image read again: what the watcher's reader finds, and what the host makes of its lines."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from unkillable.lab import labconf, programs
from unkillable.lab.consoles import SHOWN, squashfs_errors
from unkillable.lab.observe import Observed
from unkillable.lab.setup import Setup
from unkillable.lab.types import BadFile

# Never readback_after() here: it kills everybody.
MAIN = r"""
#include "watcher.h"
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
static int root;
int root_dir(void) { return root; }
int thread_start(void *(*run)(void *), void *argument, int priority)
{
	(void)run; (void)argument;
	return priority;
}
int main(int argc, char **argv)
{
	(void)argc;
	if (port_open(argv[1]) != 0 || (root = open(argv[2], O_RDONLY)) < 0)
		return 1;
	readback_read("before", true);
	puts("go");
	fflush(stdout);
	getchar();
	readback_read("cached", false);
	return 0;
}
"""


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The watcher's reader as a program of this machine: reads a directory twice, and waits for a line between."""
    if shutil.which("gcc") is None:
        pytest.skip("needs gcc")
    folder = tmp_path_factory.mktemp("reader")
    (folder / "main.c").write_text(MAIN)
    parts = ("readback.c", "port.c", "files.c", "quote.c", "records.c")
    flags = (
        "-std=gnu11",
        "-Wall",
        "-Wextra",
        "-Wno-unused-result",
        "-g",
        "-fsanitize=address,undefined",
        "-pthread",
    )
    sources = [programs.SOURCES / name for name in parts]
    subprocess.run(
        ["gcc", *flags, f"-I{programs.SOURCES}", folder / "main.c", *sources, "-o", folder / "reader"],
        check=True,
    )
    return folder / "reader"


def read_twice(reader: Path, tree: Path, between: Callable[[], object]) -> list[dict[str, Any]]:
    port = tree.parent / "port"
    port.touch()
    with subprocess.Popen(
        [reader, port, tree], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "go\n"
        between()
        process.stdin.write("\n")
        process.stdin.close()
    assert process.returncode == 0
    return [json.loads(line) for line in port.read_text().splitlines()][1:]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    (root / "usr/lib").mkdir(parents=True)
    (root / "usr/lib/a").write_bytes(bytes(range(256)) * 1000)
    (root / "usr/lib/b").write_bytes(b"seventeen bytes..")
    (root / "c").symlink_to("usr/lib/a")
    return root


def observed(rows: list[dict[str, Any]]) -> Observed:
    seen = Observed()
    for row in rows:
        seen.feed(json.dumps(row).encode())
    return seen


def test_files_that_stay_as_they_are(reader: Path, tree: Path) -> None:
    rows = read_twice(reader, tree, lambda: None)
    assert [(row["pass"], row["files"], row["kib"], row["bad"]) for row in rows] == [
        ("before", 3, 250, 0),
        ("cached", 3, 250, 0),
    ]


def test_one_changed_byte_and_another_target_of_a_link_are_named(reader: Path, tree: Path) -> None:
    def change() -> None:
        for name, at in (("a", 200_000), ("b", 16)):
            with (tree / "usr/lib" / name).open("r+b") as file:
                file.seek(at)
                file.write(b"?")
        (tree / "c").unlink()
        (tree / "c").symlink_to("usr/lib/b")

    rows = read_twice(reader, tree, change)
    bad = sorted((row["path"], row["why"]) for row in rows if row["ev"] == "bad")
    assert bad == [("/c", "differs"), ("/usr/lib/a", "differs"), ("/usr/lib/b", "differs")]
    assert rows[-1]["bad"] == 3


def test_of_many_bad_files_the_first_twenty_are_named(reader: Path, tree: Path) -> None:
    for number in range(30):
        (tree / f"f{number}").write_text("before")

    rows = read_twice(reader, tree, lambda: [(tree / f"f{n}").write_text("after!") for n in range(30)])
    assert sum(row["ev"] == "bad" for row in rows) == 20
    assert rows[-1]["bad"] == 30


def test_a_file_that_is_gone_is_missing(reader: Path, tree: Path) -> None:
    found = observed(read_twice(reader, tree, (tree / "usr/lib/a").unlink)).read_back()
    assert found is not None
    assert (found.files, found.missing, found.complete, found.good) == (3, 1, False, False)


BEFORE = {"t": 1, "ev": "readback", "pass": "before", "files": 6, "kib": 100, "bad": 0}


def test_both_readings_must_have_ended() -> None:
    later = [dict(BEFORE, t=9), dict(BEFORE, t=10)]
    later[0]["pass"], later[1]["pass"] = "cached", "fresh"
    good = observed([BEFORE, {"t": 8, "ev": "stopped", "left": 0}, *later]).read_back()
    assert good is not None
    assert good.good
    stuck = observed(
        [BEFORE, {"t": 9, "ev": "bad", "pass": "cached", "path": "/x", "why": "stuck"}]
    ).read_back()
    assert stuck is not None
    assert not stuck.good
    assert (stuck.bad, stuck.named) == (1, (BadFile("/x", "stuck", "cached"),))
    assert observed(later).read_back() is None


def test_a_guest_cannot_name_files_without_end() -> None:
    row = {"t": 9, "ev": "bad", "pass": "cached", "path": "x" * 60000, "why": "y" * 60000}
    (first, *_) = seen = observed([row] * 1000).bad
    assert (len(seen), len(first.path), len(first.why)) == (100, 4096, 256)


def test_only_who_asks_has_his_files_read() -> None:
    assert "readback" not in labconf.lines(Setup(), "/dev/ttyS1")
    assert "\nreadback\ncanary " in labconf.lines(Setup(read_back=True), "/dev/ttyS1")


LINE = b"[   12.345678] SQUASHFS error: Unable to read page, block 1234, size 5678"


def test_error_lines_of_a_console_are_counted_and_the_first_shown(tmp_path: Path) -> None:
    log = tmp_path / "console.log"
    log.write_bytes(
        b"[ 1.0] squashfs: version 4.0\r\n" + (LINE + b"\r\n") * 9 + b"xfs error\n" + LINE + b"\x1b[0m"
    )
    count, lines = squashfs_errors(log)
    assert count == 10
    assert lines == ("SQUASHFS error: Unable to read page, block 1234, size 5678",) * SHOWN


def test_a_console_of_megabytes_without_a_line_end_and_none_at_all(tmp_path: Path) -> None:
    log = tmp_path / "console.log"
    log.write_bytes(bytes(3 << 20) + LINE + bytes(3 << 20))
    assert squashfs_errors(log)[0] == 1
    assert squashfs_errors(tmp_path / "no such") == (0, ())

"""The cache: finished entries or none, made once, whatever happens while they are made."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from unkillable.errors import UserError
from unkillable.lab import cache
from unkillable.lab.cache import digest, entry, remove, root


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    cache._swept.clear()
    return tmp_path / "unkillable"


def write(text: str) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        path.write_text(text)

    return make


def writer_of(place: str) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        Path(place).write_text("x")

    return make


def fail(path: Path) -> None:
    raise AssertionError(f"{path} is made again")


def left(home: Path) -> list[str]:
    return sorted(str(path.relative_to(home)) for path in home.rglob("*") if not path.is_dir())


def test_it_is_where_xdg_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert root() == tmp_path / "unkillable"
    monkeypatch.setenv("HOME", "/home/u")
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert root() == Path("/home/u/.cache/unkillable")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert root() == Path("/home/u/.cache/unkillable")


def test_a_key_differs_with_every_part() -> None:
    assert digest("a", 1, b"x") == digest("a", "1", "x")
    assert len({digest("ab", "c"), digest("a", "bc"), digest("abc"), digest("ab", "c", ""), digest()}) == 5
    assert digest("\udcff") != digest("\udcfe")


def test_files_and_directories_are_made_once(home: Path) -> None:
    def make(path: Path) -> None:
        (path.parent / "scratch").write_text("not kept")
        path.mkdir()
        (path / "file").write_text("content")

    assert entry("tree", "k", make) == home / "tree/k"
    assert entry("tree", "k", fail) == home / "tree/k"
    assert entry("text", "6.1~rc1+b_1:2", write("x")).read_text() == "x"
    assert left(home) == ["text/6.1~rc1+b_1:2", "tree/k/file"]


@pytest.mark.parametrize("key", ["", "../x", "a/b", ".hidden", "a\n", "-x", "a" * 201])
def test_keys_are_file_names(key: str) -> None:
    with pytest.raises(ValueError, match="cannot name an entry"):
        entry("kind", key, write("x"))


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_a_failure_leaves_nothing(home: Path, error: type[BaseException]) -> None:
    def make(path: Path) -> None:
        path.mkdir(mode=0o500)
        raise error

    with pytest.raises(error):
        entry("kind", "k", make)
    assert list((home / "kind").iterdir()) == []
    assert entry("kind", "k", write("again")).read_text() == "again"


def test_a_maker_that_makes_nothing_is_found_out(home: Path) -> None:
    with pytest.raises(RuntimeError, match="nothing was made"):
        entry("kind", "k", lambda path: None)
    assert list((home / "kind").iterdir()) == []


def test_a_full_disk_is_told(home: Path) -> None:
    with pytest.raises(
        UserError, match=r"unkillable: No space left on device while making kind k; free some or set XDG_"
    ):
        entry("kind", "k", writer_of("/dev/full"))
    assert list((home / "kind").iterdir()) == []


def test_a_cache_that_cannot_be_is_told(home: Path) -> None:
    home.write_text("a file")
    with pytest.raises(UserError, match=r"unkillable.*: (Not a directory|File exists); set XDG_CACHE_HOME"):
        entry("kind", "k", write("x"))


def test_an_error_of_the_makers_own_is_not_the_caches() -> None:
    with pytest.raises(FileNotFoundError):
        entry("kind", "k", writer_of("/nonexistent/x"))


SLOW = """
import signal, sys, time
from pathlib import Path
from unkillable.lab.cache import entry
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
def make(path):
    path.mkdir()
    with open(sys.argv[1], "a") as log:
        log.write("made\\n")
    print("making", flush=True)
    time.sleep(float(sys.argv[2]))
entry("kind", "k", make)
"""


def process(log: Path, seconds: float) -> subprocess.Popen[str]:
    argv = [sys.executable, "-c", SLOW, str(log), str(seconds)]
    return subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)


def test_two_processes_and_two_threads_make_it_once(home: Path, tmp_path: Path) -> None:
    log = tmp_path / "log"
    with process(log, 0.5) as one, process(log, 0.5) as other:
        threads = [threading.Thread(target=entry, args=("thread", "k", write_slowly)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert (one.wait(), other.wait()) == (0, 0)
    assert log.read_text() == "made\n"
    assert made == ["made"]
    assert left(home) == ["thread/k"]


made: list[str] = []


def write_slowly(path: Path) -> None:
    made.append("made")
    time.sleep(0.2)
    path.write_text("x")


@pytest.mark.parametrize("key", ["k", "other"])
def test_what_a_killed_maker_left_is_swept(home: Path, tmp_path: Path, key: str) -> None:
    with process(tmp_path / "log", 60) as one:
        assert one.stdout.readline() == "making\n"
        one.send_signal(signal.SIGKILL)
    assert (home / "kind/.k.making/k").is_dir()
    entry("kind", key, write("x"))
    assert [path.name for path in (home / "kind").iterdir()] == [key]


def test_what_is_being_made_is_not_swept(home: Path, tmp_path: Path) -> None:
    with process(tmp_path / "log", 0.7) as one:
        assert one.stdout.readline() == "making\n"
        entry("kind", "other", write("x"))
        assert (home / "kind/.k.making/k").is_dir()
        assert one.wait() == 0
    assert sorted(path.name for path in (home / "kind").iterdir()) == ["k", "other"]


def test_ctrl_c_in_another_process_leaves_nothing(home: Path, tmp_path: Path) -> None:
    with process(tmp_path / "log", 60) as one:
        assert one.stdout.readline() == "making\n"
        one.send_signal(signal.SIGINT)
        assert one.wait(10) != 0
    assert list((home / "kind").iterdir()) == []


def test_locks_exclude_and_go_away(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with cache.locked(path) as got:
        assert got
        with cache.locked(path, wait=False) as again:
            assert not again
        assert path.exists()
    assert not path.exists()


def test_removing_takes_links_as_links(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "link").symlink_to("kept")
    (tmp_path / "tree/locked").mkdir(parents=True)
    (tmp_path / "tree/locked/file").touch()
    (tmp_path / "tree/locked").chmod(0o500)
    for name in ("link", "tree", "nothing"):
        remove(tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]

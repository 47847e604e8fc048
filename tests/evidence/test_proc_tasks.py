"""Tasks through /proc: what is made of a file, and what a file that does not answer costs."""

from __future__ import annotations

import errno
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unkillable.evidence import proc_tasks
from unkillable.evidence.proc_tasks import Scan, clean_comm, parse_stack, parse_stat, parse_syscall
from unkillable.evidence.psi import Buffer


def test_scheduler_functions_stand_for_what_the_file_leaves_out() -> None:
    text = b"[<0>] squashfs_cache_get+0x1c3/0x320 [squashfs]\n[<0>] filemap_fault+0x54e/0x910\n"
    asleep, running = parse_stack(text, asleep=True), parse_stack(text, asleep=False)
    assert asleep is not None
    assert running is not None
    assert [frame.symbol for frame in asleep.frames] == ["schedule", "squashfs_cache_get", "filemap_fault"]
    assert asleep.frames[0].offset is None
    assert [frame.symbol for frame in running.frames] == ["squashfs_cache_get", "filemap_fault"]
    assert parse_stack(b"", asleep=True) is None
    assert parse_stack(b"[<0>] 0xffffffffffffffff\n", asleep=True) is None


def test_the_user_program_counter_of_a_blocked_task() -> None:
    assert parse_syscall(b"1 0x1 0x3eead920 0xb 0x1b6 0x0 0x0 0x7ffea9a9f308 0x47b7a0\n") == "0x47b7a0"
    assert (
        parse_syscall(b"-1 0x7ffea9a9f308 0x401000\n") == "0x401000"
    )  # in a page fault, not in a system call
    for text in (b"running\n", b"", b"1 0x1", b"a b \x1b[1m"):
        assert parse_syscall(text) is None


def test_a_task_whose_files_do_not_answer_is_left_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for pid in range(1, 6):
        (tmp_path / str(pid)).mkdir()
        (tmp_path / str(pid) / "stat").write_text(f"{pid} (t) D 1 1 1 0 -1 0\n")
    gate, read = threading.Event(), Buffer.read

    def stall(self: Buffer, path: str) -> bytes:
        if path.endswith("/3/stack"):
            gate.wait(30)
        return read(self, path)

    monkeypatch.setattr(Buffer, "read", stall)
    scan = Scan(str(tmp_path), None, 100)
    scan.run(0.2)
    gate.set()
    assert [task.pid for task in scan.tasks] == [1, 2, 4, 5]
    assert scan.stuck == [3]
    assert any("3 did not answer" in note for note in scan.notes())


def test_when_nothing_answers_the_look_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for pid in range(1, 40):
        (tmp_path / str(pid)).mkdir()
    gate = threading.Event()

    def stall(self: Buffer, path: str) -> bytes:
        gate.wait(30)
        return b""

    monkeypatch.setattr(Buffer, "read", stall)
    scan = Scan(str(tmp_path), None, 100)
    scan.run(0.05)
    gate.set()
    assert len(scan.stuck) == proc_tasks._LEFT_BEHIND + 1
    assert scan.left_out == 39 - len(scan.stuck)


class Vanishing(Buffer):
    """A hundred thousand processes, of which some vanish between their files, without a file system."""

    def read(self, path: str) -> bytes:
        pid = int(path.split("/")[2])
        self.error = 0
        if path.endswith("/stat") and pid % 7:
            return b"%d (p) %c 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 1\n" % (
                pid,
                b"D" if pid % 10_000 == 1 else b"S",
            )
        self.error = errno.ENOENT if pid % 7 else errno.ESRCH
        return b""


def test_a_hundred_thousand_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proc_tasks, "Buffer", Vanishing)
    monkeypatch.setattr(Scan, "_list", lambda self: self._pids.extend(range(1, 100_001)))
    scan = Scan("/none", 1.0, 500)
    scan.run(30)
    assert len(scan.tasks) == 500
    assert [task.pid for task in scan.tasks if task.state == "D"] == [
        pid for pid in range(1, 100_001, 10_000) if pid % 7
    ]  # whatever else there is no room for
    assert scan.seen == 100_000 - 100_000 // 7
    assert scan.left_out == scan.seen - 500


@given(st.binary(max_size=300))
def test_any_stat(data: bytes) -> None:
    stat = parse_stat(data)
    if stat is not None:
        assert stat.comm.isprintable() or any(ord(letter) > 0x9F for letter in stat.comm)
        assert stat.state is None or len(stat.state) == 1


@given(st.binary(max_size=300), st.booleans())
def test_any_stack(data: bytes, asleep: bool) -> None:
    parse_stack(data, asleep)


@given(st.binary(min_size=1, max_size=16).filter(lambda name: b"\0" not in name))
def test_any_name_survives(name: bytes) -> None:
    stat = parse_stat(b"12 (" + name + b") D 1 2 3 0 -1 64 0\n")
    assert stat is not None
    assert (stat.comm, stat.state, stat.ppid, stat.flags) == (clean_comm(name), "D", 1, 64)

"""A running system through /proc: recorded and hostile trees, and the machine that runs the tests."""

from __future__ import annotations

import errno
import os
import threading
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.samples_file import SAMPLES
from unkillable.errors import UserError
from unkillable.evidence import proc_tasks
from unkillable.evidence.proc import LiveResult, read_live, read_log, read_proc_tree
from unkillable.evidence.proc_tasks import Scan, clean_comm, parse_stack, parse_stat, parse_syscall
from unkillable.evidence.psi import Buffer
from unkillable.evidence.types import Evidence, TaskSighting

NOTHING = {"looks": 1, "interval": 0.0, "kmsg": None}


def unpack(name: str, to: Path) -> Path:
    """Writes a sample's files; `\\n`, `\\e` and `\\xff` in a hostile one stand for the characters."""
    _, *files = (SAMPLES / "proc" / f"{name}.tree").read_bytes().split(b"\n== ")
    for file in files:
        path, _, content = file.partition(b"\n")
        if name == "hostile":
            for escape, raw in (
                (b"\\n", b"\n"),
                (b"\\e", b"\x1b"),
                (b"\\x07", b"\x07"),
                (b"\\xff", b"\xff"),
                (b"\\xfe", b"\xfe"),
            ):
                content = content.replace(escape, raw)
        target = to / path.decode()
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content + b"\n")
    return to


def tasks(result: LiveResult) -> dict[int, TaskSighting]:
    return {
        task.pid: task for task in result.evidence.tasks if task.origin == "proc" and task.pid is not None
    }


@pytest.fixture
def stuck(tmp_path: Path) -> LiveResult:
    return read_proc_tree(unpack("debian-6.1-stuck", tmp_path))


@pytest.fixture
def hostile(tmp_path: Path) -> LiveResult:
    return read_proc_tree(unpack("hostile", tmp_path))


def functions(task: TaskSighting) -> list[str]:
    assert task.stack is not None
    return [frame.function for frame in task.stack.frames]


def test_a_task_with_sigkill_pending_in_d(stuck: LiveResult) -> None:
    task = tasks(stuck)[122]
    assert (task.comm, task.state, task.tgid, task.ppid, task.killed, task.kernel_thread) == (
        "sh",
        "D",
        122,
        1,
        True,
        False,
    )
    assert task.wchan == "lab_do"
    assert functions(task)[:3] == ["schedule", "lab_do", "lab_write"]
    assert task.stack is not None
    assert task.stack.from_user
    assert task.stack.user_pc == "0x47b7a0"
    assert task.stack.frames[1].module == "unklab"
    assert "SIGKILL pending" in task.text


def test_the_oom_killers_victim_and_bystanders(stuck: LiveResult) -> None:
    found = tasks(stuck)
    assert found[135].killed is True
    assert "oom_score_adj 1000" in found[135].text
    assert found[123].killed is False
    assert found[132].state == "Z"
    assert found[132].stack is None
    assert found[2].kernel_thread is True
    assert functions(found[2])[-1] == "ret_from_fork"


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


def test_the_systems_state(stuck: LiveResult) -> None:
    evidence = stuck.evidence
    assert evidence.live
    assert (evidence.kernel.release, evidence.kernel.version) == ("6.1.0-56-cloud-amd64", "6.1.192")
    assert evidence.kernel.arch == "x86_64"
    assert evidence.kernel.filesystems == ("ext4",)
    assert [(fact.resource, fact.some_avg10, fact.full_avg10) for fact in evidence.pressure] == [
        ("memory", 0.61, 0.54), ("io", 0.0, 0.0), ("cpu", 5.8, 0.0),
    ]  # fmt: skip
    memory = evidence.meminfos[-1]
    assert (memory.kib["MemTotal"], memory.swap_total) == (223364, 0)
    assert [(zone.name, zone.free, zone.min) for zone in memory.zones] == [
        ("DMA", 15164, 132),
        ("DMA32", 174036, 5540),
    ]
    assert stuck.settings["vm/panic_on_oom"] == "0"
    assert any("killed 2 processes" in note for note in stuck.notes)


def test_the_kernels_log_is_in_the_same_evidence(stuck: LiveResult) -> None:
    evidence = stuck.evidence
    assert [(hung.pid, hung.comm, hung.seconds) for hung in evidence.hung] == [(122, "sh", 30.0)]
    (logged,) = [task for task in evidence.tasks if task.origin == "hung-task"]
    live = tasks(stuck)[122]
    assert logged.snapshot < live.snapshot
    assert logged.time is not None
    assert live.time is not None
    assert logged.time < live.time == evidence.last_time


def test_hostile_names(hostile: LiveResult) -> None:
    found = tasks(hostile)
    assert found[1].comm == "a) R 0 0"
    assert found[1].state == "S"
    assert found[7].comm == "x\\x0a) D 1 (\\x1b[2J"
    assert (found[7].state, found[7].killed) == ("D", True)
    assert functions(found[7])[:2] == ["schedule", "squashfs_cache_get"]
    assert found[7].wchan is None
    for task in found.values():
        assert task.comm is not None
        assert task.comm.isprintable()
        assert task.text.isprintable()


def test_stat_files_cut_short(hostile: LiveResult) -> None:
    found = tasks(hostile)
    assert 8 not in found
    assert 11 not in found
    assert 99999999 not in found
    assert (found[9].state, found[9].ppid, found[9].killed) == ("D", None, None)
    assert found[10].ppid is None
    assert (found[12].comm, found[12].workqueue, found[12].kernel_thread) == (
        "kworker/u8:1",
        "ext4-rsv-conversion",
        True,
    )
    assert found[13].killed is True  # its exit code is SIGKILL: it is dying
    assert (found[15].tgid, found[15].state) == (14, "D")


def test_hostile_system_files(hostile: LiveResult) -> None:
    evidence = hostile.evidence
    assert evidence.pressure == ()
    assert evidence.meminfos == ()
    assert evidence.kernel.root_fs == "overlay"
    assert evidence.kernel.filesystems == ("overlay", "squashfs")


def test_symbolic_links_in_a_copied_tree_are_not_followed(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("1 (secret) D 0 1 1 0 -1 0\n")
    tree = tmp_path / "tree"
    (tree / "5").mkdir(parents=True)
    (tree / "5" / "stat").symlink_to(secret)
    (tree / "6").mkdir()
    (tree / "6" / "stat").write_text("6 (real) D 1 6 6 0 -1 0\n")
    os.mkfifo(tree / "6" / "stack")
    (tree / "7").mkdir()
    (tree / "7" / "stat").mkdir()
    assert {task.comm for task in read_proc_tree(tree).evidence.tasks} == {"real"}


def test_no_tasks_is_an_error(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none"):
        with pytest.raises(UserError):
            read_proc_tree(path)
    with pytest.raises(UserError, match="no tasks"):
        read_live(tmp_path, tmp_path, kmsg=None)


def test_this_machine() -> None:
    result = read_live(looks=2, interval=0.01)
    found = tasks(result)
    assert found[1].kernel_thread is False
    own = found[os.getpid()]
    assert own.tgid == os.getpid()
    assert own.state in ("R", "S")
    assert own.killed is False
    snapshots = {task.snapshot for task in result.evidence.tasks if task.origin == "proc"}
    assert len(snapshots) == 2
    assert result.evidence.kernel.release == os.uname().release
    assert result.evidence.meminfos[-1].kib["MemTotal"] > 0
    msgspec.json.decode(msgspec.json.encode(result.evidence), type=Evidence)


def test_threads_of_this_machine_are_listed() -> None:
    gate = threading.Event()
    thread = threading.Thread(target=gate.wait)
    thread.start()
    try:
        found = tasks(read_live(**NOTHING))  # type: ignore[arg-type]
        assert thread.native_id is not None
        assert found[thread.native_id].tgid == os.getpid()
    finally:
        gate.set()
        thread.join()


def test_hidden_stacks_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    read = Buffer.read

    def refuse(self: Buffer, path: str) -> bytes:
        if path.endswith(("/stack", "kmsg")):
            self.error = errno.EACCES
            return b""
        return read(self, path)

    monkeypatch.setattr(Buffer, "read", refuse)
    result = read_live(**NOTHING)  # type: ignore[arg-type]
    assert any("run as root" in note for note in result.notes)
    assert tasks(result)


def test_an_unreadable_log_is_told(tmp_path: Path) -> None:
    result = read_live(looks=1, kmsg=tmp_path / "none")
    assert any("kernel log" in note for note in result.notes)


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


def test_kmsg_records() -> None:
    log = read_log(
        "kmsg", b"3,900,41679972,-;INFO: task sh:122 blocked for more than 30 seconds.\n SUBSYSTEM=x\n"
    )
    assert log is not None
    assert [(hung.pid, hung.time) for hung in log.hung] == [(122, 41.679972)]

"""A running system through /proc: recorded and hostile trees, and the machine that runs the tests."""

from __future__ import annotations

import errno
import os
import threading
from pathlib import Path

import msgspec
import pytest

from tests.samples_file import SAMPLES
from unkillable.errors import UserError
from unkillable.evidence.proc import LiveResult, read_live, read_log, read_proc_tree
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
    assert any("hidden: " in note and "root" in note for note in result.notes)
    assert tasks(result)


def test_an_unreadable_log_is_told(tmp_path: Path) -> None:
    result = read_live(looks=1, kmsg=tmp_path / "none")
    assert any("kernel log" in note for note in result.notes)


def test_mounts_that_do_not_answer_cost_only_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    gate, read = threading.Event(), Buffer.read

    def stall(self: Buffer, path: str) -> bytes:
        if path == "/proc/mounts":
            gate.wait(30)
        return read(self, path)

    monkeypatch.setattr(Buffer, "read", stall)
    result = read_live(looks=1, kmsg=None, patience=0.3)
    gate.set()
    assert result.evidence.kernel.release == os.uname().release
    assert result.evidence.kernel.root_fs is None
    assert any("did not answer" in note for note in result.notes)


def test_kmsg_records() -> None:
    log = read_log(
        "kmsg", b"3,900,41679972,-;INFO: task sh:122 blocked for more than 30 seconds.\n SUBSYSTEM=x\n"
    )
    assert log is not None
    assert [(hung.pid, hung.time) for hung in log.hung] == [(122, 41.679972)]

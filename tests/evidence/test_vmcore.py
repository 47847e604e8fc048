"""Memory dumps: what is made of drgn's frames and objects, errors in one line, and a real dump where one is given.

UNKILLABLE_VMCORE and UNKILLABLE_VMLINUX name a dump and its kernel (docs/dev/live-sources.md says how to make one);
UNKILLABLE_QMP names the QMP socket of a guest that runs the same kernel.
"""

from __future__ import annotations

import builtins
import os
import socket
import sys
import threading
from pathlib import Path
from types import SimpleNamespace as Thing
from typing import Any

import pytest

from unkillable.errors import UserError
from unkillable.evidence import vmcore, vmcore_tasks
from unkillable.evidence.proc import LiveResult, read_log
from unkillable.evidence.types import OomKill

CORE, VMLINUX, QMP = (os.environ.get(f"UNKILLABLE_{name}", "") for name in ("VMCORE", "VMLINUX", "QMP"))


def word(value: int) -> Any:
    return Thing(value_=lambda: value)


class Task:
    """A task_struct with the members that the questions below look at."""

    def __init__(
        self,
        pending: int = 0,
        shared: int = 0,
        flags: int = 0,
        code: int = 0,
        state: int = 0,
        name: str = "__state",
    ) -> None:
        self.pending = Thing(signal=Thing(sig=[word(pending)]))
        shared_pending = Thing(signal=Thing(sig=[word(shared)]))
        self.signal = Thing(shared_pending=shared_pending, flags=word(flags), group_exit_code=word(code))
        self._members = {name: word(state)}

    def member_(self, name: str) -> Any:
        if name not in self._members:
            raise LookupError
        return self._members[name]


def test_pending_sigkill() -> None:
    assert not vmcore_tasks.is_killed(Task())
    assert not vmcore_tasks.is_killed(Task(pending=1 << 14))
    assert vmcore_tasks.is_killed(Task(pending=1 << 8))
    assert vmcore_tasks.is_killed(Task(shared=1 << 8))
    assert vmcore_tasks.is_killed(Task(flags=4, code=9))
    assert not vmcore_tasks.is_killed(Task(flags=4, code=0x300))


@pytest.mark.parametrize(
    ("state", "name", "killable"),
    [(0x2, "__state", False), (0x102, "__state", True), (0x2102, "__state", True), (0x402, "__state", False),
     (0x82, "state", True), (0x2, "state", False)],
)  # fmt: skip
def test_a_killable_sleep_is_told_by_its_bits(state: int, name: str, killable: bool) -> None:
    assert vmcore_tasks._wakes_on_kill(Task(state=state, name=name)) is killable


def test_victims_that_the_log_names_are_not_told_twice() -> None:
    kills = [OomKill(pid=135, comm="h"), OomKill(pid=7, comm="e5")]
    log = read_log(
        "log", b"[   13.199303] Out of memory: Killed process 135 (h) total-vm:1kB, anon-rss:1kB\n"
    )
    assert vmcore._unlogged(kills, log) == kills[1:]
    assert vmcore._unlogged(kills, None) == kills


def test_without_drgn_the_user_is_told_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    real = builtins.__import__

    def refuse(name: str, *rest: Any, **more: Any) -> Any:
        if name == "drgn":
            raise ImportError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", refuse)
    monkeypatch.delitem(sys.modules, "drgn", raising=False)
    for machine in ("x86_64", "aarch64"):
        monkeypatch.setattr("platform.machine", lambda machine=machine: machine)
        with pytest.raises(UserError) as told:
            vmcore.read_vmcore(tmp_path / "core")
        assert "pip install 'unkillable[drgn]'" in str(told.value)
        assert "\n" not in str(told.value)
        assert ("aarch64" in str(told.value)) == (machine == "aarch64")


@pytest.mark.drgn
@pytest.mark.parametrize(
    "content", [b"", b"x" * 100, b"\x7fELF" + bytes(60), b"makedumpfile\0", b"KDUMP   " + bytes(4096)]
)
def test_files_that_are_no_dump(content: bytes, tmp_path: Path) -> None:
    pytest.importorskip("drgn")
    core = tmp_path / "core"
    core.write_bytes(content)
    with pytest.raises(UserError) as told:
        vmcore.read_vmcore(core)
    assert str(core) in str(told.value)
    assert "\n" not in str(told.value)


@pytest.mark.drgn
def test_a_missing_dump(tmp_path: Path) -> None:
    pytest.importorskip("drgn")
    with pytest.raises(UserError, match="No such file"):
        vmcore.read_vmcore(tmp_path / "none")
    with pytest.raises(UserError, match="is QEMU running"):
        vmcore.read_qmp(str(tmp_path / "none"))


def serve(path: str, hello: bytes) -> threading.Thread:
    server = socket.socket(socket.AF_UNIX)
    server.bind(path)
    server.listen()

    def answer() -> None:
        with server, server.accept()[0] as link:
            if hello:
                link.sendall(hello)
            link.recv(100)

    thread = threading.Thread(target=answer)
    thread.start()
    return thread


def test_a_busy_qmp_socket_and_one_that_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vmcore, "_GREETING", 0.1)
    for name, hello, words in (
        ("busy", b"", "another client"),
        ("monitor", b"QEMU 7.2.0 monitor\n", "not a QMP socket"),
    ):
        thread = serve(str(tmp_path / name), hello)
        with pytest.raises(UserError, match=words):
            vmcore._greeting(str(tmp_path / name))
        thread.join(5)
    thread = serve(str(tmp_path / "good"), b'{"QMP": {"version": {}}}\r\n')
    vmcore._greeting(str(tmp_path / "good"))
    thread.join(5)


def check(result: LiveResult) -> None:
    evidence = result.evidence
    tasks = [task for task in evidence.tasks if task.origin == "vmcore"]
    assert evidence.live
    assert {task.pid for task in tasks} >= {1, 2}
    assert all(task.state in "RSDKTtXZPI" for task in tasks if task.state)
    asleep = [task for task in tasks if task.state in ("S", "D", "K", "I")]
    assert sum(task.stack is not None for task in asleep) >= 0.9 * len(asleep)
    stacks = [task.stack for task in asleep if task.stack]
    assert max(len(stack.frames) for stack in stacks) < 64
    assert sum(stack.frames[0].function in ("__schedule", "__switch_to") for stack in stacks) >= 0.9 * len(
        stacks
    )
    assert any(frame.source for stack in stacks for frame in stack.frames)
    assert evidence.kernel.release
    assert evidence.coverage.lines > 100
    memory = evidence.meminfos[-1]
    assert memory.pages["free"] > 0
    assert sum(zone.free for zone in memory.zones) == pytest.approx(
        memory.pages["free"] * memory.page_size, rel=0.2
    )


@pytest.mark.drgn
@pytest.mark.skipif(
    not (CORE and VMLINUX), reason="UNKILLABLE_VMCORE and UNKILLABLE_VMLINUX name no dump and kernel"
)
def test_a_real_dump() -> None:
    pytest.importorskip("drgn")
    check(vmcore.read_vmcore(Path(CORE), Path(VMLINUX)))
    with pytest.raises(UserError, match="another build id"):
        vmcore.read_vmcore(Path(CORE), Path(sys.executable))


@pytest.mark.drgn
@pytest.mark.skipif(
    not (QMP and VMLINUX), reason="UNKILLABLE_QMP and UNKILLABLE_VMLINUX name no guest and kernel"
)
def test_a_real_guest() -> None:
    pytest.importorskip("drgn")
    check(vmcore.read_qmp(QMP, Path(VMLINUX), looks=2, interval=0.5))

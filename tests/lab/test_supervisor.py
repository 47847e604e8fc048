"""The supervisor, the canary and the workloads, run on this machine: what they publish, and what they do to memory."""

from __future__ import annotations

import ctypes
import itertools
import mmap
import os
import platform
import resource
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from unkillable.errors import UserError
from unkillable.lab import programs, toolchain
from unkillable.lab.arch import ARCHES
from unkillable.lab.programs import Programs
from unkillable.lab.setup import Workload
from unkillable.lab.toolchain import GNU

SLOTS = 256
STARTED, EXITED, ANSWERED = 0, 1, 2
KEEP, CANARY = 0, 1
RECORDS_FD, PROC_FD = 3, 4


class Record(ctypes.Structure):
    """guest/records.h"""

    _fields_ = [
        ("at_ns", ctypes.c_int64), ("took_ns", ctypes.c_int64), ("kind", ctypes.c_uint32),
        ("number", ctypes.c_uint32), ("pid", ctypes.c_int32), ("status", ctypes.c_int32),
    ]  # fmt: skip


class Ring(ctypes.Structure):
    _fields_ = [("written", ctypes.c_uint32), ("taken", ctypes.c_uint32), ("slot", Record * SLOTS)]


class Records(ctypes.Structure):
    _fields_ = [("news", ctypes.c_uint32), ("ring", Ring * 2)]


class Running:
    """A program that publishes, and what it has published."""

    def __init__(self, pid: int, shared: Records) -> None:
        self.pid = pid
        self.shared = shared

    def until(self, ring: int, count: int, seconds: float = 20) -> list[Record]:
        """The first `count` records."""
        source = self.shared.ring[ring]
        deadline = time.monotonic() + seconds
        while source.written < count:
            assert time.monotonic() < deadline, f"{source.written} of {count} records"
            time.sleep(0.01)
        return [Record.from_buffer_copy(source.slot[n % SLOTS]) for n in range(count)]


@contextmanager
def running(program: Path, *arguments: str) -> Iterator[Running]:
    """As the watcher starts it: with the shared memory and /proc as files 3 and 4."""
    memory = os.memfd_create("records")
    os.ftruncate(memory, ctypes.sizeof(Records))
    proc = os.open("/proc", os.O_PATH | os.O_DIRECTORY)
    shared = Records.from_buffer(mmap.mmap(memory, ctypes.sizeof(Records)))
    # The numbers may be each other's: first out of the way.
    actions = [
        (os.POSIX_SPAWN_DUP2, memory, 64), (os.POSIX_SPAWN_DUP2, proc, 65),
        (os.POSIX_SPAWN_DUP2, 64, RECORDS_FD), (os.POSIX_SPAWN_DUP2, 65, PROC_FD),
    ]  # fmt: skip
    pid = os.posix_spawn(program, [str(program), *arguments], os.environ, file_actions=actions, setpgroup=0)
    try:
        yield Running(pid, shared)
    finally:
        os.killpg(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(memory)
        os.close(proc)


@pytest.fixture(scope="module")
def built() -> Programs:
    arch = next((row for row in ARCHES if GNU[row.name].machine == platform.machine()), None)
    if arch is None:
        pytest.skip(f"no guests for {platform.machine()}")
    try:
        if toolchain.compiler(arch).zig:
            pytest.skip("needs gcc")
    except UserError as error:
        pytest.skip(str(error))
    return programs.build(arch, Workload(kind="mix", programs=2, text_kib=512))


def test_the_supervisor_starts_reports_and_restarts(built: Programs) -> None:
    first = ("first", "0", "300", "3", "/bin/sh", "-c", "exit 3")
    second = ("second", "0", "60000", "3", "/bin/sh", "-c", "kill -SEGV $$")
    with running(built.keep, *first, *second) as keep:
        records = keep.until(KEEP, 6)
    mine = [record for record in records if record.number == 0]
    other = [record for record in records if record.number == 1]
    assert [record.kind for record in mine] == [STARTED, EXITED, STARTED, EXITED]
    assert [os.waitstatus_to_exitcode(record.status) for record in mine if record.kind == EXITED] == [3, 3]
    assert mine[0].pid == mine[1].pid != mine[2].pid
    pause = (mine[2].at_ns - mine[1].at_ns) / 1e9
    assert 0.3 <= pause < 3
    # It ended long ago, and waits a minute; its arguments were not the first one's.
    assert [record.kind for record in other] == [STARTED, EXITED]
    assert os.waitstatus_to_exitcode(other[1].status) == -signal.SIGSEGV


def test_times_are_the_monotonic_clock(built: Programs) -> None:
    before = time.monotonic_ns()
    with running(built.keep, "x", "0", "60000", "1", "/bin/true") as keep:
        started, ended = keep.until(KEEP, 2)
        assert before < started.at_ns <= ended.at_ns < time.monotonic_ns()


def test_the_workload_is_made_the_better_victim(built: Programs, tmp_path: Path) -> None:
    script = f"cat /proc/self/oom_score_adj > {tmp_path}/adj"
    with running(built.keep, "x", "700", "60000", "3", "/bin/sh", "-c", script) as keep:
        _, ended = keep.until(KEEP, 2)
    assert ended.status == 0
    assert (tmp_path / "adj").read_text() == "700\n"


@pytest.mark.parametrize(("path", "status"), [("/nonsuch", 127), ("/etc/passwd", 127), ("/bin/true", 0)])
def test_what_cannot_be_started_is_told(built: Programs, path: str, status: int) -> None:
    with running(built.keep, "x", "0", "60000", "1", path) as keep:
        _, ended = keep.until(KEEP, 2)
    assert os.waitstatus_to_exitcode(ended.status) == status


@pytest.mark.parametrize("arguments", [("x",), ("x", "0", "1", "0"), ("x", "0", "1", "2", "/bin/true")])
def test_arguments_that_make_no_sense(built: Programs, arguments: tuple[str, ...]) -> None:
    with running(built.keep, *arguments) as keep:
        info = os.waitid(os.P_PID, keep.pid, os.WEXITED | os.WNOWAIT)
    assert info.si_status == 2


def test_a_full_ring_stops_nobody(built: Programs) -> None:
    with running(built.keep, "x", "0", "0", "1", "/bin/true") as keep:
        keep.until(KEEP, SLOTS)
        first = keep.shared.ring[KEEP].slot[0].pid
        time.sleep(0.2)
        # Nobody takes the records: the first are kept, the newest are lost, and programs are still started.
        assert keep.shared.ring[KEEP].written == SLOTS
        assert keep.shared.ring[KEEP].slot[0].pid == first
        keep.shared.ring[KEEP].taken = SLOTS
        assert keep.until(KEEP, SLOTS + 2)


def test_the_canary_is_asked_each_period(built: Programs) -> None:
    with running(built.canary, "200", "0", "plain", str(built.canary), "once") as canary:
        beats = canary.until(CANARY, 4)
    assert [beat.kind for beat in beats] == [ANSWERED] * 4
    assert [beat.number for beat in beats] == [1, 2, 3, 4]
    assert [beat.status for beat in beats] == [0] * 4
    assert all(0 < beat.took_ns < 5e9 for beat in beats)
    assert (beats[3].at_ns - beats[0].at_ns) / 1e9 >= 0.59


def test_a_slow_answer_is_measured_and_not_made_up_for(built: Programs) -> None:
    with running(built.canary, "100", "0", "plain", "/bin/sleep", "0.5") as canary:
        beats = canary.until(CANARY, 3)
    assert all(beat.took_ns >= 0.5e9 for beat in beats)
    # The next is asked when the last was answered, once: there is one question at a time.
    assert all(later.at_ns >= beat.at_ns + beat.took_ns for beat, later in itertools.pairwise(beats))


def test_a_command_that_never_ends_is_killed_after_the_limit(built: Programs) -> None:
    with running(built.canary, "100", "400", "plain", "/bin/sleep", "1000") as canary:
        beat, after = canary.until(CANARY, 2)
    assert os.waitstatus_to_exitcode(beat.status) == -signal.SIGKILL
    assert 0.4 <= beat.took_ns / 1e9 < 3
    assert after.number == 2


@pytest.mark.parametrize(
    ("limit", "path", "status"), [("0", "/bin/false", 1), ("5000", "/bin/false", 1), ("0", "/no", 127)]
)
def test_a_canary_that_fails(built: Programs, limit: str, path: str, status: int) -> None:
    with running(built.canary, "100", limit, "plain", path) as canary:
        (beat,) = canary.until(CANARY, 1)
    assert os.waitstatus_to_exitcode(beat.status) == status


@pytest.mark.parametrize(("mode", "locked"), [("mlock", True), ("plain", False)])
def test_a_canary_in_locked_memory(built: Programs, mode: str, locked: bool) -> None:
    if locked and resource.getrlimit(resource.RLIMIT_MEMLOCK)[0] != resource.RLIM_INFINITY and os.geteuid():
        pytest.skip("may not lock memory")
    with running(built.canary, "100", "0", mode, str(built.canary), "once") as canary:
        canary.until(CANARY, 1)
        kib = _status(canary.pid, "VmLck")
    # Its text, from which the next canary is started, above all.
    assert kib > 256 if locked else kib == 0


@pytest.mark.parametrize("name", ["churn", "hog"])
def test_workloads_take_memory(built: Programs, name: str) -> None:
    path = next(path for known, path in built.workload if known.startswith(name))
    arguments = ("200", "3", "7") if name == "churn" else ()
    process = subprocess.Popen([path, *arguments], preexec_fn=_small)
    try:
        kib = _until(lambda: _status(process.pid, "RssAnon"), lambda rss: rss > 16 << 10)
        assert kib > 16 << 10
        assert _status(process.pid, "Threads") == (3 if name == "churn" else 1)
        if name == "churn":  # 512 KiB of text were called
            assert _status(process.pid, "RssFile") > 512
        # At the limit it neither ends nor goes on.
        time.sleep(0.5)
        assert process.poll() is None
        assert _status(process.pid, "VmSize") <= 96 << 10
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("arguments", [(), ("0", "1", "1"), ("4", "1")])
def test_churn_wants_its_parameters(built: Programs, arguments: tuple[str, ...]) -> None:
    path = next(path for known, path in built.workload if known.startswith("churn"))
    assert subprocess.run([path, *arguments], timeout=20, check=False).returncode == 2


def _small() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (96 << 20, 96 << 20))


def _status(pid: int, key: str) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next((line.split()[1] for line in lines if line.startswith(f"{key}:")), 0))


def _until(value: Callable[[], int], enough: Callable[[int], bool], seconds: float = 20) -> int:
    deadline = time.monotonic() + seconds
    while not enough(found := value()) and time.monotonic() < deadline:
        time.sleep(0.02)
    return found

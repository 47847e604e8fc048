"""The cluster, for real: a scheduler and workers as processes, and what dies in the middle."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import msgspec
import pytest

from tests.fleet.corpus_files import rows, write_broken, write_logs
from unkillable.errors import UserError
from unkillable.fleet import filling
from unkillable.fleet.engine import Cluster, open_engine
from unkillable.fleet.filling import Tally, read_into
from unkillable.fleet.given import Given
from unkillable.fleet.inputs import find
from unkillable.fleet.store import Store
from unkillable.fleet.work import Batch

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.filterwarnings("ignore"),  # those of the engine's own threads
]
LOGS = 300
SMALL_TASKS = """
import time
import unkillable.fleet.filling as filling
from unkillable.cli.main import main
filling.LOGS_PER_TASK, filling._COMMIT = 10, 0.2
add = filling._add
filling._add = lambda *words: (time.sleep(0.1), add(*words))
main()
"""
"""The command, with tasks so small, and a pause after each, that on any machine there is a middle to be killed in."""


def wait(what: Callable[[], object], seconds: float = 60.0) -> object:
    """What it gives, once that is something."""
    until = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < until, "waited too long"
        time.sleep(0.05)
    return found


def run_here(names: list[str], place: Path) -> Store:
    """The store of an undisturbed run in this process."""
    store = Store.open(str(place), create=True)
    read_into(store, find(names), lambda little: open_engine(None, 1))
    return store


@contextmanager
def cluster(place: Path, workers: int = 2) -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
    """A scheduler and its workers, without anything that would start a dead one again."""
    contact = place / "scheduler.json"
    dask = (sys.executable, "-m", "dask")

    def start(*words: object) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [*dask, *map(str, words), "--scheduler-file", contact, "--host", "127.0.0.1", "--no-dashboard"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=place,
        )

    started = [start("scheduler", "--port", 0)]
    try:
        wait(contact.exists)
        started += [
            start("worker", "--no-nanny", "--nthreads", 1, "--local-directory", place / f"worker-{n}")
            for n in range(workers)
        ]
        yield msgspec.json.decode(contact.read_bytes())["address"], started[1:]
    finally:
        for process in started:
            process.kill()
            process.wait()


def children(pid: int) -> set[int]:
    """All processes below this one."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
    found: set[int] = set()
    newer = {pid}
    while newer := {one for one, parent in parents.items() if parent in newer} - found:
        found |= newer
    return found


def alive(pids: set[int]) -> set[int]:
    found = set()
    for pid in pids:
        try:
            if (Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()[0] != "Z":
                found.add(pid)
        except OSError:
            continue
    return found


def test_a_worker_of_a_cluster_is_killed_in_the_middle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_logs(tmp_path / "logs", LOGS)
    write_broken(tmp_path / "logs" / "broken")
    names = [str(tmp_path / "logs")]
    undisturbed = rows(run_here(names, tmp_path / "undisturbed"))
    monkeypatch.setattr(filling, "LOGS_PER_TASK", 10)
    store = Store.open(str(tmp_path / "store"), create=True)
    with cluster(tmp_path) as (address, workers):
        killed: list[int] = []

        def kill(tally: Tally) -> None:
            if tally.logs >= 50 and not killed:
                workers[0].kill()
                killed.append(tally.logs)

        tally = read_into(store, find(names), lambda little: open_engine(address, 0), progress=kill)
        assert 50 <= killed[0] < LOGS - 100
        assert workers[0].wait() == -signal.SIGKILL
        assert workers[1].poll() is None
    assert tally.logs == LOGS + 5
    assert rows(store) == undisturbed
    assert len(undisturbed["logs"]) == LOGS + 5


def test_the_last_worker_is_killed_and_another_comes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_logs(tmp_path / "logs", 100)
    names = [str(tmp_path / "logs")]
    monkeypatch.setattr(filling, "LOGS_PER_TASK", 10)
    monkeypatch.setattr("unkillable.fleet.engine._PATIENCE", 3.0)
    monkeypatch.setattr("unkillable.fleet.engine._LOOK", 0.5)
    store = Store.open(str(tmp_path / "store"), create=True)
    with cluster(tmp_path, workers=1) as (address, workers):
        with pytest.raises(UserError, match="no worker is left; what was read until now is kept"):
            read_into(
                store,
                find(names),
                lambda little: open_engine(address, 0),
                progress=lambda tally: workers[0].kill() if tally.logs >= 30 else None,
            )
        with pytest.raises(UserError, match="has no workers: start some with"), open_engine(address, 0):
            pass
    with store.questions() as ask:
        assert ask.totals().logs == 0  # nothing was committed, so nothing counts
    read_into(store, find(names), lambda little: open_engine(None, 1))
    assert rows(store) == rows(run_here(names, tmp_path / "undisturbed"))


def test_nobody_answers() -> None:
    with (
        pytest.raises(UserError, match="no Dask scheduler answers there"),
        open_engine("tcp://127.0.0.1:1", 0),
    ):
        pass


def triage(tmp_path: Path, *words: str) -> subprocess.Popen[bytes]:
    (tmp_path / "t").mkdir(exist_ok=True)
    return subprocess.Popen(
        [sys.executable, "-c", SMALL_TASKS, "triage", "--workers", "2", *words],
        env={**os.environ, "TMPDIR": str(tmp_path / "t")},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


@pytest.mark.parametrize("commits", [0, 1, 3])
def test_the_client_is_killed_in_the_middle_and_runs_again(tmp_path: Path, commits: int) -> None:
    write_logs(tmp_path / "logs", LOGS)
    names = [str(tmp_path / "logs")]
    place = tmp_path / "store"
    running = triage(tmp_path, "--store", str(place), *names)
    folder = place / "commits"
    wait(lambda: folder.is_dir() and len([one for one in folder.iterdir() if one.name[0] != "."]) >= commits)
    wait(lambda: len(children(running.pid)) >= 2)
    workers = children(running.pid)
    running.kill()
    running.communicate()
    assert running.returncode == -signal.SIGKILL
    wait(lambda: not alive(workers))
    assert len(rows(Store.open(str(place)))["logs"]) < LOGS
    again = triage(tmp_path, "--store", str(place), *names)
    _, err = again.communicate()
    assert (again.returncode, err) == (0, b"")
    found = rows(Store.open(str(place)))
    assert found == rows(run_here(names, tmp_path / "undisturbed"))
    assert len(found["logs"]) == LOGS


@pytest.mark.parametrize("after", [0.0, 1.0, 4.0])
def test_ctrl_c_leaves_nothing(tmp_path: Path, after: float) -> None:
    write_logs(tmp_path / "logs", 5 * LOGS)
    running = triage(tmp_path, "--store", str(tmp_path / "store"), str(tmp_path / "logs"))
    wait(lambda: len(children(running.pid)) >= 2)
    time.sleep(after)
    below = children(running.pid)
    os.killpg(running.pid, signal.SIGINT)  # as a terminal does
    out, err = running.communicate(timeout=60)
    assert (running.returncode, out, err.decode()) == (130, b"", "\nunkillable: interrupted\n")
    wait(lambda: not alive(below))
    assert list((tmp_path / "t").iterdir()) == []


def test_a_log_that_ends_its_process_is_named_and_the_others_are_done() -> None:
    def deadly(batch: Batch) -> bytes:
        import os
        import signal

        if any("deadly" in one.paths[0] for one in batch.given):
            os.kill(os.getpid(), signal.SIGKILL)
        return b" ".join(one.paths[0].encode() for one in batch.given)

    one = partial(Given, ())
    batches = [Batch(tuple(one((f"{n}-{k}",)) for k in range(3))) for n in range(6)]
    batches.insert(2, Batch((one(("x",)), one(("deadly",)), one(("y",)))))
    with open_engine(None, 2) as engine:
        assert isinstance(engine, Cluster)
        done = list(engine.run(deadly, batches))
    lost = [batch.given[0].paths[0] for batch, result in done if result is None]
    read = sorted(word for _, result in done if result for word in result.decode().split())
    assert lost == ["deadly"]
    assert read == sorted([f"{n}-{k}" for n in range(6) for k in range(3)] + ["x", "y"])

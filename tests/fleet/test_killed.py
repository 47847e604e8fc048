"""Writers killed at any point lose nothing that was committed and double nothing."""

from __future__ import annotations

import multiprocessing
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.fleet import killed
from tests.fleet.made import source
from unkillable.fleet import layout, merging
from unkillable.fleet.store import Store

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["tests.fleet.killed"])


def run(work: Callable[..., None], *args: Any) -> int | None:
    child = CONTEXT.Process(target=work, args=args)
    child.start()
    child.join(60)
    return child.exitcode


def check_what_is_there(path: Path) -> None:
    """Right after a kill: what is said to be read is there whole, and nothing twice."""
    logs = killed.fleet(6)
    store = Store.open(str(path))
    done = store.unchanged([source(one) for one in logs])
    with store.questions() as ask:
        names = [row[0] for row in ask.sql("SELECT name FROM logs").rows]
        assert len(set(names)) == len(names) == ask.totals().logs
        pruned = {one.name for one in logs[:2]} if layout.horizon(layout.commits(path)) else set()
        assert done - pruned <= set(names)
        contents = [row[0] for row in ask.sql("SELECT content FROM findings").rows]
        assert len(set(contents)) == len(contents) >= len(names)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_writer_killed_at_each_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    undisturbed = tmp_path / "undisturbed"
    assert run(killed.whole_life, undisturbed) == 0
    expected = killed.everything(undisturbed)
    assert len(expected["rows"]) == 4
    monkeypatch.setattr(layout, "_YOUNG", -1)
    monkeypatch.setattr(
        merging, "MANY", merging.MANY
    )  # put back: the rest of a life is lived in this process
    step = 0
    while True:
        step += 1
        path = tmp_path / str(step)
        status = run(killed.killed_at, step, path)
        if status == 3:
            break
        assert status == -signal.SIGKILL
        if (path / "store.json").exists():
            check_what_is_there(path)
        killed.whole_life(path)
        assert killed.everything(path) == expected, f"killed before step {step}"
        assert killed.leftovers(path) == []
        # Commits that were replaced are removed too.
        assert len(list((path / "commits").iterdir())) == 1
    assert step > 50
    assert killed.everything(tmp_path / str(step)) == expected


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_writers_killed_at_random_moments_beside_others_that_are_not(tmp_path: Path) -> None:
    count = 60
    undisturbed, path = tmp_path / "undisturbed", tmp_path / "s"
    killed.read(undisturbed, killed.fleet(count), 100)
    expected = killed.everything(undisturbed)
    Store.open(str(path), create=True)
    draw = random.Random(3)  # noqa: S311 - moments, no secrets

    def start(seed: int) -> Any:
        child = CONTEXT.Process(target=killed.write_for_ever, args=(path, seed, count, 5), daemon=True)
        child.start()
        return child

    children = [start(seed) for seed in range(3)]
    most = kills = 0
    with Store.open(str(path)).questions() as ask:
        while kills < 25:
            time.sleep(draw.uniform(0.02, 0.4))
            victim = draw.randrange(3)
            assert children[victim].exitcode is None, "a writer ended by itself"
            children[victim].kill()
            children[victim].join()
            children[victim] = start(draw.randrange(1000))
            kills += 1
            # A reader never sees a log go, and none twice.
            logs = ask.totals().logs
            assert most <= logs <= count
            assert sum(one.logs for one in ask.trend(bins=3)) >= logs
            most = logs
    for child in children:
        child.kill()
        child.join()
    assert most > count // 3
    killed.read(path, killed.fleet(count), 7)
    assert killed.everything(path) == expected
    Store.open(str(path)).compact()
    assert killed.everything(path) == expected


def test_writers_beside_each_other_lose_and_double_nothing(tmp_path: Path) -> None:
    path, logs = tmp_path / "s", killed.fleet(40)
    killed.read(tmp_path / "undisturbed", logs, 100)
    children = [
        CONTEXT.Process(target=killed.read, args=(path, part, 3)) for part in (logs, logs[:25], logs[::-1])
    ]
    for child in children:
        child.start()
    for child in children:
        child.join(60)
        assert child.exitcode == 0
    assert killed.everything(path) == killed.everything(tmp_path / "undisturbed")


def test_leftovers_are_removed_only_where_nobody_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store.open(str(tmp_path / "s"), create=True)
    left = tmp_path / "s" / "commits" / (layout._ASIDE + "left")
    left.mkdir()
    (left / "logs.rows").write_bytes(b"x")
    with store.writer() as writer:
        writer.add(killed.fleet(1)[0])
        assert len(killed.leftovers(tmp_path / "s")) == 2
        monkeypatch.setattr(layout, "_YOUNG", -1)
        Store.open(str(tmp_path / "s")).writer()
        assert len(killed.leftovers(tmp_path / "s")) == 1
    with store.questions() as ask:
        assert ask.totals().logs == 1
    assert killed.leftovers(tmp_path / "s") == []

"""The model and real kernels: the same scenario in a search and in a capture of a virtual machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import samples_file
from tests.model.test_rules import system
from unkillable.diagnosis.types import Diagnosis
from unkillable.model.eras import era_of, variant_of
from unkillable.model.machine import Machine
from unkillable.model.rows import NEVER
from unkillable.model.search import explore
from unkillable.model.state import At
from unkillable.model.types import Scene
from unkillable.model.verdicts import Limits, explain
from unkillable.pipeline import inspect

STOCK = variant_of("stock")


def capture(name: str, tmp_path: Path) -> Diagnosis:
    path = next(one for one in samples_file.find("captures") if one.name.startswith(f"{name}.sample"))
    file = tmp_path / "console.log"
    file.write_bytes(samples_file.load(path)[1])
    return inspect([str(file)])


def end(era: str, experiment: str, place: int = At.WAIT_ENTRY, **changes: int) -> Scene:
    """How it stands when memory has run out and nobody goes on."""
    found = explain(era_of(era), STOCK, changes, only=experiment, limits=Limits(place=place))
    story = next(one.story for one in found.verdicts if one.property == "starving")
    assert story
    assert story.kind == "livelock"
    return story.events[-1].scene


def sleepers(scene: Scene) -> set[tuple[str, str]]:
    """Function and task state of who sleeps uninterruptibly, which is what `diagnose` reads in a dump."""
    return {(one.kernel, one.task_state) for one in scene.tasks if one.task_state == "TASK_UNINTERRUPTIBLE"}


def test_5_10_sleeps_in_squashfs_cache_get_and_kills_nobody(tmp_path: Path) -> None:
    real, model = capture("amd64-5.10-squashfs-freeze", tmp_path), end("5.10", "shortage")
    assert sleepers(model) == {("squashfs_cache_get", "TASK_UNINTERRUPTIBLE")}
    assert sleepers(model) <= {(one.function, one.task_state) for one in real.waiters}
    assert not real.victims
    assert not any(one.killed for one in model.tasks)
    # In both the holder asks for memory: awake, without a kill.
    assert any(one.task_state == "TASK_RUNNING" and one.resource == "memory" for one in real.waiters)
    assert any(one.task_state == "TASK_RUNNING" and one.kernel == "squashfs_bio_read" for one in model.tasks)


@pytest.mark.parametrize(
    ("name", "era"),
    [
        ("amd64-6.1-squashfs-freeze", "6.1"),
        ("amd64-6.12-squashfs-freeze", "6.12"),
        ("amd64-7.2-squashfs-freeze", "7.2"),
    ],
)
def test_debian_reads_past_the_cache_and_nobody_sleeps_in_it(name: str, era: str, tmp_path: Path) -> None:
    """FILE_DIRECT of 6.0 and later: who has no memory is awake in the allocator, the others wait for pages."""
    real, model = capture(name, tmp_path), end(era, "direct")
    assert not sleepers(model)
    assert "squashfs_cache_get" not in {one.function for one in real.waiters}
    assert sum(one.task_state == "TASK_RUNNING" and one.resource == "memory" for one in real.waiters) >= 1
    assert sum(one.task_state == "TASK_RUNNING" for one in model.tasks) >= 1


@pytest.mark.parametrize(
    ("place", "function"), [(At.WAIT_ENTRY, "squashfs_cache_get"), (At.STREAM, "squashfs_decompress")]
)
def test_file_cache_and_one_decompressor_wait_in_both_places(
    place: At, function: str, tmp_path: Path
) -> None:
    real = capture("own-7.3-lockdep-squashfs-freeze", tmp_path)
    assert (function, "TASK_UNINTERRUPTIBLE") in {(one.function, one.task_state) for one in real.waiters}
    if place == At.WAIT_ENTRY:
        assert (function, "TASK_UNINTERRUPTIBLE") in sleepers(end("7.3", "shortage", place, decompressors=1))
    else:
        machine = system("7.3", "stock", "decompressors", decompressors=1, kills=0)
        space = explore(machine)
        assert any(
            machine.value(space.row(n), "at", t) == place and machine.value(space.row(n), "state", t)
            for n in range(0, space.count, 7)
            for t in range(2)
        )


def kills(machine: Machine) -> set[tuple[bool, bool]]:
    """Of every kill by the OOM killer: whether the victim is who asked, and whether it has most memory."""
    space = explore(machine)
    found = set()
    for number in range(0, space.count, 3):
        row = space.row(number)
        for step, after in machine.next(row):
            if not machine.rules[step.rule].name.startswith("oom_kill"):
                continue
            now = machine.describe(row)
            dead = machine.describe(after)["killed"]
            victim = next(t for t, one in enumerate(dead) if one == 2 and now["killed"][t] != 2)
            found.add((victim == step.task, now["anon"][victim] == max(now["anon"])))
    return found


@pytest.mark.parametrize("version", ["5.10", "6.1", "6.12", "7.3"])
def test_who_is_killed(version: str, tmp_path: Path) -> None:
    """The largest; and with vm.oom_kill_allocating_task whoever asks."""
    assert {most for _, most in kills(system(version, "stock", "shortage"))} == {True}
    assert {own for own, _ in kills(system(version, "stock", "shortage", kill_allocating=1))} == {True}
    real = capture(f"amd64-{version}-oom-allocating-task", tmp_path)
    assert [one.pid for one in real.victims] == [real.ooms[0].pid]
    real = capture(f"amd64-{version}-oom", tmp_path)
    largest = max(real.ooms[0].tasks, key=lambda one: one.rss or 0)
    assert [one.pid for one in real.victims] == [largest.pid]


@pytest.mark.parametrize("version", ["5.10", "6.1", "6.12", "7.3"])
def test_panic_on_oom_kills_nobody(version: str, tmp_path: Path) -> None:
    space = explore(system(version, "stock", "shortage", panic_on_oom=1))
    last = space.machine.describe(space.row(space.first[NEVER.index("panics")]))
    assert last["panicked"] == 1
    assert last["killed"] == [0, 0]
    assert not capture(f"amd64-{version}-panic-on-oom", tmp_path).victims


@pytest.mark.parametrize("version", ["5.10", "6.1"])
def test_a_zombie_is_not_stuck(version: str, tmp_path: Path) -> None:
    """It has no memory any more, and whoever waits for anything does not wait for it."""
    real = capture(f"amd64-{version}-zombie", tmp_path)
    assert real.verdict.kind == "zombie"
    space = explore(system(version, "stock", "shortage"))
    for number in range(0, space.count, 5):
        now = space.machine.describe(space.row(number))
        for t in range(2):
            if now["at"][t] >= At.ZOMBIE:
                assert now["anon"][t] == now["entry"][t] == 0

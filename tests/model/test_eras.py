"""The stories of the kernels: what the source says must come about does, by search."""

from __future__ import annotations

import pytest

from unkillable.errors import UserError
from unkillable.model.eras import era_of, eras, sleeps, variant_of
from unkillable.model.state import Gfp, Sleep
from unkillable.model.types import Answer, Explanation, Story
from unkillable.model.verdicts import Limits, explain

STOCK, ARTICLE, SERIES = (variant_of(key) for key in ("stock", "article", "series"))


def verdict(found: Explanation, name: str) -> Answer:
    return next(one for one in found.verdicts if one.property == name)


def story(found: Explanation, name: str) -> Story:
    told = verdict(found, name).story
    assert told
    return told


def test_up_to_4_5_is_a_deadlock_of_three() -> None:
    """The holder waits for memory, the victim for the holder, and nobody else may be killed."""
    told = story(explain(era_of("4.5"), STOCK, only="crowd"), "dying")
    last = told.events[-1].scene
    tasks = {one.name: one for one in last.tasks}
    assert told.kind == "deadlock"
    assert len(told.events) == 12
    assert (tasks["Victim"].kernel, tasks["Victim"].task_state) == (
        "squashfs_cache_get",
        "TASK_UNINTERRUPTIBLE",
    )
    assert tasks["Victim"].by_oom_killer
    assert tasks["Victim"].pages == 1
    assert (tasks["Holder"].kernel, tasks["Holder"].holds[0]) == ("squashfs_bio_read", "cache entry 1")
    assert last.memory.free == 0
    arrows = {(one.source, one.target) for one in last.arrows}
    assert {("Victim", "Holder"), ("Holder", "memory"), ("memory", "Victim")} <= arrows
    # What then goes on for ever: the hog is refused a second victim, the holder can neither kill nor fail.
    assert {(one.who, one.kernel.split(",")[0]) for one in told.cycle} == {
        ("Hog", "oom_scan_process_thread"),
        ("Holder", "__alloc_pages_slowpath"),
    }


def test_with_a_reaper_the_deadlock_of_three_is_none() -> None:
    """The victim's memory is taken without it, so somebody else can be killed and the holder goes on; it still may livelock."""
    found = explain(era_of("5.5"), STOCK, {"gfp_fill": 2, "gfp_fill_ahead": 2, "gfp_copy": 2}, only="crowd")
    assert verdict(found, "dying").result == "holds"
    found = explain(era_of("4.5"), STOCK, {"gfp_fill": 2, "gfp_fill_ahead": 2, "gfp_copy": 2}, only="crowd")
    assert verdict(found, "dying").result == "violated"


@pytest.mark.parametrize("key", ["5.10", "6.1", "7.3"])
def test_later_kernels_livelock_without_a_victim(key: str) -> None:
    told = story(explain(era_of(key), STOCK, only="shortage"), "starving")
    last = told.events[-1].scene
    assert told.kind == "livelock"
    assert not any(one.killed for one in last.tasks)
    waiter = next(one for one in last.tasks if one.name == "Waiter")
    assert (waiter.kernel, waiter.task_state) == ("squashfs_cache_get", "TASK_UNINTERRUPTIBLE")
    assert [(one.who, one.kernel.split(",")[0]) for one in told.cycle] == [
        ("Holder", "__alloc_pages_slowpath")
    ]
    assert last.memory.free == last.memory.code == 0


@pytest.mark.parametrize("key", ["4.5", "5.10", "6.1", "7.3"])
def test_the_articles_patch_has_its_defects(key: str) -> None:
    found = explain(era_of(key), ARTICLE)
    # The second site: who waits for a block that another reads cannot be killed.
    second = story(explain(era_of(key), ARTICLE, only="block"), "dying")
    assert any(one.killed and one.where.endswith("(site B)") for one in second.events[-1].scene.tasks)
    # The first site spins on a signal that does not kill.
    assert story(found, "spins").kind == "spin"
    # A reader's -ENOMEM kills a bystander.
    told = story(found, "sigbus")
    dead = next(one for one in told.events[-1].scene.tasks if one.ended_by == "SIGBUS")
    assert not dead.killed
    assert any(one.error == "-ENOMEM" for one in told.events[-1].scene.entries)
    # On 7.3 its killed waiters swallow wake-ups besides.
    assert (verdict(found, "waiting").result == "violated") == (key == "7.3")


@pytest.mark.parametrize("key", [one.key for one in eras()])
def test_the_series_holds(key: str) -> None:
    found = explain(era_of(key), SERIES)
    assert {one.result for one in found.verdicts} == {"holds"}
    assert not any(one.story for one in found.verdicts)


@pytest.mark.parametrize(
    ("dropped", "broken", "only"),
    [
        ({"site_a": 2}, "dying", "shortage"),
        ({"site_b": 2}, "dying", "block"),
        ({"site_c": 2}, "dying", "decompressors"),
        ({"under_mutex": 1}, "dying", "decompressors"),
        ({"transient": 0}, "sigbus", "shortage"),
        ({"leak": 1}, "leaks", "direct"),
        ({"gfp_fill": 1}, "starving", "shortage"),
    ],
)
def test_each_part_of_the_series_is_needed(dropped: dict[str, int], broken: str, only: str) -> None:
    """Without any one of them something is violated again.  Where it is about killable waits, memory is as short as it is without
    the series, so that it is the wait itself that is seen."""
    short = dict.fromkeys(("gfp_fill", "gfp_fill_ahead", "gfp_stream", "gfp_stream_ahead"), Gfp.LOOP.value)
    changes = {**short, **dropped} if broken == "dying" else dropped
    whole = {name: value for name, value in changes.items() if name not in dropped}
    assert verdict(explain(era_of("6.1"), SERIES, whole, only=only), broken).result == "holds"
    assert verdict(explain(era_of("6.1"), SERIES, changes, only=only), broken).result == "violated"


def test_a_killed_exclusive_waiter_of_7_3_hands_its_wake_up_on() -> None:
    for hand_on, result in ((0, "violated"), (1, "holds")):
        found = explain(era_of("7.3"), SERIES, {"hand_on": hand_on}, only="queue")
        assert verdict(found, "waiting").result == result


def test_killing_early_ends_the_livelock() -> None:
    """min_ttl_ms and earlyoom: somebody may kill who is not inside a read."""
    for early, result in ((0, "violated"), (1, "holds")):
        found = explain(era_of("6.1"), STOCK, {"kill_early": early, "tasks": 2}, only="shortage")
        assert verdict(found, "starving").result == result


def test_sites_are_as_the_catalogue_says() -> None:
    for era in eras():
        assert set(sleeps(era.key).values()) == {Sleep.UNINTERRUPTIBLE}


@pytest.mark.parametrize(
    ("release", "key"),
    [
        ("2.6.35", "4.5"),
        ("4.5.7", "4.5"),
        ("4.6", "5.5"),
        ("5.7.19", "5.5"),
        ("5.8", "5.10"),
        ("5.10.0-46-cloud-amd64", "5.10"),
        ("5.15", "5.10"),
        ("6.0", "6.1"),
        ("7.2.13", "6.1"),
        ("7.3", "7.3"),
        ("7.4-rc1", "7.3"),
    ],
)
def test_each_release_has_its_era(release: str, key: str) -> None:
    assert era_of(release).key == key


@pytest.mark.parametrize("release", ["", "six", "99.1"])
def test_what_is_no_release_is_refused(release: str) -> None:
    with pytest.raises(UserError, match="no kernel release that the model knows"):
        era_of(release)


def test_what_was_not_looked_at_is_not_said_to_hold() -> None:
    found = explain(era_of("6.1"), SERIES, only="shortage", limits=Limits(states=500))
    assert {one.result for one in found.verdicts} == {"undetermined"}


def test_unknown_names_are_refused() -> None:
    with pytest.raises(UserError, match="no parameter of the model"):
        explain(era_of("6.1"), STOCK, {"nonsense": 1})
    with pytest.raises(UserError, match="no experiment"):
        explain(era_of("5.10"), STOCK, only="direct")
    with pytest.raises(UserError, match="no such variant"):
        variant_of("best")

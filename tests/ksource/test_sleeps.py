"""Where functions sleep, and in which state, in a kernel whose waits nobody has heard of."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.ksource.kernel import write
from tests.ksource.small_kernel import BOX_C, FILES
from unkillable.ksource.load import load
from unkillable.ksource.sleeps import Point, Sleeps
from unkillable.ksource.sources import Sources
from unkillable.ksource.tree import Tree


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def made(files: Mapping[str, str]) -> Sleeps:
        tree = Tree(write(tmp_path / "linux", files))
        index = load(tree, tree.scope(None, drivers=True))
        return Sleeps(index, Sources(tree, index))

    return made


def state(sleeps: Sleeps, name: str) -> str | int | None:
    (one,) = sleeps.primitives()[name]
    return one.state.name if one.state else one.parameter


def points(sleeps: Sleeps, name: str) -> list[Point]:
    return [point for one in sleeps.index.defined(name).tolist() for point in sleeps.points(one)]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("rest", "TASK_UNINTERRUPTIBLE"),
        ("rest_killable", "TASK_KILLABLE"),
        ("rest_freezable", "TASK_INTERRUPTIBLE"),
        ("rest_in", 2),
        ("rest_do", "TASK_IDLE"),
        ("doze", "TASK_UNINTERRUPTIBLE"),
        ("doze_killable", "TASK_KILLABLE"),
        ("hatch_lock", "TASK_UNINTERRUPTIBLE"),
        ("hatch_lock_killable", "TASK_KILLABLE"),
        ("gate", "TASK_UNINTERRUPTIBLE"),
        ("wait_for_box", "TASK_UNINTERRUPTIBLE"),
    ],
)
def test_primitives(make, name: str, expected: str | int) -> None:
    assert state(make(FILES), name) == expected


@pytest.mark.parametrize(
    "name",
    [
        "schedule",
        "schedule_for",
        "enter",
        "put_state",
        "never_sleeps",
        "works_and_sleeps",
        "__latch_common",
        "take",
    ],
)
def test_no_primitives(make, name: str) -> None:
    assert name not in make(FILES).primitives()


def test_how_it_comes_to_the_scheduler(make) -> None:
    sleeps = make(FILES)
    (rest,) = sleeps.primitives()["rest"]
    assert (rest.file, rest.line, rest.via) == ("include/linux/lounge.h", 15, ("__rest", "___rest", "cmd"))
    (latch,) = sleeps.primitives()["hatch_lock"]
    assert (latch.file, latch.header) == ("kernel/locking/latch.c", "include/linux/latch.h")
    assert latch.via == ("__latch_slowly", "__latch_common", "schedule")


def test_setters_and_schedulers(make) -> None:
    sleeps = make(FILES)
    assert sleeps.events.setters == {"put_state": 0, "enter": 1}
    assert sleeps.events.schedulers == {"schedule", "schedule_for"}


def line_of(text: str) -> int:
    return BOX_C[: BOX_C.index(text)].count("\n") + 1


@pytest.mark.parametrize(
    ("function", "text", "primitive", "expected", "queue"),
    [
        ("take", "rest(box->lounge", "rest", "TASK_UNINTERRUPTIBLE", "box->lounge"),
        ("fill", "hatch_lock(&box->guard)", "hatch_lock", "TASK_UNINTERRUPTIBLE", "&box->guard"),
        ("box_open", "hatch_lock_killable(", "hatch_lock_killable", "TASK_KILLABLE", "&file->box->guard"),
        ("written_out", "schedule();\n\tleave", None, "TASK_UNINTERRUPTIBLE", "&box->lounge"),
        ("by_variable", "rest_in(box->lounge, box->free, state)", "rest_in", "TASK_IDLE", "box->lounge"),
    ],
)
def test_points(make, function: str, text: str, primitive: str | None, expected: str, queue: str) -> None:
    (point,) = points(make(FILES), function)
    assert (point.primitive, point.state.name, point.queue) == (primitive, expected, queue)
    assert point.line == line_of(text)
    assert point.open_coded == (primitive is None)


def test_the_callers_state(make) -> None:
    (point,) = points(make(FILES), "by_callers_word")
    assert (point.state, point.parameter) == (None, 1)


def test_a_state_that_is_not_known_is_not_guessed(make) -> None:
    (point,) = points(make(FILES), "by_either")
    assert (point.state, point.parameter) == (None, None)


@pytest.mark.parametrize(
    "function", ["only_runs", "preempted", "box_read", "give", "hatch_lock", "wait_for_box"]
)
def test_no_points(make, function: str) -> None:
    assert points(make(FILES), function) == []


def test_candidates_hold_all_that_have_points(make) -> None:
    sleeps = make(FILES)
    every = {one for one in range(len(sleeps.index.functions)) if sleeps.points(one)}
    assert every <= set(sleeps.candidates())


def test_two_definitions_that_agree(make) -> None:
    again = "#ifdef DEBUG\n#define hatch_lock(x) hatch_lock_nested(x, 0)\n#endif\nextern void hatch_lock_nested(struct latch *latch, int n);\n"
    code = FILES["kernel/locking/latch.c"] + (
        "void hatch_lock_nested(struct latch *latch, int n)\n{\n\t__latch_common(latch, TASK_UNINTERRUPTIBLE);\n}\n"
    )
    sleeps = make({**FILES, "include/linux/nested.h": again, "kernel/locking/latch.c": code})
    assert {one.state.name for one in sleeps.primitives()["hatch_lock"]} == {"TASK_UNINTERRUPTIBLE"}
    (point,) = points(sleeps, "fill")
    assert point.state.name == "TASK_UNINTERRUPTIBLE"


def test_two_definitions_that_do_not(make) -> None:
    code = "#ifdef RT\nint hatch_lock(struct latch *latch)\n{\n\treturn __latch_common(latch, TASK_KILLABLE);\n}\n#endif\n"
    sleeps = make({**FILES, "kernel/locking/latch.c": FILES["kernel/locking/latch.c"] + code})
    (point,) = points(sleeps, "fill")
    assert point.state is None


def test_macros_that_go_round(make) -> None:
    loop = "#define a(x) b(x)\n#define b(x) a(x)\n#define c(x) do { put_state(TASK_IDLE); c(x); schedule(); } while (0)\n"
    sleeps = make({**FILES, "include/linux/loop.h": loop})
    assert "a" not in sleeps.primitives()
    assert state(sleeps, "c") == "TASK_IDLE"


def test_old_member_of_the_task(make) -> None:
    header = FILES["include/linux/sched.h"].replace(
        "WRITE_ONCE(current->__state, (value));", "current->state = (value);"
    )
    assert state(make({**FILES, "include/linux/sched.h": header}), "hatch_lock_killable") == "TASK_KILLABLE"


def test_a_state_stored_by_hand(make) -> None:
    code = "static int by_hand(struct box *box)\n{\n\tcurrent->state = TASK_UNINTERRUPTIBLE;\n\tschedule_for(3);\n}\n"
    (point,) = points(make({**FILES, "fs/box/more.c": code}), "by_hand")
    assert (point.state.name, point.open_coded) == ("TASK_UNINTERRUPTIBLE", True)


def test_no_scheduler_whose_state_was_found_later(make) -> None:
    code = """int claim(struct lounge *lounge)
{
	enter(lounge, TASK_UNINTERRUPTIBLE);
	schedule();
}
int claim_first(struct lounge *lounge)
{
	work(lounge);
	claim(lounge);
	work(lounge);
}
"""
    header = "int claim(struct lounge *lounge);\nint claim_first(struct lounge *lounge);\n"
    sleeps = make({**FILES, "block/claim.c": code, "include/linux/claim.h": header})
    assert sleeps.events.schedulers == {"schedule", "schedule_for"}
    assert state(sleeps, "claim") == "TASK_UNINTERRUPTIBLE"
    sleeper = "int opener(struct lounge *lounge)\n{\n\tclaim(lounge);\n}\n"
    (point,) = points(
        make({**FILES, "block/claim.c": code, "include/linux/claim.h": header, "fs/box/o.c": sleeper}),
        "opener",
    )
    assert (point.primitive, point.state.name) == ("claim", "TASK_UNINTERRUPTIBLE")


@pytest.mark.parametrize(
    ("body", "expected"), [("\tschedule();\n", ["TASK_INTERRUPTIBLE"]), ("\trelax();\n", [])]
)
def test_a_statement_that_calls_the_scheduler_by_a_helper(make, body: str, expected: list[str]) -> None:
    code = f"""static void unlocked(struct box *box)
{{
	hatch_unlock(&box->guard);
{body}	hatch_lock(&box->guard);
}}
int break_box(struct box *box)
{{
	return ___rest(box->lounge, box->free, TASK_INTERRUPTIBLE, unlocked(box));
}}
"""
    found = points(make({**FILES, "fs/box/more.c": code}), "break_box")
    assert [one.state.name for one in found] == expected


def test_nothing_sleeps(make) -> None:
    sleeps = make({"fs/a.c": "int f(void)\n{\n}\n"})
    assert sleeps.primitives() == {}
    assert sleeps.candidates() == []

"""The list of ways to sleep: of a kernel that nobody has heard of, and of Linux where a tree is given."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path

import msgspec
import pytest

from tests.ksource.kernel import write
from tests.ksource.small_kernel import FILES
from unkillable.ksource.tree import Tree
from unkillable.ksource.waits import changes, waits
from unkillable.ksource.waits_types import Traits, Wait, Waits

MORE = """\
#define __rest_timed(lounge, condition, ticks)		\\
	___rest(lounge, condition, TASK_UNINTERRUPTIBLE, __left = schedule_for(__left))
#define rest_once(lounge, condition, exclusive_)	\\
	___queued(lounge, condition, exclusive_)
#define ___queued(lounge, condition, exclusive)		\\
do {							\\
	queue_up(&lounge, exclusive ? WQ_FLAG_EXCLUSIVE : 0);	\\
	___rest(lounge, condition, TASK_UNINTERRUPTIBLE, schedule());	\\
} while (0)
#define rest_alone(lounge, condition) ___queued(lounge, condition, 1)
#define rest_with_others(lounge, condition) ___queued(lounge, condition, 0)
#define rest_for(lounge, condition, ticks)		\\
do {							\\
	long __left = ticks;				\\
	___rest(lounge, condition, TASK_UNINTERRUPTIBLE, __left = schedule_for(__left));	\\
} while (0)
#define rest_without(lounge, condition, guard)		\\
	___rest(lounge, condition, TASK_UNINTERRUPTIBLE, spin_unlock_irq(&guard); schedule(); spin_lock_irq(&guard))
#define rest_inside(lounge, condition)			\\
	___rest(lounge, condition, TASK_UNINTERRUPTIBLE, spin_unlock(&lounge.lock); schedule(); spin_lock(&lounge.lock))
#define rest_locking(lounge, condition)			\\
do {							\\
	spin_lock(&lounge.lock);			\\
	___rest(lounge, condition, TASK_UNINTERRUPTIBLE, spin_unlock(&lounge.lock); schedule(); spin_lock(&lounge.lock));	\\
} while (0)
"""


def found(tmp_path: Path, files: Mapping[str, str]) -> dict[str, Wait]:
    tree = Tree(write(tmp_path / "linux", files))
    return {one.name: one for one in waits(tree).primitives}


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def names(traits: Traits) -> set[str]:
    return {name for name in Traits.__struct_fields__ if getattr(traits, name)}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("rest", set()),
        ("rest_killable", {"killable"}),
        ("rest_freezable", {"interruptible", "freezable"}),
        ("rest_in", set()),
        ("rest_do", {"idle", "cmd"}),
        ("doze", {"timeout"}),
        ("doze_killable", {"timeout", "killable"}),
        ("hatch_lock", set()),
        ("rest_alone", {"exclusive"}),
        ("rest_with_others", set()),
        ("rest_for", {"timeout"}),
        ("rest_without", {"irq"}),
        ("rest_inside", {"locked"}),
        ("rest_locking", set()),
    ],
)
def test_traits(tmp_path: Path, name: str, expected: set[str]) -> None:
    assert names(found(tmp_path, {**FILES, "include/linux/more.h": MORE})[name].traits) == expected


@pytest.mark.parametrize(
    ("name", "role", "expected"),
    [
        ("put_state", "state", set()),
        ("enter", "state", set()),
        ("enter_alone", "state", {"exclusive"}),
        ("schedule", "schedule", set()),
        ("schedule_for", "schedule", {"timeout"}),
        ("rest", "sleep", set()),
    ],
)
def test_what_sleeps_are_written_out_with(tmp_path: Path, name: str, role: str, expected: set[str]) -> None:
    code = FILES["kernel/sched/lounge.c"] + (
        "void enter_alone(struct lounge *lounge, struct guest *guest, int state)\n{\n"
        "\tguest->flags |= WQ_FLAG_EXCLUSIVE;\n\tput_state(state);\n}\n"
    )
    header = FILES["include/linux/lounge.h"] + (
        "extern void enter_alone(struct lounge *lounge, struct guest *guest, int state);\n"
    )
    rows = found(tmp_path, {**FILES, "kernel/sched/lounge.c": code, "include/linux/lounge.h": header})
    assert (rows[name].role, names(rows[name].traits)) == (role, expected)


BEHAVIOURS = """\
static int common(struct lounge *lounge, int state, enum how how)
{
	if (how == ALONE) {
		guest.flags = WQ_FLAG_EXCLUSIVE;
		guest.more = 1;
	}
	put_state(state);
	schedule();
}
int wait_alone(struct lounge *lounge) { return common(lounge, TASK_KILLABLE, ALONE); }
int wait_together(struct lounge *lounge) { return common(lounge, TASK_KILLABLE, TOGETHER); }
static int tried(struct lounge *lounge, bool try)
{
	if (try)
		return 0;
	put_state(TASK_UNINTERRUPTIBLE);
	schedule();
}
int really(struct lounge *lounge) { return tried(lounge, false); }
int only_tries(struct lounge *lounge) { return tried(lounge, true); }
int pause_ms(int ms)
{
	long ticks = ms_to_ticks(ms) + 1;

	while (ticks)
		ticks = doze(ticks);
}
int pause_always(struct lounge *lounge)
{
	long ticks = 100;

	while (ticks)
		ticks = doze(ticks);
}
"""


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("wait_alone", {"exclusive", "killable"}),
        ("wait_together", {"killable"}),
        ("really", set()),
        ("only_tries", None),
        ("pause_ms", {"timeout"}),
        ("pause_always", None),
    ],
)
def test_constants_that_are_handed_on(tmp_path: Path, name: str, expected: set[str] | None) -> None:
    header = "".join(f"extern int {one}(int x);\n" for one in
                     ("wait_alone", "wait_together", "really", "only_tries", "pause_ms", "pause_always"))  # fmt: skip
    rows = found(tmp_path, {**FILES, "kernel/how.c": BEHAVIOURS, "include/linux/how.h": header})
    assert (names(rows[name].traits) if name in rows else None) == expected


def test_a_row(tmp_path: Path) -> None:
    assert found(tmp_path, FILES)["rest_killable"] == Wait(
        name="rest_killable", file="include/linux/lounge.h", line=21, family="lounge", kind="macro",
        task_state="TASK_KILLABLE", traits=Traits(killable=True), wakes_on_sigkill=True, via=("___rest", "schedule"),
    )  # fmt: skip
    rows = found(tmp_path, FILES)
    assert (rows["rest_in"].task_state, rows["rest_in"].wakes_on_sigkill) == ("caller", None)
    assert (rows["hatch_lock"].kind, rows["hatch_lock"].family) == ("function", "latch")


def test_changes(tmp_path: Path) -> None:
    old = waits(Tree(write(tmp_path / "old", FILES)))
    header = FILES["include/linux/lounge.h"].replace(
        "___rest(lounge, condition, TASK_IDLE, before",
        "\\\n\t___rest(lounge, condition, TASK_KILLABLE, before",
    )
    header = "\n" + header.replace("rest_freezable", "rest_cold")
    new = waits(Tree(write(tmp_path / "new", {**FILES, "include/linux/lounge.h": header})))
    assert [(one.kind, one.wait.name, one.what) for one in changes(old, new)] == [
        ("appeared", "rest_cold", ()),
        ("changed", "rest_do", ("task_state TASK_IDLE -> TASK_KILLABLE", "traits +killable", "traits -idle")),
        ("vanished", "rest_freezable", ()),
    ]
    assert changes(new, new) == ()


def test_as_json(tmp_path: Path) -> None:
    one = waits(Tree(write(tmp_path / "linux", FILES)))
    assert msgspec.json.decode(msgspec.json.encode(one), type=Waits) == one


EXPECTED = tomllib.loads((Path(__file__).parent / "expected_waits.toml").read_text())


@pytest.fixture(scope="module")
def linux(request: pytest.FixtureRequest) -> tuple[str, dict[str, Wait]]:
    version = request.param
    variable = f"UNKILLABLE_TREE_{version.replace('.', '_')}"
    if variable not in os.environ:
        pytest.skip(f"{variable} names no unpacked Linux {version}")
    return version, {one.name: one for one in waits(Tree(Path(os.environ[variable]))).primitives}


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("linux", EXPECTED, indirect=True)
def test_linux_is_as_people_read_it(linux) -> None:
    version, rows = linux
    wrong = []
    for family, expected in EXPECTED[version].items():
        for name, row in expected.items():
            one = rows.get(name)
            if one is None:
                wrong.append(f"{family}: {name} was not found")
                continue
            if (one.task_state, one.line) != (row["state"], row.get("line", one.line)):
                wrong.append(f"{family}: {name} is {one.task_state} at {one.line}, not {row}")
            if one.role != row.get("role", "sleep"):
                wrong.append(f"{family}: {name} is a {one.role}")
            if "traits" in row and names(one.traits) != set(row["traits"]):
                wrong.append(f"{family}: {name} has {sorted(names(one.traits))}, not {sorted(row['traits'])}")
    assert wrong == []


NO_SLEEPS = """mutex_trylock down_trylock down_read_trylock down_write_trylock try_wait_for_completion percpu_down_read_trylock
    sb_start_write_trylock folio_trylock filemap_read vfs_read iget_locked sys_nanosleep finish_wait""".split()
"""What only tries, or works and sleeps meanwhile."""


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("linux", EXPECTED, indirect=True)
def test_what_is_no_way_to_sleep(linux) -> None:
    _, rows = linux
    assert [name for name in NO_SLEEPS if name in rows] == []


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("linux", ["5.10", *EXPECTED], indirect=True)
def test_the_family_is_complete(linux) -> None:
    version, rows = linux
    macros = [
        name
        for name, one in rows.items()
        if name.startswith("wait_event") and one.file == "include/linux/wait.h"
    ]
    assert len(macros) == {"5.10": 29, "6.1": 30, "7.3": 31}[version]

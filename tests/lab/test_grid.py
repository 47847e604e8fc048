"""The runs of a table: their order, what an interruption leaves, and what the table says.  The runs are made by hand."""

import json
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from tests.lab import made
from unkillable.errors import UserError
from unkillable.lab.grid import ATTEMPTS, Grid, Progress, Stored, cells, digest, stored_identities
from unkillable.lab.setup import Root, Setup
from unkillable.lab.table import overall, tabulate
from unkillable.lab.table_types import Comparison
from unkillable.lab.types import Run
from unkillable.lab.variations import Kernel, parse, plan

KERNELS = (Kernel("debian:5.10"), Kernel("debian:6.1"))
VARIATIONS = tuple(parse(name) for name in ("stock", "min_ttl_ms=1000", "ext4", "zram"))


def grid(folder: Path, runs: int = 5, seed: int = 1, **more: Callable[[Setup], str]) -> Grid:
    wanted = cells(plan(Setup(), KERNELS, VARIATIONS), **more)
    return Grid(wanted, runs, seed, folder)


class Guest:
    """Stands where a virtual machine is run: its stalls depend on the Setup as those of a kernel might."""

    def __init__(self) -> None:
        self.asked: list[Setup] = []

    def __call__(self, setup: Setup) -> Run:
        self.asked.append(setup)
        number = self.asked.count(setup)
        if setup.settings:
            return made.run(1.0 + number)
        if setup.root.fs == "ext4":
            return made.run(10.0 + number)
        if setup.zram_mib:
            return made.run(25.0 + 3 * number)
        return (
            made.run(121.0 + number, open_end=True)
            if setup.kernel == "debian:5.10"
            else made.run(27.0 + 2 * number)
        )


def test_a_round_is_finished_before_the_next_begins(tmp_path: Path) -> None:
    one = grid(tmp_path, runs=3)
    todo = one.missing()
    assert len(todo) == 3 * 7, "min_ttl_ms does not apply to 5.10"
    assert [number for _, number in todo] == [1] * 7 + [2] * 7 + [3] * 7
    rounds = [[cell.key for cell, _ in todo[start : start + 7]] for start in (0, 7, 14)]
    assert len({tuple(sorted(keys)) for keys in rounds}) == 1
    assert len({tuple(keys) for keys in rounds}) > 1, "each round has an order of its own"
    again, other = grid(tmp_path, runs=3), grid(tmp_path, runs=3, seed=2)
    assert again.missing() == todo
    assert other.missing() != todo


def test_every_run_is_kept_and_none_is_made_twice(tmp_path: Path) -> None:
    guest = Guest()
    one = grid(tmp_path, runs=2)
    one.run(guest)
    assert len(guest.asked) == 14
    assert one.missing() == ()
    files = [path for path in tmp_path.iterdir() if path.suffix == ".json"]
    assert len(files) == 14
    stored = json.loads(files[0].read_bytes())
    assert stored["schema"] == "unkillable.run/1"
    assert stored["setup"]["workload"]["kind"] == "churn"
    later = grid(tmp_path, runs=3)
    assert len(later.missing()) == 7, "more runs are added to those that there are"
    later.run(guest)
    assert len(guest.asked) == 21
    assert [run.longest_stall_s for run in later.finished(later.cells[4])] == [29, 31, 33]


def test_an_interruption_loses_one_run(tmp_path: Path) -> None:
    guest = Guest()

    def interrupted(setup: Setup) -> Run:
        if len(guest.asked) == 4:
            raise KeyboardInterrupt
        return guest(setup)

    with pytest.raises(KeyboardInterrupt):
        grid(tmp_path).run(interrupted)
    resumed = grid(tmp_path)
    assert len(resumed.missing()) == 5 * 7 - 4
    assert {path.suffix for path in tmp_path.iterdir() if path.name != ".lock"} == {".json"}
    table = tabulate(resumed)
    assert table.missing == 31
    assert table.sentence.startswith("not complete, 31 runs are missing: ")


def test_a_changed_cell_does_not_get_old_runs(tmp_path: Path) -> None:
    grid(tmp_path, runs=1).run(Guest())
    changed = Grid(cells(plan(Setup(room_mib=48), KERNELS, VARIATIONS)), 1, 1, tmp_path)
    assert len(changed.missing()) == 7
    assert grid(tmp_path, runs=1).missing() == ()
    assert digest(Setup()) == digest(Setup(root=Root()))
    assert digest(Setup()) != digest(Setup(seconds=61.0))
    assert digest(Setup()) != digest(Setup(read_back=True))


def test_a_field_that_a_setup_got_later_renames_no_run() -> None:
    paths = sorted((Path(__file__).parents[2] / "docs" / "measurements" / "runs").glob("*.json"))
    assert paths
    for path in paths:
        stored = msgspec.json.decode(path.read_bytes(), type=Stored)
        assert path.name == f"{digest(stored.setup, stored.identity)}-{stored.number:03d}.json"


def test_another_kernel_of_the_same_name_does_not_get_old_runs(tmp_path: Path) -> None:
    grid(tmp_path, runs=1, identity=lambda setup: setup.kernel + " 6.1.190").run(Guest())
    assert len(grid(tmp_path, runs=1, identity=lambda setup: setup.kernel + " 6.1.192").missing()) == 7
    assert grid(tmp_path, runs=1, identity=lambda setup: setup.kernel + " 6.1.190").missing() == ()


@pytest.mark.parametrize("outcome", ["harness-failed", "boot-failed"])
def test_a_run_that_says_nothing_is_repeated(tmp_path: Path, outcome: str) -> None:
    attempts: list[Progress] = []
    results = iter([made.failed(outcome), made.failed(outcome), made.run(30.0)])
    one = Grid(cells(plan(Setup())), 1, 1, tmp_path)
    one.run(lambda _: next(results), attempts.append)
    assert [progress.attempt for progress in attempts] == [1, 2, 3] == list(range(1, ATTEMPTS + 1))
    assert [run.outcome for run in one.finished(one.cells[0])] == ["stalled"]
    assert one.missing() == ()


def test_a_run_that_always_fails_is_kept_and_due_again(tmp_path: Path) -> None:
    calls: list[Setup] = []

    def broken(setup: Setup) -> Run:
        calls.append(setup)
        return made.failed()

    one = Grid(cells(plan(Setup())), 2, 1, tmp_path)
    one.run(broken)
    assert len(calls) == 2 * ATTEMPTS
    assert tabulate(one).cells[0].summary.outcome == "harness-failed"
    assert len(Grid(one.cells, 2, 1, tmp_path).missing()) == 2


def test_a_cell_that_cannot_be_had_does_not_stop_the_others(tmp_path: Path) -> None:
    guest = Guest()

    def without_old(setup: Setup) -> Run:
        if setup.kernel == "debian:5.10":
            raise UserError("debian:5.10: the mirror has no such kernel")
        return guest(setup)

    one = grid(tmp_path, runs=2)
    one.run(without_old)
    assert len(guest.asked) == 8
    table = tabulate(one)
    reasons = {cell.reason for cell in table.cells if cell.kernel == "debian:5.10"}
    assert reasons == {"debian:5.10: the mirror has no such kernel", "does not apply: only from Linux 6.1 on"}
    assert table.answers[0].startswith(
        "debian:5.10: could not tell: there is no run of stock (debian:5.10: the mirror"
    )
    assert len(one.problems) == 3


def test_a_cell_whose_kernel_is_not_known_is_not_run(tmp_path: Path) -> None:
    def identity(setup: Setup) -> str:
        if setup.kernel == "debian:5.10":
            raise UserError("debian:5.10: not served any more")
        return "known"

    one = grid(tmp_path, runs=1, identity=identity)
    assert len(one.missing()) == 4
    assert one.cells[0].reason == "debian:5.10: not served any more"


def test_a_damaged_file_is_made_again(tmp_path: Path) -> None:
    grid(tmp_path, runs=1).run(Guest())
    broken = min(tmp_path.glob("*.json"))
    broken.write_bytes(broken.read_bytes()[:100])
    again = grid(tmp_path, runs=1)
    assert len(again.missing()) == 1
    assert broken.name in " ".join(tabulate(again).notes)
    again.run(Guest())
    assert grid(tmp_path, runs=1).damaged == []


def test_two_tables_do_not_run_in_one_directory(tmp_path: Path) -> None:
    def nested(_: Setup) -> Run:
        grid(tmp_path).run(Guest())
        raise AssertionError("the directory was not locked")

    one = grid(tmp_path, runs=1)
    one.run(nested)
    assert all("another comparison runs there" in problem for problem in one.problems.values())
    assert len(one.problems) == 7


def test_a_directory_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for name in ("file", "file/results"):
        with pytest.raises(UserError, match="cannot keep results there"):
            grid(tmp_path / name).run(Guest())


def test_the_time_left_is_that_of_the_runs_so_far(tmp_path: Path) -> None:
    seen: list[Progress] = []
    one = Grid(cells(plan(Setup(), variations=VARIATIONS[:1])), 4, 1, tmp_path)
    one.run(lambda _: made.run(30.0, wall_s=50.0), seen.append)
    assert [progress.left_s for progress in seen] == [None, 150.0, 100.0, 50.0]
    assert [(progress.done, progress.total, progress.number) for progress in seen] == [
        (n, 4, n + 1) for n in range(4)
    ]


def test_cells_that_are_the_same_share_their_runs(tmp_path: Path) -> None:
    guest = Guest()
    one = Grid(cells(plan(Setup(), variations=[parse("stock"), parse("same:zram_mib=0")])), 4, 1, tmp_path)
    one.run(guest)
    assert len(guest.asked) == 4
    assert tabulate(one).cells[1].versus.p == 1.0


def test_what_helps_here_and_harms_there_is_told_as_both(tmp_path: Path) -> None:
    one = grid(tmp_path)
    one.run(Guest())
    found = [
        msgspec.structs.replace(cell, versus=msgspec.structs.replace(cell.versus, verdict="worse"))
        if (cell.kernel, cell.variation) == ("debian:6.1", "zram") and cell.versus is not None
        else cell
        for cell in tabulate(one).cells
    ]
    assert overall(found, "stock").endswith("; better on some only: zram; worse on some only: zram")


def test_the_table_says_what_helps(tmp_path: Path) -> None:
    one = grid(tmp_path)
    one.run(Guest())
    table = tabulate(one, "unkillable 0.1.0")
    assert (table.schema, table.baseline, table.runs_wanted, table.missing) == (
        "unkillable.comparison/1",
        "stock",
        5,
        0,
    )
    assert table.kernels == ("debian:5.10", "debian:6.1")
    assert table.sentence == (
        "2 kernels: better than stock on each kernel that it applies to: ext4, min_ttl_ms=1000; better on some only: zram"
    )
    old, new = table.answers
    assert old == (
        "debian:5.10: stock: livelock, longest time without an answer at least 124 s (122 to more than 126, 5 of 5 had not ended); "
        "better: ext4 (13.0 s), zram (34.0 s)"
    )
    assert new == (
        "debian:6.1: stock: stalled, longest time without an answer 33.0 s (29.0-37.0); "
        "better: min_ttl_ms=1000 (4.0 s), ext4 (13.0 s); no difference shown: zram"
    )
    cell = table.cells[1]
    assert (cell.applies, cell.setup, cell.summary, cell.versus) == (False, None, None, None)
    assert table.cells[0].versus is None, "the baseline is not compared with itself"
    assert "Of 5 comparisons at p < 0.05, about 0.2 would look different by chance alone." in table.notes
    again = msgspec.json.decode(msgspec.json.encode(table), type=Comparison)
    assert again == table


def test_nothing_has_been_run(tmp_path: Path) -> None:
    table = tabulate(grid(tmp_path, runs=1))
    assert table.missing == 7
    assert table.sentence.endswith("could not tell")
    assert table.answers[1] == "debian:6.1: could not tell: there is no run of stock"


def test_what_there_is_can_be_shown_without_preparing_anything(tmp_path: Path) -> None:
    def identity(setup: Setup) -> str:
        return f"{setup.kernel} package 6.1.192-2"

    grid(tmp_path, runs=2, identity=identity).run(Guest())
    (tmp_path / "other.json").write_text("{}")
    shown = grid(tmp_path, runs=2, identity=stored_identities(tmp_path))
    assert shown.missing() == ()
    assert len(shown.finished(shown.cells[0])) == 2
    assert len(grid(tmp_path, runs=2, identity=lambda _: "another package").missing()) == 14


def test_a_worst_outcome_that_is_not_that_of_all_runs_is_counted(tmp_path: Path) -> None:
    runs = iter([made.run(20.0), made.run(121.0, open_end=True), made.run(20.0), made.run(20.0)])
    one = Grid(cells(plan(Setup())), 4, 1, tmp_path)
    one.run(lambda _: next(runs))
    assert tabulate(one).answers[0].startswith("debian:6.1: stock: livelock in 1 of 4 runs, longest time")

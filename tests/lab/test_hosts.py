"""Hosts of different speed are told apart, in a table and when one is continued.  The runs are made by hand."""

from __future__ import annotations

import re
from itertools import accumulate
from pathlib import Path

import pytest

from tests.lab import made
from unkillable.lab import hosts
from unkillable.lab.grid import Grid, Progress, cells
from unkillable.lab.setup import Emulator, Setup
from unkillable.lab.table import tabulate
from unkillable.lab.table_types import Comparison
from unkillable.lab.types import Run
from unkillable.lab.variations import parse, plan
from unkillable.report import lab_text


def test_the_speed_is_that_of_rounds_that_nobody_disturbed() -> None:
    clean, disturbed, late = 0.1, 0.15, 0.04
    spent = list(accumulate([5.0, *[clean] * 4, *[disturbed] * 6, 0.16, late]))
    assert hosts.speed([1000 * n for n in range(13)], spent) == pytest.approx(10_000)
    assert hosts.speed([0, 1000], [5.0, 5.05]) == pytest.approx(20_000)


@pytest.mark.parametrize(
    ("pages", "spent"),
    [([], []), ([0], [1.0]), ([0, 1000], [1.0]), ([0, 1000], [1.0, 1.0]), ([1000, 0], [1.0, 2.0]), ([0, 1000], [2.0, 1.0])],
)  # fmt: skip
def test_a_guest_that_did_not_measure_has_none(pages: list[int], spent: list[float]) -> None:
    assert hosts.speed(pages, spent) is None


def runs(*speeds: float | None) -> list[Run]:
    return [made.run(20.0 + n, host_speed=speed) for n, speed in enumerate(speeds)]


def test_speeds_that_waver_are_of_one_host() -> None:
    assert hosts.within(runs(100.0, 110.0, 120.0)) is None
    assert hosts.within(runs(100.0, 110.0, 150.0)) == pytest.approx(1.5)
    assert hosts.within(runs(100.0, None)) is None
    assert hosts.within([]) is None


def test_two_sides_are_compared_by_their_medians() -> None:
    slow, fast = runs(100.0, 101.0, 99.0), runs(160.0, 100.0, 150.0)
    assert hosts.between(fast, slow) == pytest.approx(1.5)
    assert hosts.between(slow, fast) == pytest.approx(1 / 1.5)
    assert hosts.between(slow, runs(110.0)) is None
    assert hosts.between(slow, runs(None)) is None
    assert hosts.between([], slow) is None


def test_an_emulator_that_was_varied_on_purpose_is_another_machine() -> None:
    assert hosts.alike(Emulator(), Emulator(disk_mib_s=2.0))
    for other in (Emulator(cpus=1), Emulator(accelerator="kvm"), Emulator(icount_shift=5)):
        assert not hosts.alike(Emulator(), other)


ROW = tuple(map(parse, ("stock", "ext4", "1-cpu")))


def grid(folder: Path, runs: int) -> Grid:
    return Grid(cells(plan(Setup(), variations=ROW)), runs, 1, folder)


def table(folder: Path, **speeds: float | None) -> Comparison:
    """Four runs of each variation; ext4 freezes for a shorter time."""

    def execute(setup: Setup) -> Run:
        name = "ext4" if setup.root.fs == "ext4" else "one" if setup.emulator.cpus == 1 else "stock"
        return made.run(10.0 if name == "ext4" else 30.0, host_speed=speeds[name])

    one = grid(folder, 4)
    one.run(execute)
    return tabulate(one)


def versus(found: Comparison, variation: str) -> float | None:
    return next(cell.versus.host for cell in found.cells if cell.variation == variation)


def test_a_table_of_one_host_says_nothing_of_it(tmp_path: Path) -> None:
    found = table(tmp_path, stock=100.0, ext4=110.0, one=200.0)
    assert versus(found, "ext4") is None
    assert versus(found, "1-cpu") is None, "one processor is emulated otherwise"
    assert not [note for note in found.notes if "host" in note]
    assert found.sentence.startswith("debian:6.1: stock: stalled")


def test_sides_of_different_hosts_are_told(tmp_path: Path) -> None:
    found = table(tmp_path, stock=100.0, ext4=160.0, one=100.0)
    assert versus(found, "ext4") == pytest.approx(1.6)
    assert found.sentence.startswith("not all on one host: debian:6.1: stock: stalled")
    assert found.notes[0] == (
        "Compared across hosts of different speed: debian:6.1 ext4 (1.6 x as fast as that of the baseline)."
    )
    text = " ".join(lab_text.comparison(found, columns=160).split())
    assert "p = 0.029, on a host 1.6 x as fast" in text
    assert "let --same-host make runs of every cell on it" in text


def test_old_runs_say_nothing_of_their_host(tmp_path: Path) -> None:
    assert not [
        note for note in table(tmp_path / "old", stock=None, ext4=None, one=None).notes if "host" in note
    ]
    found = table(tmp_path / "both", stock=None, ext4=100.0, one=100.0)
    assert found.notes[0] == (
        "4 of 12 runs do not say how fast their host was, as an older version made them: it may be another."
    )
    assert versus(found, "ext4") is None


def resumed(folder: Path, before: float | None, now: float) -> tuple[list[float | None], Comparison]:
    """Two runs a cell on one host, the other two later; what was told at each run."""
    grid(folder, 2).run(lambda _: made.run(30.0, host_speed=before))
    told: list[Progress] = []
    one = grid(folder, 4)
    one.run(lambda _: made.run(30.0, host_speed=now), told.append)
    return [at.host for at in told], tabulate(one)


def test_a_table_that_is_continued_on_another_host_says_so_at_once(tmp_path: Path) -> None:
    told, found = resumed(tmp_path, 100.0, 150.0)
    assert told == [None, *[pytest.approx(1.5)] * 5], "known once the first run has ended"
    assert found.notes[0] == (
        "Runs of one cell were made on hosts of different speed, or on one that was disturbed: "
        "debian:6.1 stock (up to 1.5 x as fast), debian:6.1 ext4 (up to 1.5 x as fast), debian:6.1 1-cpu (up to 1.5 x as fast)."
    )
    assert found.sentence.startswith("not all on one host: ")


def test_a_table_that_is_continued_on_its_host(tmp_path: Path) -> None:
    assert resumed(tmp_path / "same", 100.0, 110.0)[0] == [None] * 6
    told, found = resumed(tmp_path / "older", None, 110.0)
    assert told == [None] * 6
    assert found.notes[0].startswith("6 of 12 runs do not say how fast their host was")


def test_a_note_names_a_few(tmp_path: Path) -> None:
    row = [parse(f"v{n}:room_mib={n + 1}") for n in range(12)]
    one = Grid(cells(plan(Setup(), variations=row)), 2, 1, tmp_path)
    speeds = iter([100.0] * 12 + [200.0] * 12)
    one.run(lambda _: made.run(30.0, host_speed=next(speeds)))
    assert tabulate(one).notes[0].endswith(" and 4 more.")


def of(host: str, *speeds: float | None) -> list[Run]:
    return [made.run(20.0 + n, host=host, host_speed=speed) for n, speed in enumerate(speeds)]


def test_this_host_has_a_name_that_says_nothing() -> None:
    assert re.fullmatch(r"[0-9a-f]{12}", hosts.name())
    assert hosts.name() == hosts.name()


def test_hosts_that_have_names_may_differ() -> None:
    slow, fast = of("a", 100.0, 101.0), of("b", 160.0, 170.0)
    assert hosts.within(slow + fast) is None
    assert hosts.within(slow + fast + of("b", 100.0)) == pytest.approx(1.7)
    assert hosts.between(of("a", 99.0) + fast, of("a", 100.0)) is None, "compared are those of a"
    assert not hosts.mixed(slow + of("a", 200.0))
    assert hosts.mixed(runs(100.0, 200.0))
    assert hosts.between(fast, slow) == pytest.approx(165 / 100.5), "no host has both"


def test_runs_are_compared_with_those_of_their_host(tmp_path: Path) -> None:
    """Squashfs on a slow host, most of ext4 on a fast one, on which it is faster than squashfs and slower than itself on the other."""
    stalls = {("old", "stock"): 50.0, ("old", "ext4"): 40.0, ("new", "stock"): 30.0, ("new", "ext4"): 20.0}
    host = "old"

    def execute(setup: Setup) -> Run:
        name = "ext4" if setup.root.fs == "ext4" else "stock"
        return made.run(stalls[host, name], host=host)

    wanted = cells(plan(Setup(), variations=ROW[:2]))
    Grid(wanted, 3, 1, tmp_path).run(execute)
    host = hosts.name()
    stalls |= {(host, name): stalls["new", name] for name in ("stock", "ext4")}
    again = Grid(wanted, 2, 1, tmp_path, same_host=True)
    assert [number for _, number in again.missing()] == [4, 4, 5, 5], (
        "two of each here, after those that there are"
    )
    again.run(execute)
    assert not Grid(wanted, 2, 1, tmp_path, same_host=True).missing()
    found = tabulate(Grid(wanted, 3, 1, tmp_path))
    assert found.missing == 0
    stock, ext4 = found.cells
    assert (len(stock.runs), len(ext4.runs)) == (5, 5)
    assert ext4.versus is not None
    assert (ext4.versus.verdict, ext4.versus.hosts) == ("better", 2)
    assert ext4.versus.p == pytest.approx(2 / (20 * 6))
    assert ext4.versus.words == "better with 5 runs on 2 hosts (p = 0.017)"
    assert ext4.versus.ratio == pytest.approx(0.8), "nine pairs of the old host, four of the new one"
    assert any("of several hosts" in note for note in found.notes)
    assert "on 2 hosts" in " ".join(lab_text.comparison(found, columns=160).split())

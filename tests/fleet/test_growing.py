"""A log that grows from one run to the next is one log."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import msgspec
import pytest

from tests.fleet.corpus_files import SAMPLES, rows
from unkillable.fleet import layout, merging
from unkillable.fleet.answers import Totals
from unkillable.fleet.engine import Here
from unkillable.fleet.filling import read_into
from unkillable.fleet.inputs import find
from unkillable.fleet.opened import SMALL
from unkillable.fleet.store import Store

FIRST = (SAMPLES / "amd64-6.1-oom.sample").read_bytes()
HANG = (SAMPLES / "own-7.3-lockdep-abba-deadlock.sample").read_bytes()
ORDINARY = b"[    5.000000] usb 1-1: new high-speed USB device number 2 using xhci_hcd\n"


def read(store: Store, *paths: Path) -> Totals:
    """What the store counts once the paths were read."""
    read_into(store, find([str(path) for path in paths]), lambda little: nullcontext(Here()))
    with store.questions() as ask:
        return ask.totals()


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(str(tmp_path / "store"), create=True)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "logs").mkdir()
    return tmp_path / "logs"


def test_it_counts_once_with_what_it_shows_in_the_end(store: Store, place: Path) -> None:
    console = place / "console.log"
    console.write_bytes(FIRST[: len(FIRST) // 2])
    assert (read(store, place).logs, read(store, place).hung) == (1, 0)
    console.write_bytes(FIRST)  # in the middle of a line
    assert read(store, place).logs == 1
    console.write_bytes(FIRST + b"\n" + HANG)
    totals = read(store, place)
    assert (totals.logs, totals.hung, totals.copies) == (1, 1, 0)
    with store.questions() as ask:
        (row,) = ask.logs()
        assert row.size == len(FIRST) + 1 + len(HANG)
        assert ask.sql("SELECT count(DISTINCT content) FROM findings").rows == ((1,),)
        assert ask.sql("SELECT count(*) FROM logs").rows == ((1,),)


def test_a_new_log_under_its_name_is_another(store: Store, place: Path) -> None:
    console = place / "console.log"
    console.write_bytes(FIRST)
    read(store, place)
    console.write_bytes(HANG + FIRST)
    totals = read(store, place)
    assert (totals.logs, totals.hung) == (2, 1)
    console.write_bytes(HANG + FIRST + ORDINARY)
    assert read(store, place).logs == 2


def test_a_copy_that_has_not_grown_still_counts(store: Store, place: Path) -> None:
    for name in ("a.log", "b.log"):
        (place / name).write_bytes(FIRST)
    totals = read(store, place)
    assert (totals.logs, totals.copies) == (1, 1)
    (place / "a.log").write_bytes(FIRST + ORDINARY)
    totals = read(store, place)
    assert (totals.logs, totals.copies) == (2, 0)
    with store.questions() as ask:
        assert {(row.name.rpartition("/")[2], row.size) for row in ask.logs()} == {
            ("a.log", len(FIRST + ORDINARY)),
            ("b.log", len(FIRST)),
        }
    (place / "b.log").write_bytes(FIRST + ORDINARY)
    totals = read(store, place)
    assert (totals.logs, totals.copies) == (1, 1)


def test_a_large_one(store: Store, place: Path) -> None:
    large = FIRST + ORDINARY * (SMALL // len(ORDINARY) + 1)
    for data in (large, large + ORDINARY, large + ORDINARY * 1000 + HANG):
        (place / "console.log").write_bytes(data)
        assert read(store, place).logs == 1


def test_one_that_is_rotated(store: Store, place: Path) -> None:
    (place / "messages").write_bytes(FIRST)
    read(store, place)
    (place / "messages").rename(place / "messages.1")
    (place / "messages").write_bytes(ORDINARY)
    assert read(store, place).logs == 1
    (place / "messages").write_bytes(ORDINARY + HANG)
    totals = read(store, place)
    assert (totals.logs, totals.hung) == (1, 1)


@pytest.mark.parametrize("before", [b"", b"nothing of a kernel here\n", b"\x7fELF" + bytes(500)])
def test_what_could_not_be_read_and_can_be_now(store: Store, place: Path, before: bytes) -> None:
    (place / "console.log").write_bytes(before)
    totals = read(store, place)
    assert (totals.logs, totals.broken) == (1, 1)
    (place / "console.log").write_bytes(HANG)
    totals = read(store, place)
    assert (totals.logs, totals.broken, totals.hung) == (1, 0, 1)


def _compact(store: Store) -> None:
    store.compact()


def _one_by_one(store: Store) -> None:
    """The newest two into one, and so on: what outgrew something is merged before that."""
    with layout.alone(store.root, wait=True):
        while len(found := layout.commits(store.root)) > 1:
            merging.merge(store.root, found[-2:])


def _prune(store: Store) -> None:
    store.prune(1.0)


@pytest.mark.parametrize("merge", [_compact, _one_by_one, _prune])
def test_merging_changes_nothing(store: Store, place: Path, merge: Callable[[Store], None]) -> None:
    (place / "copy.log").write_bytes(FIRST)
    for number in range(1, 5):
        (place / "console.log").write_bytes(FIRST + ORDINARY * number)
        os.utime(place / "console.log", (1_790_000_000 + number,) * 2)
        read(store, place)
    with store.questions() as ask:
        before, told = ask.totals(), ask.logs()
    assert before.logs == 2
    counted = rows(store)["logs"]
    merge(store)
    with store.questions() as ask:
        assert (ask.totals(), ask.logs()) == (before, told)
    assert rows(store)["logs"] == counted
    (place / "console.log").write_bytes(FIRST + ORDINARY * 6)
    assert read(store, place).logs == 2


def test_one_that_is_emptied_again_cannot_be_read_again(store: Store, place: Path) -> None:
    for data, broken in ((b"", 1), (HANG, 0), (b"", 1), (FIRST, 0)):
        (place / "console.log").write_bytes(data)
        assert read(store, place).broken == broken
    totals = read(store, place)
    assert (totals.logs, totals.hung) == (2, 1)
    store.compact()
    with store.questions() as ask:
        assert ask.totals() == totals


def test_a_store_from_before_it_could_tell(store: Store, place: Path) -> None:
    (place / "console.log").write_bytes(FIRST)
    read(store, place)
    (commit,) = (store.root / "commits").iterdir()
    (commit / "outgrown.parquet").unlink()
    about = msgspec.json.decode((commit / "commit.json").read_bytes())
    del about["outgrown"]
    (commit / "commit.json").write_bytes(msgspec.json.encode(about))
    (place / "console.log").write_bytes(FIRST + ORDINARY)
    assert read(store, place).logs == 1
    store.compact()
    with store.questions() as ask:
        assert ask.totals().logs == 1

"""A story with the tasks of a diagnosis."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from unkillable.errors import UserError
from unkillable.model.casting import people, place, read
from unkillable.model.eras import era_between, era_of, variant_of
from unkillable.model.state import At
from unkillable.model.verdicts import Limits, explain
from unkillable.pipeline import inspect

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "frozen-5.10.log.xz"


def document(kind: str = "reclaim-livelock", **fields: object) -> bytes:
    return msgspec.json.encode(
        {
            "schema": "unkillable.diagnosis/1",
            "kernel": {"release": "6.1"},
            "verdict": {"kind": kind},
            **fields,
        }
    )


def test_the_users_own_tasks_play() -> None:
    told = read(msgspec.json.encode(inspect([str(EXAMPLE)])), "example")
    assert place(told) == At.WAIT_ENTRY
    found = explain(
        era_of(told.kernel.release or ""),
        variant_of("stock"),
        only="shortage",
        limits=Limits(place=place(told) or -1),
        names=people(told),
    )
    story = found.verdicts[0].story
    assert found.era == "5.10"
    assert story
    tasks = {one.name: one for one in story.events[-1].scene.tasks}
    known = {f"{one.comm}/{one.pid}": one for one in told.waiters}
    assert set(tasks) <= set(known)
    # Who sleeps in squashfs_cache_get() in the log does so in the story, and who is waited for there is waited for here.
    for name, one in tasks.items():
        assert (one.kernel == "squashfs_cache_get") == (known[name].resource == "squashfs-cache-entry")
        assert one.pid == known[name].pid


def test_whom_the_diagnosis_does_not_know_has_a_role() -> None:
    told = read(document(victims=[{"pid": 7, "comm": "app", "fate": "stuck"}], kind="unkillable-victim"), "-")
    found = explain(era_of("4.4"), variant_of("stock"), only="crowd", names=people(told))
    story = found.verdicts[0].story
    assert story
    names = {one.name for one in story.events[-1].scene.tasks}
    assert names == {"app/7", "Holder", "Hog"}


@pytest.mark.parametrize(
    ("since", "until", "era"),
    [
        (None, "2.6.36", "4.5"), (None, "4.6", "4.5"), (None, "4.7", "5.5"), ("5.8", None, "5.10"), ("5.8", "6.1", "6.1"),
        (None, "7.3", "6.1"), ("7.3", None, "7.3"), (None, None, None),
    ],
)  # fmt: skip
def test_a_range_of_kernels_has_an_era(since: str | None, until: str | None, era: str | None) -> None:
    found = era_between(since, until)
    assert (found.key if found else None) == era


def test_where_most_wait_is_a_place_of_the_model() -> None:
    assert place(read(document(waiters=[{"pid": None, "resource": "memory"}]), "-")) is None
    assert (
        place(read(document(waiters=[{"pid": 1, "resource": "squashfs-decompressor"}]), "-"))
        == At.WAIT_STREAM
    )


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "not a diagnosis"),
        (b"[1]", "not a diagnosis"),
        (b'{"schema": "unkillable.audit/1", "kernel": {}, "verdict": {}}', "wanted is one of"),
        (document("io-stall"), "'io-stall', of which the model has no story"),
        (document("no-hang"), "no story"),
        (document(victims=[{"pid": "x"}]), "not a diagnosis"),
    ],
)
def test_what_is_no_diagnosis_of_a_hang_is_refused(data: bytes, words: str) -> None:
    with pytest.raises(UserError, match=words):
        read(data, "file")

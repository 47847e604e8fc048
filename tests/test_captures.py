"""Every bundled capture, with the facts its head says that the diagnosis must show (and those it must not)."""

import json

import msgspec
import pytest

from tests import samples_file
from unkillable.pipeline import inspect

CAPTURES = samples_file.find("captures")


@pytest.mark.parametrize("path", CAPTURES, ids=lambda path: path.name.split(".sample")[0])
def test_capture(path, tmp_path):
    head, log = samples_file.load(path)
    file = tmp_path / "console.log"
    file.write_bytes(log)
    document = json.loads(msgspec.json.encode(inspect([str(file)])))
    for key, value in head["expect"].items():
        assert samples_file.shows(document, {key: value}), (
            f"{key}: expected {value!r}\ntruth: {head['truth']}\nverdict: {document['verdict']['kind']}: {document['verdict']['summary']}"
        )
    for key, value in head.get("reject", {}).items():
        assert not samples_file.shows(document, {key: value}), f"{key} must not be {value!r}: {head['truth']}"
    summary = document["verdict"]["summary"]
    for words in head.get("says", []):
        assert words in summary, f"{words!r} is not said: {summary}\ntruth: {head['truth']}"
    for words in head.get("never_says", []):
        assert words not in summary, f"{words!r} is said: {summary}\ntruth: {head['truth']}"
    assert all(one["pid"] is not None for one in document["waiters"]), (
        "a task without a name is in the verdict"
    )


def test_there_are_captures():
    assert len(CAPTURES) >= 2


@pytest.mark.parametrize(
    "path", [path for path in CAPTURES if "ext4-frozen" in path.name], ids=lambda path: path.name
)
def test_a_frozen_file_system_is_no_deadlock(path, tmp_path):
    file = tmp_path / "console.log"
    file.write_bytes(samples_file.load(path)[1])
    assert inspect([str(file)]).verdict.kind == "lock-contention"

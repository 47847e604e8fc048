"""Catalogues that were made from source: their files, which one fits, and what they add to classification."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
import zstandard

from unkillable.errors import UserError
from unkillable.waits import generated, states
from unkillable.waits.catalogue import load
from unkillable.waits.classify import Call, Classifier, classifier
from unkillable.waits.generated import Generated, Inner, Sleep, pack, read

MADE = Generated(
    kernel="6.1.0-vendor",
    generator="test",
    files=("drivers/acme/acme.c", "fs/squashfs/cache.c"),
    sleeps={
        "acme_read": (Sleep(0, 10, "", states.UNINTERRUPTIBLE, "acme.queue", "queue"),),
        "acme_open": (
            Sleep(0, 20, "mutex_lock", states.UNINTERRUPTIBLE, "acme.lock", "lock"),
            Sleep(0, 30, "wait_event_killable", states.KILLABLE, "acme.queue", "queue"),
        ),
        "squashfs_cache_get": (
            Sleep(1, 99, "wait_event_killable", states.KILLABLE, "squashfs_cache.wait_queue", "queue"),
        ),
        "new_cache_get": (
            Sleep(1, 77, "wait_event", states.UNINTERRUPTIBLE, "squashfs_cache.wait_queue", "queue"),
        ),
    },
    inner={"acme_wait_slowly": Inner("acme_wait", states.UNINTERRUPTIBLE)},
)


def wait(text: str, letter: str | None = "D"):
    one = Classifier(load(), MADE)
    return one.classify(tuple(Call(name) for name in text.split()), letter, "6.1.0")


def test_a_loop_that_is_written_out_in_a_vendors_driver() -> None:
    found = wait("__schedule schedule acme_read vfs_read ksys_read")
    assert (found.function, found.task_state, found.killable) == ("acme_read", states.UNINTERRUPTIBLE, False)
    assert [(one.kernel, one.file, one.line) for one in found.site.cite] == [
        ("6.1.0-vendor", "drivers/acme/acme.c", 10)
    ]
    without = Classifier(load()).classify(tuple(Call(one) for one in ("schedule", "acme_read")), "D", "6.1.0")
    assert without.killable is None


def test_the_primitive_chooses_among_several() -> None:
    lock = wait("__schedule schedule schedule_preempt_disabled __mutex_lock mutex_lock acme_open vfs_open")
    assert (lock.primitive, lock.killable, lock.resource) == ("mutex_lock", False, "mutex")


def test_what_this_kernel_says_holds_against_the_vocabulary() -> None:
    found = wait("__schedule schedule squashfs_cache_get squashfs_readahead")
    assert (found.task_state, found.killable, found.resource) == (
        states.KILLABLE,
        True,
        "squashfs-cache-entry",
    )


def test_the_vocabulary_knows_a_resource_by_its_member() -> None:
    assert wait("__schedule schedule new_cache_get squashfs_readahead").resource == "squashfs-cache-entry"


def test_what_a_primitive_is_made_of_is_skipped() -> None:
    found = wait("__schedule schedule acme_wait_slowly acme_user vfs_read")
    assert (found.function, found.primitive, found.task_state) == (
        "acme_user",
        "acme_wait",
        states.UNINTERRUPTIBLE,
    )


def test_file(tmp_path: Path) -> None:
    path = tmp_path / "a.catalogue"
    path.write_bytes(pack(MADE))
    found = read(path)
    assert msgspec.structs.asdict(found) == msgspec.structs.asdict(MADE)
    assert pack(found) == path.read_bytes()


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "no catalogue"),
        (b"not packed", "no catalogue"),
        (zstandard.compress(b"\xff\xff"), "no catalogue"),
        (zstandard.compress(msgspec.msgpack.encode({"kernel": "6.1"})), "no catalogue"),
        (pack(msgspec.structs.replace(MADE, schema="unkillable.catalogue/9")), "is unkillable.catalogue/9"),
    ],
)
def test_no_catalogue(tmp_path: Path, data: bytes, says: str) -> None:
    (tmp_path / "x").write_bytes(data)
    with pytest.raises(UserError, match=says):
        read(tmp_path / "x")


def test_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generated, "_LARGEST", 1000)
    (tmp_path / "x").write_bytes(zstandard.compress(bytes(5000)))
    with pytest.raises(UserError, match="unpacks to more than"):
        read(tmp_path / "x")


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="No such file"):
        read(tmp_path / "nobody")


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ("6.1.7", "6.1.192"),
        ("6.1", "6.1.192"),
        ("6.5.3", "6.1.192"),
        ("6.12.1", "6.12.118"),
        ("9.0", "7.3.4"),
        ("3.10", "5.10.262"),
        (None, None),
    ],
)
def test_nearest(monkeypatch: pytest.MonkeyPatch, version: str | None, expected: str | None) -> None:
    known = tuple(generated.Bundled(one, "") for one in ("5.10.262", "6.1.192", "6.12.118", "7.3.4"))
    monkeypatch.setattr(generated, "bundled", lambda: known)
    assert generated.nearest(version) == expected


def test_nothing_is_bundled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generated, "bundled", tuple)
    assert generated.nearest("6.1") is None


def test_those_that_come_with_the_package() -> None:
    assert generated.bundled(), "none"
    for one in generated.bundled():
        found = generated.of(one.version)
        assert found.kernel == one.version
        states_of = {sleep.state for sleep in found.sleeps["squashfs_cache_get"]}
        assert states_of == {states.UNINTERRUPTIBLE}
        assert classifier(one.version).own.generated is found

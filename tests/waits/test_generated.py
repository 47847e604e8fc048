"""Catalogues that were made from source: their files, and what is read out of them again."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
import zstandard

from unkillable.errors import UserError
from unkillable.waits import generated, states
from unkillable.waits.generated import (
    Definition,
    Function,
    Generated,
    Inner,
    Kernel,
    Primitive,
    Sleep,
    Summary,
    pack,
    read,
)

CACHE, OTHER = "fs/box/cache.c", "fs/box/super.c"


def made(version: str = "6.1.0", /, **functions: Function) -> Kernel:
    return Kernel(
        version, "test", functions, {"wait_event": Primitive("queue", ("___wait_event", "schedule"))}
    )


def function(*lines: int, state: str = states.UNINTERRUPTIBLE, file: str = CACHE) -> Function:
    return Function(
        (Definition(file, tuple(Sleep(line, "wait_event", state, "box.queue") for line in lines)),)
    )


def opened(*kernels: Kernel) -> Generated:
    return Generated(pack(kernels), "test")


def test_what_goes_in_comes_out() -> None:
    two = Function(
        (
            Definition(CACHE, (Sleep(7, "", None, None),), ("box_fill", "box_wait")),
            Definition(OTHER, (), ("box_wait",)),
        )
    )
    inner = Function((), Inner("mutex_lock", "caller"))
    kernel = made(box_get=two, box_wait=function(3, 5), __mutex_lock=inner)
    found = opened(kernel)
    assert found.kernels == ("6.1.0",)
    assert found.generator == "test"
    assert found.summaries == (Summary("6.1.0", 2, 3),)
    assert dict(found.functions()) == kernel.functions
    assert found.primitives == kernel.primitives
    assert found.function("box_get") == two
    assert found.function("__mutex_lock") == inner
    assert found.function("box") is None
    assert found.function("") is None


def test_more_functions_than_a_block_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generated, "_BLOCK", 3)
    kernel = made(**{f"f{number:02}": function(number) for number in range(10)})
    found = opened(kernel)
    assert dict(found.functions()) == kernel.functions
    assert [found.function(name) for name in kernel.functions] == list(kernel.functions.values())
    assert found.function("f025") is None


def test_several_kernels() -> None:
    """The same sleeps some lines further down, then with lines in between, then in another state, then in no state at all."""
    ones = (
        made("5.10.1", get=function(10, 20)),
        made("6.1.0", get=function(13, 23)),
        made("6.6.0", get=function(13, 29), put=function(1)),
        made("6.12.0", get=function(13, 29, state=states.KILLABLE)),
        made("7.0.0", put=function(1, file=OTHER)),
    )
    found = opened(*ones)
    assert found.kernels == ("5.10.1", "6.1.0", "6.6.0", "6.12.0", "7.0.0")
    for number, one in enumerate(ones):
        assert dict(found.functions(number)) == one.functions
        for name in ("get", "put"):
            assert found.function(name, number) == one.functions.get(name)


def test_what_kernels_share_is_stored_once() -> None:
    many = {f"function_{number}": function(number, number + 7, number * 3) for number in range(300)}
    moved = {
        name: function(*(each.line + 5 for one in many[name].definitions for each in one.sleeps))
        for name in many
    }
    one, two = pack([made("6.1.0", **many)]), pack([made("6.1.0", **many), made("6.2.0", **moved)])
    assert len(two) < 1.2 * len(one)


def test_file(tmp_path: Path) -> None:
    path = tmp_path / "a.catalogue"
    kernel = made(get=function(1))
    path.write_bytes(pack([kernel]))
    assert dict(read(path).functions()) == kernel.functions
    assert pack([kernel]) == path.read_bytes()


WHOLE = msgspec.msgpack.decode(pack([made(get=function(1))]))


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "no catalogue"),
        (b"not packed", "no catalogue"),
        (b"\xff\xff", "no catalogue"),
        (msgspec.msgpack.encode({"kernel": "6.1"}), "no catalogue"),
        (msgspec.msgpack.encode({"schema": "unkillable.catalogue/2"}), "no catalogue"),
        (msgspec.msgpack.encode({**WHOLE, "schema": "unkillable.catalogue/9"}), "is unkillable.catalogue/9"),
        (msgspec.msgpack.encode({**WHOLE, "kernels": []}), "no catalogue"),
        (msgspec.msgpack.encode({**WHOLE, "first": []}), "no catalogue"),
        (zstandard.compress(msgspec.msgpack.encode({"schema": "unkillable.catalogue/1"})), "no catalogue"),
    ],
)
def test_no_catalogue(tmp_path: Path, data: bytes, says: str) -> None:
    (tmp_path / "x").write_bytes(data)
    with pytest.raises(UserError, match=says):
        read(tmp_path / "x")


@pytest.mark.parametrize(
    "block", [b"", b"not packed", zstandard.compress(b"\xff"), zstandard.compress(b"\x81")]
)
def test_a_block_that_is_none(block: bytes) -> None:
    found = Generated(msgspec.msgpack.encode({**WHOLE, "blocks": [block]}), "x")
    with pytest.raises(UserError, match="x: no catalogue"):
        found.function("get")


def test_a_function_that_is_none() -> None:
    block = zstandard.compress(msgspec.msgpack.encode({"get": [[1, "file.c", "sleeps"]]}))
    found = Generated(msgspec.msgpack.encode({**WHOLE, "blocks": [block]}), "x")
    with pytest.raises(UserError, match="x: no catalogue"):
        found.function("get")


def test_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generated, "_LARGEST_BLOCK", 1000)
    bomb = Generated(msgspec.msgpack.encode({**WHOLE, "blocks": [zstandard.compress(bytes(5000))]}), "x")
    with pytest.raises(UserError, match="unpacks to more than"):
        bomb.function("get")
    monkeypatch.setattr(generated, "_LARGEST", 1000)
    (tmp_path / "x").write_bytes(bytes(5000))
    with pytest.raises(UserError, match="which no catalogue does"):
        read(tmp_path / "x")


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="No such file"):
        read(tmp_path / "nobody")

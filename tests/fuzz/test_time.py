"""A megabyte made to be slow takes no longer than a megabyte of anything."""

from __future__ import annotations

import base64
import gzip
import io
import lzma
import random
import tarfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.fuzz.mutations import HEADS
from tests.fuzz.promises import real_logs
from unkillable.cli import diagnose as command
from unkillable.errors import UserError
from unkillable.pipeline import inspect

SIZE = 1_000_000
LIMIT = 40.0
"""Seconds of processor time. Half a second to two are usual, ten on a busy machine; a quadratic step takes minutes."""

_RANDOM = random.Random(1).randbytes(SIZE)  # noqa: S311  the same in every run


def _repeated(unit: bytes) -> bytes:
    return (unit * (SIZE // len(unit) + 1))[:SIZE]


PIECES = {
    "digits": b"0123456789",
    "nines": b"9",
    "brackets": b"[",
    "closed brackets": b"]",
    "offsets": b"+0x",
    "frames without names": b"+0x1/0x2 ",
    "parentheses": b"(",
    "nested": b"(" * 500 + b")" * 500,
    "braces": b"{",
    "JSON": b'{"a":',
    "angles": b"<",
    "questions": b" ? ",
    "blanks": b" ",
    "tabs": b"\t",
    "letters": b"a",
    "commas": b"a,",
    "equals": b"=",
    "colons": b":",
    "dots": b"a.",
    "slashes": b"/",
    "dashes": b"-",
    "quotes": b'"',
    "nuls": b"\0",
    "backspaces": b"a\b",
    "returns": b"\r",
    "escapes": b"\x1b[",
    "high bytes": b"\xff",
    "combining": "e\u0301".encode(),
    "from from": b" from f",
    "timestamps": b"[    1.000000] ",
    "levels": b"<6>",
    "kB kB": b" active:1kB",
    "pids": b" pid:1",
    "comms": b"Comm: a ",
    "locks": b" lock held by a/1",
}
INPUTS: dict[str, Callable[[], bytes]] = {
    "random": lambda: _RANDOM,
    "base64": lambda: base64.encodebytes(_RANDOM)[:SIZE],
    "UTF-16": lambda: _repeated(real_logs()[0])[: SIZE // 2].decode("latin-1").encode("utf-16"),
    "one line of a log": lambda: _repeated(max(real_logs(), key=len).replace(b"\n", b" ")),
    "a log without its line ends": lambda: _repeated(max(real_logs(), key=len).replace(b"\n", b"")),
    "heads": lambda: _repeated(b"".join(HEADS)),
    "heads in one line": lambda: _repeated(b"".join(HEADS).replace(b"\n", b" ")),
    "boots": lambda: _repeated(b"[    0.000000] Linux version 5.10.0\n[   99.000000] a\n"),
    "callers": lambda: b"".join(b"[    1.000000][ T%05d] task:a state:D stack:0 pid:1 ppid:2 flags:0x0\n" % n for n in range(14000)),
    "tasks": lambda: b"".join(b"[    1.000000] task:a state:D stack:0 pid:%d ppid:2 flags:0x0\n f+0x1/0x2\n" % n for n in range(14000)),
    "hung": lambda: b"".join(b"INFO: task a:%d blocked for more than 120 seconds.\n" % n for n in range(19000)),
    "held": lambda: b"".join(b"1 lock held by a/%d:\n #0: ff (&a->l%d){+}, at: f+0x1\n" % (n, n) for n in range(16000)),
    "waiters": lambda: b"".join(
        b"task:a state:D stack:0 pid:%d ppid:2 flags:0x0\nCall Trace:\n __schedule+0x1/0x2\n squashfs_cache_get+0x1/0x2\n"
        b"INFO: task a:%d is blocked on a mutex likely owned by task a:%d.\n" % (n, n, n + 1) for n in range(6000)
    ),
}  # fmt: skip


def _seconds(path: Path) -> float:
    begin = time.process_time()
    try:
        found = inspect([str(path)])
        for form in command.FORMATS:
            command._render(found, form, full=True, colour=False)
    except UserError:
        pass
    return time.process_time() - begin


def _check(data: bytes, path: Path) -> None:
    path.write_bytes(data)
    assert _seconds(path) < LIMIT


@pytest.mark.parametrize("ends", ["one line", "lines"])
@pytest.mark.parametrize("unit", PIECES.values(), ids=PIECES.keys())
def test_repeated(unit: bytes, ends: str, tmp_path: Path) -> None:
    if ends == "lines":
        line = (unit * 900)[:900] + b"\n"
        unit = b"[    1.000000] " + line + line
    _check(_repeated(unit), tmp_path / "a.log")


@pytest.mark.parametrize("head", HEADS, ids=[head.decode().strip()[:30] for head in HEADS])
def test_heads_without_end(head: bytes, tmp_path: Path) -> None:
    _check(_repeated(head if head.endswith(b"\n") else head + b"\n"), tmp_path / "a.log")


@pytest.mark.parametrize("make", INPUTS.values(), ids=INPUTS.keys())
def test_made_up(make: Callable[[], bytes], tmp_path: Path) -> None:
    _check(make(), tmp_path / "a.log")


@pytest.mark.parametrize("name", ["random", "callers"])
def test_compressed_and_in_an_archive(name: str, tmp_path: Path) -> None:
    data = INPUTS[name]()
    _check(gzip.compress(data), tmp_path / "a.gz")
    _check(lzma.compress(data, preset=0), tmp_path / "a.xz")
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        member = tarfile.TarInfo("a.log")
        member.size = len(data)
        archive.addfile(member, io.BytesIO(data))
    _check(packed.getvalue(), tmp_path / "a.tar")
    _check(gzip.compress(packed.getvalue()), tmp_path / "a.tar.gz")
    _check(lzma.compress(packed.getvalue(), preset=0)[:-100], tmp_path / "cut.tar.xz")

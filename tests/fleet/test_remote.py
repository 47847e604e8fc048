"""Object stores and servers, through fsspec's own readers: those that need no server, and one that has a local one."""

from __future__ import annotations

import io
import threading
import zipfile
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import fsspec
import pytest

from tests.fleet.corpus_files import SAMPLES, write_logs
from unkillable.errors import UserError
from unkillable.fleet import opened, remote
from unkillable.fleet.given import Given
from unkillable.fleet.inputs import find
from unkillable.fleet.remote import file_system
from unkillable.fleet.types import Log
from unkillable.fleet.work import read_logs

FROZEN = (SAMPLES / "amd64-6.1-oom.sample").read_bytes()


@pytest.fixture
def bucket() -> Iterator[str]:
    """Objects in memory, which fsspec treats as any store's."""
    files = fsspec.filesystem("memory")
    for name in (
        "2026/a.log",
        "2026/b.log",
        "2026/11/c.log",
        "2025/d.log",
        "2026/kern.log",
        "2026/kern.log.1",
    ):
        files.pipe(f"/crashes/{name}", FROZEN + name.encode())
    yield "memory://crashes"
    files.rm("/crashes", recursive=True)


def given(*names: str) -> list[Given]:
    found = list(find(names))
    assert all(isinstance(one, Given) for one in found), found
    return found  # type: ignore[return-value]


def read(*names: str) -> list[Log]:
    return [log for one in given(*names) for log in read_logs(one)]


def test_a_prefix_a_pattern_and_one_object(bucket: str) -> None:
    assert sorted(log.name for log in read(f"{bucket}/2026/")) == [
        "memory:///crashes/2026/11/c.log", "memory:///crashes/2026/a.log", "memory:///crashes/2026/b.log",
        "memory:///crashes/2026/kern.log",
    ]  # fmt: skip
    assert sorted(log.name for log in read(f"{bucket}/*/?.log")) == [
        "memory:///crashes/2025/d.log", "memory:///crashes/2026/a.log", "memory:///crashes/2026/b.log",
    ]  # fmt: skip
    assert sorted(log.name for log in read(f"{bucket}/20*/1*")) == ["memory:///crashes/2026/11/c.log"]
    assert len(read(f"{bucket}/20*")) == len(read(f"{bucket}/**")) == len(read(bucket)) == 5
    (log,) = read(f"{bucket}/2026/11/c.log")
    assert log.findings[0].kind == "no-hang"
    assert log.size == len(FROZEN) + 13
    assert log.seen > 1.7e9


def test_an_object_that_changes_is_another_input(bucket: str) -> None:
    before = given(bucket)
    assert given(bucket) == before
    fsspec.filesystem("memory").pipe("/crashes/2026/a.log", FROZEN + b"later log")
    after = given(bucket)
    changed = [new.inputs[0].name for old, new in zip(before, after, strict=True) if old.inputs != new.inputs]
    assert changed == ["memory:///crashes/2026/a.log"]


def test_an_archive_and_a_large_log(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr("x.log", FROZEN)
        archive.writestr("y.log", FROZEN * 2)
    fsspec.filesystem("memory").pipe("/crashes/z.zip", data.getvalue())
    small = read(f"{bucket}/z.zip", f"{bucket}/2026/a.log")
    assert [log.name for log in small][:2] == [
        "memory:///crashes/z.zip!x.log",
        "memory:///crashes/z.zip!y.log",
    ]
    monkeypatch.setattr(opened, "SMALL", 1000)
    large = read(f"{bucket}/z.zip", f"{bucket}/2026/a.log")
    assert [log.content for log in large] == [log.content for log in small]


def test_what_is_not_there(bucket: str) -> None:
    (log,) = find([f"{bucket}/nothing"])
    assert isinstance(log, Log)
    assert log.problem.startswith("cannot be listed")
    one = given(f"{bucket}/2026/a.log")[0]
    fsspec.filesystem("memory").rm("/crashes/2026/a.log")
    (log,) = read_logs(one)
    assert log.problem.startswith("cannot be opened")


def test_a_store_that_does_not_answer_is_one_logs_problem(
    bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(url: str) -> bytes:
        raise OSError("the server said 503")

    one = given(f"{bucket}/2026/a.log")[0]
    monkeypatch.setattr(remote, "whole", broken)
    (log,) = read_logs(one)
    assert log.problem == "cannot be opened: the server said 503"


def test_files_by_url(tmp_path: Path) -> None:
    write_logs(tmp_path, 10)
    by_url, by_path = read(f"file://{tmp_path}"), read(str(tmp_path))
    assert len(by_url) == 10
    assert {(log.content, log.seen) for log in by_url} == {(log.content, log.seen) for log in by_path}


def test_a_scheme_whose_package_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: object) -> None:
        raise ImportError("Install s3fs to access S3")

    monkeypatch.setattr(fsspec.core, "url_to_fs", missing)
    with pytest.raises(UserError) as told:
        file_system("s3://bucket/x")
    assert (
        str(told.value)
        == "s3://bucket/x: its reader is not installed: Install s3fs to access S3 (pip install)"
    )


def test_a_web_server(tmp_path: Path) -> None:
    pytest.importorskip("aiohttp")
    write_logs(tmp_path, 3)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(SimpleHTTPRequestHandler, directory=str(tmp_path)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        base = f"http://127.0.0.1:{server.server_port}"
        assert [log.content for log in read(f"{base}/device-0/0/00000.log")] == [
            log.content for log in read(str(tmp_path / "device-0/0/00000.log"))
        ]
        (log,) = find([f"{base}/nothing.log"])
        assert log.problem.startswith("cannot be listed")
    finally:
        server.shutdown()
        server.server_close()

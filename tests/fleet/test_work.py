"""The work on a log: what is found in it, when it was, what is wrong with it."""

from __future__ import annotations

import gzip
import io
import os
import tarfile
import zipfile
from pathlib import Path

import pytest
import zstandard

from tests.fleet.corpus_files import SAMPLES, SMALL, write_broken
from unkillable.diagnosis import judge
from unkillable.fleet import opened, work
from unkillable.fleet.given import Given
from unkillable.fleet.inputs import find
from unkillable.fleet.types import Log
from unkillable.fleet.work import Batch, decode_hashes, hash_batch, read_logs

FROZEN = (SAMPLES / "amd64-6.1-oom.sample").read_bytes()
HANG = SAMPLES / "own-7.3-lockdep-abba-deadlock.sample"


def logs(*paths: object, known: tuple[str, ...] = (), fields: str | None = None) -> list[Log]:
    return [
        log for given in find(map(str, paths)) if isinstance(given, Given) for log in read_logs(given, fields, known)
    ]  # fmt: skip


def one(path: Path, known: tuple[str, ...] = (), fields: str | None = None) -> Log:
    (log,) = logs(path, known=known, fields=fields)
    return log


def problem(path: Path) -> str:
    return one(path).problem or ""


def test_a_hang_is_found_with_its_line(tmp_path: Path) -> None:
    log = one(HANG)
    (finding,) = log.findings
    assert finding.kind == "deadlock"
    assert finding.signature is not None
    assert finding.line > 0
    assert finding.quote
    assert finding.quote.strip() in HANG.read_text(errors="replace").splitlines()[finding.line - 1]
    assert log.release == finding.kernel
    assert log.problem is None


def test_the_content_is_that_of_the_text_however_it_is_packed(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(FROZEN)
    (tmp_path / "b.log.gz").write_bytes(gzip.compress(FROZEN))
    with tarfile.open(tmp_path / "c.tar.xz", "w:xz") as tar:
        member = tarfile.TarInfo("d/e.log")
        member.size = len(FROZEN)
        tar.addfile(member, io.BytesIO(FROZEN))
    with zipfile.ZipFile(tmp_path / "f.zip", "w") as archive:
        archive.writestr("g.log", FROZEN)
        archive.writestr("h.log", FROZEN + b"\n")
    found = logs(tmp_path)
    assert [Path(log.name).name for log in found] == ["a.log", "b.log.gz", "e.log", "f.zip!g.log", "f.zip!h.log"]  # fmt: skip
    assert len({log.content for log in found[:4]}) == 1
    assert found[4].content != found[3].content
    assert found[2].name.endswith("c.tar.xz!d/e.log")
    assert {log.findings for log in found[:4]} == {found[0].findings}


def test_a_large_log_is_hashed_and_diagnosed_on_the_way(tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "a.log").write_bytes(FROZEN * 20)
    whole = one(tmp_path / "a.log")
    monkeypatch.setattr(opened, "SMALL", 1000)
    for known in ((), (whole.content,)):  # not all of it was read before it is diagnosed
        log = one(tmp_path / "a.log", known=known)
        assert (log.content, log.size, log.problem) == (whole.content, whole.size, None)
        assert [finding.kind for finding in log.findings] == [finding.kind for finding in whole.findings]


def test_a_known_content_is_not_diagnosed_again(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(FROZEN)
    (tmp_path / "b.log").write_bytes(FROZEN + b"\n")
    first, other = logs(tmp_path)
    batch = Batch(tuple(given for given in find([str(tmp_path)]) if isinstance(given, Given)))
    assert decode_hashes(hash_batch(batch)) == [first.content, other.content]
    copy, again = logs(tmp_path, known=(first.content,))
    assert (copy.content, copy.findings, copy.problem) == (first.content, (), None)
    assert again == other


def test_when_it_was(tmp_path: Path) -> None:
    dated = b"".join(
        b"Nov  2 10:15:%02d host kernel: [ %4d.000000] usb 1-1: new device number %d\n" % (n, 100 + n, n)
        for n in range(30)
    )
    iso = dated.replace(b"Nov  2 10:15:", b"2025-11-02T10:15:").replace(b" host", b"+00:00 host")
    file = tmp_path / "2024-05-06.log"
    file.write_bytes(iso)
    os.utime(file, (1_700_000_000,) * 2)
    assert one(file).seen == 1762078529.0  # the log's own last line
    file.write_bytes(b"[    1.000000] usb 1-1: new device\n" * 30)
    os.utime(file, (1_700_000_000,) * 2)
    assert one(file, fields=r"(?P<date>\d{4}-\d\d-\d\d)").seen == 1714953600.0  # its name
    assert one(file).seen == 1_700_000_000.0  # the file
    file.write_bytes(iso.replace(b"2025-", b"1970-"))
    os.utime(file, (1_700_000_000,) * 2)
    assert one(file).seen == 1_700_000_000.0  # a clock that was not set is none


def test_what_is_broken_is_named(tmp_path: Path) -> None:
    write_broken(tmp_path)
    problems = {Path(log.name).name: log.problem for log in logs(tmp_path)}
    assert problems.pop("cut.log.gz").startswith("gzip data ends early")
    assert problems == {
        "empty.log": "an empty file",
        "random.log": "binary data",
        "bomb.gz": "nothing but zero bytes",
        "words.txt": "text without a single kernel message",
    }
    (cut,) = [log for log in logs(tmp_path) if log.name.endswith("cut.log.gz")]
    assert cut.findings  # what came before the damage


def test_a_bomb_of_text_is_stopped(tmp_path: Path) -> None:
    line = b"[    1.000000] usb 1-1: new device number\n"
    (tmp_path / "bomb.gz").write_bytes(gzip.compress(gzip.compress(line * (4 << 20), 9), 9))
    assert one(tmp_path / "bomb.gz").size < 1 << 16
    (tmp_path / "bomb.zst").write_bytes(zstandard.ZstdCompressor(19).compress(line * (4 << 20)))
    assert "grows more than 1,000 times: stopped" in problem(tmp_path / "bomb.zst")


def test_files_without_any_content_are_each_one(tmp_path: Path) -> None:
    for name in "abc":
        (tmp_path / name).write_bytes(b"")
    assert len({log.content for log in logs(tmp_path)}) == 3


def test_an_archive_that_is_damaged_gives_what_comes_before(tmp_path: Path) -> None:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as tar:
        for name in "ab":
            member = tarfile.TarInfo(f"{name}.log")
            member.size = len(FROZEN)
            tar.addfile(member, io.BytesIO(FROZEN))
    (tmp_path / "cut.tar").write_bytes(data.getvalue()[: 2048 + len(FROZEN) + 600])
    first, second, rest = logs(tmp_path / "cut.tar")
    assert first.problem is None
    assert "the archive ends early" in (second.problem or "")
    assert (rest.name, rest.problem) == (str(tmp_path / "cut.tar"), "the archive ends early")
    (tmp_path / "bad.zip").write_bytes(b"PK\x03\x04" + bytes(100))
    assert "the zip archive is damaged" in problem(tmp_path / "bad.zip")


def test_a_file_that_may_not_be_read(tmp_path: Path) -> None:
    file = tmp_path / "a.log"
    file.write_bytes(FROZEN)
    (given,) = find([str(file)])
    assert isinstance(given, Given)
    file.unlink()
    (log,) = read_logs(given)
    assert log.problem == "cannot be opened: No such file or directory"
    assert log.again


def test_a_part_that_is_not_there_now_is_tried_again(tmp_path: Path) -> None:
    (tmp_path / "messages").write_bytes(FROZEN)
    (tmp_path / "messages.1").write_bytes(FROZEN)
    (given,) = find([str(tmp_path)])
    assert isinstance(given, Given)
    assert [log.again for log in read_logs(given)] == [False]
    (tmp_path / "messages.1").unlink()
    (log,) = read_logs(given)
    assert log.problem == f"{tmp_path}/messages.1: cannot be opened: No such file or directory"
    assert (log.again, bool(log.findings)) == (True, True)


def test_a_part_that_is_not_there_now_is_tried_again_where_the_rest_is_known(tmp_path: Path) -> None:
    (tmp_path / "messages").write_bytes(FROZEN)
    known = (one(tmp_path / "messages").content,)
    (tmp_path / "messages.1").write_bytes(FROZEN)
    (given,) = find([str(tmp_path)])
    assert isinstance(given, Given)
    (tmp_path / "messages.1").unlink()
    (log,) = read_logs(given, known=known)
    assert (log.again, log.content) == (True, known[0])


def test_what_is_damaged_is_not_tried_again(tmp_path: Path) -> None:
    for path in write_broken(tmp_path):
        log = one(path)
        assert (log.problem is not None, log.again) == (True, False)


def test_a_bug_of_the_program_is_one_logs_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(evidence):
        if "b.log" in evidence.source:
            raise ZeroDivisionError
        return judge(evidence)

    monkeypatch.setattr(work, "judge", fails)
    for name in "abc":
        (tmp_path / f"{name}.log").write_bytes(FROZEN + name.encode())
    a, b, c = logs(tmp_path)
    assert b.problem == "the program failed on it (ZeroDivisionError): please report this"
    assert (a.problem, c.problem) == (None, None)


def test_the_same_verdict_as_diagnose_gives(tmp_path: Path) -> None:
    from unkillable.pipeline import inspect

    for path in SMALL[::6]:
        alone = inspect([str(path)])
        kinds = {(finding.kind, finding.confidence) for finding in one(path).findings}
        assert (alone.verdict.kind, alone.verdict.confidence) in kinds, path.name

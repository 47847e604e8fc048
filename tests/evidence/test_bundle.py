"""Bundles of collect.sh from strangers: cut short, with links, with paths that lead out, with too much in them."""

from __future__ import annotations

import gzip
import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from unkillable.errors import UserError
from unkillable.evidence import bundle as room
from unkillable.evidence.bundle import read_bundle
from unkillable.evidence.proc import LiveResult
from unkillable.fleet.given import Given
from unkillable.fleet.inputs import find
from unkillable.fleet.work import read_logs
from unkillable.klog import Bundle, Source, find_sources
from unkillable.klog.bundle import MARKER
from unkillable.pipeline import inspect
from unkillable.report.html import render as html
from unkillable.report.text import render as report_text

TASK = {"proc/5/stat": b"5 (sh) D 1 5 5 0 -1 0\n", "proc/5/wchan": b"squashfs_cache_get"}
MEMORY = {"proc/meminfo": b"MemTotal: 1000 kB\nMemFree: 10 kB\n"}


def member(
    name: str, data: bytes = b"", kind: bytes = tarfile.REGTYPE, link: str = ""
) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.size, info.type, info.linkname = len(data), kind, link
    return info, data


def write(path: Path, members: list[tuple[tarfile.TarInfo, bytes]], marker: str = MARKER) -> Path:
    with tarfile.open(path, "w") as archive:
        for info, data in [member(marker, b"1\n"), *members]:
            archive.addfile(info, io.BytesIO(data))
    return path


def plain(files: dict[str, bytes]) -> list[tuple[tarfile.TarInfo, bytes]]:
    return [member(name, data) for name, data in files.items()]


def read(path: Path) -> LiveResult:
    (found,) = find_sources([str(path)])
    assert isinstance(found, Bundle)
    return read_bundle(found)


def problem_in_a_fleet(path: Path) -> str | None:
    (given,) = find([str(path)])
    assert isinstance(given, Given)
    (log,) = read_logs(given)
    return log.problem


def test_tasks_memory_and_log_are_one_evidence(tmp_path: Path) -> None:
    log = {
        "dmesg": b"[    1.000000] Linux version 6.1.0 (x) #1\n[   50.000000] Out of memory: Killed process 5 (sh)\n"
    }
    more = {
        "unkillable-collect/machine": b"aarch64\n",
        "unkillable-collect/notes": b"did not answer: tasks-yes 9\n",
    }
    found = read(write(tmp_path / "b.tar", plain(TASK | MEMORY | log | more)))
    (task,) = found.evidence.tasks
    assert (task.pid, task.state, task.wchan, task.text) == (
        5,
        "D",
        "squashfs_cache_get",
        "/proc/5: sh is in state D in squashfs_cache_get",
    )
    assert [one.kib["MemFree"] for one in found.evidence.meminfos] == [10]
    assert (found.evidence.kernel.release, found.evidence.kernel.arch) == ("6.1.0", "arm64")
    assert len(found.evidence.kills) == 1
    assert found.evidence.source == str(tmp_path / "b.tar")
    assert "collect.sh: did not answer: tasks-yes 9" in found.notes


@pytest.mark.parametrize("pack", ["gzip", "zip", "dot"])
def test_packed_again(tmp_path: Path, pack: str) -> None:
    path = tmp_path / "b"
    if pack == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            for name, data in ({MARKER: b"1\n"} | TASK).items():
                archive.writestr(name, data)
    elif pack == "dot":
        write(path, plain({f"./{name}": data for name, data in TASK.items()}), f"./{MARKER}")
    else:
        path.write_bytes(gzip.compress(write(tmp_path / "t", plain(TASK)).read_bytes()))
    assert [task.pid for task in read(path).evidence.tasks] == [5]


def test_an_archive_with_the_marker_elsewhere_is_one_of_logs(tmp_path: Path) -> None:
    path = write(tmp_path / "b.tar", plain({MARKER: b"1\n"}), "console.log")
    assert [type(one) for one in find_sources([str(path)])] == [Source, Source]


def test_cut_short_anywhere(tmp_path: Path) -> None:
    whole = write(tmp_path / "b.tar", plain(MEMORY | TASK)).read_bytes()
    path = tmp_path / "cut.tar"
    used = 0
    for size in range(512, len(whole), 100):
        path.write_bytes(whole[:size])
        diagnosed = None
        try:
            diagnosed = inspect([str(path)])
        except UserError as error:
            assert "\n" not in str(error)  # noqa: PT017
            assert "without tasks or memory" in str(error)  # noqa: PT017
        used += diagnosed is not None
    assert used > 10
    path.write_bytes(whole[:3000])
    assert any("ends early" in one.reason for one in inspect([str(path)]).problems)


def test_what_is_to_be_known_is_no_failure(tmp_path: Path) -> None:
    notes = {
        "unkillable-collect/notes": b"did not answer: tasks-yes 9\n",
        "proc/vmstat": b"oom_kill 3\nallocstall_normal 7\n",
    }
    whole = write(tmp_path / "b.tar", plain(TASK | MEMORY | notes)).read_bytes()
    found = inspect([str(tmp_path / "b.tar")])
    assert {(one.failed, one.note) for one in found.problems} == {(False, True)}
    report, page = report_text(found, columns=200), html(found)
    assert "Not read:" not in report
    assert "Could not be read" not in page
    for note in (
        "collect.sh: did not answer: tasks-yes 9",
        "the OOM killer has killed 3 processes since boot",
    ):
        assert f"Note: {tmp_path}/b.tar: {note}"[:60] in " ".join(report.split())
        assert note in page
    assert problem_in_a_fleet(tmp_path / "b.tar") is None

    (tmp_path / "b.tar").write_bytes(whole[:4700])
    cut = inspect([str(tmp_path / "b.tar")])
    assert ["ends early" in one.reason for one in cut.problems if not one.note] == [True]
    assert "Not read:" in report_text(cut, columns=200)
    assert "Could not be read" in html(cut)
    assert "ends early" in (problem_in_a_fleet(tmp_path / "b.tar") or "")


def test_nothing_leads_out_and_no_link_is_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "place"
    place.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(place))
    secret = tmp_path / "secret"
    secret.write_text("9 (secret) D 1 9 9 0 -1 0\n")
    evil = [
        member("../../evil", b"x"),
        member("/" + str(tmp_path / "evil").lstrip("/"), b"x"),
        member("proc/../../evil", b"x"),
        member("proc/sys/vm/../../../../evil", b"x"),
        member("proc/9/stat", kind=tarfile.SYMTYPE, link=str(secret)),
        member("proc/9", kind=tarfile.SYMTYPE, link=str(tmp_path)),
        member("proc/8/stat", kind=tarfile.LNKTYPE, link=str(secret)),
        member("proc/7/stat", kind=tarfile.FIFOTYPE),
        member("proc/6/stat", kind=tarfile.CHRTYPE),
        member("proc/5/stat/x", b"x"),
        member("proc/12345678/stat", b"12345678 (long) D 1 1 1 0 -1 0\n"),
        member("proc/\u0665/stat", b"5 (digit) D 1 1 1 0 -1 0\n"),
    ]
    found = read(write(tmp_path / "b.tar", evil + plain(TASK)))
    assert [task.comm for task in found.evidence.tasks] == ["sh"]
    assert sorted(one.name for one in tmp_path.rglob("*")) == ["b.tar", "place", "secret"]


def test_the_first_of_two_with_one_name_counts(tmp_path: Path) -> None:
    twice = [member("proc/5/stat", b"5 (late) S 1 5 5 0 -1 0\n")]
    assert [task.comm for task in read(write(tmp_path / "b.tar", plain(TASK) + twice)).evidence.tasks] == [
        "sh"
    ]


def test_too_much(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    large = {"proc/4/stat": b"4 (big) D 1 4 4 0 -1 0 " + b"0 " * 100_000}
    found = read(write(tmp_path / "b.tar", plain(large | TASK)))
    assert {task.comm for task in found.evidence.tasks} == {"big", "sh"}
    monkeypatch.setattr(room, "MOST_BYTES", 1 << 14)
    found = read(write(tmp_path / "b.tar", plain(large | TASK)))
    assert [task.comm for task in found.evidence.tasks] == ["big"]
    assert "the rest is left out" in found.unread[0]


def test_a_bomb_ends(tmp_path: Path) -> None:
    """It claims 1 GiB and breaks off: 16 MiB of it are read, and what comes before counts."""
    info = tarfile.TarInfo("dmesg")
    info.size = 1 << 30
    path = tmp_path / "b.tar.gz"
    with gzip.open(path, "wb", compresslevel=1) as packed:
        for one, data in [member(MARKER, b"1\n"), *plain(TASK)]:
            packed.write(one.tobuf() + data.ljust(512, b"\0"))
        packed.write(info.tobuf())
        for _ in range(48):
            packed.write(bytes(1 << 20))
    assert [task.pid for task in read(path).evidence.tasks] == [5]


def test_another_version_is_said(tmp_path: Path) -> None:
    for text in (b"2\n", b"", b"\xff\n"):
        path = tmp_path / "b.tar"
        with tarfile.open(path, "w") as archive:
            for info, data in [member(MARKER, text), *plain(TASK)]:
                archive.addfile(info, io.BytesIO(data))
        assert any("another version" in note for note in read(path).unread)


def test_a_bundle_with_nothing_in_it_is_an_error_of_the_input(tmp_path: Path) -> None:
    path = write(tmp_path / "b.tar", [])
    with pytest.raises(UserError, match="without tasks or memory"):
        inspect([str(path)])

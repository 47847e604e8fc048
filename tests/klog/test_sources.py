"""Files, directories, archives, compression, pipes."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import subprocess
import sys
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import lz4.frame
import pytest
import zstandard

from tests.klog.klog_samples import FOLDER, read, read_bytes, read_source, sources
from unkillable.errors import UserError
from unkillable.klog import Problem, Reader, Source, find_sources
from unkillable.klog import archive as archive_module
from unkillable.klog import compression as compression_module

LOG = b"".join(f"[{n:12.6f}] line {n} of a log {n * 7919 % 10007}\n".encode() for n in range(20000))

COMPRESSORS: dict[str, Callable[[bytes], bytes]] = {
    "plain": bytes,
    "gz": gzip.compress,
    "xz": lzma.compress,
    "bz2": bz2.compress,
    "zst": zstandard.ZstdCompressor(write_checksum=True).compress,
    "lz4": lz4.frame.compress,
    "zlib": zlib.compress,
}


def records_of(path: Path) -> list[tuple[int, str, float | None]]:
    return [(record.number, record.text, record.time) for record in read(path)[1]]


def make_tar(path: Path, members: dict[str, bytes], mode: str = "w") -> Path:
    with tarfile.open(path, mode) as tar:  # type: ignore[call-overload]
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path


@pytest.mark.parametrize("how", COMPRESSORS)
def test_compression_is_recognised_by_content(how: str, tmp_path: Path) -> None:
    (tmp_path / "plain").write_bytes(LOG)
    (tmp_path / "log").write_bytes(COMPRESSORS[how](LOG))
    assert records_of(tmp_path / "log") == records_of(tmp_path / "plain")


@pytest.mark.parametrize("how", [name for name in COMPRESSORS if name not in ("plain", "zlib")])
def test_concatenated_streams(how: str, tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(COMPRESSORS[how](LOG[:1000]) + COMPRESSORS[how](LOG[1000:]))
    reader, _ = read(tmp_path / "log")
    assert (reader.bytes_read, reader.problems) == (len(LOG), [])


@pytest.mark.parametrize("how", [name for name in COMPRESSORS if name != "plain"])
def test_truncated_data_gives_what_can_be_read(how: str, tmp_path: Path) -> None:
    data = COMPRESSORS[how](LOG)
    (tmp_path / "log").write_bytes(data[: len(data) * 2 // 3])
    reader, records = read(tmp_path / "log")
    (problem,) = reader.problems
    assert "data ends early" in problem
    if how != "bz2":  # one block of up to 900 kB is all or nothing
        assert f"{reader.lines:,} lines before that were read" in problem
        assert len(records) == reader.lines > 1000


@pytest.mark.parametrize("how", [name for name in COMPRESSORS if name != "plain"])
def test_damaged_data(how: str, tmp_path: Path) -> None:
    data = bytearray(COMPRESSORS[how](LOG))
    data[len(data) // 2 : len(data) // 2 + 64] = bytes(64)
    (tmp_path / "log").write_bytes(data)
    reader, _ = read(tmp_path / "log")
    assert reader.problems or reader.bytes_read == len(LOG)


def test_what_follows_compressed_data_is_told(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(gzip.compress(LOG) + b"trailing text that is no gzip")
    reader, _ = read(tmp_path / "log")
    assert reader.bytes_read == len(LOG)
    assert "other data follows" in reader.problems[0]
    (tmp_path / "log").write_bytes(gzip.compress(LOG) + bytes(5000))
    assert read(tmp_path / "log")[0].problems == []


def test_a_bomb_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compression_module, "RATIO_FREE", 1 << 20)
    (tmp_path / "bomb").write_bytes(zstandard.ZstdCompressor().compress(b"a line\n" * (8 << 20)))
    reader, _ = read(tmp_path / "bomb", want=False)
    assert "grows more than 1,000 times" in reader.problems[0]
    assert reader.bytes_read < 48 << 20


def test_a_huge_dictionary_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    data = lzma.compress(LOG, filters=[{"id": lzma.FILTER_LZMA2, "dict_size": 64 << 20}])
    assert read_bytes(data)[0].bytes_read == len(LOG)
    monkeypatch.setattr(compression_module, "LZMA_MEMORY", 1 << 20)
    assert "Memory usage limit" in read_bytes(data)[0].summary


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:xz", "w:bz2"])
def test_tar_archives(mode: str, tmp_path: Path) -> None:
    deep = "a" * 90 + "/" + "b" * 120 + "/kern.log"
    make_tar(
        tmp_path / "x.tar", {"log": LOG, deep: LOG[:500], "z.gz": gzip.compress(LOG), "empty": b""}, mode
    )
    found = sources(tmp_path / "x.tar")
    assert [source.name for source in found] == [
        f"{tmp_path}/x.tar!{name}" for name in ("log", deep, "z.gz", "empty")
    ]
    sizes = [
        read_source(source)[0].bytes_read for source in reversed(found)
    ]  # also against the archive's order
    assert sizes == [0, len(LOG), 500, len(LOG)]
    in_order = [read_source(source)[0].bytes_read for source in find_sources([str(tmp_path / "x.tar")])]  # type: ignore[arg-type]
    assert in_order == sizes[::-1]


def test_truncated_tar(tmp_path: Path) -> None:
    make_tar(tmp_path / "x.tar", {"one": LOG, "two": LOG})
    data = (tmp_path / "x.tar").read_bytes()
    (tmp_path / "x.tar").write_bytes(data[: len(LOG) + 5000])
    one, two, problem = find_sources([str(tmp_path / "x.tar")])
    assert isinstance(one, Source)
    assert isinstance(two, Source)
    assert isinstance(problem, Problem)
    assert read_source(one)[0].problems == []
    reader, records = read_source(two)
    assert "the archive ends early" in reader.problems[0]
    assert records
    assert problem.reason == "the archive ends early"


def test_zip_archives(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("dir/", b"")
        file.writestr("dir/log", LOG)
        file.writestr("../../etc/evil", LOG[:100])
    found = sources(tmp_path / "x.zip")
    assert [source.name.rpartition("!")[2] for source in found] == ["dir/log", "../../etc/evil"]
    assert [read_source(source)[0].bytes_read for source in found] == [len(LOG), 100]


def test_an_archive_within_an_archive_is_told(tmp_path: Path) -> None:
    make_tar(tmp_path / "inner.tar", {"log": LOG}, "w:gz")
    make_tar(tmp_path / "x.tar", {"inner.tar.gz": (tmp_path / "inner.tar").read_bytes()})
    (source,) = sources(tmp_path / "x.tar")
    assert "archive within an archive" in read_source(source)[0].problems[0]


def test_too_many_members(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive_module, "MAX_MEMBERS", 3)
    make_tar(tmp_path / "x.tar", {str(n): b"x" for n in range(5)})
    *found, problem = find_sources([str(tmp_path / "x.tar")])
    assert len(found) == 3
    assert isinstance(problem, Problem)
    assert "more than 3 members" in problem.reason


def test_rotated_files_are_one_log(tmp_path: Path) -> None:
    (tmp_path / "kern.log").write_bytes(b"d\n")
    (tmp_path / "kern.log.1").write_bytes(b"c")
    (tmp_path / "kern.log.2.gz").write_bytes(gzip.compress(b"b\n"))
    (tmp_path / "kern.log.10.gz").write_bytes(gzip.compress(b"a\n"))
    (tmp_path / "messages").write_bytes(b"z\n")
    (tmp_path / "messages-20240102").write_bytes(b"y\n")
    (tmp_path / "messages-20240101.xz").write_bytes(lzma.compress(b"x\n"))
    (tmp_path / "run.1").write_bytes(b"alone\n")
    (tmp_path / "run.2").write_bytes(b"alone\n")
    found = {Path(source.name).name: source for source in sources(tmp_path)}
    assert set(found) == {"kern.log", "messages", "run.1", "run.2"}
    assert [record.text for record in read_source(found["kern.log"])[1]] == ["a", "b", "c", "d"]
    assert [record.text for record in read_source(found["messages"])[1]] == ["x", "y", "z"]
    assert len(sources(tmp_path / "kern.log", tmp_path / "kern.log.1")) == 1


@pytest.mark.parametrize("packed", [False, True])
def test_pstore_parts_are_put_in_order(packed: bool, tmp_path: Path) -> None:
    def part(number: int, text: str) -> bytes:
        data = f"Panic#1 Part{number}\n{text}\n".encode()
        if not packed:
            return data
        raw = zlib.compressobj(wbits=-15)
        return raw.compress(data) + raw.flush()

    end = ".enc.z" if packed else ""
    for number, text in ((1, "newest"), (2, "middle"), (3, "oldest")):
        (tmp_path / f"dmesg-efi-1700000000{number:02}001{end}").write_bytes(part(number, text))
    (tmp_path / f"dmesg-efi-1800000000{1:02}001{end}").write_bytes(part(1, "another panic"))
    (tmp_path / "console-ramoops-0").write_bytes(b"console\n")
    found = sources(tmp_path)
    assert sorted([r.text for r in read_source(source)[1]] for source in found) == [
        ["another panic"], ["console"], ["oldest", "middle", "newest"]
    ]  # fmt: skip
    named = [path for path in tmp_path.iterdir() if path.name.startswith("dmesg")]
    assert len(sources(*named)) == 2
    make_tar(tmp_path / "x.tar", {path.name: path.read_bytes() for path in sorted(tmp_path.iterdir())})
    in_archive = [[r.text for r in read_source(source)[1]] for source in sources(tmp_path / "x.tar")]
    assert sorted(in_archive) == [["another panic"], ["console"], ["oldest", "middle", "newest"]]


def test_directories(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "log").write_bytes(LOG)
    (tmp_path / "a" / "b" / "loop").symlink_to(tmp_path)
    (tmp_path / "a" / "same").symlink_to(tmp_path / "a" / "log")
    (tmp_path / "a" / "dangling").symlink_to("nowhere")
    os.mkfifo(tmp_path / "a" / "fifo")
    found = list(find_sources([str(tmp_path)]))
    assert [Path(item.name).name for item in found if isinstance(item, Source)] == ["log"]
    assert [Path(item.name).name for item in found if isinstance(item, Problem)] == ["dangling"]


def test_a_named_pipe_is_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    with subprocess.Popen(["sh", "-c", f"sleep 0.2; echo text > {tmp_path}/fifo"]) as writer:
        assert [record.text for record in read(tmp_path / "fifo")[1]] == ["text"]
    assert writer.returncode == 0


def test_a_path_that_does_not_exist() -> None:
    with pytest.raises(UserError, match="no such file"):
        list(find_sources(["/nonexistent/log"]))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_unreadable_files_are_told(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(LOG)
    (tmp_path / "log").chmod(0)
    (problem,) = find_sources([str(tmp_path / "log")])
    assert isinstance(problem, Problem)


@pytest.mark.parametrize("kind", ["plain", "gz", "bz2", "tar", "tgz", "tbz", "zip"])
def test_standard_input(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "in"
    if kind in COMPRESSORS:
        path.write_bytes(COMPRESSORS[kind](LOG))
    elif kind == "zip":
        with zipfile.ZipFile(path, "w") as file:
            file.writestr("log", LOG)
    else:
        make_tar(path, {"log": LOG}, {"tar": "w", "tgz": "w:gz", "tbz": "w:bz2"}[kind])
    code = (
        "from unkillable.klog import *\n"
        "for s in find_sources(['-']):\n"
        "    r = Reader(s, [b'line 19999 ']); print(s.name, len(list(r)), r.lines, r.problems)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], input=path.read_bytes(), capture_output=True, check=True, timeout=60
    )
    name = "-" if kind in COMPRESSORS else "-!log"
    assert done.stdout.decode() == f"{name} 1 20000 []\n"


def test_progress_of_a_compressed_file(tmp_path: Path) -> None:
    (tmp_path / "log.gz").write_bytes(gzip.compress(LOG))
    (source,) = sources(tmp_path / "log.gz")
    told: list[int] = []
    list(Reader(source, [], told.append))
    assert told == sorted(told)
    assert told[-1] == (tmp_path / "log.gz").stat().st_size


def test_samples_are_sources() -> None:
    assert len(sources(FOLDER)) == len(list(FOLDER.iterdir()))

"""`unkillable triage` as a process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import duckdb
import jsonschema_rs
import pytest

from tests.cli.lab_cli import complaint, run
from tests.fleet.corpus_files import SAMPLES, write_broken, write_logs
from unkillable.report.schema import json_schema

FIELDS = r"/(?P<device>device-\d)/(?P<release>\d)/"
LOGS = 60


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with logs, and a store in which they are."""
    folder = tmp_path_factory.mktemp("triage")
    write_logs(folder / "logs", LOGS)
    write_broken(folder / "logs" / "broken")
    done = triage(folder, "--store", "store", "--name-fields", FIELDS, "logs")
    assert (done.returncode, done.stderr) == (0, "")
    return folder


def triage(folder: Path, *words: object) -> subprocess.CompletedProcess[str]:
    return run("triage", *words, cwd=folder)


def document(folder: Path, *words: object) -> dict[str, Any]:
    done = triage(folder, "--format", "json", *words)
    assert (done.returncode, done.stderr) == (0, "")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_the_answer_comes_first(place: Path) -> None:
    done = triage(place, "--store", "store")
    assert (done.returncode, done.stderr) == (0, "")
    found = document(place, "--store", "store")
    (first,) = (one for one in found["causes"] if one["bucket"]["kind"] not in ("cached-error", "zombie"))
    totals, lines = found["totals"], done.stdout.splitlines()
    assert lines[0].startswith(
        f"1 of {LOGS + 5} logs hangs, of one cause: {first['bucket']['title']}, 1 log, 1 device, since "
    )
    assert lines[0].endswith(f"; {totals['failing']} more show an error that is served again and again")
    assert totals["hung"] == 1 < totals["failing"]
    assert "5 logs could not be read, or not all of them" in done.stdout
    assert first["bucket"]["example"]["name"] in done.stdout
    assert "read nothing" not in done.stdout  # nothing was to be read


def test_the_document_follows_its_schema_and_counts_right(place: Path) -> None:
    found = document(place, "--store", "store", "--limit", "1")
    jsonschema_rs.validator_for(json_schema("triage")).validate(found)
    assert found["schema"] == "unkillable.triage/1"
    assert (found["totals"]["logs"], found["totals"]["devices"], found["totals"]["broken"]) == (
        LOGS + 5,
        7,
        5,
    )
    assert sum(one["count"] for one in found["broken"]) == 5
    assert {one["reason"] for one in found["broken"]} > {"an empty file", "binary data"}
    assert len(found["causes"]) == 1
    assert found["more"] > 0
    assert sum(one["logs"] for one in found["trend"]) == LOGS + 5
    assert all(sum(one["trend"]) == one["bucket"]["count"] for one in found["causes"])
    assert found["reading"] is None


def test_a_second_run_reads_only_what_is_new(place: Path, tmp_path: Path) -> None:
    write_logs(tmp_path / "logs", 20)
    first = document(tmp_path, "--store", "s", "logs")
    assert (first["reading"]["logs"], first["reading"]["unchanged"]) == (20, 0)
    write_logs(tmp_path / "more", 22)
    for file in sorted((tmp_path / "more").rglob("*.log"))[:2]:
        file.rename(tmp_path / "logs" / f"moved-{file.name}")
    again = document(tmp_path, "--store", "s", "logs", "more")
    # 20 copies of known content and 2 that are new.
    assert again["reading"]["unchanged"] == 20
    assert again["reading"]["logs"] == 22
    assert again["reading"]["copies"] == 20
    assert again["totals"]["logs"] == 22
    assert again["totals"]["copies"] == 20
    last = document(tmp_path, "--store", "s", "logs", "more")
    assert (last["reading"]["logs"], last["reading"]["unchanged"]) == (0, 42)
    assert last["totals"] == again["totals"]


def test_what_the_surroundings_kept_from_being_read_is_tried_again(tmp_path: Path) -> None:
    write_logs(tmp_path / "logs", 1)
    (tmp_path / "logs" / "link.log").symlink_to(tmp_path / "later.log")
    found = document(tmp_path, "--store", "s", "logs")
    assert (found["reading"]["broken"], found["totals"]["logs"]) == (1, 1)
    assert [(one["reason"], one["count"]) for one in found["broken"]] == [
        ("cannot be opened: No such file or directory", 1)
    ]
    (tmp_path / "later.log").write_bytes((SAMPLES / "amd64-6.1-oom.sample").read_bytes())
    again = document(tmp_path, "--store", "s", "logs")
    assert (again["reading"]["logs"], again["reading"]["broken"]) == (1, 0)
    assert (again["totals"]["logs"], again["broken"]) == (2, [])


def test_two_processes_give_the_same_as_one(place: Path) -> None:
    one = document(place, "--store", "store")
    two = document(place, "--workers", "2", "--name-fields", FIELDS, "logs")
    assert two["reading"]["engine"] == "2 processes"
    for key in ("totals", "causes", "broken", "trend", "sentence"):
        assert two[key] == one[key], key
    assert two["store"] is None


def test_names_on_standard_input(place: Path) -> None:
    names = b"\0".join(os.fsencode(path) for path in sorted((place / "logs").rglob("*.log"))[:10])
    done = subprocess.run(
        [sys.executable, "-m", "unkillable", "triage", "--format", "json", "-"],
        input=names, cwd=place, capture_output=True, check=True,
    )  # fmt: skip
    assert json.loads(done.stdout)["reading"]["inputs"] == 10


def test_without_a_hang_and_without_logs(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    assert triage(tmp_path, "logs").stdout.startswith("no logs")
    (tmp_path / "logs" / "a.log").write_bytes((SAMPLES / "amd64-6.1-oom.sample").read_bytes())
    done = triage(tmp_path, "logs", "--exit-code")
    assert (done.returncode, done.stdout.splitlines()[0]) == (0, "1 log, and it shows no hang")


def test_exit_code_and_a_reader_that_goes_away(place: Path) -> None:
    assert triage(place, "--store", "store", "--exit-code").returncode == 1
    with subprocess.Popen(
        [sys.executable, "-m", "unkillable", "triage", "--store", "store", "--full", "--exit-code"],
        cwd=place, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as child:  # fmt: skip
        child.stdout.close()
        assert (child.stderr.read(), child.wait()) == (b"", 1)


def test_full_has_variants_releases_and_what_to_do(place: Path) -> None:
    out = triage(place, "--store", "store", "--full").stdout
    for words in ("cause ", "by release: ", "by kernel: ", "by architecture: "):
        assert words in out


def test_a_question_of_ones_own(place: Path) -> None:
    done = triage(place, "--store", "store", "--sql", "SELECT device, count(*) AS n FROM logs WHERE device = 'device-3' GROUP BY device")  # fmt: skip
    assert done.stdout == "device    n\ndevice-3  9\n"
    found = document(place, "--store", "store", "--sql", "SELECT count(*) AS n FROM logs")
    assert (found["columns"], found["rows"]) == (["n"], [[LOGS + 5]])
    assert "--sql" in complaint(triage(place, "--store", "store", "--sql", "DROP TABLE logs"))


def test_what_changed_between_two_releases(place: Path) -> None:
    done = triage(place, "--store", "store", "--compare", "0", "1")
    assert (done.returncode, done.stderr) == (0, "")
    assert "From 0 to 1" in done.stdout
    found = document(place, "--store", "store", "--compare", "0", "1")
    assert (found["compared"]["before"], found["compared"]["after"]) == ("0", "1")
    jsonschema_rs.validator_for(json_schema("triage")).validate(found)


def test_old_logs_are_forgotten(tmp_path: Path) -> None:
    write_logs(tmp_path / "logs", 10)
    os.utime(tmp_path / "logs/device-0/0/00000.log", (1_200_000_000,) * 2)
    found = document(tmp_path, "--store", "s", "--retain", "3650", "logs")
    assert (found["reading"]["logs"], found["pruned"], found["totals"]["logs"]) == (10, 1, 9)
    assert triage(tmp_path, "--store", "other", "logs").returncode == 0
    again = triage(tmp_path, "--store", "other", "--retain", "3650")
    assert again.stdout.endswith("\n\n1 old log was forgotten\n")


def test_only_some_days_count(tmp_path: Path) -> None:
    write_logs(tmp_path / "logs", 10)
    for i, day in enumerate(
        (1_262_304_000, 1_262_390_399, 1_262_390_400)
    ):  # 2010-01-01, twice, and 2010-01-02
        os.utime(next(tmp_path.glob(f"logs/*/*/0000{i}.log")), (day,) * 2)
    found = document(tmp_path, "--store", "s", "--since", "2010-01-01", "--until", "2010-01-01", "logs")
    assert (found["totals"]["logs"], found["since"], found["until"]) == (2, 1_262_304_000, 1_262_390_400)
    done = triage(tmp_path, "--store", "s", "--until", "2010-01-02")
    assert " 3 logs" in done.stdout.partition("\n")[0]
    assert done.stdout.endswith("\n\nof logs seen up to 2010-01-02\n")
    assert triage(tmp_path, "--store", "s", "--since", "2010-01-02", "--html", "page.html").returncode == 0
    assert "of logs seen from 2010-01-02" in (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "--since" in complaint(triage(tmp_path, "--store", "s", "--since", "yesterday"))
    assert "--until" in complaint(
        triage(tmp_path, "--store", "s", "--since", "2010-01-02", "--until", "2010-01-01")
    )


def test_parquet_for_other_programs(place: Path, tmp_path: Path) -> None:
    target = tmp_path / "all.parquet"
    assert triage(place, "--store", "store", "--export", target).returncode == 0
    with duckdb.connect() as db:
        rows = db.read_parquet(str(target))
        (found,) = rows.aggregate("count(DISTINCT content), count(*) FILTER (problem IS NOT NULL)").fetchall()
    assert found == (LOGS + 5, 5)
    assert [path.name for path in tmp_path.iterdir()] == ["all.parquet"]


@pytest.mark.parametrize(
    ("words", "what"),
    [
        ((), "nothing to read: give logs, or --store DIR"),
        (("nothere",), "nothere: no such file or directory"),
        (("*.nothere",), "no file matches this pattern"),
        (("--store", "nothere"), "no store here"),
        (("--store", "logs", "logs"), "not a store and not empty"),
        (("--workers", "2", "--store", "store"), "are for reading: give logs to read"),
        (("--workers", "2", "--engine", "tcp://127.0.0.1:1", "logs"), "cannot be combined"),
        (("--sql", "SELECT 1", "--html", "x.html", "--store", "store"), "cannot be combined with --html"),
        (
            ("--sql", "SELECT 1", "--since", "2026-01-01", "--store", "store"),
            "cannot be combined with --since",
        ),
        (("--sql", "SELECT 1", "--exit-code", "--store", "store"), "cannot be combined with --exit-code"),
        (("--name-fields", "(", "logs"), "not a regular expression"),
        (("--html", "nothere/x.html", "--store", "store"), "is no directory"),
        (("--engine", "tcp://127.0.0.1:1", "logs"), "no Dask scheduler answers there"),
        (("--engine", "ray://127.0.0.1:1", "logs"), "unknown address scheme 'ray'"),
        (("--engine", "127.0.0.1", "logs"), "missing port number"),
        (("nosuch://x/y",), "Protocol not known"),
    ],
)
def test_what_cannot_be_done_is_one_line(place: Path, words: tuple[str, ...], what: str) -> None:
    assert what in complaint(triage(place, *words))


@pytest.mark.parametrize("module", ["distributed", "duckdb"])
def test_without_the_extra(place: Path, tmp_path: Path, module: str) -> None:
    """As if it were not installed: a finder that knows nothing of it."""
    hide = (
        "import sys, importlib.machinery as m; find = m.PathFinder.find_spec; "
        f"m.PathFinder.find_spec = lambda name, *a: None if name.partition('.')[0] == {module!r} else find(name, *a); "
        "from unkillable.cli.main import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", hide, "triage", "--workers", "2", "logs"],
        cwd=place, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert f"{module} is not installed: pip install 'unkillable[fleet]'" in complaint(done)


def test_the_page_has_no_script_and_escapes_what_logs_say(place: Path, tmp_path: Path) -> None:
    logs = tmp_path / "logs"
    logs.mkdir()
    text = (SAMPLES / "own-7.3-lockdep-abba-deadlock.sample").read_bytes()
    (logs / "<script>alert(1).log").write_bytes(text.replace(b"sh:47", b"<b>x:47"))
    (logs / "<i>.log").write_bytes(b"")
    page = tmp_path / "page.html"
    assert triage(tmp_path, "logs", "--html", page).returncode == 0
    html = page.read_text()
    assert "<script" not in html
    assert "<i>" not in html
    assert "<b>" not in html
    assert "&lt;script&gt;" in html
    assert "default-src 'none'" in html
    assert "<title>1 of 2 logs hangs, of one cause" in html


def test_a_zombie_is_listed_and_no_hang(tmp_path: Path) -> None:
    log = SAMPLES / "amd64-6.1-zombie.sample.xz"
    done = triage(tmp_path, "--exit-code", log)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[0] == "1 log, and it shows no hang"
    assert "zombie: a dead process" in done.stdout


def test_a_device_is_not_replaced(tmp_path: Path) -> None:
    """By root it could be: what is written aside and renamed takes its place."""
    log = SAMPLES / "amd64-6.1-zombie.sample.xz"
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with subprocess.Popen(["cat", pipe], stdout=subprocess.PIPE) as reader:
        done = triage(tmp_path, "-o", pipe, log)
        assert (done.returncode, done.stderr) == (0, "")
        assert b"zombie: a dead process" in reader.communicate(timeout=20)[0]
    assert pipe.is_fifo()
    assert (
        complaint(triage(tmp_path, "--export", pipe, log))
        == f"unkillable: --export {pipe}: is no file; name one that may be written anew"
    )
    assert pipe.is_fifo()


def test_a_cached_error_is_bad_news_and_no_hang(tmp_path: Path) -> None:
    error, hang = SAMPLES / "amd64-6.1-squashfs-corrupt.sample", SAMPLES / "amd64-6.1-abba-deadlock.sample"
    done = triage(tmp_path, "--exit-code", error)
    assert (done.returncode, done.stderr) == (1, "")
    said = "1 log, and it shows no hang; 1 shows an error that is served again and again"
    assert done.stdout.splitlines()[0] == said
    both = triage(tmp_path, error, hang).stdout.splitlines()[0]
    assert both.startswith("1 of 2 logs hangs, of one cause: deadlock: ")
    assert both.endswith("; 1 more shows an error that is served again and again")


def test_ctrl_c_in_the_middle_of_a_question(place: Path) -> None:
    endless = "SELECT count(*), sum(hash(a.range + b.range)) FROM range(100000) a, range(100000) b"
    words = (sys.executable, "-m", "unkillable", "triage", "--store", "store", "--sql", endless)
    running = subprocess.Popen(words, cwd=place, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        threads = Path(f"/proc/{running.pid}/task")
        until = time.monotonic() + 60
        while len(list(threads.iterdir())) < 2 and time.monotonic() < until:
            time.sleep(0.05)
        time.sleep(1)  # DuckDB starts its threads, and then the query
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=60)
    finally:
        running.kill()
        running.communicate()
    assert (out, err, running.returncode) == ("", "\nunkillable: interrupted\n", 130)

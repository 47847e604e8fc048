"""The synthetic corpus that a triage is measured with: what is said of it must be true."""

import json
import subprocess
import sys
import tarfile
from collections import Counter
from pathlib import Path

import pytest

from benchmarks.corpus.cuts import load, tells
from benchmarks.corpus.labels import captures, labels, reports
from benchmarks.corpus.make import LEAST, MOST, make
from benchmarks.corpus.plan import CAUSES, FIXED, INTRODUCED, KINDS, RELEASES, Plan, active, shares
from benchmarks.corpus.text import FRAMINGS, Template
from unkillable.errors import UserError
from unkillable.pipeline import inspect

ROOT = Path(__file__).resolve().parents[2]
LOGS = 2000


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("corpus") / "fleet"
    command = [
        sys.executable,
        "-m",
        "benchmarks.corpus",
        str(folder),
        "--logs",
        str(LOGS),
        "--processes",
        "2",
    ]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return folder, [json.loads(line) for line in (folder / "truth.jsonl").read_text().splitlines()]


def test_the_truth_names_every_file(written):
    folder, truth = written
    files = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()} - {
        "truth.jsonl",
        "corpus.json",
    }
    assert {row["name"] for row in truth} == files
    assert len(truth) == LOGS
    assert all((folder / row["name"]).stat().st_size == row["size"] for row in truth)
    assert "synthetic" in json.loads((folder / "corpus.json").read_text())


def test_no_two_logs_are_the_same_but_for_duplicates(written):
    folder, truth = written
    first: dict[bytes, str] = {}
    for row in truth:
        data = (folder / row["name"]).read_bytes()
        if row["duplicate_of"] is not None:
            assert data == (folder / truth[row["duplicate_of"]]["name"]).read_bytes()
        elif data:
            assert first.setdefault(data, row["name"]) == row["name"]
    share = sum(row["duplicate_of"] is not None for row in truth) / LOGS
    assert 0.01 < share < 0.03


def test_sizes_are_those_of_a_pstore(written):
    sizes = [row["size"] for row in written[1] if row["class"] != "broken"]
    assert 4000 < sum(sizes) / len(sizes) < 6000
    assert sum(LEAST * 0.8 <= size <= MOST * 1.3 for size in sizes) > 0.98 * len(sizes)


def test_classes_have_their_shares():
    plan = Plan(100_000, 3, 0.0)
    found = Counter(plan.log(number).kind for number in range(0, 100_000, 7))
    whole = sum(found.values())
    assert found["ordinary"] / whole == pytest.approx(0.8, abs=0.02)
    assert found["oom"] / whole == pytest.approx(KINDS["oom"], abs=0.015)
    assert found["hang"] / whole == pytest.approx(0.075, abs=0.01)
    assert found["broken"]


def test_releases_bring_and_end_a_cause(written):
    assert sum(share for (kind, _), share in shares(RELEASES[-1]).items() if kind == "hang") < KINDS["hang"]
    seen = {(row["cause"], row["release"]) for row in written[1]}
    for cause, change in (INTRODUCED, FIXED):
        releases = [release for release in RELEASES if (cause, release) in seen]
        assert releases
        assert all(active(cause, release) for release in releases)
        assert not active(cause, RELEASES[0]) or not active(cause, RELEASES[-1])
        assert active(cause, change) == (cause == INTRODUCED[0])
    days: dict[str, list[str]] = {}
    for row in written[1]:
        days.setdefault(row["release"], []).append(row["seen"])
    assert [min(days[release]) for release in RELEASES] == sorted(min(days[release]) for release in RELEASES)


def test_the_same_seed_makes_the_same_logs():
    one, other, third = Plan(1000, 5, 0.02), Plan(1000, 5, 0.02), Plan(1000, 6, 0.02)
    logs = [make(plan, plan.log(number)).data for plan in (one, other, third) for number in range(40)]
    assert logs[:40] == logs[40:80]
    assert logs[:40] != logs[80:]


def test_bundles_hold_the_same_logs(tmp_path, written):
    command = [
        sys.executable,
        "-m",
        "benchmarks.corpus",
        str(tmp_path / "b"),
        "--logs",
        str(LOGS),
        "--bundles",
    ]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    folder, truth = written
    with tarfile.open(tmp_path / "b/bundle-00001.tar") as tar:
        for member, row in zip(tar, truth[1000:1100], strict=False):
            assert member.name == row["name"]
            assert tar.extractfile(member).read() == (folder / row["name"]).read_bytes()


def test_a_folder_in_use_is_left_alone(tmp_path):
    (tmp_path / "mine").write_text("x")
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.corpus", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "not empty" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_a_sample_of_logs_says_what_the_truth_says(written, tmp_path):
    """One of each cause and class: parts were chosen so that the incident still shows."""
    folder, truth = written
    wanted = {(row.kind, row.cause): row.verdicts for row in labels()}
    one_of_each = {(row["class"], row["cause"].partition("@")[0]): row for row in reversed(truth)}
    for (kind, cause), row in one_of_each.items():
        if kind == "broken":
            continue
        verdicts = {word for key, words in wanted.items() if key == (kind, cause) for word in words}
        try:
            found = inspect([str(folder / row["name"])]).verdict.kind
        except UserError as error:
            pytest.fail(f"{row}: {error}")
        assert found in verdicts, row


def test_every_part_is_of_a_capture_and_tells():
    known = {one.name: one for one in (*captures(), *reports())}
    causes = set()
    for cut in load():
        capture = known[cut.capture]
        lines = capture.log.split(b"\n")
        assert 0 <= cut.first < cut.last <= len(lines)
        if not cut.boot:
            assert tells(capture, b"\n".join(lines[cut.first : cut.last]))
            causes.add(capture.label.cause)
    assert causes >= {cause.partition("@")[0] for cause in CAUSES}


def test_every_capture_has_a_label():
    for one in (*captures(), *reports()):
        assert (
            one.label.kind != "skip"
            or one.name.endswith(("-dev-kmsg", "-loglevel8", "-survived"))
            or "netconsole" in one.name
        )
        assert (one.label.kind == "hang") == bool(one.label.cause)


@pytest.mark.parametrize(
    ("line", "text", "slots"),
    [
        (b"task:h               state:D stack:    0 pid:  157 ppid:   129 flags:0x00004006", 2, ["comm", "pid"]),
        (b"task:h               state:D stack:0     pid:157   ppid:1      flags:0x00004006", 2, ["comm", "pid"]),
        (b"INFO: task h:157 blocked for more than 10 seconds.", 2, ["comm", "pid"]),
        (b"CPU: 1 PID: 161 Comm: h Tainted: G        W", 2, ["pid", "comm"]),
        (b"Out of memory: Killed process 160 (h) total-vm:102708kB", 2, ["pid", "comm"]),
        (b"oom_reaper: unable to reap pid:160 (h)", 2, ["pid", "comm"]),
        (b"2 locks held by sh/47:", 2, ["comm", "pid"]),
        (b"RSP: 002b:00007ffdc6bfc2b0 EFLAGS: 00000246", 1, ["address"]),
        (b"task:kworker/0:1     state:I stack:0     pid:9     ppid:2      flags:0x00004000", 0, []),
        (b"active_anon:3144kB inactive_anon:190488kB", 0, []),
    ],
)  # fmt: skip
def test_what_is_changed_in_a_line(line, text, slots):
    (made,) = Template([line]).lines
    assert [slot.kind for slot in made.slots] == slots
    assert len(made.slots) == text


def test_shares_of_framings():
    assert sum(row.share for row in FRAMINGS) == 100

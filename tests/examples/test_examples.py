"""The examples for test benches and CI are run as their readers would run them."""

from __future__ import annotations

import json
import lzma
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent.parent
EXAMPLES = ROOT / "examples"
LABGRID = os.environ.get("UNKILLABLE_TEST_LABGRID", "")

TESTS = """\
import lzma, os, time

def write(text):
    with open("console.log", "ab") as file:
        file.write(text)

FROZEN = lzma.open({log!r}).read()

def test_healthy():
    write(b"[  100.000000] usb 1-1: new high-speed USB device number 2\\n")

def test_says_nothing():
    pass

def test_passes_but_the_device_hangs():
    write(FROZEN)

def test_fails_and_the_device_hangs():
    write(FROZEN)
    raise TimeoutError("no prompt")

def test_afterwards():
    write(b"[  200.000000] usb 1-1: USB disconnect\\n")
"""
LABGRID_TESTS = """\
import lzma
import labgrid.driver.fake

FROZEN = lzma.open({log!r}).read()

def test_console(target):
    driver = target.get_driver("FakeConsoleDriver")
    driver.rxq.append(FROZEN)
    driver.read(size=len(FROZEN))
"""


def run(argv: list[str], place: Path, **more: Any) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {
        "PYTHONPATH": str(ROOT / "src"),
        "COLUMNS": "300",
        "PATH": f"{place / 'bin'}:{os.environ['PATH']}",
    }
    return subprocess.run(
        argv, cwd=place, env=environment, capture_output=True, text=True, check=False, timeout=110, **more
    )


@pytest.fixture
def bench(tmp_path: Path) -> Path:
    """A directory with `unkillable` and what else a step calls by name."""
    (tmp_path / "bin").mkdir()
    for name, text in {
        "unkillable": f'#!/bin/sh\nexec {sys.executable} -m unkillable "$@"\n',
        "pip": "#!/bin/sh\nexit 0\n",
        "../run-device-tests": '#!/bin/sh\nmkdir -p logs && cp "$LOG" logs/console.log.xz\n',
    }.items():
        (tmp_path / "bin" / name).write_text(text)
        (tmp_path / "bin" / name).chmod(0o755)
    return tmp_path


@pytest.mark.slow
def test_pytest_fails_a_test_whose_console_shows_a_hang(bench: Path) -> None:
    shutil.copy(EXAMPLES / "pytest" / "conftest.py", bench)
    (bench / "test_device.py").write_text(TESTS.format(log=str(EXAMPLES / "frozen-6.1.log.xz")))
    done = run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-rA", "--console-log", "console.log"],
        bench,
    )
    assert "2 failed, 3 passed" in done.stdout
    assert (
        "FAILED test_device.py::test_passes_but_the_device_hangs - Failed: console.log: reclaim-livelock (high)"
        in done.stdout
    )
    assert "FAILED test_device.py::test_fails_and_the_device_hangs - TimeoutError: no prompt" in done.stdout
    assert done.stdout.count("Captured hang call") >= 2
    assert "- memory is exhausted" in done.stdout


@pytest.mark.skipif(not LABGRID, reason="UNKILLABLE_TEST_LABGRID names no Python that has labgrid")
def test_labgrid_fails_a_test_whose_console_shows_a_hang(bench: Path) -> None:
    shutil.copy(EXAMPLES / "pytest" / "conftest.py", bench)
    (bench / "test_device.py").write_text(LABGRID_TESTS.format(log=str(EXAMPLES / "frozen-6.1.log.xz")))
    (bench / "place.yaml").write_text("targets:\n  main:\n    drivers:\n      FakeConsoleDriver: {}\n")
    command = [
        LABGRID,
        "-m",
        "pytest",
        "-p",
        "no:cacheprovider",
        "--lg-env",
        "place.yaml",
        "--lg-log",
        "logs",
    ]
    done = run(command, bench)
    assert "Failed: console_main: reclaim-livelock (high)" in done.stdout, done.stdout + done.stderr
    assert "1 failed" in done.stdout


def test_a_lava_log_becomes_a_console(bench: Path) -> None:
    with lzma.open(EXAMPLES / "frozen-6.1.log.xz", "rt", errors="replace", newline="\n") as file:
        texts = [line.rstrip("\r\n") for line in file]
    assert len(texts) > 500
    rows: list[dict[str, object]] = [{"dt": "2026-01-01T00:00:00.000000", "lvl": "info", "msg": "start: 1.1"}]
    rows += [{"dt": "2026-01-01T00:00:01.000000", "lvl": "target", "msg": text} for text in texts]
    rows += [{"dt": "2026-01-01T00:00:02.000000", "lvl": "results", "msg": {"case": "job", "result": "fail"}}]
    log = "".join("- " + yaml.safe_dump(row, default_flow_style=True, default_style='"') for row in rows)
    console = run([sys.executable, str(EXAMPLES / "lava" / "console.py")], bench, input=log)
    assert console.stdout.split("\n")[:-1] == texts
    done = run(["unkillable", "diagnose", "--exit-code", "-"], bench, input=console.stdout)
    assert (done.returncode, done.stdout.split(":")[0]) == (1, "reclaim-livelock")


def test_the_lava_definition_calls_what_the_script_knows(bench: Path) -> None:
    (step,) = yaml.safe_load((EXAMPLES / "lava" / "job-check.yaml").read_text())["run"]["steps"]
    name, shell = step.split(" --shell ")
    assert name.split()[0] == "lava-test-case"
    run(["unkillable", "collect", "-o", "collect.sh"], bench)
    done = run(["sh", "-c", f"{shell} --dry-run --dir {bench / 'ram'}"], bench)
    assert (done.returncode, "hung_task_timeout_secs" in done.stdout) == (0, True)


def steps(name: str) -> list[str]:
    """The shell lines of a pipeline, in order, each step's together."""
    document = yaml.safe_load((EXAMPLES / "ci" / name).read_text())
    if name.startswith("github"):
        return [step["run"] for step in document["jobs"]["device"]["steps"] if "run" in step]
    return ["\n".join([*document["hangs"]["before_script"], *document["hangs"]["script"]])]


@pytest.mark.parametrize("name", ["github-actions.yml", "gitlab-ci.yml"])
@pytest.mark.parametrize(("log", "status"), [("frozen-6.1.log.xz", 1), ("healthy", 0)])
def test_a_pipeline_fails_with_a_hang_and_leaves_sarif(
    bench: Path, name: str, log: str, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    healthy = bench / "healthy"
    healthy.write_text("[    0.000000] Linux version 6.1.0 (x) #1\n[    9.000000] usb 1-1: USB disconnect\n")
    source = healthy if log == "healthy" else EXAMPLES / log
    monkeypatch.setenv("LOG", str(source))
    results = [run(["bash", "-e", "-c", step], bench) for step in steps(name)]
    assert [one.returncode for one in results] == [*[0] * (len(results) - 1), status], results[-1]
    found = json.loads((bench / "hangs.sarif").read_text())["runs"][0]["results"]
    assert {one["ruleId"] for one in found} == ({"reclaim-livelock"} if status else {"no-hang"})
    assert (bench / "hangs.html").stat().st_size > 1000


def test_the_upload_has_the_right_that_it_needs() -> None:
    document = yaml.safe_load((EXAMPLES / "ci" / "github-actions.yml").read_text())
    assert document["permissions"]["security-events"] == "write"
    upload = next(
        step for step in document["jobs"]["device"]["steps"] if "upload-sarif" in step.get("uses", "")
    )
    assert upload["with"]["sarif_file"] == "hangs.sarif"
    assert not stat.S_IMODE((EXAMPLES / "ci" / "github-actions.yml").stat().st_mode) & 0o111

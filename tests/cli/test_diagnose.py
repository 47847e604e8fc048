"""The command as a person uses it: first line, exit status, bad input, files, pipes, terminals."""

import fcntl
import gzip
import json
import os
import pty
import signal
import struct
import subprocess
import sys
import tarfile
import termios
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
FROZEN = ROOT / "examples" / "frozen-5.10.log.xz"
REPORTS = ROOT / "tests" / "samples" / "reports"


def run(*arguments, stdin=b"", **environment):
    return subprocess.run(
        [sys.executable, "-m", "unkillable", *map(str, arguments)],
        input=stdin,
        capture_output=True,
        check=False,
        timeout=100,
        env={**os.environ, **environment},
    )


def one_line_error(done):
    assert done.returncode == 2, done.stderr
    lines = done.stderr.decode().splitlines()
    assert len(lines) == 1, lines
    assert lines[0].startswith("unkillable: ")
    assert b"Traceback" not in done.stderr
    return lines[0]


def test_the_first_line_is_the_answer():
    done = run("diagnose", FROZEN)
    assert done.returncode == 0
    first = done.stdout.decode().splitlines()[0]
    assert first.startswith("reclaim-livelock: ")
    assert "squashfs_cache_get" in first
    assert b"\x1b" not in done.stdout


def test_exit_code():
    assert run("diagnose", "--exit-code", FROZEN).returncode == 1
    healthy = ROOT / "tests" / "samples" / "captures" / "amd64-6.1-healthy.sample.xz"
    assert run("diagnose", "--exit-code", healthy).returncode == 0


def test_json_has_the_contract():
    document = json.loads(run("diagnose", "--format", "json", FROZEN).stdout)
    assert document["schema"] == "unkillable.diagnosis/1"
    assert document["verdict"]["kind"] == "reclaim-livelock"
    assert {"release", "arch"} <= document["kernel"].keys()
    assert {
        "pid",
        "comm",
        "state",
        "function",
        "primitive",
        "task_state",
        "killable",
        "resource",
        "entered_by",
        "stack",
        "lines",
    } <= (document["waiters"][0].keys())
    assert {"nodes", "edges"} <= document["graph"].keys()
    assert {"victims", "cycle", "missing_evidence", "advice"} <= document.keys()


@pytest.mark.parametrize("form", ["html", "dot", "mermaid", "sarif"])
def test_other_formats(form):
    done = run("diagnose", "--format", form, FROZEN)
    assert done.returncode == 0, done.stderr
    marks = {"html": b"<!doctype html>", "dot": b"digraph", "mermaid": b"flowchart", "sarif": b'"2.1.0"'}
    assert marks[form].lower() in done.stdout.lower()


def test_standard_input_and_several_logs(tmp_path):
    log = (REPORTS / "2010-09_ubuntuforums_ltsp_i386_2.6.32_NOT-OOM.txt").read_bytes()
    assert run("diagnose", "-", stdin=log).stdout.startswith(b"io-stall: ")
    (tmp_path / "a.log").write_bytes(log)
    (tmp_path / "b.log.gz").write_bytes(gzip.compress((REPORTS / "article-traces.txt").read_bytes()))
    done = run("diagnose", tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(b"io-stall: ")
    assert b"Also: " in done.stdout
    assert b"b.log.gz" in done.stdout
    with tarfile.open(tmp_path / "all.tar.xz", "w:xz") as archive:
        archive.add(tmp_path / "a.log", "var/log/kern.log")
    done = run("diagnose", tmp_path / "all.tar.xz")
    assert done.stdout.startswith(b"io-stall: ")
    assert b"kern.log" in done.stdout


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "an empty file"),
        (b"\x7fELF" + bytes(5000), "binary data"),
        (b"\0" * 5000, "zero bytes"),
        (b"Dear diary,\nnothing happened today.\n", "text without a single kernel message"),
        (gzip.compress(b"[    1.000000] sysrq: Show State\n" * 400)[:24], "ends early"),
        (os.urandom(3000), "binary data"),
    ],
    ids=["empty", "elf", "zeros", "prose", "truncated-gzip", "random"],
)
def test_bad_input_is_one_line_and_status_2(tmp_path, content, words):
    file = tmp_path / "input"
    file.write_bytes(content)
    line = one_line_error(run("diagnose", file))
    assert words in line
    assert "expected a kernel log" in line


def test_usage_errors():
    assert "no such file" in one_line_error(run("diagnose", "/no/such/file"))
    assert "nothing to read" in one_line_error(run("diagnose"))
    assert "cannot be combined" in one_line_error(run("diagnose", "--live", FROZEN))
    assert "--vmlinux" in one_line_error(run("diagnose", "--vmlinux", FROZEN, FROZEN))
    one_line_error(run("diagnose", "--no-such-option"))
    one_line_error(run("no-such-command"))
    assert "no boot 7" in one_line_error(run("diagnose", "--boot", "7", FROZEN))


def test_hostile_names_do_not_reach_the_terminal(tmp_path):
    file = tmp_path / "a\x1b]0;owned\x07\nb"
    file.write_bytes(b"x")
    assert "\x1b" not in one_line_error(run("diagnose", file))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_an_unreadable_part_is_reported_and_the_rest_is_done(tmp_path):
    (tmp_path / "good.log").write_bytes((REPORTS / "article-traces.txt").read_bytes())
    (tmp_path / "bad.log").write_bytes(b"x")
    (tmp_path / "bad.log").chmod(0)
    done = run("diagnose", tmp_path)
    assert done.returncode == 2
    assert done.stdout.startswith(b"insufficient-evidence: ")
    assert b"bad.log" in done.stderr


def test_a_broken_part_is_reported_and_the_rest_is_done(tmp_path):
    (tmp_path / "good.log").write_bytes((REPORTS / "article-traces.txt").read_bytes())
    whole = gzip.compress((REPORTS / "2011-12-23_linux-mm_ajeet-yadav_2.6.35.14_arm.txt").read_bytes())
    (tmp_path / "cut.log.gz").write_bytes(whole[: len(whole) // 2])
    done = run("diagnose", tmp_path)
    assert done.returncode == 2
    assert done.stdout
    assert b"cut.log.gz" in done.stderr
    assert b"ends early" in done.stderr


def test_a_file_that_is_no_log_among_logs_is_no_error(tmp_path):
    (tmp_path / "good.log").write_bytes((REPORTS / "article-traces.txt").read_bytes())
    (tmp_path / "picture.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(400))
    done = run("diagnose", tmp_path)
    assert done.returncode == 0, done.stderr
    assert b"picture.png" in done.stdout
    named = run("diagnose", tmp_path / "good.log", tmp_path / "picture.png")
    assert named.returncode == 2


def test_output_files_are_whole_or_absent(tmp_path):
    page = tmp_path / "report.html"
    done = run("diagnose", FROZEN, "--html", page, "-o", tmp_path / "out.txt")
    assert done.returncode == 0, done.stderr
    assert done.stdout == b""
    assert page.read_text().rstrip().endswith("</html>")
    assert (tmp_path / "out.txt").read_text().startswith("reclaim-livelock: ")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["out.txt", "report.html"]
    assert "cannot write" in one_line_error(
        run("diagnose", FROZEN, "--html", tmp_path / "no" / "such" / "dir.html")
    )


def test_a_reader_that_goes_away_is_no_error():
    command = [sys.executable, "-m", "unkillable", "diagnose", "--full", "--exit-code", str(FROZEN)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        errors = process.stderr.read()
        assert process.wait(60) in (1, 0)
    assert errors == b""


def _unread(descriptor):
    """Bytes that wait in a pipe."""
    return struct.unpack("i", fcntl.ioctl(descriptor, termios.FIONREAD, b"\0" * 4))[0]


def test_interrupt_leaves_no_trace(tmp_path):
    reader, writer = os.pipe()
    os.write(writer, b"[    1.000000] sysrq: Show State\n" * 1000)
    process = subprocess.Popen(
        [sys.executable, "-m", "unkillable", "diagnose", "-", "-o", str(tmp_path / "out")],
        stdin=reader,
        stderr=subprocess.PIPE,
        # A shell starts what it puts in the background with SIGINT ignored, and that is inherited.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    try:
        until = time.monotonic() + 60
        while _unread(reader) and time.monotonic() < until:
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=30)
    finally:
        process.kill()
        os.close(reader)
        os.close(writer)
    assert process.returncode == 130
    assert b"Traceback" not in errors
    assert list(tmp_path.iterdir()) == []


def _on_a_terminal(**environment):
    master, slave = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "unkillable", "diagnose", str(FROZEN)],
        stdout=slave,
        stderr=subprocess.DEVNULL,
        env={**{k: v for k, v in os.environ.items() if k != "NO_COLOR"}, "TERM": "xterm", **environment},
    ) as process:
        os.close(slave)
        text = b""
        while True:
            try:
                data = os.read(master, 65536)
            except OSError:
                break
            if not data:
                break
            text += data
        process.wait(60)
    os.close(master)
    return text


def test_colour_on_a_terminal_only_and_not_with_no_color():
    assert b"\x1b[" in _on_a_terminal()
    assert b"\x1b[" not in _on_a_terminal(NO_COLOR="1")


def test_version_help_and_completion():
    assert run("--version").stdout.startswith(b"unkillable ")
    assert b"diagnose" in run("--help").stdout
    assert b"Examples:" in run("diagnose", "--help").stdout
    for shell in ("bash", "zsh", "fish"):
        assert b"_UNKILLABLE_COMPLETE" in run("completion", shell).stdout
    document = json.loads(run("schema", "diagnosis").stdout)
    assert document["$id"].endswith("unkillable.diagnosis/1")
    assert json.loads(run("doctor", "--format", "json").stdout)["schema"] == "unkillable.doctor/1"

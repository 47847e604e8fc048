"""`unkillable reproduce`: what it refuses, what it prints, one real run, and what is left after Ctrl-C."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path

import jsonschema_rs
import pytest
from click.testing import CliRunner

from tests.cli.lab_cli import complaint, debian_kernel, emulator, run, squashfs
from tests.lab import made
from unkillable import reproduction
from unkillable.cli import reproduce
from unkillable.cli.main import cli
from unkillable.lab import accel
from unkillable.lab.run import Mode
from unkillable.lab.setup import Prepared, Root, Setup, Workload
from unkillable.lab.types import Exit, Run
from unkillable.report.schema import json_schema

ROOT = Path(__file__).parent.parent.parent
CAPTURES = "tests/samples/captures"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["extra"], "unexpected extra argument"),
        (["--fs", "vfat"], "'vfat' is not one of 'squashfs', 'ext4', 'erofs', 'tmpfs'"),
        (["--seconds", "1"], "'--seconds': 1.0 is not in the range"),
        (["--runs", "0"], "'--runs': 0 is not in the range"),
        (["--memory", "16"], "'--memory': 16 is not in the range"),
        (["--arch", "vax"], "arch = vax: must be one of x86_64, arm64, arm, mips, riscv"),
        (["--block", "5"], "root.block_kib = 5: must be one of 4, 8, 16"),
        (["--set", "foo"], "--set foo: write it as FIELD=VALUE"),
        (["--set", "foo=1"], "--set foo=1: no field foo; there are arch, "),
        (["--set", "emulator.cpus=x"], "emulator.cpus: expected `int`"),
        (["--set", "emulator.cpus=99"], "emulator.cpus = 99: must be 1 to 64"),
        (["--set", "/etc/passwd=x"], "no field /etc/passwd"),
        (["--set", "/proc/sys/../kcore=x"], "settings are files below /proc/sys or /sys"),
        (["--command", "'a b"], '--command "\'a b": No closing quotation'),
        (["--command", ""], "--command '': no command in it"),
        (["--canary", " "], "--canary ' ': no command in it"),
        (["--config", "x"], "--config is for a kernel that is built: --kernel source:TREE"),
        (["--kernel", "debian:foo"], "debian:foo: a Debian kernel is debian:SERIES"),
        (["--kernel", "none"], "none: no such kernel; give debian:SERIES, source:TREE or the path"),
        (["--modules", "x"], "brings its own modules; --modules is for a kernel given by its path"),
        (["--rootfs", "none"], "none: No such file or directory"),
        (["--html", "none/x.html"], "none/x.html: cannot write there: none is no directory"),
        (["-o", "."], ".: cannot write there: it is a directory"),
        (["--vmlinux", "x"], "--vmlinux belongs to --vmcore"),
        (["--vmcore", "--vmlinux", "x"], "--vmlinux x: no such file"),
        (["--record", "x", "--runs", "2"], "--record is for one run"),
        (["--record", "x", "--cpus", "2"], "--record: a machine of one processor is recorded"),
        (["--record", "x", "--keep", "y"], "--record cannot go with --keep: it names the directory itself"),
        (["--record", "x", "--look-early"], "--record cannot go with --look-early"),
        (["--record", "x", "--arch", "arm64"], "--record: arm64 cannot be recorded"),
        (["--replay", "x"], "x/run-1: no recording of reproduce --record: No such file"),
        (["--replay", "x", "--memory", "64"], "--replay runs what was recorded: it cannot go with --memory"),
        (["--until", "3"], "--until belongs to --replay"),
        (["--vmcore", "--no-look"], "--vmcore is a way to look"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_an_argument_that_cannot_be_used_is_one_line(words: list[str], says: str, tmp_path: Path) -> None:
    if words[0] in ("--kernel", "--modules"):
        emulator()
    assert says in complaint(run("reproduce", *words, cwd=tmp_path))


def test_an_unknown_series_names_those_that_are_served(tmp_path: Path) -> None:
    debian_kernel()
    line = complaint(run("reproduce", "--kernel", "debian:3.2", cwd=tmp_path))
    if "not read" in line:
        pytest.skip(line)
    assert "debian:3.2: the mirror has no such kernel" in line
    assert "served are " in line
    assert " 6.1 (" in line


def test_an_image_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("hello\n")
    assert complaint(run("reproduce", "--rootfs", "text", cwd=tmp_path)).endswith(
        "text is no squashfs, ext4 or erofs image"
    )


def test_a_truncated_image(tmp_path: Path) -> None:
    image = squashfs(tmp_path, size=200_000)
    (tmp_path / "cut").write_bytes(image.read_bytes()[:200_000])
    assert "cut is truncated: squashfs says that it has" in complaint(
        run("reproduce", "--rootfs", "cut", cwd=tmp_path)
    )
    head = bytearray(image.read_bytes()[:200_000])
    struct.pack_into(
        "<Q", head, 40, len(head)
    )  # bytes_used: as if it were whole, its tables are missing all the same
    (tmp_path / "lie").write_bytes(head)
    assert "unsquashfs failed" in complaint(
        run("reproduce", "--rootfs", "lie", "--command", "/bin/eat", cwd=tmp_path)
    )


def test_what_is_not_in_an_image_is_not_started(tmp_path: Path) -> None:
    emulator()
    image = squashfs(tmp_path)
    for words, says in (
        (["--command", "/bin/cat x"], "has no /bin/cat; a command begins with the path of a program in it"),
        (["--command", "/bin/eat", "--canary", "/tick"], "has no /tick"),
        (["--command", "/bin/eat", "--fs", "ext4"], "is squashfs, not ext4; say --fs squashfs"),
        (["--command", "/bin/eat", "--block", "4"], "--block says how an image is built"),
        (["--command", "/bin/eat", "--compressor", "xz"], "--compressor says how an image is built"),
    ):
        assert says in complaint(run("reproduce", "--rootfs", image, *words, cwd=tmp_path))


def test_an_image_without_its_init(tmp_path: Path) -> None:
    debian_kernel()
    image = squashfs(tmp_path)
    line = complaint(
        run("reproduce", "--rootfs", image, "--command", "/bin/eat", "--init", "/sbin/init", cwd=tmp_path)
    )
    assert "has no /sbin/init; name the program it starts with, or leave --init out" in line


def test_a_kernel_that_is_none(tmp_path: Path) -> None:
    emulator()
    (tmp_path / "text").write_text("hello\n")
    assert "text: not a kernel: nowhere in it is `Linux version`" in complaint(
        run("reproduce", "--kernel", "text", cwd=tmp_path)
    )


def test_a_missing_emulator_names_its_package_before_anything_is_fetched(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    for arch, package in (("x86_64", "qemu-system-x86"), ("arm64", "qemu-system-arm")):
        done = run("reproduce", "--arch", arch, cwd=tmp_path, PATH=str(tmp_path), XDG_CACHE_HOME=str(cache))
        assert f"is not installed: apt-get install {package}" in complaint(done)
    assert not cache.exists()


def test_a_directory_for_logs_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert "--keep file: cannot keep logs there: File exists" in complaint(
        run("reproduce", "--keep", "file", cwd=tmp_path)
    )


def test_the_help_has_examples() -> None:
    shown = CliRunner().invoke(cli, ["reproduce", "--help"])
    assert shown.exit_code == 0
    assert " unkillable reproduce --kernel debian:5.10 --runs 5\n" in shown.output
    assert "--rootfs rootfs.squashfs" in shown.output


def test_options_become_the_setup(tmp_path: Path) -> None:
    def setup(*words: str) -> Setup:
        context = reproduce.command.make_context("reproduce", list(words))
        return reproduce._setup(context.params)

    assert setup() == Setup()
    assert setup("--fs", "erofs", "--compressor", "none").root == Root("erofs", "none")
    own = setup("--command", "/bin/a 'b c'", "--canary", "/bin/d e")
    assert own.workload == Workload(kind="command", command=("/bin/a", "b c"))
    assert own.canary == ("/bin/d", "e")
    machine = setup("--memory", "64", "--cpus", "1", "--room", "0", "--seconds", "7.5", "--arch", "arm")
    assert (machine.emulator.memory_mib, machine.emulator.cpus, machine.room_mib) == (64, 1, 0)
    assert (machine.seconds, machine.arch) == (7.5, "arm")
    tuned = setup("--set", "vm.swappiness=1", "--set", "zram_mib=32")
    assert (tuned.settings, tuned.zram_mib) == ((("/proc/sys/vm/swappiness", "1"),), 32)
    image = squashfs(tmp_path)
    if shutil.which("unsquashfs"):
        assert setup("--rootfs", str(image), "--command", "/bin/eat").root == Root(
            "squashfs", image=str(image)
        )


def test_a_workload_that_could_not_be_started_is_no_survivor() -> None:
    one = Setup(workload=Workload(programs=2))
    ends = (Exit(3.0, "churn1", 91, status=127), Exit(3.0, "churn2", 92, status=127))
    told = reproduction._told(made.run(0.1, kills=(), exits=ends), one)
    assert told.outcome == "boot-failed"
    assert "the workload never ran: churn1 ended with status 127" in told.why
    for run_ in (
        made.run(0.1, kills=(), exits=ends[:1]),
        made.run(0.1, kills=(), exits=(*ends[:1], Exit(3.0, "churn2", 92, signal=9))),
        made.run(0.1, kills=(), exits=(*ends[:1], Exit(3.0, "churn2", 92, status=1))),
        made.run(0.1, exits=ends),
        made.run(0.1, outcome="panic", kills=(), exits=ends),
    ):
        assert reproduction._told(run_, one) == run_


def test_a_reproduction_on_a_busy_host_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def choose(_: Prepared) -> tuple[str, str]:
        return "tcg", "software emulation"

    waits = iter((60.0, 300.0))

    async def measure(*_: object) -> Run:
        return made.run(30.0, qemu_cpu_s=100.0, qemu_wait_s=next(waits))

    monkeypatch.setattr(accel, "choose", choose)
    monkeypatch.setattr(reproduction, "measure", measure)
    prepared = Prepared(Setup(), "6.1.0", "6.1.1", "vmlinuz", "initramfs", "disk")
    found = asyncio.run(reproduction._reproduce(prepared, 2, tmp_path, Mode(), None))
    assert found.notes == (
        (
            "In 1 of 2 runs the host was busy with something else for up to 75 % of the time that QEMU wanted to run: "
            "repeat them while it does nothing else."
        ),
        "software emulation",
    )


@pytest.mark.parametrize(
    ("log", "kind", "answers"),
    [
        (
            "examples/frozen-5.10.log.xz",
            "reclaim-livelock",
            {"livelock": True, "stalled": True, "deadlock": False},
        ),
        (
            f"{CAPTURES}/amd64-6.1-healthy.sample.xz",
            "no-hang",
            {"livelock": False, "stalled": None, "survived": True},
        ),
    ],
)
def test_a_console_is_held_against_the_outcome(log: str, kind: str, answers: dict[str, bool | None]) -> None:
    for outcome, agrees in answers.items():
        look = reproduction.look_at(ROOT / log, outcome)
        assert look is not None
        assert (look.kind, look.agrees) == (kind, agrees)
        assert look.disagreement == (
            f"measured: {outcome}; the console says: {kind}" if agrees is False else None
        )


def test_a_busy_host_is_told() -> None:
    busy = made.run(qemu_cpu_s=20.0, qemu_wait_s=60.0)
    assert reproduction._busy([made.run(), made.run(qemu_wait_s=50.0)]) == ()
    (note,) = reproduction._busy([made.run(), busy])
    assert note.startswith("In 1 of 2 runs the host was busy with something else for up to 75 % of the time")


def test_an_empty_console_says_nothing(tmp_path: Path) -> None:
    (tmp_path / "console.log").touch()
    look = reproduction.look_at(tmp_path / "console.log", "stalled")
    assert look is not None
    assert (look.kind, look.agrees) == ("insufficient-evidence", None)


def test_a_dump_that_cannot_be_read_costs_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "vmcore.elf").write_bytes(b"no dump")
    (tmp_path / "vmlinux").write_bytes(b"no kernel")
    one = made.run(dump=str(tmp_path / "vmcore.elf"))
    told = reproduction._with_dump(one, tmp_path / "vmlinux")
    assert told.dump_look is not None
    assert told.dump_look.kind == "insufficient-evidence"
    assert told.outcome == one.outcome
    assert reproduction._with_dump(made.run(), tmp_path / "vmlinux") == made.run()


@pytest.mark.vm
@pytest.mark.slow
@pytest.mark.timeout(200)
def test_a_kernel_that_cannot_be_booted(tmp_path: Path) -> None:
    """A file that only says that it is a kernel: QEMU refuses it, or nothing comes up."""
    emulator()
    (tmp_path / "fake").write_bytes(b"Linux version 6.6.6 (nobody) fake\n\0" + bytes(4096))
    done = run("reproduce", "--kernel", "fake", "--accelerator", "tcg", cwd=tmp_path, seconds=180)
    line = complaint(done, nothing_printed=False)
    assert "QEMU did not start: " in line or "boot-failed: " in line


@pytest.mark.vm
@pytest.mark.slow
@pytest.mark.timeout(200)
def test_a_kernel_without_squashfs(tmp_path: Path) -> None:
    """Debian's kernel without its modules can mount nothing; away from its configuration nobody knows that before."""
    shutil.copyfile(debian_kernel().image, tmp_path / "vmlinuz")
    words = ("reproduce", "--kernel", "vmlinuz", "--accelerator", "tcg", "--seconds", 5, "--keep", "logs")
    done = run(*words, cwd=tmp_path, seconds=180)
    line = complaint(done, nothing_printed=False)
    assert "boot-failed: root squashfs" in line
    assert done.stdout.startswith("could not tell: no run says anything about the guest")
    assert line.endswith("; logs are in logs/run-1")
    assert b'"fatal":true' in (tmp_path / "logs/run-1/watch.jsonl").read_bytes()
    assert (tmp_path / "logs/run-1/console.log").exists()
    (kept,) = json.loads((tmp_path / "logs/reproduction.json").read_bytes())["runs"]
    assert kept["outcome"] == "boot-failed"


@pytest.mark.vm
@pytest.mark.slow
@pytest.mark.timeout(300)
def test_one_real_run_from_boot_to_verdict(tmp_path: Path) -> None:
    debian_kernel()
    words = "--kernel debian:6.1 --seconds 20 --no-look --accelerator tcg --format json --keep logs --html page.html"
    done = run("reproduce", *words.split(), cwd=tmp_path, seconds=290)
    assert (done.returncode, done.stderr) == (0, "")
    document = json.loads(done.stdout)
    jsonschema_rs.validator_for(json_schema("reproduction")).validate(document)
    assert document == json.loads((tmp_path / "logs/reproduction.json").read_bytes())
    assert document["release"].startswith("6.1.")
    assert any(text.startswith("linux-image-6.1.") for _, text in document["provenance"])

    (one,) = document["runs"]
    assert one["outcome"] in ("survived", "stalled", "livelock", "deadlock")
    assert document["summary"]["outcome"] == one["outcome"]
    assert one["measured_s"] >= 20
    assert one["longest_stall_s"] is not None
    assert one["accelerator"] == "tcg"
    assert one["command_line"][0].endswith("qemu-system-x86_64")
    assert one["disk_reads"] > 0
    assert one["beats"], "the canary was answered before memory ran out"
    assert one["beats"] == sorted(one["beats"])
    assert all(0 < took < one["measured_s"] for _, took in one["beats"])
    assert len(one["samples"]) > 5
    available = [sample[2] for sample in one["samples"]]
    assert min(available) < available[0] / 2, "the workload used memory up"
    assert one["qemu_cpu_s"] > 1
    assert one["harness_cpu_s"] < 0.1 * one["qemu_cpu_s"]
    # 17,000 to 110,000 were seen on hosts that did other things besides.
    assert 1_000 < one["host_speed"] < 10_000_000
    assert one["look"] is None
    assert "<svg" in (tmp_path / "page.html").read_text()


def _started(path: Path, process: subprocess.Popen[bytes], seconds: float) -> None:
    """Waits until the watcher has said that the workload runs."""
    deadline = time.monotonic() + seconds
    while not (path.exists() and b'"ev":"beat"' in path.read_bytes()):
        assert process.poll() is None, "it ended before the guest was up"
        assert time.monotonic() < deadline, "the guest did not come up"
        time.sleep(0.1)


def _children(pid: int) -> list[int]:
    return [
        int(word)
        for task in Path(f"/proc/{pid}/task").iterdir()
        for word in (task / "children").read_text().split()
    ]


def _gone(pid: int, seconds: float = 10) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return True
        if state == "Z":  # dead; whoever adopted it has not waited yet
            return True
        time.sleep(0.1)
    return False


@pytest.mark.vm
@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=lambda how: how.name)
def test_nothing_is_left_of_a_run_that_is_ended(how: signal.Signals, tmp_path: Path) -> None:
    debian_kernel()
    if not Path("/proc/self/task/self/children").exists() and not list(
        Path("/proc/self/task").glob("*/children")
    ):
        pytest.skip("needs a kernel with CONFIG_PROC_CHILDREN")
    sockets = tmp_path / "sockets"
    sockets.mkdir()
    words = "reproduce --kernel debian:6.1 --seconds 60 --accelerator tcg --keep logs".split()
    with (tmp_path / "errors").open("wb") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "unkillable", *words],
            cwd=tmp_path,
            stdout=subprocess.DEVNULL,
            stderr=errors,
            env={**os.environ, "TMPDIR": str(sockets)},
            start_new_session=True,
        )
    try:
        _started(tmp_path / "logs/run-1/watch.jsonl", process, 200)
        (child,) = _children(process.pid)
        assert b"qemu-system" in Path(f"/proc/{child}/cmdline").read_bytes()
        assert list(sockets.iterdir())
        process.send_signal(how)
        status = process.wait(30)
    finally:
        process.kill()
        process.wait()
    assert _gone(child), "the emulator goes on"
    if how != signal.SIGKILL:
        assert status == 130
        assert (tmp_path / "errors").read_text().strip() == "unkillable: interrupted"
        assert list(sockets.iterdir()) == []
    else:
        assert status == -how
    assert (tmp_path / "logs/run-1/console.log").exists()
    assert not (tmp_path / "logs/reproduction.json").exists()

"""`collect.sh now`: what it gathers, what it leaves out, and what it leaves behind."""

from __future__ import annotations

import contextlib
import gzip
import os
import re
import shutil
import signal
import subprocess
import tarfile
import time
from pathlib import Path

import pytest

from tests.collect.script import SHELLS, Device
from unkillable.collect import script
from unkillable.diagnosis import diagnose
from unkillable.evidence.proc import read_proc_tree
from unkillable.klog.bundle import MARKER
from unkillable.pipeline import inspect


@pytest.fixture(params=SHELLS)
def device(tmp_path: Path, request: pytest.FixtureRequest) -> Device:
    return Device(tmp_path, request.param)


@pytest.fixture
def dash(tmp_path: Path) -> Device:
    return Device(tmp_path, "dash")


def members(bundle: Path) -> dict[str, bytes]:
    with tarfile.open(bundle) as archive:
        return {one.name: archive.extractfile(one).read() for one in archive}


def left(process: subprocess.Popen[bytes]) -> list[int]:
    """Processes of the group that a script was started as."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text(errors="replace").rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[2]) == process.pid and fields[0] != "Z":
            found.append(int(stat.parent.name))
    return found


def test_shellcheck_has_nothing_to_say() -> None:
    if shutil.which("shellcheck") is None:
        pytest.skip("needs shellcheck")
    done = subprocess.run(
        ["shellcheck", "--shell=sh", "-"], input=script(), capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "")


def test_files_are_copied_byte_for_byte(device: Device) -> None:
    device.put("proc/77/stat", "77 (b\u00e9\n) % \\n) D 1 7 7 0\n")
    device.put("proc/77/wchan", "squashfs_cache_get")
    device.put("dmesg", "[    1.000000] hello\n")
    device.now()
    found = members(device.bundle)
    assert next(iter(found)) == MARKER
    for name in ("proc/77/stat", "proc/77/wchan", "proc/122/stack", "proc/meminfo", "proc/zoneinfo", "dmesg"):
        assert found[name] == (device.root / name).read_bytes(), name
    assert found["proc/sys/vm/swappiness"] == (device.root / "proc/sys/vm/swappiness").read_bytes()
    assert list(device.ram.iterdir()) == []


@pytest.mark.parametrize("tar", ["tar", "busybox tar", "toybox tar"])
def test_programs_that_read_tar_read_it(dash: Device, tar: str) -> None:
    if shutil.which(tar.split()[0]) is None:
        pytest.skip(f"needs {tar}")
    dash.now()
    listed = subprocess.run(
        [*tar.split(), "tf", str(dash.bundle)], capture_output=True, text=True, check=True
    )
    assert listed.stdout.split() == list(members(dash.bundle))
    assert listed.stderr == ""


def test_the_bundle_shows_what_the_tree_shows(device: Device) -> None:
    device.now()
    expected = diagnose(read_proc_tree(device.root).evidence)
    seen = inspect([str(device.bundle)])
    assert seen.verdict == expected.verdict
    assert seen.verdict.kind == "unkillable-victim"
    assert (seen.waiters, seen.graph) == (expected.waiters, expected.graph)
    assert seen.kernel.release == expected.kernel.release
    assert [one for one in seen.problems if one.failed] == []


def test_tasks_in_d_and_r_come_first(dash: Device) -> None:
    dash.now()
    order = [name.split("/")[1] for name in members(dash.bundle) if name.endswith("/stat")]
    states = [(dash.root / "proc" / pid / "stat").read_text().rpartition(") ")[2][0] for pid in order]
    assert states[0] == "D"
    assert not {"D", "R"} & set("".join(states).lstrip("DR"))
    assert len(set(order)) == len(order)


def test_who_is_stuck_is_looked_at_twice(device: Device) -> None:
    """The uptime of a copied tree stands still, so a second is waited for."""
    device.now()
    once = {one.pid: one.seen for one in inspect([str(device.bundle)]).waiters}
    device.put("proc/300/stat", "300 (asleep) S 1 300 300 0 -1 0\n")
    device.now("--again", "1")
    found = members(device.bundle)
    twice = {
        name.split("/")[2] for name in found if name.startswith("again/proc/") and name.endswith("/stack")
    }
    assert "122" in twice
    assert "300" not in twice
    assert found["again/proc/122/stack"] == found["proc/122/stack"]
    assert {"again/proc/meminfo", "again/proc/uptime"} <= set(found)
    order = list(found)
    assert order.index("again/proc/122/stack") < order.index("proc/300/stat") < order.index("dmesg")
    seen = inspect([str(device.bundle)])
    assert {one.pid: one.seen for one in seen.waiters}[122] == once[122] + 1


def test_kernel_threads_without_work_are_told_in_short(device: Device) -> None:
    for pid, state, parent in ((301, "I", 2), (302, "D", 2), (303, "S", 1)):
        device.put(f"proc/{pid}/stat", f"{pid} (one) {state} {parent} 0 0 0 -1 69238880\n")
        device.put(f"proc/{pid}/stack", "[<0>] worker_thread+0x1/0x2\n")
    device.now()
    stacks = {name.split("/")[1] for name in members(device.bundle) if name.endswith("/stack")}
    assert {"302", "303"} <= stacks
    assert "301" not in stacks


def test_a_second_look_that_does_not_answer_costs_only_itself(device: Device) -> None:
    """The first look takes the pipe's only line, the second waits for ever."""
    (device.root / "proc/122/wchan").unlink()
    pipe = device.root / "proc/122/wchan"
    os.mkfifo(pipe)
    writer = subprocess.Popen(["sh", "-c", f"printf squashfs_cache_get >{pipe}"])
    said = device.now("--again", "1", "--patience", "1")
    assert writer.wait(10) == 0
    assert "did not answer, left out: again 122" in said
    found = members(device.bundle)
    assert found["proc/122/wchan"] == b"squashfs_cache_get"
    assert {"again/proc/122/stat", "proc/1/stat", "proc/mounts"} <= set(found)


def test_threads(device: Device) -> None:
    for name, state in (("300", "S"), ("300/task/300", "S"), ("300/task/301", "D"), ("300/task/302", "S")):
        device.put(f"proc/{name}/stat", f"{name[-3:]} (many) {state} 1 300 300 0 -1 0\n")
    device.now()
    found = members(device.bundle)
    assert {"proc/300/stat", "proc/300/task/301/stat", "proc/300/task/302/stat"} <= set(found)
    assert "proc/300/task/300/stat" not in found


def test_no_secret_is_in_it(device: Device) -> None:
    device.put("proc/cmdline", "root=/dev/vda wifi.psk=hunter2 api_Token=hunter2 console=ttyS0\n")
    device.put("dmesg", "[ 1.0] Kernel command line: root=/dev/vda wifi.psk=hunter2\n[ 2.0] http://bob:hunter2@host/ up\n"
        "[ 3.0] INFO: task authd:12 blocked for more than 120 seconds.\n")  # fmt: skip
    device.put(
        "proc/mounts",
        "/dev/vda / squashfs ro 0 0\n//nas/x /mnt cifs rw,username=bob,password=hunter2,vers=3 0 0\n",
    )
    device.put("proc/122/environ", "PASSWORD=hunter2\0")
    device.put("proc/122/cmdline", "daemon\0--password=hunter2\0")
    config = 'CONFIG_SQUASHFS=y\n# CONFIG_PSI is not set\nCONFIG_MODULE_SIG_KEY="hunter2"\nCONFIG_HZ=250\nCONFIG_BOARD_PIN_KEY=4711\n'
    (device.root / "proc" / "config.gz").write_bytes(gzip.compress(config.encode()))
    device.now()
    found = members(device.bundle)
    assert b"hunter2" not in device.bundle.read_bytes()
    assert found["proc/cmdline"] == b"root=/dev/vda wifi.psk=*** api_Token=*** console=ttyS0\n"
    assert b"INFO: task authd:12 blocked" in found["dmesg"]
    assert b"password=***,vers=3" in found["proc/mounts"]
    assert found["proc/config"] == b"CONFIG_SQUASHFS=y\n# CONFIG_PSI is not set\nCONFIG_HZ=250\n"
    assert not [name for name in found if name.endswith(("environ", "2/cmdline"))]
    device.now("--cmdline")
    assert members(device.bundle)["proc/122/cmdline"].split() == [b"daemon", b"--password=***"]


def test_it_stays_within_its_bound_and_says_what_is_left_out(device: Device) -> None:
    device.now("--max-kib", "40")
    assert device.bundle.stat().st_size <= 40 * 1024
    assert b"more than --max-kib" in members(device.bundle)["unkillable-collect/notes"]


def test_a_file_that_does_not_answer_is_left_out(device: Device) -> None:
    """A FIFO without a writer answers as little as /proc/PID/stack of a task inside execve."""
    os.mkfifo(device.root / "proc" / "55")
    device.put("proc/122/oom_score_adj", "0\n")
    (device.root / "proc/122/wchan").unlink()
    os.mkfifo(device.root / "proc/122/wchan")
    assert "did not answer, left out: tasks-yes 122" in device.now("--patience", "1")
    found = members(device.bundle)
    assert b"did not answer: tasks-yes 122" in found["unkillable-collect/notes"]
    assert {"proc/122/stat", "proc/135/stat", "proc/mounts"} <= set(found)
    assert "collect.sh: did not answer: tasks-yes 122" in {
        one.reason for one in inspect([str(device.bundle)]).problems
    }


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_leaves_nothing_behind(device: Device, number: signal.Signals) -> None:
    (device.root / "proc/122/wchan").unlink()
    os.mkfifo(device.root / "proc/122/wchan")
    process = subprocess.Popen(
        device.command("now", "--root", str(device.root), "-o", str(device.bundle), "--patience", "50"),
        env=device.environment, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    deadline = time.monotonic() + 30
    while not (
        device.bundle.exists() and device.bundle.stat().st_size > 5000 and time.monotonic() < deadline
    ):
        time.sleep(0.05)
    process.send_signal(number)
    assert process.wait(20) == 128 + number
    assert not device.bundle.exists()
    assert list(device.ram.iterdir()) == []
    while left(process) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert left(process) == []


def test_without_a_directory_it_takes_one_in_ram(device: Device) -> None:
    places = [Path(name) for name in ("/run", "/dev/shm", "/tmp")]
    mounts = [line.split() for line in Path("/proc/mounts").read_text().splitlines()]
    in_ram = [
        one for one in places if [kind for _, at, kind, *_ in mounts if at == str(one)][-1:] == ["tmpfs"]
    ]
    if not in_ram or os.getuid() != 0:
        pytest.skip("needs root, and a tmpfs of its own on /run, /dev/shm or /tmp")
    command = [
        word
        for word in device.command("now", "--root", str(device.root), "--max-kib", "600")
        if word != "--dir"
    ]
    done = subprocess.run(command[:-1], env=device.environment, capture_output=True, text=True, check=True)
    bundle = Path(done.stderr.partition("written: ")[2].split()[0])
    try:
        assert bundle.parent == in_ram[0] / "unkillable"
        assert "proc/122/stack" in members(bundle)
    finally:
        bundle.unlink()
        with contextlib.suppress(OSError):
            bundle.parent.rmdir()


def test_a_disk_with_too_little_room_is_not_written_to(device: Device) -> None:
    df = device.path / "df"
    df.unlink(missing_ok=True)
    df.write_text(
        "#!/bin/sh\necho Filesystem 1024-blocks Used Available Capacity Mounted\necho /dev/x 900 890 10 99% /\n"
    )
    df.chmod(0o755)
    said = device.run("now", "--root", str(device.root), "-o", str(device.bundle), status=2)
    assert "10 KiB are free there" in said
    assert not device.bundle.exists()
    assert list(device.ram.iterdir()) == []


def test_it_waits_for_a_line(device: Device) -> None:
    process = subprocess.Popen(
        device.command("now", "--root", str(device.root), "-o", str(device.bundle), "--wait"),
        env=device.environment, stdin=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    while b"ready" not in (line := process.stderr.readline()):
        assert line
    time.sleep(0.2)
    assert device.bundle.stat().st_size == 0
    process.communicate(b"\n", timeout=60)
    assert process.returncode == 0
    assert "proc/122/stack" in members(device.bundle)


def test_a_full_file_system_is_an_error(device: Device) -> None:
    if not Path("/dev/full").is_char_device():
        pytest.skip("needs /dev/full")
    if device.argv[0] == "busybox":
        pytest.skip("its printf keeps a failed write to itself")
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            device.command("now", "--root", str(device.root), "-o", "-"),
            env=device.environment, stdout=full, stderr=subprocess.PIPE, check=False,
        )  # fmt: skip
    assert (done.returncode, b"cannot be written to its end" in done.stderr) == (2, True)


def test_a_file_whose_end_was_not_written_is_an_error(device: Device) -> None:
    """A limit of the shell's own on the size of files does what a full disk does."""
    command = " ".join(device.command("now", "--root", str(device.root), "-o", str(device.bundle)))
    done = subprocess.run(
        ["dash", "-c", f"trap '' XFSZ; ulimit -f 64; {command}"], env=device.environment, capture_output=True, text=True, check=False
    )  # fmt: skip
    assert (done.returncode, "cannot be written to its end" in done.stderr) == (2, True)
    assert not device.bundle.exists()


def test_dumps_only_those_that_change_nothing(device: Device) -> None:
    device.put("proc/sysrq-trigger", "")
    device.now("--sysrq", "wm")
    assert (device.root / "proc/sysrq-trigger").read_text() == "m"
    for keys in ("b", "wc", "w b"):
        assert "only the dumps" in device.run("now", "--sysrq", keys, status=2)
    assert (device.root / "proc/sysrq-trigger").read_text() == "m"


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("now", "--frob"), "no such option"),
        (("now", "--max-kib", "many"), "not a number"),
        (("now", "--max-kib"), "no such option|needs a value|not a number"),
        (("now", "--dry-run"), "no such option of now"),
        (("frob",), "no such command"),
        (("disarm",), "nothing is armed"),
    ],
)
def test_what_it_cannot_do_is_one_line_and_status_2(dash: Device, words: tuple[str, ...], why: str) -> None:
    said = dash.run(*words, status=2)
    assert re.search(why, said)
    assert said.count("\n") == 1


def test_a_directory_of_others_is_refused_and_nothing_in_it_is_run(device: Device) -> None:
    if os.getuid() != 0:
        pytest.skip("needs root, to make a directory of somebody else's")
    device.ram.mkdir(mode=0o777)
    trap = device.ram / "busybox"
    trap.write_text(f"#!/bin/sh\n: >{device.place}/sprung\n")
    trap.chmod(0o755)
    os.chown(device.ram, 65534, 65534)
    assert "closed to others" in device.run("now", "-o", str(device.bundle), status=2)
    assert not (device.place / "sprung").exists()


def test_this_machine(device: Device) -> None:
    """The real /proc, with a deep look at one process: this one."""
    device.run("now", "-o", str(device.bundle))
    found = members(device.bundle)
    comm = found[f"proc/{os.getpid()}/stat"].decode(errors="replace").split("(")[1].split(")")[0]
    assert comm == Path("/proc/self/comm").read_text().strip()
    assert found["proc/version"] == Path("/proc/version").read_bytes()
    assert found["unkillable-collect/machine"].decode().strip() == os.uname().machine
    assert b"hunter2" not in device.bundle.read_bytes()
    seen = inspect([str(device.bundle)])
    assert seen.kernel.release == os.uname().release
    assert seen.source == str(device.bundle)
    assert [one for one in seen.problems if one.failed] == []

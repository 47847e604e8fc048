"""Recording a run and replaying it: command lines, what is kept, pipes instead of sockets, and one real replay."""

from __future__ import annotations

import asyncio
import shutil
import sys
import tempfile
from pathlib import Path

import msgspec
import pytest

from unkillable.errors import UserError
from unkillable.lab import recording, replay
from unkillable.lab.machine import Machine
from unkillable.lab.qemu import Files, Tape, arguments
from unkillable.lab.setup import Emulator, Prepared, Setup
from unkillable.lab.taped import Recorder
from unkillable.reproduction import reproduce

needs_qemu = pytest.mark.skipif(
    shutil.which("qemu-system-x86_64") is None, reason="qemu-system-x86_64 is not installed"
)
COUNTED = Setup(emulator=Emulator(cpus=1, accelerator="tcg", icount_shift=3))
PREPARED = Prepared(COUNTED, "6.1.0", "6.1.192", "vmlinuz", "initramfs", "root,1.img")


def options(mode: str, option: str) -> list[str]:
    words = arguments(PREPARED, Files(Path("/s"), Path("/t")), "tcg", tape=Tape(mode, Path("/t")))
    return [words[at + 1] for at, word in enumerate(words) if word == option]


@needs_qemu
def test_a_recording_counts_instructions_and_has_no_socket_to_the_guest() -> None:
    assert options("record", "-icount") == ["shift=3,sleep=on,rr=record,rrfile=/t/tape.bin"]
    console, watch = options("record", "-chardev")
    assert console == "null,id=con,logfile=/t/console.log"
    assert watch == "pipe,id=watch,path=/s/watch,logfile=/t/recorded.jsonl"
    below, disk = options("record", "-drive")
    assert below == "if=none,id=root-image,format=raw,readonly=on,file=root,,1.img"
    assert disk == "driver=blkreplay,if=none,image=root-image,id=root,readonly=on"
    assert "virtio-blk-pci,drive=root,ioeventfd=off" in options("record", "-device")
    assert "vmcoreinfo" in options("record", "-device")
    assert "nokaslr" in options("record", "-append")[0].split()
    words = arguments(PREPARED, Files(Path("/s"), Path("/t")), "tcg", tape=Tape("record", Path("/t")))
    assert "-S" not in words


@needs_qemu
def test_a_replay_is_the_same_machine_that_listens_to_nobody() -> None:
    assert options("replay", "-icount") == ["shift=3,sleep=on,rr=replay,rrfile=/t/tape.bin"]
    assert options("replay", "-chardev") == [
        "null,id=con,logfile=/t/replayed.log",
        "null,id=watch,logfile=/t/replayed.jsonl",
    ]
    for option in ("-drive", "-device", "-kernel", "-append", "-machine", "-m"):
        assert options("replay", option) == options("record", option)


def test_a_setup_becomes_one_that_can_be_recorded() -> None:
    assert recording.fitting(Setup()) == COUNTED
    slow = Setup(emulator=Emulator(icount_shift=5))
    assert recording.fitting(slow).emulator.icount_shift == 5
    with pytest.raises(UserError, match="icount_shift = 1: a guest that fast is not replayed to its end"):
        recording.fitting(Setup(emulator=Emulator(icount_shift=1)))
    with pytest.raises(UserError, match="arm64 cannot be recorded, only x86_64"):
        recording.fitting(Setup(arch="arm64"))
    with pytest.raises(UserError, match="under KVM nothing can be recorded"):
        recording.fitting(Setup(emulator=Emulator(accelerator="kvm")))


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with a recording whose files are there."""
    for name in ("vmlinuz", "initramfs", "root.img"):
        (tmp_path / name).write_text(name)
    prepared = msgspec.structs.replace(
        PREPARED,
        kernel_image=str(tmp_path / "vmlinuz"),
        initramfs=str(tmp_path / "initramfs"),
        disk=str(tmp_path / "root.img"),
    )
    monkeypatch.setattr(recording, "program", lambda _: "qemu")
    monkeypatch.setattr(recording, "version", lambda _: "QEMU emulator version 10.0.2")
    recording.save(Tape("record", tmp_path), prepared, "QEMU emulator version 10.0.2", 41.5)
    return tmp_path


def test_what_was_recorded_is_found_again(kept: Path) -> None:
    found = recording.load(kept)
    assert found.prepared.setup == COUNTED
    assert found.guest_s == 41.5
    assert len(found.files) == 3


def test_a_directory_that_is_no_recording(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no recording of reproduce --record: No such file"):
        recording.load(tmp_path)
    (tmp_path / "recording.json").write_text("{}")
    with pytest.raises(UserError, match=r"recording\.json: damaged"):
        recording.load(tmp_path)


def test_a_recording_of_another_schema(kept: Path) -> None:
    file = kept / "recording.json"
    file.write_text(file.read_text().replace("unkillable.recording/1", "unkillable.recording/2"))
    with pytest.raises(UserError, match=r"recording\.json: .*unkillable\.recording/2"):
        recording.load(kept)


@pytest.mark.parametrize("change", ["gone", "other"])
def test_a_recording_of_which_a_file_is_not_as_it_was(kept: Path, change: str) -> None:
    image = kept / "root.img"
    image.unlink() if change == "gone" else image.write_text("other")
    with pytest.raises(UserError, match=r"root\.img is not as it was recorded with; record anew"):
        recording.load(kept)


def test_another_qemu_cannot_replay_it(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "version", lambda _: "QEMU emulator version 11.0.0")
    with pytest.raises(UserError, match=r"recorded with .*10\.0\.2; .*11\.0\.0 cannot replay it"):
        recording.load(kept)


def test_a_moment_that_was_not_recorded(kept: Path) -> None:
    with pytest.raises(UserError, match=r"--until 50: the recording goes from 0 to 41\.5 s"):
        replay.replay(kept, 50.0)


def write(folder: Path, mode: str, watch: str, console: str = "Linux version\n") -> None:
    tape = Tape(mode, folder)
    tape.wrote("watch").write_text(watch)
    tape.wrote("con").write_text(console)


LINES = '{"t":1.5,"ev":"hello"}\n{"t":2.5,"ev":"pulse"}\n'


def compared(folder: Path) -> replay.Replayed:
    tape = Tape("replay", folder)
    return replay._compared(tape, folder, replay._Reading(tape.wrote("watch")), "")


def test_a_replay_is_held_against_what_was_recorded(tmp_path: Path) -> None:
    write(tmp_path, "record", LINES)
    write(tmp_path, "replay", LINES)
    assert compared(tmp_path) == replay.Replayed(True, 2.5, len(LINES))
    write(tmp_path, "replay", LINES.replace("2.5", "2.6"))
    other = compared(tmp_path)
    assert not other.same
    assert other.why == "port watch: the same for 30 of 46 bytes"
    write(tmp_path, "replay", LINES[:30])
    short = compared(tmp_path)
    assert (short.same, short.guest_s) == (False, 1.5)
    assert short.why == "port watch: the same for 30 of 46 bytes"
    write(tmp_path, "replay", LINES, "Linux version 7\n")
    assert compared(tmp_path).why == "port con: the same for 13 of 14 bytes"


FAKE = """
import json, os, socket, sys
folder = sys.argv[1]
out = os.open(folder + "/watch.out", os.O_RDWR)
into = os.open(folder + "/watch.in", os.O_RDWR)
port = socket.socket(socket.AF_UNIX)
port.bind(folder + "/qmp")
port.listen()
for n in range(1000):  # long before anybody reads
    for byte in b'{"t":%d}\\n' % n:
        os.write(out, bytes([byte]))
client = port.accept()[0]
def send(**row):
    client.sendall(json.dumps(row).encode() + b"\\n")
send(QMP={"version": {"qemu": {"major": 10, "minor": 0, "micro": 2}, "package": ""}, "capabilities": []})
while text := client.recv(4096):
    asked = json.loads(text)
    if asked["execute"] == "query-name":
        os.write(out, b'{"heard":%s}\\n' % json.dumps(os.read(into, 100).decode()).encode())
    send(**{"return": {}, "id": asked.get("id")})
    if asked["execute"] == "quit":
        break
"""


async def talk(logs: Path) -> list[bytes]:
    with tempfile.TemporaryDirectory() as sockets:
        files = Files(Path(sockets), logs)
        async with Recorder((sys.executable, "-c", FAKE, sockets), files) as one:
            await one.command("kmsg")
            await one.qmp("query-name")
            return [line async for line in _until(one, 1001)]


async def _until(one: Machine, count: int):
    async for line in one.lines():
        yield line
        count -= 1
        if count == 0:
            return


def test_pipes_carry_what_is_said_before_anybody_listens(tmp_path: Path) -> None:
    """A few lines of Python stand for QEMU."""
    lines = asyncio.run(talk(tmp_path))
    assert lines[:-1] == [b'{"t":%d}\n' % n for n in range(1000)]
    assert lines[-1] == b'{"heard":"kmsg\\n"}\n'


@pytest.mark.vm
@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_real_recording_is_replayed_to_the_byte_and_held_in_its_middle(tmp_path: Path) -> None:
    if shutil.which("qemu-system-x86_64") is None:
        pytest.skip("needs apt-get install qemu-system-x86")
    try:
        setup = recording.fitting(Setup(seconds=5.0))
        found = reproduce(setup, logs=tmp_path, look=False, record=True)
    except UserError as error:
        pytest.skip(str(error))
    (run,) = found.runs
    assert run.beats
    assert run.began is not None
    folder = tmp_path / "run-1"
    again = replay.replay(folder)
    assert again is not None
    # QEMU's replays get stuck now and then (docs/dev/replay.md); what they wrote until then is right.
    assert again.same or "nothing moves any more" in again.why
    then, now = (Tape(mode, folder).wrote("watch").read_bytes() for mode in ("record", "replay"))
    assert then.startswith(now)
    assert now == then or not again.same
    assert len(now) > 1000
    moments: list[replay.Held] = []

    def held(at: replay.Held) -> None:
        moments.append(at)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        replay.replay(folder, 1.5, held=held)
    (at,) = moments
    assert 1.5 <= at.guest_s < run.began
    assert at.instructions > 0

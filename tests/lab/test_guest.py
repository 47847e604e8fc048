"""The watcher in a real guest: directives, lines and commands, with a workload that is killed."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from unkillable.errors import UserError
from unkillable.lab.machine import Machine
from unkillable.lab.prepare import prepare
from unkillable.lab.qemu import Files, arguments
from unkillable.lab.setup import Emulator, Prepared, Setup, Workload

Line = dict[str, Any]

SETUP = Setup(
    workload=Workload(kind="hog", programs=1, restart_s=2),
    emulator=Emulator(memory_mib=256),
    room_mib=100,
    zram_mib=32,
    cgroup_mib=24,
    canary_mlock=True,
    oom_score_adj=300,
    settings=(("/proc/sys/vm/min_free_kbytes", "3000"), ("/sys/nonsuch", "1")),
)


class Guest:
    """The lines of a running guest."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.lines: list[Line] = []

    async def read(self) -> None:
        async for line in self.machine.lines():
            self.lines.append(json.loads(line))

    def all(self, event: str, **fields: object) -> list[Line]:
        return [
            line
            for line in self.lines
            if line["ev"] == event and all(line.get(key) == value for key, value in fields.items())
        ]

    async def until(self, true: Callable[[], object], seconds: float = 60) -> None:
        async with asyncio.timeout(seconds):
            while not true():
                await asyncio.sleep(0.1)


async def scenario(guest: Guest) -> None:
    await guest.until(lambda: len(guest.all("exit", who="hog1")) >= 2)
    await guest.until(lambda: len(guest.all("beat")) >= 3 and len(guest.all("sample")) >= 3)
    await guest.machine.command("kmsg")
    await guest.until(lambda: guest.all("done", what="kmsg"))
    await guest.machine.command("sysrq hm")
    await guest.until(lambda: guest.all("done", what="sysrq"))
    await guest.machine.command("nonsense")
    await guest.until(lambda: guest.all("fail", what="nonsense"))
    await guest.machine.command("off")
    await guest.until(lambda: not guest.machine.running)


async def boot(prepared: Prepared, files: Files) -> tuple[Guest, str | None]:
    async with Machine(arguments(prepared, files, "tcg"), files) as machine:
        guest = Guest(machine)
        reading = asyncio.create_task(guest.read())
        try:
            await scenario(guest)
        finally:
            reading.cancel()
        return guest, machine.ended


@pytest.fixture(scope="module")
def guest(tmp_path_factory: pytest.TempPathFactory) -> tuple[Guest, str | None, Path]:
    if shutil.which("qemu-system-x86_64") is None:
        pytest.skip("needs apt-get install qemu-system-x86")
    try:
        prepared = prepare(SETUP)
    except UserError as error:
        pytest.skip(str(error))
    folder = tmp_path_factory.mktemp("guest")
    files = Files(sockets=folder, logs=folder)
    return *asyncio.run(boot(prepared, files)), files.console_log


@pytest.mark.vm
@pytest.mark.slow
class TestGuest:
    def test_every_directive_but_the_senseless_worked(self, guest: tuple[Guest, str | None, Path]) -> None:
        fails = [(line["what"], line["why"]) for line in guest[0].all("fail")]
        assert fails == [
            ("write /sys/nonsuch 1", "No such file or directory"),
            ("nonsense", "Invalid argument"),
        ]

    def test_it_says_who_it_is_and_when_it_begins(self, guest: tuple[Guest, str | None, Path]) -> None:
        seen = guest[0]
        assert seen.lines[0]["ev"] == "hello"
        assert seen.lines[0]["release"].startswith("6.1.")
        (ready,) = seen.all("ready")
        assert ready["trace"] is True
        assert ready["psi"] is True
        (room,) = seen.all("room")
        assert room["before"] > room["kib"]
        # MemAvailable wavers by a few pages.
        assert -64 <= room["kib"] - (100 << 10) < 1024

    def test_its_speed_is_measured_before_anything_else_and_leaves_nothing(
        self, guest: tuple[Guest, str | None, Path]
    ) -> None:
        seen = guest[0]
        lines = seen.all("speed")
        pages = [line["pages"] for line in lines]
        assert pages[0] == 0
        assert len({later - first for first, later in pairwise(pages)}) == 1, "each round is as long"
        assert len(pages) >= 4
        assert lines[-1]["t"] < seen.all("room")[0]["t"] < seen.all("ready")[0]["t"]
        # 2 MiB are touched again and again; what the kernel does besides, at boot, is less.
        assert lines[0]["available"] - lines[-1]["available"] < 512

    def test_the_pulse_is_steady(self, guest: tuple[Guest, str | None, Path]) -> None:
        pulses = guest[0].all("pulse")
        assert [line["n"] for line in pulses] == list(range(1, len(pulses) + 1))
        span = pulses[-1]["t"] - pulses[0]["t"]
        assert len(pulses) > 5 * span

    def test_a_kill_is_followed_to_its_end(self, guest: tuple[Guest, str | None, Path]) -> None:
        seen = guest[0]
        started = seen.all("start", who="hog1")
        ended = seen.all("exit", who="hog1")
        assert len(started) >= 2
        for start, end in zip(started, ended, strict=False):
            assert (end["pid"], end["signal"], end["status"]) == (start["pid"], 9, 0)
            kill, mark, gone, dead = (
                seen.all("trace", what=what, pid=start["pid"])[0]["at"]
                for what in ("kill", "mark_victim", "exit", "dead")
            )
            # The supervisor reads the clock on its own; all others are the kernel's.
            assert start["at"] < kill <= mark <= gone <= dead <= end["at"] + 0.1
        assert started[1]["at"] - ended[0]["at"] >= 2
        assert seen.all("trace", what="exit", pid=started[0]["pid"])[0]["comm"] == "hog1"

    def test_the_canary_answers(self, guest: tuple[Guest, str | None, Path]) -> None:
        beats = guest[0].all("beat")
        assert [line["n"] for line in beats] == list(range(1, len(beats) + 1))
        assert {line["status"] for line in beats} == {0}
        assert all(0 < line["took"] < 10 for line in beats)

    def test_samples_count_what_happened(self, guest: tuple[Guest, str | None, Path]) -> None:
        first, *_, last = guest[0].all("sample")
        # A kill may come behind the last sample; one long before it is counted in it.
        counted = [line for line in guest[0].all("trace", what="mark_victim") if line["at"] < last["t"] - 0.5]
        assert last["oom"] >= len(counted) >= 1
        assert first["oom"] < 2
        # The group's programs are swapped out to zram before one is killed.
        assert first["swap_free"] <= 32 << 10
        assert min(line["swap_free"] for line in guest[0].all("sample")) < first["swap_free"]
        assert last["majflt"] > first["majflt"]
        assert last["psi_some"] >= last["psi_full"] > 0
        assert all(0 < line["free"] < 256 << 10 and line["file"] > 0 for line in guest[0].all("sample"))

    def test_the_ring_buffer_comes_as_it_is(self, guest: tuple[Guest, str | None, Path]) -> None:
        texts = [line["text"] for line in guest[0].all("kmsg")]
        assert texts[0].startswith("Linux version 6.1.")
        assert any("Memory cgroup out of memory: Killed process" in text for text in texts)
        # The kernel escapes tabs and line ends; here they are characters again.
        assert not any("\\x" in text for text in texts)
        killed = [line["at"] for line in guest[0].all("kmsg") if "out of memory: Killed" in line["text"]]
        marked = [line["at"] for line in guest[0].all("trace", what="mark_victim")]
        # printk's clock is not quite CLOCK_MONOTONIC.
        assert all(abs(a - b) < 1 for a, b in zip(killed, marked, strict=False))

    def test_sysrq_prints_each_letter(self, guest: tuple[Guest, str | None, Path]) -> None:
        console = guest[2].read_bytes()
        assert console.index(b"sysrq: HELP") < console.index(b"sysrq: Show Memory")

    def test_it_powers_off(self, guest: tuple[Guest, str | None, Path]) -> None:
        assert guest[1] == "guest-shutdown"

"""One run: boot, measure, decide, and only then look.

Dumps over a serial console turned a stall of 30 seconds into one without end, so the figures of a run are complete before
the first sysrq.  A run is measured for a fixed time, and longer while a stall that began in it lasts.
"""

from __future__ import annotations

import asyncio
import resource
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import msgspec

from unkillable.errors import UserError
from unkillable.lab import hosts, outcome, recording
from unkillable.lab.arch import find
from unkillable.lab.consoles import squashfs_errors
from unkillable.lab.machine import LOG, Machine
from unkillable.lab.observe import Observed, Stall, stalls
from unkillable.lab.outcome import Activity, Facts
from unkillable.lab.progress import Progress, silent
from unkillable.lab.qemu import BOOT, DUMPABLE, LOUD, QUIET, Files, Tape, arguments, program, version
from unkillable.lab.setup import Prepared
from unkillable.lab.taped import Recorder
from unkillable.lab.types import Run

PERIOD = 1.0
"""Seconds between two canaries."""
BOOT_S = 90.0
"""Wall seconds that a guest may take to start its workload; the slowest machine measured takes 15 on a quiet host."""
LOOK_WAIT = 45.0
"""Seconds after the measurement for which a stall to look at is waited for."""
LOOK_AT = 4.0
"""Age of a stall, in seconds, at which it is looked at."""
READ_BACK = 300.0
"""Wall seconds for reading all files twice; the lab's own image of 20 MiB takes 5."""
QUIET_FOR = 3.0
"""Seconds without a new byte after which a dump on the console is complete."""
_LETTERS = "twm"
"""All tasks first: one that reclaims is runnable, so the blocked ones alone do not show it, and a short stall may be over
before the second letter."""
_DUMP_LIMIT = 60.0


class Mode(msgspec.Struct, frozen=True):
    """How a run ends."""

    look: bool = False
    """Look at a stall once the outcome is decided: sysrq t, w and m."""
    disturb: bool = False
    """Look at every stall as it happens: the figures do not count (Run.looked)."""
    dump: bool = False
    """Before the look, write the guest's memory to a file; QEMU stops the guest and its clock meanwhile."""
    record: bool = False
    """Record it, so that it can be replayed: instructions are counted, and nobody looks."""
    records: bool = True
    """Fetch the kernel's ring buffer after the measurement, where the watcher still answers."""


async def run(
    prepared: Prepared, accelerator: str, logs: Path, mode: Mode, progress: Progress = silent
) -> Run:
    """Boots a virtual machine once.  `logs` is where the console and the watcher's lines stay."""
    tape = Tape("record", logs) if mode.record else None
    arch = find(prepared.setup.arch)
    with tempfile.TemporaryDirectory(prefix="unkillable-") as sockets:
        files = Files(Path(sockets), logs)
        argv = arguments(
            prepared,
            files,
            accelerator,
            loglevel=LOUD if mode.disturb else BOOT,
            extra=DUMPABLE if mode.dump else (),
            tape=tape,
        )
        session = _Session(prepared, files, mode, progress)
        began, used = time.monotonic(), _own_cpu()
        interrupted = False
        try:
            async with (Recorder if tape else Machine)(argv, files) as machine:
                await session.go(machine)
        except asyncio.CancelledError:
            interrupted = True
            raise
        finally:
            session.wall = time.monotonic() - began
            session.own_cpu = _own_cpu() - used
            if interrupted:
                with suppress(OSError):
                    (logs / "interrupted").touch()
    emulator = version(program(arch))
    if tape:
        recording.save(tape, prepared, emulator, session.seen.now)
    return msgspec.structs.replace(
        session.result(), command_line=argv, accelerator=accelerator, emulator=emulator
    )


class _Session:
    """The course of one run."""

    def __init__(self, prepared: Prepared, files: Files, mode: Mode, progress: Progress) -> None:
        self.setup = prepared.setup
        self.files = files
        self.mode = mode
        self.progress = progress
        self.seen = Observed()
        self.boot_s: float | None = None
        self.ready_wall: float | None = None
        self.history: list[tuple[float, int, int, float]] = []
        """(wall, disk requests, disk bytes, emulator's processor seconds), about once a second."""
        self.spent: list[float] = []
        """Processor seconds of the emulator at each line about the machine's speed."""
        self.facts: Facts | None = None
        self.stall: Stall | None = None
        self.cut: tuple[int, ...] = ()
        """How many beats, exits, samples and kills there were when the measurement closed."""
        self.wall = self.own_cpu = self.qemu_cpu = self.qemu_wait = 0.0
        self.errors: tuple[int, tuple[str, ...]] = (0, ())
        self.looked_early = False
        self.core = False
        """Whether there is a memory dump."""
        # A guest with counted instructions is slower than the wall clock, by how much depends on the host.
        self.slack = 20.0 if self.setup.emulator.icount_shift is not None else 1.0

    async def go(self, machine: Machine) -> None:
        listener = asyncio.create_task(self._listen(machine))
        try:
            await self._boot(machine)
            if self.seen.ready is not None:
                await self._measure(machine)
            await self._decide(machine)
            if self.seen.ready is not None and machine.running:
                await self._after(machine)
        finally:
            self.qemu_cpu = machine.cpu() or self.qemu_cpu
            self.qemu_wait = machine.waited() or self.qemu_wait
            listener.cancel()
            await asyncio.gather(listener, return_exceptions=True)

    async def _listen(self, machine: Machine) -> None:
        async for line in machine.lines():
            if len(line) > 1:
                self.seen.feed(line)
                if len(self.seen.worked) > len(self.spent):
                    self.spent.append(machine.worked())
                if self.seen.ready is not None and self.ready_wall is None:
                    self.ready_wall = time.monotonic()

    async def _boot(self, machine: Machine) -> None:
        deadline = machine.started + BOOT_S * self.slack
        while self.seen.ready is None and machine.running and time.monotonic() < deadline:
            self.progress("boot", min((time.monotonic() - machine.started) / 6, 1.0))
            await asyncio.sleep(0.05)
            if self.seen.fatal or self._flooded() or machine.ended:
                await asyncio.sleep(0.5)  # the console's last words
                return
        if self.ready_wall is not None:
            self.boot_s = self.ready_wall - machine.started
            if not self.mode.disturb:
                await machine.command(f"sysrq {QUIET}")

    async def _measure(self, machine: Machine) -> None:
        assert self.ready_wall is not None  # noqa: S101
        length = self.setup.seconds
        while machine.running and machine.ended is None and not self._flooded():
            await self._tick(machine)
            stall = self._open_stall()
            over = self._since_ready()
            self.progress("measure", min(over / length, 1.0))
            if self.mode.disturb and stall.seconds > LOOK_AT and not self.looked_early:
                self.looked_early = True
                await self._look(machine)
            if over < length:
                continue
            # A stall that began in the measurement is watched to its end.
            if (
                stall.began >= self._closes()
                or stall.seconds < outcome.FELT
                or stall.seconds > outcome.FOREVER
            ):
                return

    async def _tick(self, machine: Machine) -> None:
        reads, size = await machine.disk()
        self.qemu_cpu = machine.cpu() or self.qemu_cpu
        self.qemu_wait = machine.waited() or self.qemu_wait
        self.history.append((time.monotonic(), reads, size, self.qemu_cpu))
        await asyncio.sleep(1.0)

    def _since_ready(self) -> float:
        """Seconds of the measurement, by the guest's clock; by the wall's where the guest's is silent."""
        assert self.ready_wall is not None  # noqa: S101
        assert self.seen.ready is not None  # noqa: S101
        by_guest = self.seen.now - self.seen.ready
        by_wall = time.monotonic() - self.ready_wall
        return max(by_guest, by_wall / self.slack)

    def _now(self) -> float:
        return (self.seen.ready or 0.0) + self._since_ready()

    def _closes(self) -> float:
        return (self.seen.ready or 0.0) + self.setup.seconds

    def _open_stall(self) -> Stall:
        return stalls(self.seen.beats[-1:], self.seen.ready or 0.0, self._now(), PERIOD)[-1]

    async def _decide(self, machine: Machine) -> None:
        await asyncio.sleep(0.2 if machine.running else 0)
        console = _tail(self.files.console_log)
        ready = self.seen.ready is not None
        if ready and not self.seen.beats and self.seen.failed_beats:
            # A mistyped canary that ends at once with an error is no freeze.
            ready, self.seen.fatal = False, "the canary never worked: each time it ended with an error"
        longest, measured = None, 0.0
        if ready:
            measured = self._since_ready()
            counted = [
                one
                for one in stalls(self.seen.beats, self.seen.ready or 0.0, self._now(), PERIOD)
                if one.began < self._closes()
            ]
            longest = max(counted, key=lambda one: one.seconds, default=None)
        self.stall = longest
        status = machine.process.returncode if machine.process and not machine.running else None
        self.facts = Facts(
            ready=ready,
            fatal=self.seen.fatal,
            measured_s=measured,
            longest=longest,
            activity=self._activity(longest),
            panic=outcome.last_words(console),
            guest_ended=machine.ended,
            qemu_status=None if machine.ended else status,
            complaint="the console log grew beyond its limit" if self._flooded() else machine.complaint(),
            silent_port=self.seen.release is None,
            clock_gap=self.seen.pulse_gap,
        )
        self.cut = (len(self.seen.beats), len(self.seen.exits), len(self.seen.samples))
        self.decided_at = self._now() if ready else 0.0
        self.errors = squashfs_errors(self.files.console_log)

    def _activity(self, stall: Stall | None) -> Activity | None:
        """What moved in the last half minute of a stall that has not ended."""
        if stall is None or stall.ended or len(self.history) < 2:
            return None
        last = self.history[-1]
        since = last[0] - min(30.0, stall.seconds)
        first = next(row for row in self.history if row[0] >= since)
        samples = [one for one in self.seen.samples if one.at >= self.seen.now - 30]
        scanned = samples[-1].scanned - samples[0].scanned if len(samples) > 1 else None
        return Activity(last[0] - first[0], last[1] - first[1], last[3] - first[3], scanned)

    async def _after(self, machine: Machine) -> None:
        """The outcome is decided: nothing that is done now can change it."""
        froze = self.facts is not None and outcome.decide(self.facts)[0] in outcome.FROZEN
        if self.mode.look and froze and not self.looked_early:
            deadline = time.monotonic() + LOOK_WAIT * self.slack
            while machine.running and time.monotonic() < deadline and self._open_stall().seconds < LOOK_AT:
                self.progress("look", 0.0)
                await asyncio.sleep(0.2)
            if self._open_stall().seconds >= LOOK_AT:
                await self._look(machine)
        if self.setup.read_back:
            self.progress("read back", None)
            await machine.command("readback")
            await self._until(
                lambda: "readback" in self.seen.done or not machine.running, READ_BACK * self.slack
            )
        if self.mode.records and self._open_stall().seconds < outcome.FELT:
            await machine.command("kmsg")
            await self._until(lambda: "kmsg" in self.seen.done or not machine.running, 10.0)
            with suppress(OSError):
                (self.files.logs / "kmsg.log").write_text("\n".join(self.seen.kmsg) + "\n")

    async def _look(self, machine: Machine) -> None:
        if self.mode.dump:
            self.progress("memory dump", 0.0)
            self.core = await machine.dump(self.files.core)
        await self._dump(machine)

    async def _dump(self, machine: Machine) -> None:
        """sysrq t, w and m over the console, until it falls silent."""
        await machine.sysrq("9")  # console_loglevel: a measured run's console is quiet
        for letter in _LETTERS:
            self.progress("dump", _LETTERS.index(letter) / len(_LETTERS))
            await machine.sysrq(letter)
            size, since, limit = -1, time.monotonic(), time.monotonic() + _DUMP_LIMIT
            while machine.running and time.monotonic() < limit:
                now = _size(self.files.console_log)
                if now != size:
                    size, since = now, time.monotonic()
                elif time.monotonic() - since > QUIET_FOR:
                    break
                await asyncio.sleep(0.2)

    async def _until(self, true: Callable[[], bool], seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while not true() and time.monotonic() < deadline:
            await asyncio.sleep(0.05)

    def _flooded(self) -> bool:
        return _size(self.files.console_log) >= LOG

    def result(self) -> Run:
        seen, facts = self.seen, self.facts
        if facts is None:
            raise UserError("the run ended before anything was observed")
        decided, why = outcome.decide(facts)
        beats, exits, samples = self.cut
        read = (
            (self.history[-1][1] - self.history[0][1], self.history[-1][2] - self.history[0][2])
            if self.history
            else (0, 0)
        )
        return Run(
            outcome=decided,
            why=why,
            measured_s=facts.measured_s,
            longest_stall_s=self.stall.seconds if self.stall else None,
            stalled_at=self.stall.began if self.stall else None,
            open_end=bool(self.stall and not self.stall.ended and self.stall.seconds >= outcome.FELT),
            beats=tuple(seen.beats[:beats]),
            began=seen.ready,
            kills=tuple(
                msgspec.structs.replace(kill, exited_at=None)
                if kill.exited_at is not None and kill.exited_at > self.decided_at
                else kill
                for kill in seen.kills()
                if kill.killed_at <= self.decided_at
            ),
            exits=tuple(seen.exits[:exits]),
            samples=tuple(seen.samples[:samples]),
            squashfs_errors=self.errors[0],
            squashfs_error_lines=self.errors[1],
            read_back=seen.read_back(),
            pulse_gap_s=seen.pulse_gap if seen.pulses else None,
            disk_reads=read[0],
            disk_read_kib=read[1] // 1024,
            boot_s=self.boot_s,
            wall_s=self.wall,
            harness_cpu_s=self.own_cpu,
            qemu_cpu_s=self.qemu_cpu,
            qemu_wait_s=self.qemu_wait,
            host_speed=hosts.speed(self.seen.worked, self.spent),
            host=hosts.name(),
            looked=self.mode.disturb,
            dump=str(self.files.core) if self.core else None,
            console=str(self.files.console_log),
            watch=str(self.files.watch_log),
        )


def _own_cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _tail(path: Path) -> bytes:
    with suppress(OSError), path.open("rb") as stream:
        stream.seek(max(_size(path) - (1 << 20), 0))
        return stream.read(1 << 20)
    return b""

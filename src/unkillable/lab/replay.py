"""A recorded run once more: to its end, where it must have written the same, or to a moment at which it is held."""

from __future__ import annotations

import asyncio
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from unkillable.errors import UserError
from unkillable.lab.machine import Machine
from unkillable.lab.progress import Progress, silent
from unkillable.lab.qemu import Files, Tape, arguments, escape
from unkillable.lab.recording import Recording, load
from unkillable.lab.taped import Player

_STUCK = 120.0
"""Wall seconds without an instruction after which nothing more will come; a busy host needs one or two."""


class Held(msgspec.Struct, frozen=True):
    """A replay that stands still: its guest can be looked at, and nothing that is read of it changes it."""

    guest_s: float
    """Guest time of the last line that the watcher had written."""
    instructions: int
    """How many had been executed."""
    qmp: Path
    """A socket for `unkillable diagnose --qmp`."""
    gdb: Path
    """A socket for gdb: `target remote PATH`."""


class Replayed(msgspec.Struct, frozen=True):
    """How a replay ended."""

    same: bool
    """Both ports wrote what they had written, to the byte."""
    guest_s: float
    written: int
    """Bytes of the watcher's port."""
    why: str = ""
    """Where it was not the same."""


def replay(
    folder: Path,
    until: float | None = None,
    progress: Progress = silent,
    held: Callable[[Held], None] = lambda _: None,
) -> Replayed | None:
    """Replays the recording in `folder` to its end.

    With `until` it is stopped as soon as the watcher's lines are of that guest time; `held` is told where, and the machine
    stays until it is ended (None), or the caller is interrupted.
    """
    recording = load(folder)
    if until is not None and not 0 < until < recording.guest_s:
        raise UserError(f"--until {until:g}: the recording goes from 0 to {recording.guest_s:.1f} s")
    return asyncio.run(_replay(recording, folder, until, progress, held))


async def _replay(
    recording: Recording, folder: Path, until: float | None, progress: Progress, held: Callable[[Held], None]
) -> Replayed | None:
    tape = Tape("replay", folder)
    with tempfile.TemporaryDirectory(prefix="unkillable-") as sockets:
        files = Files(Path(sockets), folder)
        qmp, gdb = files.sockets / "look", files.sockets / "gdb"
        ports = (
            "-qmp", f"unix:{escape(qmp)},server=on,wait=off", "-gdb", f"unix:{escape(gdb)},server=on,wait=off",
        )  # fmt: skip
        for port in ("con", "watch"):
            tape.wrote(port).unlink(missing_ok=True)
        argv = arguments(recording.prepared, files, "tcg", extra=ports, tape=tape)
        async with Player(argv, files) as machine:
            reading = _Reading(tape.wrote("watch"))
            instructions, since = -1, time.monotonic()
            while machine.running:
                await asyncio.sleep(0.1)
                reading.more()
                progress("replay", min(reading.guest_s / recording.guest_s, 1.0))
                if until is not None and reading.guest_s >= until:
                    await machine.qmp("stop")
                    held(Held(reading.guest_s, await _count(machine), qmp, gdb))
                    await machine.ends()
                    return None
                if (now := await _count(machine)) != instructions:
                    instructions, since = now, time.monotonic()
                elif time.monotonic() - since > _STUCK:
                    return Replayed(
                        False,
                        reading.guest_s,
                        reading.size,
                        f"nothing moves any more after instruction {instructions:,}",
                    )
            return _compared(tape, folder, reading, machine.complaint())


async def _count(machine: Machine) -> int:
    found = await machine.qmp("query-replay")
    return int(found["icount"]) if isinstance(found, dict) and "icount" in found else -1


class _Reading:
    """The watcher's lines as QEMU writes them to a file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size = 0
        self.guest_s = 0.0
        self._rest = b""

    def more(self) -> None:
        if not self.path.exists():
            return
        with self.path.open("rb") as file:
            file.seek(self.size)
            data = file.read(1 << 20)
        self.size += len(data)
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in reversed(lines):
            try:
                self.guest_s = float(json.loads(line)["t"])
            except (ValueError, KeyError, TypeError):
                continue
            return


def _compared(tape: Tape, folder: Path, reading: _Reading, complaint: str) -> Replayed:
    reading.more()
    recorded = Tape("record", folder)
    for port in ("watch", "con"):
        then, now = recorded.wrote(port).read_bytes(), tape.wrote(port).read_bytes()
        if then != now:
            same = next(
                (n for n, pair in enumerate(zip(then, now, strict=False)) if pair[0] != pair[1]), None
            )
            at = min(len(then), len(now)) if same is None else same
            why = f"port {port}: the same for {at:,} of {len(then):,} bytes"
            return Replayed(False, reading.guest_s, reading.size, f"{why}; {complaint}" if complaint else why)
    return Replayed(True, reading.guest_s, reading.size)

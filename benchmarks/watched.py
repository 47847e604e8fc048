"""A command and all processes that it starts: wall time, processor time, and memory while it runs."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec

_MARK = "UNKILLABLE_WATCHED"
"""A variable of the environment, which children inherit: it tells them from everybody else's processes."""
_OFTEN = 0.25
_TICK = os.sysconf("SC_CLK_TCK")


class Watched(msgspec.Struct, frozen=True):
    """What was seen of it."""

    printed: str
    wall: float
    cpu: float
    memory: tuple[int, ...]
    """KiB of all processes together, proportional set size, four times a second."""

    def most(self, share: tuple[float, float] = (0.0, 1.0)) -> float:
        """MiB at most, within a part of the run."""
        first, last = (int(len(self.memory) * one) for one in share)
        return max(self.memory[first : max(last, first + 1)], default=0) / 1024


def watch(command: Sequence[str]) -> Watched:
    """Runs it to its end.  Raises CalledProcessError."""
    mark = f"{os.getpid()}-{time.monotonic_ns()}"
    began = time.perf_counter()
    with (
        # A pipe would be full before the end, and nobody reads it until then.
        tempfile.TemporaryFile("w+") as out,
        subprocess.Popen(command, env={**os.environ, _MARK: mark}, stdout=out) as running,
    ):
        memory: list[int] = []
        used: dict[str, float] = {}
        while running.poll() is None:
            alive = _marked(mark)
            memory.append(sum(map(_pss, alive)))
            used.update({one.name: spent(one) for one in alive})
            time.sleep(_OFTEN)
        out.seek(0)
        printed = out.read()
    if running.returncode:
        raise subprocess.CalledProcessError(running.returncode, command)
    wall = time.perf_counter() - began
    return Watched(printed, wall, sum(used.values()), tuple(memory))


def _marked(mark: str) -> list[Path]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                if f"{_MARK}={mark}".encode() in (entry / "environ").read_bytes():
                    found.append(entry)
            except OSError:
                continue
    return found


def _pss(process: Path) -> int:
    try:
        for line in (process / "smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1])
    except OSError:
        pass
    return 0


def spent(process: Path) -> float:
    """Seconds of processors that a process (its directory of /proc) has used; 0 where it is gone."""
    try:
        fields = (process / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / _TICK

"""How fast the model is searched: `python -m benchmarks.model`, for docs/performance.md.

The same systems by our search and by SPIN, in turns, each in a process of its own; SPIN's depth-first search, exhaustive, as its
breadth-first search takes no model with hidden variables.  Processor seconds, so that a busy machine says nearly the same.
"""

from __future__ import annotations

import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from unkillable.model.eras import era_of, parameters, variant_of
from unkillable.model.experiments import find
from unkillable.model.machine import Machine
from unkillable.model.promela import text

SEARCH = """
import resource, sys, time
from benchmarks.model import machine
from unkillable.model.search import explore
system = machine(sys.argv[1:])
explore(machine(["4.5", "stock", "signal"]))  # what is compiled is compiled
explore(system, states=10)
begin = time.process_time()
space = explore(system, states=STATES)
seconds = time.process_time() - begin
print(space.count, space.complete, seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""
SYSTEMS = (
    ("4.5", "stock", "crowd"),
    ("5.10", "stock", "crowd"),
    ("6.1", "series", "crowd"),
    ("5.10", "stock", "crowd", "memory=4", "want=2"),
)
LARGE = ("6.1", "series", "crowd", "tasks=4")
"""10 million of its states are searched."""


class Row(NamedTuple):
    what: str
    states: int
    seconds: float
    """Of processor time."""
    memory: int
    """MiB."""


def machine(words: Sequence[str]) -> Machine:
    """A system by its era, variant, experiment and changes."""
    era, variant, experiment, *changes = words
    sizes = {
        **find(experiment).sizes,
        **{name: int(value) for name, _, value in (one.partition("=") for one in changes)},
    }
    return Machine(parameters(era_of(era), variant_of(variant), sizes))


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="unkillable-") as folder:
        for words in SYSTEMS:
            ours, theirs = search(words), spin(words, Path(folder))
            same = "the same states" if ours.states == theirs.states else "NOT THE SAME NUMBER OF STATES"
            tell(words, ours)
            tell(words, theirs)
            faster, memory = theirs.seconds / ours.seconds, ours.memory / theirs.memory
            print(f"  {same}; {faster:.1f} times as fast as SPIN, {memory:.2f} of its memory", flush=True)
        tell(LARGE, search(LARGE, 10_000_000))
    return 0


def tell(words: Sequence[str], row: Row) -> None:
    speed, each = row.states / row.seconds, row.memory * 2**20 / row.states
    print(
        f"{' '.join(words):40} {row.what:5} {row.states:10,} states {row.seconds:7.2f} s {speed:10,.0f}/s"
        f" {row.memory:6,} MiB {each:5.0f} B/state",
        flush=True,
    )


def search(words: Sequence[str], states: int | None = None) -> Row:
    """Our search, in a process of its own."""
    script = SEARCH.replace("STATES", str(states))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", script, *words], check=True, capture_output=True, text=True, env=environment
    )
    count, _complete, seconds, memory = done.stdout.split()
    return Row("ours", int(count), float(seconds), int(memory))


def spin(words: Sequence[str], folder: Path) -> Row:
    """SPIN's, compiled with -O2."""
    (folder / "model.pml").write_text(text(machine(words)), encoding="utf-8")
    begin = time.monotonic()
    subprocess.run(["spin", "-a", "model.pml"], check=True, capture_output=True, cwd=folder)
    flags = ["-O2", "-w", "-DNOREDUCE", "-DSAFETY", "-DNOCLAIM", "-DNOFAIR"]
    subprocess.run(["gcc", *flags, "-o", "pan", "pan.c"], check=True, cwd=folder)
    print(f"  (SPIN: {time.monotonic() - begin:.0f} s to make its searcher)", flush=True)
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    # The depth must be enough, and its stack is counted as memory: no more than is needed.
    done = subprocess.run(
        ["./pan", "-m2000000", "-w24"], check=True, capture_output=True, text=True, cwd=folder
    )
    seconds = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before
    if "max search depth too small" in done.stdout:
        raise SystemExit("SPIN's search was cut short")
    states, memory = (
        re.search(one, done.stdout)
        for one in (r"(\d+) states, stored", r"([\d.]+)\s+total actual memory usage")
    )
    if not (states and memory):
        raise SystemExit(done.stdout)
    return Row("SPIN", int(states[1]), seconds, round(float(memory[1])))


if __name__ == "__main__":
    raise SystemExit(main())

"""Runs SPIN on a system: how many states it finds, and what it says of a claim."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from unkillable.model.machine import Machine
from unkillable.model.promela import text


def _run(folder: Path, *command: str) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True, timeout=600)
    return done.stdout


def prepare(machine: Machine, folder: Path, *flags: str) -> None:
    """Makes `pan`, SPIN's searcher for one system."""
    (folder / "model.pml").write_text(text(machine), encoding="utf-8")
    _run(folder, "spin", "-a", "model.pml")
    # Partial order reduction would leave states out; -O1 as the text is long and the search short.
    _run(folder, "gcc", "-O1", "-w", "-DNOREDUCE", "-DNFAIR=3", *flags, "-o", "pan", "pan.c")


def states(machine: Machine, folder: Path) -> int:
    """The number of states, of a search that was complete."""
    prepare(machine, folder, "-DSAFETY", "-DNOCLAIM")
    said = _run(folder, "./pan", "-m2000000", "-w22")
    assert "max search depth too small" not in said
    assert "errors: 0" in said
    found = re.search(r"(\d+) states, stored", said)
    assert found
    return int(found[1])


def violated(folder: Path, claim: str) -> bool:
    """Whether a claim is broken, by a fair scheduler where something is to happen at last; `pan` was made by `prepare`."""
    said = _run(folder, "./pan", "-a", "-f", "-N", claim, "-m2000000", "-w22")
    assert "max search depth too small" not in said
    found = re.search(r"errors: (\d+)", said)
    assert found
    return found[1] != "0"

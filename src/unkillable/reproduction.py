"""From a question to measured runs: the lab's figures and the diagnosis of its consoles, held against each other."""

from __future__ import annotations

import asyncio
import os
import time
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import msgspec

from unkillable import __version__
from unkillable.diagnosis import diagnose
from unkillable.diagnosis.types import Diagnosis
from unkillable.errors import UserError
from unkillable.evidence.vmcore import read_vmcore
from unkillable.lab import accel, cache, labconf
from unkillable.lab import progress as lab_progress
from unkillable.lab.arch import find
from unkillable.lab.outcome import FROZEN
from unkillable.lab.prepare import prepare
from unkillable.lab.progress import silent
from unkillable.lab.qemu import program
from unkillable.lab.run import Mode, run
from unkillable.lab.setup import Prepared, Setup
from unkillable.lab.summary import summarise
from unkillable.lab.types import Look, Reproduction, Run
from unkillable.pipeline import inspect

Progress = Callable[[int | None, str, float | None], None]
"""Called with the number of the run (from 0; None while its files are prepared), its phase and the phase's share that is
over (None where that cannot be told)."""

BUSY = 0.55
"""Share of the time that the emulator wanted a processor and had none, from which on a run says more of the host than of
the guest.  On a quiet host of two processors the median was 0.16 for a guest of two (docs/measurements.md)."""

_OF_THE_GUEST = FROZEN | {"survived"}
_NOT_STARTED = (126, 127)
"""Exit statuses of a program that was not found, or not allowed to run; also of one whose libraries are not found."""
_FITS = {  # verdict of a console: outcomes that can be true together with it
    "deadlock": {"deadlock", "livelock"},
    "unkillable-victim": FROZEN,
    "reclaim-livelock": {"stalled", "livelock"},
    "lock-contention": FROZEN,
    "io-stall": FROZEN,
    "cached-error": FROZEN | {"survived", "panic"},
    "zombie": {"survived"},
    "no-hang": {"survived"},
}
"""`insufficient-evidence` is no statement, and so neither agrees nor contradicts."""


def reproduce(
    setup: Setup,
    runs: int = 1,
    logs: Path | None = None,
    *,
    look: bool = True,
    early: bool = False,
    dump: bool = False,
    record: bool = False,
    vmlinux: Path | None = None,
    progress: Progress | None = None,
) -> Reproduction:
    """Prepares a setup and runs it `runs` times, one after the other; the first that freezes is looked at.

    `early`: every run's first stall is looked at as it happens, and no figure counts (Run.looked).  `dump`: before a
    look the guest's memory is written to a file; with `vmlinux`, the kernel with debug symbols, that is diagnosed too.
    """
    program(find(setup.arch))  # nothing is fetched for an emulator that is missing
    prepared = prepare(
        setup, dumpable=dump or record, progress=partial(progress, None) if progress else silent
    )
    where = logs or new_directory()
    found = asyncio.run(
        _reproduce(prepared, runs, where, Mode(look=look, disturb=early, dump=dump, record=record), progress)
    )
    if vmlinux is None:
        return found
    return msgspec.structs.replace(found, runs=tuple(_with_dump(one, vmlinux) for one in found.runs))


def _with_dump(one: Run, vmlinux: Path) -> Run:
    if one.dump is None:
        return one
    try:
        look = compare(diagnose(read_vmcore(Path(one.dump), vmlinux).evidence), one.outcome)
    except UserError as error:  # such as another kernel's vmlinux: what was measured is not lost for it
        look = Look("insufficient-evidence", str(error), "low")
    return msgspec.structs.replace(one, dump_look=look)


async def _reproduce(
    prepared: Prepared, runs: int, where: Path, mode: Mode, progress: Progress | None
) -> Reproduction:
    accelerator, note = await accel.choose(prepared)
    done: list[Run] = []
    for number in range(runs):
        own = Mode() if any(one.look for one in done) and not mode.disturb else mode
        done.append(
            await measure(
                prepared,
                accelerator,
                where / f"run-{number + 1}",
                own,
                partial(progress, number) if progress else silent,
            )
        )
    return Reproduction(
        tool=f"unkillable {__version__}",
        setup=prepared.setup,
        release=prepared.release,
        version=prepared.version,
        provenance=prepared.provenance,
        runs=tuple(done),
        summary=summarise(done, prepared.setup),
        notes=(*prepared.notes, *_busy(done), note),
    )


def _busy(runs: Sequence[Run]) -> tuple[str, ...]:
    """A warning where the host was."""
    starved = [run.starved for run in runs if run.starved > BUSY]
    note = (
        f"In {len(starved)} of {len(runs)} runs the host was busy with something else for up to "
        f"{100 * max(starved, default=0):.0f} % of the time that QEMU wanted to run: repeat them while it does nothing else."
    )
    return (note,) if starved else ()


async def measure(
    prepared: Prepared,
    accelerator: str,
    logs: Path,
    mode: Mode,
    progress: lab_progress.Progress = silent,
) -> Run:
    """One run, its console diagnosed where it was looked at."""
    logs.mkdir(parents=True, exist_ok=True)
    found = _told(await run(prepared, accelerator, logs, mode, progress), prepared.setup)
    if (mode.look or mode.disturb) and found.outcome in FROZEN and found.console is not None:
        return msgspec.structs.replace(found, look=look_at(Path(found.console), found.outcome))
    return found


def _told(found: Run, setup: Setup) -> Run:
    """A guest whose workload could not be started has survived nothing."""
    wanted = {who for who, _ in labconf.programs(setup.workload)}
    failed = {one.who: one.status for one in found.exits if one.signal == 0 and one.status in _NOT_STARTED}
    if found.outcome not in _OF_THE_GUEST or found.kills or not wanted <= failed.keys():
        return found
    who, status = next(iter(failed.items()))
    why = f"the workload never ran: {who} ended with status {status}, as a program does that is not in the image"
    return msgspec.structs.replace(found, outcome="boot-failed", why=why)


def look_at(console: Path, outcome: str) -> Look | None:
    """What `diagnose` says of a console, and whether that fits what was measured."""
    try:
        return compare(inspect((str(console),), None, None), outcome)
    except UserError as error:  # an empty or garbled console is a finding about the look, not the run's end
        return Look("insufficient-evidence", str(error), "low")


def compare(diagnosis: Diagnosis, outcome: str) -> Look:
    """Holds a diagnosis against an outcome."""
    verdict = diagnosis.verdict
    functions = Counter(
        waiter.function
        for waiter in diagnosis.waiters
        if waiter.function and (waiter.killable is False or waiter.role == "reclaims")
    )
    fits = _FITS.get(verdict.kind)
    # A stall that ends may be over between one dump and the next.
    silent = fits is None or (verdict.kind == "no-hang" and outcome == "stalled")
    agrees = None if silent else outcome in (fits or ())
    return Look(
        verdict.kind,
        verdict.summary,
        verdict.confidence,
        tuple(name for name, _ in functions.most_common(5)),
        agrees,
        f"measured: {outcome}; the console says: {verdict.kind}" if agrees is False else None,
    )


def new_directory() -> Path:
    """A directory of the cache for the logs of an invocation."""
    name = f"{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}-{os.getpid()}"
    path = cache.root() / "runs" / name
    path.mkdir(parents=True, exist_ok=True)
    return path

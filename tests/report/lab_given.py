"""Reproductions and comparisons for the tests of this room, made by hand: no guest ever did this."""

from __future__ import annotations

from typing import Any

import msgspec

from tests.lab import made
from tests.report.given import HOSTILE
from unkillable.lab.setup import Root, Setup, Workload
from unkillable.lab.summary import summarise, versus
from unkillable.lab.table_types import CellResult, Comparison
from unkillable.lab.types import Exit, Look, Reproduction, Run

STALLS = (22.7, 38.2, 57.5, 30.0, 40.0)


def reproduction(runs: tuple[Run, ...] | None = None, **more: Any) -> Reproduction:
    """Five stalls, one of them looked at afterwards; a run that failed and one that was disturbed."""
    if runs is None:
        look = Look(
            "reclaim-livelock", "all reclaim", "high", ("squashfs_readahead", "try_to_free_pages"), True
        )
        runs = (
            *(made.run(stall, emulator="QEMU emulator version 7.2.22") for stall in STALLS[:4]),
            made.run(STALLS[4], look=look),
            made.failed(),
            made.run(121.0, open_end=True, looked=True),
        )
    values: dict[str, Any] = {
        "tool": "unkillable 0.1.0",
        "setup": Setup(settings=(("/proc/sys/vm/swappiness", "1"),)),
        "release": "6.1.0-56-cloud-amd64",
        "version": "6.1.192",
        "provenance": (("kernel", "linux-image-6.1.0-56-cloud-amd64 6.1.192-2 sha256:0123"),),
        "runs": runs,
        "notes": ("The processor is emulated.",),
    }
    values |= more
    return Reproduction(summary=summarise(runs, values["setup"]), **values)


def cell(
    kernel: str, variation: str, runs: tuple[Run, ...], base: tuple[Run, ...] | None = None
) -> CellResult:
    return CellResult(
        kernel=kernel,
        variation=variation,
        why="to see whether it helps",
        setup=Setup(kernel=kernel, root=Root(block_kib=4) if variation == "block-4k" else Root()),
        runs=runs,
        summary=summarise(runs, Setup()),
        versus=None if base is None else versus("stock", base, runs),
    )


def comparison() -> Comparison:
    """5.10, which freezes for ever, and 6.1, which stalls: each with something better, worse and inapplicable."""
    frozen = tuple(made.run(121.0 + n, open_end=True, kills=(made.kill(91, 20.0, None),)) for n in range(5))
    stalled = tuple(made.run(stall) for stall in STALLS)
    short = tuple(made.run(stall / 20) for stall in STALLS)
    long = tuple(made.run(stall * 3) for stall in STALLS)
    panic = tuple(
        made.run(3.0, outcome="panic", why="out of memory", measured_s=14.0, kills=()) for _ in STALLS
    )
    cells = (
        cell("debian:5.10", "stock", frozen),
        CellResult(
            kernel="debian:5.10", variation="min_ttl_ms=1000", reason="does not apply: only from Linux 6.1 on"
        ),
        cell("debian:5.10", "block-4k", long, frozen),
        cell("debian:5.10", "panic_on_oom", panic, frozen),
        cell("debian:6.1", "stock", stalled),
        cell("debian:6.1", "min_ttl_ms=1000", short, stalled),
        cell("debian:6.1", "block-4k", long, stalled),
        CellResult(kernel="debian:6.1", variation="panic_on_oom", setup=Setup(kernel="debian:6.1")),
    )
    return Comparison(
        tool="unkillable 0.1.0",
        sentence="2 kernels: better than stock on each kernel that it applies to: min_ttl_ms=1000",
        answers=("debian:5.10: stock: livelock", "debian:6.1: stock: stalled; better: min_ttl_ms=1000"),
        baseline="stock",
        runs_wanted=5,
        missing=5,
        seed=1,
        cells=cells,
        notes=("Of 3 comparisons at p < 0.05, about 0.1 would look different by chance alone.",),
    )


def hostile_reproduction(text: str = HOSTILE) -> Reproduction:
    """Every string that a user, an image or a guest can choose is `text`."""
    look = Look(text, text, text, (text,) * 3, False, text)
    run = made.run(
        30.0, why=text, look=look, console=text, watch=text, command_line=(text, text), emulator=text, accelerator=text,
        exits=(Exit(3.0, text, 7, 7),), kills=(msgspec.structs.replace(made.kill(91, 20.0, 21.0), comm=text),),
    )  # fmt: skip
    setup = Setup(
        kernel=text, root=Root(image=text), settings=((text, text),), kernel_args=(text,), daemons=(text,), init=text,
        workload=Workload(kind=text, command=(text,)), canary=(text,),
    )  # fmt: skip
    return reproduction(
        (run, run),
        tool=text,
        setup=setup,
        release=text,
        version=text,
        provenance=((text, text),),
        notes=(text,),
    )


def hostile_comparison(text: str = HOSTILE) -> Comparison:
    found = hostile_reproduction(text)
    base = cell(text, text, found.runs)
    other = msgspec.structs.replace(
        cell(text, text + "2", found.runs, found.runs), why=text, setup=found.setup, reason=text
    )
    none = CellResult(kernel=text, variation=text + "3", reason=text)
    return Comparison(
        tool=text,
        sentence=text,
        answers=(text, text),
        baseline=text,
        cells=(base, other, none),
        notes=(text,),
    )

"""`unkillable reproduce`: does it happen on my kernel and image, measured."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from unkillable.cli.given import changed, check_targets, deliver, output_options
from unkillable.cli.output import write_file
from unkillable.cli.progress import Line, Preparing
from unkillable.errors import UserError
from unkillable.lab.setup import Setup

if TYPE_CHECKING:
    from unkillable.lab.types import Reproduction

EPILOG = """\b
Examples:
  unkillable reproduce
  unkillable reproduce --kernel debian:5.10 --runs 5
  unkillable reproduce --kernel bzImage --modules lib/modules/6.6.32 --rootfs rootfs.squashfs --command "/bin/tail /dev/zero"
  unkillable reproduce --fs ext4 --format json
  unkillable reproduce --set /sys/kernel/mm/lru_gen/min_ttl_ms=1000
"""

_SETUP = Setup()


@click.command(name="reproduce", epilog=EPILOG)
@click.option(
    "--kernel",
    default="debian:6.1",
    show_default=True,
    metavar="KERNEL",
    help="debian:SERIES, a kernel image, or source:TREE.",
)
@click.option("--modules", metavar="DIR", help="Modules of a kernel given as an image.")
@click.option("--config", metavar="FILE", help="With source: a configuration fragment over the minimal one.")
@click.option("--arch", default="x86_64", show_default=True, help="x86_64, arm64, arm, mips, riscv.")
@click.option("--rootfs", metavar="IMAGE", help="Your own root image instead of a built one.")
@click.option(
    "--fs", type=click.Choice(["squashfs", "ext4", "erofs", "tmpfs"]), help="File system of the root image."
)
@click.option(
    "--compressor", type=click.Choice(["lz4", "gzip", "xz", "zstd", "lzo", "none"]), help="Its compressor."
)
@click.option("--block", "block", type=int, metavar="KIB", help="squashfs: block size in KiB.")
@click.option(
    "--memory",
    type=click.IntRange(min=32),
    metavar="MIB",
    help=f"RAM of the guest.  [default: {_SETUP.emulator.memory_mib}]",
)
@click.option(
    "--room",
    type=click.IntRange(min=0),
    metavar="MIB",
    help=f"Memory left for the workload; 0: all of it.  [default: {_SETUP.room_mib}]",
)
@click.option(
    "--cpus",
    type=click.IntRange(1, 64),
    metavar="N",
    help=f"Processors of the guest.  [default: {_SETUP.emulator.cpus}]",
)
@click.option(
    "--workload",
    type=click.Choice(["churn", "hog", "mix", "threads"]),
    help=f"Who uses up the memory.  [default: {_SETUP.workload.kind}]",
)
@click.option(
    "--command",
    "workload_command",
    metavar="COMMAND",
    help="Your own workload: a command line inside the image.",
)
@click.option(
    "--canary",
    metavar="COMMAND",
    help="What is started once a second and timed.  [default: a program of the lab]",
)
@click.option("--init", "init", metavar="PATH", help="Start this program of the image as process 1.")
@click.option(
    "--set",
    "changes",
    multiple=True,
    metavar="FIELD=VALUE",
    help="Any field of the setup, such as emulator.disk_mib_s=20.",
)
@click.option(
    "--seconds",
    type=click.FloatRange(5, 3600),
    metavar="S",
    help=f"Length of the measurement.  [default: {_SETUP.seconds:g}]",
)
@click.option(
    "--runs", default=1, show_default=True, type=click.IntRange(1, 1000), metavar="N", help="How many runs."
)
@click.option(
    "--accelerator",
    type=click.Choice(["auto", "kvm", "tcg"]),
    help="KVM, or software emulation.  [default: auto]",
)
@click.option(
    "--look/--no-look",
    default=True,
    help="Look at a stall (sysrq) once the outcome is decided.  [default: look]",
)
@click.option(
    "--look-early",
    is_flag=True,
    help="Look at the first stall as it happens: evidence of a short one; the figures then do not count.",
)
@click.option(
    "--vmcore",
    "dump",
    is_flag=True,
    help="When looking, first write the guest's memory to vmcore.elf beside the logs.",
)
@click.option(
    "--vmlinux",
    metavar="FILE",
    help="With --vmcore: the kernel with debug symbols; diagnose the dump too (needs drgn).",
)
@click.option("--keep", metavar="DIR", help="Where logs stay; in the cache otherwise.")
@click.option(
    "--record",
    metavar="DIR",
    help="Keep logs there and record the run, so that it can be replayed (x86_64).",
)
@click.option("--replay", metavar="DIR", help="Run the recording in DIR again, exactly; nothing is measured.")
@click.option(
    "--until",
    type=click.FloatRange(min=0, min_open=True),
    metavar="S",
    help="With --replay: hold the guest at that second of its clock, for diagnose --qmp or gdb.",
)
@output_options(
    full="Text: every kill and exit, and QEMU's command line.",
    exit_code="Exit with 1 unless every run survived.",
)
def command(**given: Any) -> None:
    """Boot a kernel and a root image in a virtual machine, use up its memory, and measure what becomes of it.

    The first line says what happened: survived, stalled (for how long), livelock, deadlock or panic.  A canary on the root
    image is started once a second, as a user's shell would start a program; a watcher that needs neither disk nor memory
    notes when it is answered, who is killed, and how long each victim takes to die.
    """
    if given["replay"]:
        from unkillable.cli.replaying import replay

        replay(given)
        return
    if given["until"]:
        raise UserError("--until belongs to --replay")
    if given["vmlinux"] and not given["dump"]:
        raise UserError("--vmlinux belongs to --vmcore")
    if given["vmlinux"] and not Path(given["vmlinux"]).is_file():
        raise UserError(f"--vmlinux {given['vmlinux']}: no such file")
    if given["dump"] and not given["look"]:
        raise UserError("--vmcore is a way to look, and cannot go with --no-look")
    setup = _setup(given)
    if given["record"]:
        setup = _recorded(given, setup)
    kept = given["record"] or given["keep"]
    keep = Path(kept) if kept else None
    if keep is not None:
        _make(keep)
    check_targets(given["output"], given["html"], str(keep / "reproduction.json") if keep else None)
    from unkillable.report import lab_text
    from unkillable.report.schema import to_json
    from unkillable.reproduction import reproduce

    with _Progress(given["runs"], setup.seconds) as progress:
        found = reproduce(
            setup,
            given["runs"],
            keep,
            look=given["look"] and not given["record"],
            early=given["look_early"],
            dump=given["dump"],
            record=bool(given["record"]),
            vmlinux=Path(given["vmlinux"]) if given["vmlinux"] else None,
            progress=progress.report,
        )
    document = to_json(found)
    if keep is not None:
        write_file(str(keep / "reproduction.json"), document)
    deliver(
        given,
        document,
        lambda paint: lab_text.reproduction(found, paint, full=given["full"]),
        lambda: _page(found),
    )
    if given["exit_code"] and found.summary.outcome != "survived":
        raise click.exceptions.Exit(1)
    if all(run.outcome in ("boot-failed", "harness-failed") for run in found.runs):
        raise UserError(_worthless(found))


_NOT_RECORDED = {
    "keep": "--keep: it names the directory itself",
    "look_early": "--look-early: nobody types at its console; look at a replay",
    "dump": "--vmcore: look at a replay",
}
"""Options that make no sense with --record."""


def _recorded(given: dict[str, Any], setup: Setup) -> Setup:
    """The setup with what a recording needs; an error for what it cannot go with."""
    from unkillable.lab.recording import fitting

    for option, why in _NOT_RECORDED.items():
        if given[option]:
            raise UserError(f"--record cannot go with {why}")
    if given["runs"] != 1:
        raise UserError("--record is for one run")
    if (given["cpus"] or 1) != 1:
        raise UserError("--record: a machine of one processor is recorded; leave --cpus out")
    return fitting(setup)


def _worthless(found: Reproduction) -> str:
    """Why no run says anything about the guest."""
    last = found.runs[-1]
    logs = f"; logs are in {Path(last.console).parent}" if last.console else ""
    return f"{last.outcome}: {last.why}{logs}"


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"--keep {folder}: cannot keep logs there: {error.strerror}") from error


def _page(found: Reproduction) -> str:
    from unkillable.report.lab_html import reproduction_page

    return reproduction_page(found)


_FIELDS = {  # option: field of the setup
    "kernel": "kernel",
    "modules": "modules",
    "config": "config",
    "arch": "arch",
    "init": "init",
    "room": "room_mib",
    "seconds": "seconds",
    "fs": "root.fs",
    "compressor": "root.compressor",
    "block": "root.block_kib",
    "rootfs": "root.image",
    "memory": "emulator.memory_mib",
    "cpus": "emulator.cpus",
    "accelerator": "emulator.accelerator",
    "workload": "workload.kind",
}


_OF_A_BUILT_IMAGE = ("compressor", "block")


def _setup(given: dict[str, Any]) -> Setup:
    from unkillable.lab.fields import change

    if given["config"] is not None and not given["kernel"].startswith("source:"):
        raise UserError("--config is for a kernel that is built: --kernel source:TREE")
    changes: dict[str, object] = {
        field: given[option] for option, field in _FIELDS.items() if given[option] is not None
    }
    if given["workload_command"] is not None:
        changes["workload.kind"] = "command"
        changes["workload.command"] = _words(given["workload_command"], "--command")
    if given["canary"] is not None:
        changes["canary"] = _words(given["canary"], "--canary")
    if given["rootfs"] is not None:
        changes |= _own_image(given)
    return changed(change(Setup(), changes, "reproduce"), given["changes"])


def _own_image(given: dict[str, Any]) -> dict[str, object]:
    """What a user's image says of itself need not be said on the command line; what it has not cannot be run."""
    from unkillable.lab.images import has_path, inspect

    image = given["rootfs"]
    for option in _OF_A_BUILT_IMAGE:
        if given[option] is not None:
            raise UserError(f"--{option} says how an image is built; --rootfs {image} is built already")
    fs = given["fs"] or inspect(image).fs
    for option in ("workload_command", "canary"):
        program = _words(given[option], "")[0] if given[option] else None
        if program is not None and not has_path(image, program):
            raise UserError(
                f"--rootfs {image}: has no {program}; a command begins with the path of a program in it"
            )
    return {"root.fs": fs}


def _words(text: str, option: str) -> list[str]:
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise UserError(f"{option} {text!r}: {error}") from error
    if not words:
        raise UserError(f"{option} {text!r}: no command in it")
    return words


class _Progress:
    """What is done and how long the rest takes, on a terminal."""

    AFTER = 40.0
    """Seconds that a run takes besides its measurement: start, the end of a stall, the look."""

    def __init__(self, runs: int, seconds: float) -> None:
        self.runs, self.seconds = runs, seconds
        self.line = Line()
        self.preparing = Preparing(self.line)

    def __enter__(self) -> _Progress:
        return self

    def __exit__(self, *_: object) -> None:
        self.line.clear()

    def report(self, number: int | None, phase: str, share: float | None) -> None:
        if number is None:
            self.preparing.report(phase, share)
        elif self.line.terminal:
            self.line.show(self._run(number, phase, share or 0.0))

    def _run(self, number: int, phase: str, share: float) -> str:
        each = self.seconds + self.AFTER
        over = {"boot": 6 * share, "measure": 6 + self.seconds * share}.get(phase, 6 + self.seconds)
        left = each * (self.runs - number) - over
        return (
            f"run {number + 1} of {self.runs}: {phase} {100 * share:3.0f} %, about {max(left, 0):,.0f} s left"
        )

"""`unkillable diagnose`: from a frozen box's log to the cause."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from unkillable.cli.given import format_option
from unkillable.cli.output import forget_output, painter, wants_colour, write_file
from unkillable.errors import UserError
from unkillable.report.plain import clean

if TYPE_CHECKING:
    from unkillable.diagnosis.types import Diagnosis
    from unkillable.evidence.types import Evidence
    from unkillable.klog import Source

FORMATS = ("text", "json", "html", "dot", "mermaid", "sarif")

EPILOG = """\b
Examples:
  unkillable diagnose console.log
  unkillable diagnose --html report.html /sys/fs/pstore
  journalctl -k -b -1 | unkillable diagnose -
  unkillable diagnose --format json --exit-code *.log.gz
  unkillable diagnose --live
"""


@click.command(name="diagnose", epilog=EPILOG)
@click.argument("paths", nargs=-1, metavar="[LOG]...")
@format_option(*FORMATS)
@click.option("-o", "--output", metavar="FILE", help="Write there instead of printing.")
@click.option("--html", metavar="FILE", help="Also write the HTML report (one self-contained file).")
@click.option(
    "--boot",
    type=click.IntRange(min=1),
    metavar="N",
    help="Diagnose the Nth boot of the log instead of the worst.",
)
@click.option("--full", is_flag=True, help="Text: every task with its stack, every event, all advice.")
@click.option("--exit-code", is_flag=True, help="Exit with 1 unless the verdict is no-hang or zombie.")
@click.option("--live", is_flag=True, help="Diagnose this machine now, from /proc.")
@click.option("--vmcore", metavar="FILE", help="Diagnose a memory dump (needs --vmlinux, and drgn).")
@click.option("--vmlinux", metavar="FILE", help="The kernel with debug symbols, for --vmcore and --qmp.")
@click.option(
    "--catalogue",
    metavar="FILE",
    help="What `unkillable catalogue build` made of this kernel's source.  [default: the nearest that comes with the program]",
)
@click.option(
    "--qmp", metavar="SOCKET", help="Diagnose a running QEMU guest through its QMP socket (needs drgn)."
)
def command(
    paths: tuple[str, ...],
    form: str,
    output: str | None,
    html: str | None,
    boot: int | None,
    full: bool,
    exit_code: bool,
    live: bool,
    vmcore: str | None,
    vmlinux: str | None,
    catalogue: str | None,
    qmp: str | None,
) -> None:
    """Say why a Linux box hung: which tasks cannot be killed or cannot get memory, where they sleep, who holds
    what they wait for, which lines prove it, what is missing, and what to do.

    LOG is a file, several, a directory, a tar archive, or - for standard input: serial console, dmesg, syslog,
    journal, pstore, netconsole, Android, mail; plain or compressed.  The type is recognised.
    """
    chosen = [
        name
        for name, given in (("LOG", paths), ("--live", live), ("--vmcore", vmcore), ("--qmp", qmp))
        if given
    ]
    if not chosen:
        raise UserError(
            "nothing to read: give a log file, - for standard input, or --live; see `unkillable diagnose --help`"
        )
    if len(chosen) > 1:
        raise UserError(f"{' and '.join(chosen)} cannot be combined: choose one source")
    if vmlinux and not (vmcore or qmp):
        raise UserError("--vmlinux belongs to --vmcore or --qmp")
    judge = _judge(catalogue)
    diagnosis = _from_logs(paths, boot, judge) if paths else _from_system(live, vmcore, vmlinux, qmp, judge)
    if html:
        from unkillable.report.html import render as render_html

        write_file(html, render_html(diagnosis).encode())
    try:
        _emit(diagnosis, form, output, full)
    except BrokenPipeError:
        forget_output()  # `| head -1` read enough; the status still tells
    if exit_code and diagnosis.verdict.kind not in ("no-hang", "zombie"):
        raise click.exceptions.Exit(1)
    failed = [problem for problem in diagnosis.problems if problem.failed]
    for problem in failed:
        click.echo(clean(f"unkillable: {problem.name}: {problem.reason}"), err=True)
    if failed:
        raise click.exceptions.Exit(2)


def _judge(catalogue: str | None) -> Callable[[Evidence], Diagnosis]:
    from unkillable.diagnosis import diagnose

    if catalogue is None:
        return diagnose
    from unkillable.waits.generated import read

    return partial(diagnose, catalogue=read(Path(catalogue)))


def _from_logs(paths: tuple[str, ...], boot: int | None, judge: Callable[[Evidence], Diagnosis]) -> Diagnosis:
    from unkillable.pipeline import inspect

    with _Progress() as progress:
        return inspect(paths, progress.report, boot - 1 if boot else None, judge)


def _from_system(
    live: bool,
    vmcore: str | None,
    vmlinux: str | None,
    qmp: str | None,
    judge: Callable[[Evidence], Diagnosis],
) -> Diagnosis:
    if live:
        from unkillable.evidence.proc import read_live

        found = read_live()
    else:
        from unkillable.evidence.vmcore import read_qmp, read_vmcore

        symbols = Path(vmlinux) if vmlinux else None
        found = read_vmcore(Path(vmcore), symbols) if vmcore else read_qmp(str(qmp), symbols)
    for note in found.notes:
        click.echo(f"unkillable: {note}", err=True)
    return judge(found.evidence)


def _emit(diagnosis: Diagnosis, form: str, output: str | None, full: bool) -> None:
    to_terminal = output is None and form == "text"
    text = _render(diagnosis, form, full, to_terminal and wants_colour(sys.stdout))
    if output is not None:
        write_file(output, text.encode())
    else:
        click.echo(text, nl=not text.endswith("\n"), color=True)


def _render(diagnosis: Diagnosis, form: str, full: bool, colour: bool) -> str:
    if form == "text":
        from unkillable.report.text import render

        return render(diagnosis, painter(colour), full=full)
    if form == "json":
        from unkillable.report.schema import to_json

        return to_json(diagnosis).decode()
    if form == "html":
        from unkillable.report.html import render as render_html

        return render_html(diagnosis)
    if form == "sarif":
        from unkillable.report.sarif import render as render_sarif

        return render_sarif(diagnosis)
    if form == "dot":
        from unkillable.report.dot import render as render_dot

        return render_dot(diagnosis)
    from unkillable.report.mermaid import render as render_mermaid

    return render_mermaid(diagnosis)


class _Progress:
    """A bar with time left, on a terminal, once reading takes longer than two seconds."""

    PATIENCE = 2.0

    def __init__(self) -> None:
        self.started = time.monotonic()
        self.shown = 0.0
        self.visible = False
        self.report: Callable[[Source, int], None] | None = self._report if sys.stderr.isatty() else None

    def __enter__(self) -> _Progress:
        return self

    def __exit__(self, *_: object) -> None:
        if self.visible:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()

    def _report(self, source: Source, done: int) -> None:
        now = time.monotonic()
        if now - self.started < self.PATIENCE or now - self.shown < 0.2:
            return
        self.shown, self.visible = now, True
        rate = done / (now - self.started)
        text = f"{done / 1e6:,.0f} MB read, {rate / 1e6:,.0f} MB/s"
        if source.size:
            share = min(done / source.size, 1.0)
            left = (source.size - done) / rate if rate else 0
            bar = "#" * int(30 * share)
            text = f"[{bar:<30}] {100 * share:3.0f} %  {text}, {max(left, 0):,.0f} s left"
        sys.stderr.write(f"\r\x1b[K{text}")
        sys.stderr.flush()

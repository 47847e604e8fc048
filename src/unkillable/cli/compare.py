"""`unkillable compare`: what helps, measured on the same reproduction."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from unkillable.cli.given import changed, check_targets, deliver, output_options
from unkillable.cli.progress import Line, Preparing
from unkillable.errors import UserError

if TYPE_CHECKING:
    from unkillable.lab.grid import Progress
    from unkillable.lab.table_types import Comparison
    from unkillable.lab.variations import Plan

EPILOG = """\b
Examples:
  unkillable compare stock min_ttl_ms=1000 zram ext4
  unkillable compare --kernel debian:5.10 --kernel debian:6.12 --runs 5 --html table.html stock erofs tmpfs
  unkillable compare stock "small:root.block_kib=4" "tuned:vm.min_free_kbytes=16384,zram_mib=32"
  unkillable compare --plan plan.toml --results results
  unkillable compare --list
"""


@click.command(name="compare", epilog=EPILOG)
@click.argument("variations", nargs=-1, metavar="[VARIATION]...")
@click.option(
    "--plan",
    "plan_file",
    metavar="FILE",
    help="A TOML file with the kernels, variations, base and number of runs.",
)
@click.option(
    "--kernel",
    "kernels",
    multiple=True,
    metavar="KERNEL",
    help="A row of the table; several make several rows.  [default: debian:6.1]",
)
@click.option(
    "--set",
    "changes",
    multiple=True,
    metavar="FIELD=VALUE",
    help="A field of every cell's setup, such as emulator.memory_mib=128.",
)
@click.option("--runs", type=click.IntRange(1, 1000), metavar="N", help="Runs of each cell.  [default: 5]")
@click.option(
    "--seed", type=int, metavar="N", help="Decides the order of the runs within a round.  [default: 1]"
)
@click.option(
    "--results",
    default="unkillable-results",
    show_default=True,
    metavar="DIR",
    help="Where finished runs are kept: an interrupted comparison goes on from there.",
)
@click.option(
    "--same-host",
    is_flag=True,
    help="Make --runs runs of each cell on this host, beside those of other hosts (or of this one before it was started anew).",
)
@click.option("--only-show", is_flag=True, help="Run nothing: show what there is.")
@click.option("--list", "listing", is_flag=True, help="List the variations that have a name, and end.")
@output_options(
    full="Text: also every run, and QEMU's command lines.",
    exit_code="Exit with 1 if any counted run did not survive.",
)
def command(**given: Any) -> None:
    """Run the same reproduction with variations and say which of them help.

    VARIATION is a name of --list, several of them joined by +, or NAME:FIELD=VALUE,FIELD=VALUE with fields of the setup,
    sysctls and files of /sys.  The first is the baseline.  The runs of all cells are interleaved, so that a busy host hits all
    alike; each is kept when it is finished.
    """
    if given["listing"]:
        _list()
        return
    plan = _plan(given)
    check_targets(given["output"], given["html"])
    if not given["only_show"]:
        from unkillable.lab.arch import find
        from unkillable.lab.qemu import program

        program(find(plan.base.arch))  # nothing is fetched for an emulator that is missing
    from unkillable.comparison import Comparing
    from unkillable.report import lab_text
    from unkillable.report.schema import to_json

    with Storms() as progress:
        comparing = Comparing(
            plan,
            Path(given["results"]),
            only_show=given["only_show"],
            same_host=given["same_host"],
            preparing=progress.preparing.report,
        )
        if not given["only_show"]:
            comparing.run(progress.report)
    found = comparing.table()
    _check(found)
    deliver(
        given,
        to_json(found),
        lambda paint: lab_text.comparison(found, paint, full=given["full"]),
        lambda: _page(found),
    )
    if given["exit_code"] and any(
        cell.summary is not None and cell.summary.outcome != "survived" for cell in found.cells
    ):
        raise click.exceptions.Exit(1)


def _check(found: Comparison) -> None:
    """A table of which no cell can ever be filled is no answer but an error."""
    if all(cell.reason for cell in found.cells) and not any(cell.runs for cell in found.cells):
        first = found.cells[0]
        raise UserError(f"nothing can be run: {first.variation}: {first.reason}")


def _list() -> None:
    from unkillable.lab.variations import builtin

    width = max(len(name) for name in builtin())
    for name, row in builtin().items():
        since = f"  (from {row.since} on)" if row.since else ""
        click.echo(f"{name:<{width}}  {row.why}{since}")


def _plan(given: dict[str, Any]) -> Plan:
    from unkillable.lab import variations
    from unkillable.lab.setup import Setup

    base = changed(Setup(), given["changes"])
    if given["plan_file"]:
        if given["variations"] or given["kernels"]:
            raise UserError("--plan names kernels and variations: give them there or on the command line")
        plan = variations.read(Path(given["plan_file"]), base)
        runs, seed = given["runs"] or plan.runs, plan.seed if given["seed"] is None else given["seed"]
        return msgspec.structs.replace(plan, runs=runs, seed=seed)
    if not given["variations"]:
        raise UserError(
            "nothing to compare: name variations (`unkillable compare --list` shows some) or give a --plan"
        )
    kernels = [variations.Kernel(name) for name in given["kernels"]]
    rows = [variations.parse(text) for text in given["variations"]]
    return variations.plan(base, kernels, rows, given["runs"], given["seed"])


def _page(found: Comparison) -> str:
    from unkillable.report.lab_html import comparison_page

    return comparison_page(found)


class Storms:
    """What is run and how long the rest takes."""

    def __init__(self) -> None:
        self.line = Line()
        self.preparing = Preparing(self.line)
        self.warned = False

    def __enter__(self) -> Storms:
        return self

    def __exit__(self, *_: object) -> None:
        self.line.clear()

    def report(self, at: Progress) -> None:
        if at.host is not None and not self.warned:
            from unkillable.lab.hosts import words

            self.warned = True
            self.line.clear()
            click.echo(
                f"note: this host is {words(at.host)} as that of the runs that were there, or one of the two was disturbed: "
                "with --same-host it makes its own runs of every cell",
                err=True,
            )
        left = "" if at.left_s is None else f", about {at.left_s / 60:,.0f} min left"
        again = (
            f", try {at.attempt} (the harness failed, the guest did not start, or the host was busy)"
            if at.attempt > 1
            else ""
        )
        self.line.show(
            f"{at.done + 1} of {at.total}{left}: {at.cell.kernel.title} {at.cell.variation.name}, run {at.number}{again}"
        )

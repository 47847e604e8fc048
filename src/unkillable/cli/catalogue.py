"""`unkillable catalogue`: what `diagnose` knows of a kernel's sleeps, made from that kernel's source."""

from __future__ import annotations

from pathlib import Path

import click

from unkillable import __version__
from unkillable.cli.output import write_file
from unkillable.cli.source import SourceProgress, need_numpy

EPILOG = """\b
Examples:
  unkillable catalogue build linux-5.15-vendor -o vendor.catalogue
  unkillable diagnose --catalogue vendor.catalogue console.log
  unkillable catalogue list
"""


@click.group(name="catalogue", epilog=EPILOG)
def command() -> None:
    """Make the catalogue of a kernel from its source, for `diagnose --catalogue`; list those that come with the program."""


@command.command(name="build")
@click.argument("tree", metavar="TREE")
@click.option("-o", "--output", metavar="FILE", help="Write there.  [default: linux-VERSION.catalogue]")
@click.option("--arch", metavar="ARCH", help="Only this directory below arch/.  [default: all]")
@click.option("--core", is_flag=True, help="Without drivers, net and sound.")
def build(tree: str, output: str | None, arch: str | None, core: bool) -> None:
    """Read every sleep of a kernel tree into one file: which function waits by what, in which task state, for what.

    TREE is an unpacked kernel source tree, Linux or a vendor's; nothing is configured or compiled.
    """
    need_numpy()
    from unkillable.ksource.catalogue import catalogue
    from unkillable.ksource.tree import Tree
    from unkillable.waits.generated import SUFFIX, pack, summary

    with SourceProgress(tree) as progress:
        found = catalogue(Tree(Path(tree)), __version__, arch, not core, progress.report)
    name = output or f"linux-{found.version or 'unknown'}{SUFFIX}"
    write_file(name, pack([found]))
    files = {one.file for function in found.functions.values() for one in function.definitions}
    counted = summary(found)
    click.echo(
        f"{name}: {counted.sleeps} sleeps of {counted.functions} functions in {len(files)} files of Linux {found.version or '?'}"
    )


@command.command(name="list")
def show() -> None:
    """The kernels whose catalogues come with this program."""
    from unkillable.waits.bundled import bundled

    found = bundled()
    for one in found.summaries:
        click.echo(
            f"Linux {one.version}: {one.sleeps} sleeps of {one.functions} functions, made by unkillable {found.generator}"
        )

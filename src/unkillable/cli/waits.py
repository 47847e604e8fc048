"""`unkillable waits`: what ways to sleep a kernel has, read from its source."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from unkillable import __version__
from unkillable.cli.given import Style, check_targets, emit, format_option
from unkillable.cli.output import write_file
from unkillable.cli.source import SourceProgress, need_numpy
from unkillable.errors import UserError

if TYPE_CHECKING:
    from unkillable.ksource.waits_types import Waits

FORMATS = ("text", "json", "html")

EPILOG = """\b
Examples:
  unkillable waits linux-6.1.192
  unkillable waits linux --family wait --family completion --full
  unkillable waits linux-7.3 --against linux-6.12 --html waits.html
"""


@click.command(name="waits", epilog=EPILOG)
@click.argument("tree", metavar="TREE")
@click.option("--against", metavar="TREE2", help="Show what is other than in that tree.")
@click.option(
    "--family",
    "families",
    multiple=True,
    metavar="NAME",
    help="Only those that this header offers: wait, mutex, completion, pagemap, ...",
)
@format_option(*FORMATS)
@click.option("-o", "--output", metavar="FILE", help="Write there instead of printing.")
@click.option("--html", metavar="FILE", help="Also write the page (one self-contained file).")
@click.option(
    "--full",
    is_flag=True,
    help="Text: also what these are made of (names with two underscores), and what the traits mean.",
)
def command(**given: Any) -> None:
    """List the ways to sleep that a kernel offers its code: the state of each, and what ends the sleep.

    TREE is an unpacked kernel source tree, Linux or a vendor's; nothing is configured or compiled.  States and traits are found in
    the tree's own macros and functions, down to schedule().
    """
    need_numpy()
    check_targets(given["output"], given["html"])
    import msgspec

    from unkillable.ksource.waits import changes, of_families

    found = _waits(given["tree"])
    if given["against"]:
        other = _waits(given["against"])
        found = msgspec.structs.replace(found, against=other.kernel, changes=changes(other, found))
    if given["families"]:
        _check_families(found, given["families"])
        found = of_families(found, given["families"])
    if given["html"]:
        write_file(given["html"], _page(found, given).encode())
    emit(given["output"], lambda paint: _rendered(found, given, paint))


def _check_families(found: Waits, families: tuple[str, ...]) -> None:
    known = sorted({one.family for one in found.primitives})
    for name in families:
        if name not in known and name not in {one.wait.family for one in found.changes}:
            raise UserError(
                f"--family {name}: no header of that name offers a wait; there are {', '.join(known) or 'none'}"
            )


def _waits(path: str) -> Waits:
    import msgspec

    from unkillable.ksource.tree import Tree
    from unkillable.ksource.waits import waits

    tree = Tree(Path(path))
    with SourceProgress(path) as progress:
        found = waits(tree, progress.report)
    return msgspec.structs.replace(found, tool=f"unkillable {__version__}")


def _rendered(found: Waits, given: dict[str, Any], paint: Style) -> str:
    if given["form"] == "json":
        from unkillable.report.schema import to_json

        return to_json(found).decode()
    if given["form"] == "html":
        return _page(found, given)
    from unkillable.report.waits_text import render

    return render(found, paint, given["families"], given["full"])


def _page(found: Waits, given: dict[str, Any]) -> str:
    from unkillable.report.waits_html import render

    return render(found, given["families"])

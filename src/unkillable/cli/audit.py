"""`unkillable audit`: which sleeps can a killed task be stuck in, read from a kernel's source."""

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
    from unkillable.ksource.audit_types import Audit
    from unkillable.ksource.configuration import Configuration

FORMATS = ("text", "json", "sarif", "html")

EPILOG = """\b
Examples:
  unkillable audit linux-6.1.192 --in fs/squashfs
  unkillable audit linux --in drivers/mtd --arch arm --config device.config --html mtd.html
  unkillable audit linux-patched --in fs/squashfs --against linux
  unkillable audit linux --in drivers/acme --write-baseline acme.json
  unkillable audit linux --in drivers/acme --baseline acme.json --exit-code --format sarif -o acme.sarif
"""


@click.command(name="audit", epilog=EPILOG)
@click.argument("tree", metavar="TREE")
@click.option(
    "--in", "within", multiple=True, metavar="PATH", help="Report on this directory or file of the tree only."
)
@click.option(
    "--entry",
    "entries",
    multiple=True,
    metavar="NAME",
    help="Begin here: fault, read, lookup, readdir, exec, exit, reclaim, write, or a function.  [default: all]",
)
@click.option(
    "--arch",
    metavar="ARCH",
    help="A directory below arch/ to read, or all.  [default: that of --config, else x86]",
)
@click.option(
    "--all", "drivers", is_flag=True, help="Read drivers, net, sound and so on too, not only the core."
)
@click.option("--config", metavar="FILE", help="Leave out what this .config (or config.gz) does not build.")
@click.option("--against", metavar="TREE2", help="Show what is other than in that tree.")
@click.option("--baseline", metavar="FILE", help="Leave out the findings that this file accepts.")
@click.option("--write-baseline", metavar="FILE", help="Write a file that accepts every finding.")
@format_option(*FORMATS)
@click.option("-o", "--output", metavar="FILE", help="Write there instead of printing.")
@click.option("--html", metavar="FILE", help="Also write the HTML report (one self-contained file).")
@click.option(
    "--full", is_flag=True, help="Text: also what SIGKILL wakes or no entry leads to, and all holders."
)
@click.option(
    "--exit-code",
    is_flag=True,
    help="Exit with 1 if there is a finding; with --against, only for what is worse.",
)
def command(**given: Any) -> None:
    """Find the places in a kernel where a task sleeps and SIGKILL does not wake it, and how a page fault, a read or an exit
    gets there.

    TREE is an unpacked kernel source tree, Linux or a vendor's; nothing is configured or compiled.  Places where code that
    holds what is waited for may itself wait for memory come first.
    """
    need_numpy()
    check_targets(given["output"], given["html"], given["write_baseline"])
    from unkillable.ksource import baseline, compare_audits

    known = baseline.read(Path(given["baseline"])) if given["baseline"] else None
    config = _configuration(given["config"])
    found = _audited(given["tree"], given, config)
    if given["against"]:
        found = compare_audits.compared(_before(given, config, found), found)
    if given["write_baseline"]:
        write_file(given["write_baseline"], baseline.made(found, known))
    if known is not None:
        found = compare_audits.without(found, known.fingerprints)
    if given["html"]:
        write_file(given["html"], _page(found, given["tree"]).encode())
    emit(given["output"], lambda paint: _rendered(found, given, paint))
    if given["exit_code"] and compare_audits.is_bad_news(found):
        raise click.exceptions.Exit(1)


def _configuration(file: str | None) -> Configuration | None:
    if file is None:
        return None
    from unkillable.ksource.configuration import read

    return read(Path(file))


def _audited(path: str, given: dict[str, Any], configuration: Configuration | None) -> Audit:
    import msgspec

    from unkillable.ksource.audit import Options, audit
    from unkillable.ksource.configured import apply, usual
    from unkillable.ksource.tree import Tree

    tree = Tree(Path(path))
    options = Options(
        within=tuple(_inside(one) for one in given["within"]),
        entries=given["entries"],
        arch=given["arch"] or (configuration and configuration.arch) or "x86",
        drivers=given["drivers"],
    )
    with SourceProgress(path) as progress:
        found = audit(
            tree,
            options,
            progress.report,
            lambda index: (
                apply(index, tree, configuration) if configuration else usual(index, tree, options.within)
            ),
        )
    return msgspec.structs.replace(
        found,
        tool=f"unkillable {__version__}",
        configuration=configuration.name if configuration else None,
    )


def _before(given: dict[str, Any], configuration: Configuration | None, after: Audit) -> Audit:
    """The audit of the tree compared with, of those paths of --in that it has: a driver may be new."""
    import msgspec

    from unkillable.ksource.tree import Tree

    tree = Tree(Path(given["against"]))
    there = tuple(one for one in after.within if (tree.root / one).exists())
    if after.within and not there:
        return msgspec.structs.replace(after, kernel=tree.version, sites=())
    return _audited(given["against"], {**given, "within": there}, configuration)


def _inside(path: str) -> str:
    """A path below the tree as the tree spells it."""
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if path.startswith("/") or ".." in parts or not parts:
        raise UserError(f"--in {path}: takes a path below the tree, such as fs/squashfs")
    return "/".join(parts)


def _rendered(found: Audit, given: dict[str, Any], paint: Style) -> str:
    if given["form"] == "json":
        from unkillable.report.schema import to_json

        return to_json(found).decode()
    if given["form"] == "sarif":
        from unkillable.report.audit_sarif import render as render_sarif

        return render_sarif(found)
    if given["form"] == "html":
        return _page(found, given["tree"])
    from unkillable.report.audit_text import render

    return render(found, paint, full=given["full"])


def _page(found: Audit, tree: str) -> str:
    from unkillable.report.audit_html import excerpts, render

    return render(found, excerpts(Path(tree), found))

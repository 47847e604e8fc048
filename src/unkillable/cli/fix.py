"""`unkillable fix`: the patches for exactly one kernel tree."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from unkillable import __version__
from unkillable.cli.given import emit, format_option
from unkillable.cli.source import need_numpy
from unkillable.errors import UserError

if TYPE_CHECKING:
    from unkillable.proof.types import Check, Verification
    from unkillable.remedies.types import Author, Series

_RELEASE = re.compile(r"\d{1,3}\.\d{1,3}(?:\.\d{1,4})?[\w.+~-]{0,60}")

EPILOG = """\b
Examples:
  unkillable fix linux-6.1.192
  unkillable fix linux-6.1.192 --output patches --author 'A. Maintainer <a@example.org>'
  unkillable fix linux --check --output patches
  unkillable fix linux --apply
  unkillable fix linux-6.1.192 --verify proof --runs 5
  unkillable fix linux --variant article --output comparison
  unkillable fix --mitigations 6.1
"""


@click.command(name="fix", epilog=EPILOG)
@click.argument("tree", metavar="TREE")
@click.option("--output", "folder", metavar="DIR", help="Write the patches to this directory, new or empty.")
@click.option("--force", is_flag=True, help="Also if the directory is not empty: replaces the patches in it.")
@click.option("--apply", "apply", is_flag=True, help="Commit them to TREE, which is a clean git work tree.")
@click.option(
    "--author",
    "told",
    metavar="'NAME <MAIL>'",
    help="Who signs the patches.  [default: as git is configured]",
)
@click.option(
    "--variant",
    type=click.Choice(["series", "article"]),
    default="series",
    show_default=True,
    help="The series, or, for comparison only, what the article did.",
)
@click.option(
    "--check",
    is_flag=True,
    help="Apply, compile and audit them; this runs the tree's build system and its checkpatch.pl.",
)
@click.option(
    "--verify",
    "results",
    metavar="DIR",
    help="Run stock, the article's approach and the series in virtual machines; what is finished stays in DIR.",
)
@click.option(
    "--kernel",
    metavar="KERNEL",
    help="What --verify boots, such as debian:6.1.  [default: Debian's of that series]",
)
@click.option(
    "--runs", type=click.IntRange(1, 1000), default=5, show_default=True, help="Storms of each, for --verify."
)
@click.option("--faults", is_flag=True, help="--verify: also failing allocations; builds kernels from TREE.")
@click.option("--arch", default="x86_64", show_default=True, metavar="ARCH", help="What to compile for.")
@click.option(
    "--mitigations",
    is_flag=True,
    help="Instead: what helps without a patch, the best first.  TREE may be a release, such as 6.1.",
)
@format_option("text", "json")
def command(**given: Any) -> None:
    """Make the patches that this kernel needs: a killed task no longer waits for squashfs, no task gets another's error, and
    whoever reads does not wait for memory that only a kill can free.

    TREE is an unpacked kernel source tree, Linux or a vendor's; it is only read, but for --apply.  Exit status 1: a defect is
    there in a shape that is not known, and its patch was not made.
    """
    if given["mitigations"]:
        emit(None, lambda paint: _mitigations(given["tree"], given["form"], paint))
        return
    from unkillable.proof.types import Fix
    from unkillable.remedies import applying, output, series
    from unkillable.remedies.author import NOBODY, author

    tree = Path(given["tree"])
    folder = Path(given["folder"]) if given["folder"] else None
    if folder is not None:
        output.check(folder, given["force"])
    signer = NOBODY if _only_shown(given) else author(given["told"], tree if tree.is_dir() else Path())
    made = series.make(tree, signer, given["variant"])
    check = _checked(tree, made, signer, given["arch"]) if given["check"] and made.patches else None
    if given["apply"] and made.patches:
        applying.commit(tree, made.patches)
    if folder is not None and made.patches:
        output.write(made, folder)
    verification = _verified(made, signer, given) if given["results"] and made.patches else None
    fix = Fix(
        tool=f"unkillable {__version__}",
        series=made,
        written=given["folder"] if made.patches else None,
        applied=given["apply"] and bool(made.patches),
        check=check,
        verification=verification,
    )
    emit(None, lambda paint: _rendered(fix, given["form"], paint))
    if not made.whole:
        raise click.exceptions.Exit(1)


def _only_shown(given: dict[str, Any]) -> bool:
    """Whether no patch leaves this command, so that nobody has to sign one."""
    kept = ("told", "folder", "apply", "check", "results")
    return given["form"] == "text" and not any(given[name] for name in kept)


def _checked(tree: Path, made: Series, signer: Author, name: str) -> Check:
    need_numpy()
    from unkillable.cli.progress import Line, Preparing
    from unkillable.lab.arch import find
    from unkillable.proof.check import check

    line = Line()
    try:
        return check(tree, made, signer, find(name), Preparing(line).report)
    finally:
        line.clear()


def _verified(made: Series, signer: Author, given: dict[str, Any]) -> Verification:
    from unkillable.cli.compare import Storms
    from unkillable.proof.verify import Asked, kernel_of, verify
    from unkillable.remedies.series import make

    asked = Asked(given["kernel"] or kernel_of(made), given["runs"], Path(given["results"]), given["faults"])
    article = make(Path(given["tree"]), signer, "article")
    with Storms() as progress:
        return verify(made, article, asked, progress.preparing.report, progress.report)


def _rendered(fix: Any, form: str, paint: Any) -> str:
    if form == "json":
        from unkillable.report.schema import to_json

        return to_json(fix).decode()
    from unkillable.report.fix_text import render

    return render(fix, paint)


def _mitigations(name: str, form: str, paint: Any) -> str:
    from unkillable.remedies.mitigations import ranked

    release = name
    if not _RELEASE.fullmatch(name):
        from unkillable.ksource.tree import Tree

        release = Tree(Path(name)).version
        if not release:
            raise UserError(f"{name}: its Makefile does not say which release it is; name that, such as 6.1")
    found = ranked(release)
    if form == "json":
        from unkillable.report.schema import to_json

        return to_json(found).decode()
    from unkillable.report.mitigations_text import render

    return render(found, paint)

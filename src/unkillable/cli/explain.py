"""`unkillable explain`: how a hang comes about, from an executable model of the mechanism."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from unkillable import __version__
from unkillable.cli import explain_image
from unkillable.cli.given import check_targets, emit, format_option
from unkillable.cli.output import write_file
from unkillable.cli.progress import Line
from unkillable.errors import UserError

if TYPE_CHECKING:
    from unkillable.model.casting import Told
    from unkillable.model.eras import Era
    from unkillable.model.verdicts import Limits

_LARGEST = 64 << 20
"""Bytes of a diagnosis."""

_OWN = {
    "variant": "stock", "diagnosis": None, "changes": (), "experiment": None, "states": None, "engine": None, "full": False,
    "exit_code": False, "html": None,
}  # fmt: skip
"""Options that not every question heeds, with their defaults."""
_SPELT = {"changes": "set", "exit_code": "exit-code"}
_HEEDED: dict[str, set[str]] = {
    "sites": {"states", "engine"},
    "wait": {"states", "engine", "changes"},
    "promela": {"variant", "changes", "experiment"},
    "image": set(),
}
"""Which of them each of the other questions heeds."""

EPILOG = """\b
Examples:
  unkillable explain
  unkillable explain --era 4.5 --html deadlock.html
  unkillable explain --era 6.12 --variant series
  unkillable explain --sites
  unkillable explain --wait wait_event_interruptible
  unkillable diagnose console.log --format json | unkillable explain --diagnosis -
  unkillable explain --set kill_early=1 --set tasks=4 --experiment shortage
  unkillable explain --image rootfs.squashfs --trace boot.strace
"""


@click.command(name="explain", epilog=EPILOG)
@click.option(
    "--era", "release", metavar="RELEASE", help="The kernel, such as 4.4, 5.10 or 6.12.54.  [default: 6.1]"
)
@click.option(
    "--variant",
    type=click.Choice(["stock", "article", "series"]),
    default="stock",
    show_default=True,
    help="As it is, with the article's patch, or with those of `unkillable fix`.",
)
@click.option(
    "--diagnosis", metavar="FILE", help="Tell it with the kernel and the tasks of this diagnosis (JSON)."
)
@click.option("--sites", is_flag=True, help="Instead: which waits must be killable for a killed task to end.")
@click.option(
    "--wait", "wait", metavar="NAME", help="Instead: what if squashfs used this wait of the family at site A."
)
@click.option(
    "--set", "changes", multiple=True, metavar="NAME=VALUE", help="Change a parameter of the model."
)
@click.option("--experiment", metavar="NAME", help="Look at this small system only.")
@click.option("--states", type=click.IntRange(1, 200_000_000), help="The most states of each system.")
@click.option(
    "--engine",
    type=click.Choice(["native", "python"]),
    help="How to search.  [default: native, if there is a C compiler]",
)
@explain_image.image_options
@click.option("--promela", metavar="FILE", help="Instead: write the --experiment as a model for SPIN.")
@click.option("--full", is_flag=True, help="Tell the story of every violation.")
@click.option("--exit-code", is_flag=True, help="Exit with 1 if something is violated or could not be told.")
@click.option("--html", metavar="FILE", help="Also write a page on which one steps through the story.")
@click.option("-o", "--output", metavar="FILE", help="Write there instead of printing.")
@format_option("text", "json")
def command(**given: Any) -> None:
    """Explain how a machine hangs when its memory runs out: the shortest way to it, as a story, found by trying every order of
    events in a small model of tasks, wait queues, squashfs's cache, memory and the OOM killer.

    What does not come about in any order is said to hold, within the bound that is stated.
    """
    check_targets(given["html"], given["output"])
    _refuse(given)
    if given["image"]:
        explain_image.run(given)
        return
    told = _told(given["diagnosis"])
    era = _era(given["release"], told)
    changes = _changes(given["changes"])
    if given["promela"]:
        _promela(era, changes, given)
    elif given["sites"]:
        _sites(era, given)
    elif given["wait"]:
        _wait(era, changes, given)
    else:
        _explain(era, changes, told, given)


def _refuse(given: dict[str, Any]) -> None:
    """Of options that say what to do instead, one at a time, and with none that it would not heed."""
    chosen = [name for name in _HEEDED if given[name]]
    if len(chosen) > 1:
        raise UserError(f"--{chosen[0]} and --{chosen[1]} do not go together: ask one at a time")
    for name in chosen:
        for option, default in _OWN.items():
            if option not in _HEEDED[name] and given[option] != default:
                raise UserError(f"--{_SPELT.get(option, option)} does not go with --{name}")


def _explain(era: Era, changes: dict[str, int], told: Told | None, given: dict[str, Any]) -> None:
    from msgspec.structs import replace

    from unkillable.model.casting import STORIES, people, place
    from unkillable.model.eras import variant_of
    from unkillable.model.verdicts import explain
    from unkillable.report.explain_text import render
    from unkillable.report.schema import to_json

    limits = _limits(given)
    if told:
        era = replace(era, story=STORIES[told.verdict.kind])
        if (waited := place(told)) is not None:
            limits = limits._replace(place=waited)
        elif "direct" not in era.without:
            # As in Debian's kernels, which read past the cache (FILE_DIRECT).
            era = replace(era, first="direct")
    found = explain(
        era, variant_of(given["variant"]), changes, only=given["experiment"], limits=limits,
        names=people(told) if told else None,
    )  # fmt: skip
    found = replace(found, tool=f"unkillable {__version__}")
    if given["html"]:
        from unkillable.report.explain_html import page

        write_file(given["html"], page(found).encode())
    emit(
        given["output"],
        lambda paint: (
            to_json(found).decode() if given["form"] == "json" else render(found, paint, full=given["full"])
        ),
    )
    if given["exit_code"] and any(one.result != "holds" for one in found.verdicts):
        raise click.exceptions.Exit(1)


def _sites(era: Era, given: dict[str, Any]) -> None:
    from unkillable.model.sites import minimal
    from unkillable.model.state import Decompressors
    from unkillable.model.types import Sites
    from unkillable.report.explain_text import render_sites
    from unkillable.report.schema import to_json

    limits = _limits(given)
    found = Sites(
        tool=f"unkillable {__version__}", sets=tuple(minimal(era, one, limits) for one in Decompressors)
    )
    emit(
        given["output"],
        lambda paint: to_json(found).decode() if given["form"] == "json" else render_sites(found, paint),
    )


def _wait(era: Era, changes: dict[str, int], given: dict[str, Any]) -> None:
    from unkillable.model.family import swap
    from unkillable.model.types import Swaps
    from unkillable.report.explain_text import render_swaps
    from unkillable.report.schema import to_json

    found = Swaps(tool=f"unkillable {__version__}", swaps=swap(era, given["wait"], _limits(given), changes))
    emit(
        given["output"],
        lambda paint: to_json(found).decode() if given["form"] == "json" else render_swaps(found, paint),
    )


def _promela(era: Era, changes: dict[str, int], given: dict[str, Any]) -> None:
    from unkillable.model.eras import parameters, variant_of
    from unkillable.model.experiments import find
    from unkillable.model.machine import Machine
    from unkillable.model.promela import text
    from unkillable.model.verdicts import checked

    experiment = find(given["experiment"] or "shortage")
    system = parameters(era, variant_of(given["variant"]), checked({**experiment.sizes, **changes}))
    write_file(given["promela"], text(Machine(system)).encode())


def _limits(given: dict[str, Any]) -> Limits:
    from unkillable.model.verdicts import Limits

    line, begin = Line(), time.monotonic()
    shown = begin

    def tell(found: int, done: int) -> None:
        nonlocal shown
        now = time.monotonic()
        if now - begin > 2 and now - shown > 0.5 and line.terminal:
            shown = now
            line.show(f"{found:,} states, {found - done:,} of them not looked at yet")

    return Limits(states=given["states"], engine=given["engine"], tell=tell)


def _told(file: str | None) -> Told | None:
    from unkillable.model.casting import read

    if file is None:
        return None
    try:
        with click.open_file(file, "rb") as stream:
            data = stream.read(_LARGEST + 1)
    except OSError as error:
        raise UserError(f"{file}: {error.strerror}") from None
    if len(data) > _LARGEST:
        raise UserError(f"{file}: larger than {_LARGEST >> 20} MiB, which no diagnosis is")
    return read(data, "standard input" if file == "-" else Path(file).name)


def _era(release: str | None, told: Told | None) -> Era:
    from unkillable.model.eras import era_between, era_of

    if release or not told:
        return era_of(release or "6.1")
    kernel = told.kernel
    found = era_of(kernel.release) if kernel.release else era_between(kernel.since, kernel.until)
    if found is None:
        raise UserError(
            "the diagnosis does not say which kernel it is: give --era RELEASE, such as --era 5.10"
        )
    return found


def _changes(texts: tuple[str, ...]) -> dict[str, int]:
    found = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not value.isascii() or not value.isdigit():
            raise UserError(f"--set {text}: write it as NAME=NUMBER, such as tasks=4")
        found[name] = int(value)
    return found

"""What several commands are given alike: changes of a setup, and files that are written in the end."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from unkillable.cli.output import painter, wants_colour, write_file
from unkillable.errors import UserError

if TYPE_CHECKING:
    from unkillable.lab.setup import Setup

Style = Callable[[str, str], str]
"""Paints a text for a role."""
Command = TypeVar("Command", bound=Callable[..., Any])


def changed(setup: Setup, texts: Iterable[str]) -> Setup:
    """The setup with the changes of each --set FIELD=VALUE."""
    from unkillable.lab.fields import change

    for text in texts:
        field, equals, value = text.partition("=")
        if not equals:
            raise UserError(f"--set {text}: write it as FIELD=VALUE, such as emulator.cpus=1")
        setup = change(setup, {field: value}, f"--set {text}")
    return setup


def check_targets(*files: str | None) -> None:
    """Complains about a file that could not be written before what goes into it is measured, not hours after."""
    for file in filter(None, files):
        folder = Path(file).parent
        if not folder.is_dir():
            raise UserError(f"{file}: cannot write there: {folder} is no directory")
        if not os.access(folder, os.W_OK):
            raise UserError(f"{file}: cannot write there: no right to write to {folder}")
        if Path(file).is_dir():
            raise UserError(f"{file}: cannot write there: it is a directory")


def format_option(*choices: str) -> Callable[[Command], Command]:
    """What a command prints; the first is the default."""
    return click.option(
        "--format",
        "form",
        type=click.Choice(choices),
        default=choices[0],
        show_default=True,
        help="What to print.",
    )


def output_options(*, full: str, exit_code: str) -> Callable[[Command], Command]:
    """The options that say what is printed, and where; what --full and --exit-code mean is each command's own."""
    options = (
        format_option("text", "json"),
        click.option("-o", "--output", metavar="FILE", help="Write there instead of printing."),
        click.option(
            "--html", metavar="FILE", help="Also write a page with pictures (one self-contained file)."
        ),
        click.option("--full", is_flag=True, help=full),
        click.option("--exit-code", is_flag=True, help=exit_code),
    )

    def add(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return add


def deliver(
    given: dict[str, Any],
    document: bytes,
    text: Callable[[Style], str],
    page: Callable[[], str],
) -> None:
    """Writes and prints what the options ask for: `document` is the JSON, `text` is given what paints it."""
    if given["html"]:
        write_file(given["html"], page().encode())
    emit(given["output"], lambda paint: document.decode() if given["form"] == "json" else text(paint))


def emit(output: str | None, render: Callable[[Style], str]) -> None:
    """Writes what is rendered to a file, or prints it; colour only on a terminal."""
    printed = render(painter(output is None and wants_colour(sys.stdout)))
    if output:
        write_file(output, printed.encode())
    else:
        click.echo(printed, nl=not printed.endswith("\n"), color=True)

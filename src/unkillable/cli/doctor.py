"""`unkillable doctor`: each optional tool, what it is for, how to install it."""

from __future__ import annotations

import importlib.util
import json
import shutil

import click
import msgspec


class Tool(msgspec.Struct, frozen=True):
    name: str
    kind: str
    """program or module."""
    purpose: str
    install: str


TOOLS = (
    Tool(
        "drgn",
        "module",
        "diagnose --vmcore and --qmp: memory dumps and running guests",
        "pip install 'unkillable[drgn]'",
    ),
    Tool("dot", "program", "drawing the graph that --format dot prints", "apt-get install graphviz"),
    Tool("chromium", "program", "the browser tests of the HTML report", "apt-get install chromium"),
    Tool("rg", "program", "the yardstick of the benchmarks (make bench)", "apt-get install ripgrep"),
)


def present(tool: Tool) -> bool:
    if tool.kind == "module":
        return importlib.util.find_spec(tool.name) is not None
    return shutil.which(tool.name) is not None


@click.command(name="doctor", epilog="Example: unkillable doctor")
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="How to print it.",
)
@click.option("--exit-code", is_flag=True, help="Exit with 1 if anything is missing.")
def command(form: str, exit_code: bool) -> None:
    """Show what optional tools are missing on this machine, what each is for and how to install it."""
    found = [(tool, present(tool)) for tool in TOOLS]
    if form == "json":
        rows = [
            {"name": t.name, "present": there, "purpose": t.purpose, "install": t.install}
            for t, there in found
        ]
        click.echo(json.dumps({"schema": "unkillable.doctor/1", "tools": rows}, indent=2))
    else:
        missing = [tool.name for tool, there in found if not there]
        click.echo(f"missing: {', '.join(missing)}" if missing else "nothing is missing")
        for tool, there in found:
            click.echo(
                f"  {'ok     ' if there else 'missing'}  {tool.name}: {tool.purpose}"
                + ("" if there else f"; {tool.install}")
            )
    if exit_code and not all(there for _, there in found):
        raise click.exceptions.Exit(1)

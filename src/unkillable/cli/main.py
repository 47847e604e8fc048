"""The command `unkillable`: finds the subcommand, imports it, turns errors into one line and a status."""

from __future__ import annotations

import signal
import sys
from importlib import import_module
from typing import NoReturn

import click

from unkillable import __version__
from unkillable.errors import UserError

COMMANDS = {  # name: module, one line for --help (the module is imported only when its command runs)
    "diagnose": (
        "unkillable.cli.diagnose",
        "Why did it hang?  Reads a log (or this machine, or a memory dump).",
    ),
    "reproduce": (
        "unkillable.cli.reproduce",
        "Does it happen on my kernel and image?  Measures it in a virtual machine.",
    ),
    "compare": (
        "unkillable.cli.compare",
        "What helps?  The same reproduction with variations, as a table.",
    ),
    "waits": (
        "unkillable.cli.waits",
        "What ways to sleep does a kernel have?  Reads its source.",
    ),
    "audit": (
        "unkillable.cli.audit",
        "Which sleeps can a killed task be stuck in?  Reads a kernel's source tree.",
    ),
    "fix": (
        "unkillable.cli.fix",
        "Give me the patch: a series for exactly this kernel source tree.",
    ),
    "explain": (
        "unkillable.cli.explain",
        "How does it come about?  Tries every interleaving of a small model of the kernel.",
    ),
    "serve": (
        "unkillable.cli.serve",
        "A local page: drop a log and read its diagnosis, look through a fleet's store.",
    ),
    "catalogue": (
        "unkillable.cli.catalogue",
        "Make what `diagnose` knows of a kernel's sleeps from that kernel's source.",
    ),
    "collect": (
        "unkillable.cli.collect",
        "What must I capture on the device?  Prints a shell script for it.",
    ),
    "triage": (
        "unkillable.cli.triage",
        "What is my fleet dying of?  Reads very many logs and counts the causes.",
    ),
    "doctor": (
        "unkillable.cli.doctor",
        "What is missing on this machine: each optional tool, and how to install it.",
    ),
    "schema": ("unkillable.cli.schema", "Print the JSON Schema of a document that a command prints."),
    "completion": ("unkillable.cli.completion", "Print the shell completion script for bash, zsh or fish."),
}

_DUCKDB_INTERRUPTED = "Query interrupted"
"""DuckDB 2.0 answers SIGINT in the middle of a query with a bare RuntimeError of this text, in place of
KeyboardInterrupt."""


class LazyGroup(click.Group):
    """A group whose commands are imported on demand: `--version` must not wait for parsers."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(COMMANDS[cmd_name][0]).command
        return command

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except RuntimeError as error:
            if str(error) == _DUCKDB_INTERRUPTED:
                raise KeyboardInterrupt from None
            raise

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.command(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Example: unkillable diagnose console.log",
)
@click.version_option(__version__, prog_name="unkillable", message="%(prog)s %(version)s")
def cli() -> None:
    """Why won't it die?  Finds out why a Linux box froze when its memory ran out."""


def fail(message: str) -> NoReturn:
    """One line on stderr, status 2."""
    from unkillable.report.plain import clean

    sys.stderr.write(f"unkillable: {clean(message)}\n")
    sys.exit(2)


def _terminate(_number: int, _frame: object) -> None:
    """A service manager's or a timeout's SIGTERM leaves as little behind as Ctrl-C does, and on the same way: asyncio ends the
    main task first on SIGINT, and on any other interruption all tasks at once, those that are needed to end with it."""
    if (
        signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    ):  # started with nohup or in the background of a script
        raise KeyboardInterrupt
    signal.raise_signal(signal.SIGINT)


def main() -> NoReturn:
    """Entry point of the command."""
    signal.signal(signal.SIGTERM, _terminate)
    try:
        status = cli.main(
            standalone_mode=False
        )  # click gives the status of an Exit back instead of raising it
    except UserError as error:
        fail(str(error))
    except click.UsageError as error:
        hint = f"; see `{error.ctx.command_path} --help`" if error.ctx else ""
        fail(error.format_message().rstrip(".") + hint)
    except click.ClickException as error:
        fail(error.format_message())
    except (click.Abort, KeyboardInterrupt):
        sys.stderr.write("unkillable: interrupted\n")
        sys.exit(130)
    except BrokenPipeError:
        from unkillable.cli.output import forget_output

        forget_output()
        sys.exit(0)
    except MemoryError:
        fail("out of memory while reading; try a single file, or a smaller part of it")
    sys.exit(status if isinstance(status, int) else 0)

"""`unkillable reproduce --replay`: a recorded run once more."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from unkillable.cli.progress import Line, Preparing
from unkillable.errors import UserError

if TYPE_CHECKING:
    from unkillable.lab.replay import Held

_WITH = ("replay", "until")


def replay(given: dict[str, Any]) -> None:
    """Replays, or holds a replay until Ctrl-C.  Exits with 1 where it was not the same."""
    context = click.get_current_context()
    default = click.core.ParameterSource.DEFAULT
    others = [name for name in given if name not in _WITH and context.get_parameter_source(name) != default]
    if others:
        name = next(
            option for one in context.command.params if one.name == others[0] for option in one.opts[:1]
        )
        raise UserError(f"--replay runs what was recorded: it cannot go with {name}")
    from unkillable.lab import replay as lab

    line = Line()
    preparing = Preparing(line)
    stands = False

    def held(at: Held) -> None:
        nonlocal stands
        stands = True
        line.clear()
        click.echo(_held(at))

    try:
        found = lab.replay(Path(given["replay"]) / "run-1", given["until"], preparing.report, held)
    except KeyboardInterrupt:
        if not stands:
            raise
        return
    finally:
        line.clear()
    if found is None:
        return
    if found.same:
        click.echo(
            f"the same: {found.guest_s:.1f} s of the guest, and it wrote the same {found.written:,} bytes"
        )
        return
    click.echo(f"not the same, after {found.guest_s:.1f} s of the guest: {found.why}")
    raise click.exceptions.Exit(1)


def _held(at: Held) -> str:
    return (
        f"held at {at.guest_s:.1f} s, before instruction {at.instructions:,}; Ctrl-C ends it\n\n"
        f"  unkillable diagnose --qmp {at.qmp} --vmlinux VMLINUX\n"
        f"  gdb VMLINUX -ex 'target remote {at.gdb}'"
    )

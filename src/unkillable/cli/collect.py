"""`unkillable collect`: the script for the device."""

from __future__ import annotations

import click

from unkillable.cli.output import write_file
from unkillable.collect import script


@click.command(
    name="collect",
    epilog="Example: unkillable collect | ssh root@device 'cat > /tmp/collect.sh && sh /tmp/collect.sh arm'",
)
@click.option("-o", "--output", metavar="FILE", help="Write there instead of printing.")
def command(output: str | None) -> None:
    """Print a POSIX shell script that captures a hang on a device.

    `collect.sh arm` prepares the device, `collect.sh now` writes one tar archive that `unkillable diagnose` reads,
    `collect.sh help` lists their options.  It needs busybox or the like, and no Python.
    """
    if output is None:
        click.echo(script(), nl=False)
    else:
        write_file(output, script().encode())

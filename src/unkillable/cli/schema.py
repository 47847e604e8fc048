"""`unkillable schema`: the JSON Schema of a document that a command prints."""

from __future__ import annotations

import json

import click

_DOCUMENTS = (
    "diagnosis reproduction comparison audit waits explanation sites swaps explain-image triage".split()
)


@click.command(name="schema", epilog="Example: unkillable schema diagnosis > diagnosis.schema.json")
@click.argument("document", type=click.Choice(_DOCUMENTS))
def command(document: str) -> None:
    """Print the JSON Schema of DOCUMENT.

    `diagnosis` is what `diagnose --format json` prints, `reproduction` that of `reproduce`, `comparison` that of `compare`, `audit`
    that of `audit`, `waits` that of `waits`, `explanation`, `sites`, `swaps` and `explain-image` those of `explain`, `explain --sites`,
    `explain --wait` and `explain --image`, `triage` that of `triage`.
    """
    from unkillable.report.schema import json_schema

    click.echo(json.dumps(json_schema(document), indent=2))

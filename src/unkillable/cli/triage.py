"""`unkillable triage`: what very many logs die of."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from unkillable.cli.given import check_targets, deliver, emit, output_options
from unkillable.cli.output import forget_output
from unkillable.errors import UserError
from unkillable.report.plain import clean

if TYPE_CHECKING:
    from unkillable.fleet.engine import Engine
    from unkillable.fleet.given import Given
    from unkillable.fleet.questions import Questions
    from unkillable.fleet.store import Store
    from unkillable.fleet.triage_types import Reading, Triage
    from unkillable.fleet.types import Log
    from unkillable.fleet.views import Window

_DAY = 86400.0
_DATE = click.DateTime(["%Y-%m-%d"])
_OF_THE_REPORT = ("html", "compare", "full", "exit_code", "since", "until")
"""Options that say nothing of the answer to --sql."""

EPILOG = r"""\b
Examples:
  unkillable triage --store fleet.store /srv/logs
  unkillable triage --store fleet.store --html fleet.html
  unkillable triage --name-fields '(?P<device>[^/]+)/(?P<release>[\d.]+)/(?P<date>\d{8})' /srv/logs
  unkillable triage --store fleet.store --compare 2026.2 2026.3
  unkillable triage --store fleet.store --sql 'SELECT kernel, count(*) FROM findings GROUP BY kernel'
  find /srv -name 'console*' -print0 | unkillable triage -
  unkillable triage --store fleet.store --engine tcp://10.0.0.1:8786 s3://crashes/2026/
"""


@click.command(name="triage", epilog=EPILOG)
@click.argument("paths", nargs=-1, metavar="[PATH|GLOB|URL]...")
@click.option(
    "--store", "place", metavar="DIR", help="Keep what was read there; what it knows is not read again."
)
@click.option(
    "--name-fields",
    metavar="REGEX",
    help="What a log's name tells: groups (?P<device>), (?P<release>), (?P<date>).",
)
@click.option(
    "--workers",
    type=click.IntRange(1, 1024),
    metavar="N",
    help="Processes that read.  [default: one for each processor]",
)
@click.option(
    "--engine", metavar="ADDRESS", help="A Dask scheduler that is there, such as tcp://10.0.0.1:8786."
)
@click.option(
    "--compare",
    nargs=2,
    metavar="OLD NEW",
    help="What changed between two releases, and how sure that is.",
)
@click.option("--since", type=_DATE, metavar="DATE", help="Of logs seen from then on, as 2026-03-01 (UTC).")
@click.option("--until", type=_DATE, metavar="DATE", help="Of logs seen up to the end of that day.")
@click.option("--sql", "query", metavar="SELECT", help="Instead: the answer to a question of your own.")
@click.option(
    "--retain",
    type=click.FloatRange(min=0, min_open=True),
    metavar="DAYS",
    help="Forget logs that were seen longer ago.",
)
@click.option("--export", "parquet", metavar="FILE", help="Also write every log and finding as Parquet.")
@click.option(
    "--limit",
    type=click.IntRange(1, 10_000),
    default=20,
    show_default=True,
    metavar="N",
    help="Causes to show, the most frequent.",
)
@output_options(
    full="Text: variants, releases and what to do, for each cause.",
    exit_code="Exit with 1 if any log hangs, or shows a cached error.",
)
def command(**given: Any) -> None:
    """Say what a fleet dies of: reads very many logs and counts the causes of their hangs.

    PATH is a file, a directory (with all below it), a tar or zip archive, or - for a list of names on standard input; GLOB a
    pattern in quotes; URL an object or a prefix of an object store, such as s3://bucket/prefix/.  Without any, the store is asked.
    """
    if not given["paths"] and not given["place"]:
        raise UserError(
            "nothing to read: give logs, or --store DIR to ask one; see `unkillable triage --help`"
        )
    if not given["paths"] and (given["engine"] or given["workers"]):
        raise UserError("--engine and --workers are for reading: give logs to read")
    if given["engine"] and given["workers"]:
        raise UserError("--engine and --workers cannot be combined: the cluster has its own workers")
    if given["query"] and (other := next(filter(given.get, _OF_THE_REPORT), None)):
        raise UserError(
            f"--sql cannot be combined with --{other.replace('_', '-')}: it prints its own answer"
        )
    if given["since"] and given["until"] and given["since"] > given["until"]:
        raise UserError("--since is later than --until: no log can be seen between them")
    check_targets(given["html"], given["output"], given["parquet"])
    with _store(given["place"], bool(given["paths"])) as store:
        failed: list[Log] = []
        reading = _read(store, given, failed) if given["paths"] else None
        pruned = store.prune(time.time() - given["retain"] * _DAY) if given["retain"] else 0
        if given["parquet"]:
            from unkillable.fleet.exporting import export

            export(store, given["parquet"])
        with store.questions(_window(given)) as questions:
            _answer(questions, given, reading, pruned)
    for log in failed:
        click.echo(clean(f"unkillable: {log.name}: {log.problem}"), err=True)
    if failed:
        raise click.exceptions.Exit(2)


def _window(given: dict[str, Any]) -> Window | None:
    """What --since and --until leave; the day of --until is part of it."""
    from unkillable.fleet.views import Window

    since, until = (
        given[name] and given[name].replace(tzinfo=UTC).timestamp() for name in ("since", "until")
    )
    if since is None and until is None:
        return None
    return Window(since, None if until is None else until + _DAY)


@contextmanager
def _store(place: str | None, create: bool) -> Iterator[Store]:
    """The store that is named, or one that is gone afterwards."""
    from unkillable.fleet.store import Store

    if place is not None:
        yield Store.open(place, create=create)
        return
    import tempfile

    with tempfile.TemporaryDirectory(prefix="unkillable-") as folder:
        yield Store.open(folder, create=True)


def _found(paths: tuple[str, ...], failed: list[Log]) -> Iterator[Given | Log]:
    """What is to be read; a name on the command line that leads nowhere is told to who typed it."""
    from unkillable.fleet.inputs import find
    from unkillable.fleet.types import Log

    for one in find(paths, sys.stdin.buffer):
        if isinstance(one, Log) and one.name in paths:
            failed.append(one)
        else:
            yield one


def _read(store: Store, given: dict[str, Any], failed: list[Log]) -> Reading:
    from unkillable.cli.progress import Counting, Line
    from unkillable.fleet.filling import read_into
    from unkillable.fleet.inputs import check, count
    from unkillable.fleet.name_fields import NameFields
    from unkillable.fleet.triage_types import Reading, Reason

    paths: tuple[str, ...] = given["paths"]
    NameFields(given["name_fields"])  # complains about a wrong one before anything is read
    check(paths)
    began = time.monotonic()
    chosen = _Chosen(given["engine"], given["workers"])
    with Counting(Line(), partial(count, paths)) as progress:
        tally = read_into(store, _found(paths, failed), chosen.open, given["name_fields"], progress.report)
    return Reading(
        tally.inputs,
        tally.unchanged,
        tally.logs,
        tally.copies,
        tally.broken,
        tally.bytes,
        round(time.monotonic() - began, 3),
        chosen.name,
        again=tuple(Reason(why, *rest) for why, rest in tally.again.items()),
    )


class _Chosen:
    """The engine that the options ask for, and otherwise what suits the amount of work."""

    def __init__(self, address: str | None, workers: int | None) -> None:
        self._address = address
        self._workers = workers
        self.name = "this process"

    def open(self, little: bool) -> AbstractContextManager[Engine]:
        from unkillable.fleet.engine import open_engine

        workers = self._workers or (1 if little else len(os.sched_getaffinity(0)))
        self.name = (
            self._address or f"{workers} processes" if workers > 1 or self._address else "this process"
        )
        return open_engine(self._address, workers)


def _answer(questions: Questions, given: dict[str, Any], reading: Reading | None, pruned: int) -> None:
    triage = None if given["query"] else _triage(questions, given, reading, pruned)
    try:
        if triage is None:
            _table(questions, given)
        else:
            _deliver(triage, given)
    except BrokenPipeError:
        forget_output()  # `| head -1` read enough; the status still tells
    if triage is not None and given["exit_code"] and (triage.totals.hung or triage.totals.failing):
        raise click.exceptions.Exit(1)


def _table(questions: Questions, given: dict[str, Any]) -> None:
    from unkillable.report.schema import to_json
    from unkillable.report.triage_text import table

    found = questions.sql(given["query"])
    emit(given["output"], lambda _: to_json(found).decode() if given["form"] == "json" else table(found))


def _triage(questions: Questions, given: dict[str, Any], reading: Reading | None, pruned: int) -> Triage:
    import msgspec

    from unkillable.fleet.summary import summarise

    found = summarise(questions, given["place"], reading, given["limit"], given["compare"])
    since, until = _window(given) or (None, None)
    return msgspec.structs.replace(found, since=since, until=until, pruned=pruned)


def _deliver(triage: Triage, given: dict[str, Any]) -> None:
    from unkillable.report.schema import to_json
    from unkillable.report.triage_html import render as page
    from unkillable.report.triage_text import render

    deliver(
        given,
        to_json(triage),
        lambda paint: render(triage, paint, full=given["full"]),
        lambda: page(triage),
    )

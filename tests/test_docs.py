"""The documentation says what is so: its examples are run, its excerpts looked up, its links followed."""

from __future__ import annotations

import difflib
import json
import tomllib
from pathlib import Path

import click
import msgspec
import pytest

from tests import docs_examples as docs
from tests import samples_file
from unkillable.cli.main import COMMANDS, cli
from unkillable.diagnosis import KINDS
from unkillable.evidence import formats, reader, tasklines
from unkillable.pipeline import inspect
from unkillable.waits.catalogue import Resource, load

PAGES = docs.pages()
DOCS = docs.ROOT / "docs"
RUNS = [run for page in PAGES for run in docs.runs(page)]
EXCERPTS = [excerpt for page in PAGES for excerpt in docs.excerpts(page)]


def _name(page: Path) -> str:
    return str(page.relative_to(docs.ROOT))


def _command(name: str) -> click.Command:
    command = cli.get_command(click.Context(cli), name)
    assert isinstance(command, click.Command)
    return command


@pytest.mark.parametrize("run", RUNS, ids=lambda run: run.name)
def test_example(run: docs.Run) -> None:
    if (tool := docs.missing_tool(run.command)) is not None:
        pytest.skip(f"needs {tool}")
    printed, status = docs.execute(run.command)
    if not docs.matches(run.output, printed):
        change = "\n".join(difflib.unified_diff(run.output, printed, "the page", "the command", lineterm=""))
        pytest.fail(f"{run.name}: $ {run.command}\n{change}\n`make docs` rewrites the examples")
    assert status == run.status, run.command


@pytest.mark.parametrize("excerpt", EXCERPTS, ids=lambda excerpt: excerpt.name)
def test_excerpt(excerpt: docs.Excerpt) -> None:
    assert docs.shows(excerpt) is None


def test_there_are_examples_and_excerpts() -> None:
    assert len(RUNS) >= 10
    assert len(EXCERPTS) >= 5


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_has_a_page_that_names_every_option(name: str) -> None:
    page = (DOCS / f"{name}.md").read_text(encoding="utf-8")
    assert page.startswith(f"# `unkillable {name}`\n")
    command = _command(name)
    assert command.help
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, f"{parameter.name} has no help"
            long = [option for option in parameter.opts if option.startswith("--")]
            assert long, f"{parameter.name} has no long name"
            assert all(f"`{option}" in page for option in long), f"docs/{name}.md does not mention {long}"


def test_every_page_of_a_command_is_linked_from_the_readme() -> None:
    targets = {target for _, target in docs.links(docs.ROOT / "README.md")}
    assert {f"docs/{name}.md" for name in COMMANDS} <= targets


@pytest.mark.parametrize("kind", KINDS)
def test_every_verdict_is_explained(kind: str) -> None:
    assert f"\n### `{kind}`\n" in (DOCS / "diagnose.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_links_lead_somewhere(page: Path) -> None:
    for number, target in docs.links(page):
        if "://" in target or target.startswith("mailto:"):
            continue
        file, _, anchor = target.partition("#")
        there = (page.parent / file).resolve() if file else page
        assert there.exists(), f"{_name(page)}:{number}: {target}"
        if anchor:
            assert anchor in docs.anchors(there), f"{_name(page)}:{number}: {target}"


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_files_that_a_page_names_are_there(page: Path) -> None:
    absent = [
        f"{_name(page)}:{number}: {name}" for number, name in docs.files_named(page) if not docs.exists(name)
    ]
    assert absent == []


def test_what_stands_for_lines_left_out() -> None:
    lines = ["one", "two", "three", "four"]
    assert docs.matches(lines, lines)
    assert docs.matches(["one", "[...]"], lines)
    assert docs.matches(["[...]", "four"], lines)
    assert docs.matches(["one", "[...]", "three", "[...]"], lines)
    assert docs.matches(["[...]"], [])
    assert not docs.matches(["[...]", "three", "[...]", "two", "[...]"], lines)
    assert not docs.matches(["one"], lines)
    assert not docs.matches(["one", "[...]", "one"], ["one"])


def test_renewing_keeps_the_gaps() -> None:
    shown = ["verdict: old", "[...]", "Why it is so (1)", "[...]", "end"]
    now = ["verdict: new", "noise", "Why it is so (2)", "more", "the end"]
    assert docs.renew(shown, now) == ["verdict: new", "[...]", "Why it is so (2)", "[...]", "the end"]
    assert docs.renew(["old"], now) == now
    assert docs.renew(["verdict: new", "[...]"], now) == ["verdict: new", "[...]"]


@pytest.mark.parametrize(
    "command", ["rm -r x", "unkillable x; rm y", "unkillable x > y", "unkillable x | sh", "|"]
)
def test_an_example_runs_nothing_else(command: str) -> None:
    with pytest.raises(ValueError, match=r"not for examples|are run"):
        docs.pipeline(command)


def test_a_pipeline_passes_output_and_status_on() -> None:
    assert docs.execute("unkillable --version | wc -l") == (["1"], 0)
    assert docs.execute("unkillable frob")[1] == 2


def _blocks(page: str, info: str) -> list[str]:
    return ["\n".join(one.lines) + "\n" for one in docs.blocks(DOCS / page) if one.info == info]


def test_the_worked_example_of_a_new_format(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """docs/contributing.md adds a vendor's task line; its sample fails without the row and passes with it."""
    sample = tmp_path / "acme-4.14-task-line.sample"
    sample.write_text(_blocks("contributing.md", "sample")[0])
    head, log = samples_file.load(sample)
    console = tmp_path / "console.log"
    console.write_bytes(log)

    def shown() -> bool:
        document = json.loads(msgspec.json.encode(inspect([str(console)])))
        return all(samples_file.shows(document, {key: value}) for key, value in head["expect"].items())

    assert not shown()
    room = dict(vars(tasklines))
    for source in _blocks("contributing.md", "python")[:2]:
        exec(source, room)  # noqa: S102  it is our own page
    monkeypatch.setattr(tasklines, "_FORMS", room["_FORMS"])
    rows = (*formats.table(), room["ACME"])
    literals = tuple(dict.fromkeys([*formats.literals(), *room["ACME"].literals]))
    monkeypatch.setattr(reader, "table", lambda: rows)
    monkeypatch.setattr(reader, "literals", lambda: literals)
    monkeypatch.setattr(reader, "_literals", reader._literals.__wrapped__)
    monkeypatch.setattr(reader, "_by_literal", reader._by_literal.__wrapped__)
    assert shown()


def test_the_framing_row_of_the_contributors_page_is_in_the_table() -> None:
    (line,) = [text for text in _blocks("contributing.md", "python") if text.startswith("_row(")]
    begin = line[: line.index("WRAPPER")]
    assert begin in (docs.ROOT / "src/unkillable/klog/rows.py").read_text(encoding="utf-8")


def test_the_resource_of_the_contributors_page_is_one() -> None:
    (text,) = _blocks("contributing.md", "toml")
    (row,) = (msgspec.convert(each, Resource) for each in tomllib.loads(text)["resource"])
    known = load().resource(row.key)
    assert known is not None
    assert (row.members, row.title, row.who, row.kind) == (known.members, known.title, known.who, known.kind)

"""`unkillable compare`: what it refuses, what it lists, and what it shows of finished runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
import jsonschema_rs
import msgspec
import pytest
from click.testing import CliRunner

from tests import docs_examples as docs
from tests.cli.lab_cli import complaint, debian_kernel, emulator, run
from tests.lab import made
from unkillable import comparison
from unkillable.cli import compare, reproduce
from unkillable.cli import given as given_
from unkillable.cli.main import cli
from unkillable.comparison import Comparing
from unkillable.errors import UserError
from unkillable.lab import variations
from unkillable.lab.grid import Grid, Stored, cells
from unkillable.lab.setup import Prepared, Setup
from unkillable.lab.types import Run
from unkillable.report.schema import json_schema


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ([], "nothing to compare: name variations (`unkillable compare --list` shows some) or give a --plan"),
        (["nosuch"], "nosuch: no such variation; built in are stock, "),
        (["stock", "stock+nosuch"], "nosuch: no such variation"),
        (["stock", "stock"], "stock: this variation is given twice"),
        (["--kernel", "debian:6.1", "--kernel", "debian:6.1", "stock"], "this kernel is given twice"),
        (["stock", "x:y"], "x:y: a variation is NAME:field=value,field=value"),
        (["stock", "x:y=1"], "variation x: no field y; there are arch, "),
        (["stock", "x:emulator.cpus=0"], "variation x: emulator.cpus = 0: must be 1 to 64"),
        (["--set", "a", "stock"], "--set a: write it as FIELD=VALUE"),
        (["--runs", "0", "stock"], "'--runs': 0 is not in the range"),
        (["--plan", "none"], "none: cannot read it: No such file or directory"),
        (["--plan", "text"], "text: not a plan: "),
        (["--plan", "text", "stock"], "--plan names kernels and variations"),
        (["--html", "none/x.html", "stock"], "none/x.html: cannot write there: none is no directory"),
    ],
    ids=lambda value: " ".join(value) or "nothing" if isinstance(value, list) else "",
)
def test_an_argument_that_cannot_be_used_is_one_line(words: list[str], says: str, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("hello\n")
    assert says in complaint(run("compare", *words, cwd=tmp_path))
    assert not (tmp_path / "unkillable-results").exists()


@pytest.mark.parametrize(
    ("plan", "says"),
    [
        ("variations = ['stock', 'nosuch']", "nosuch: no such variation"),
        ("runs = 0\nvariations = ['stock']", "runs = 0: must be 1 to 1000"),
        ("kernel = 'debian:6.1'", "not a plan: "),
        ("nonsense = 1", "not a plan: "),
        ("[base]\nroot.fs = 'vfat'", "base: root.fs = vfat: must be one of"),
        ("[[variation]]\nname = 'a'\nset = { 'emulator.cpus' = 'many' }", "variation a: emulator.cpus"),
    ],
)
def test_a_plan_that_does_not_hold_together_is_one_line(plan: str, says: str, tmp_path: Path) -> None:
    (tmp_path / "plan.toml").write_text(plan)
    line = complaint(run("compare", "--plan", "plan.toml", cwd=tmp_path))
    assert line.startswith("unkillable: plan.toml: ")
    assert says in line


def test_a_table_of_which_no_cell_can_be_run_is_an_error(tmp_path: Path) -> None:
    debian_kernel()
    line = complaint(run("compare", "--kernel", "debian:3.2", "stock", cwd=tmp_path))
    assert "nothing can be run: stock: debian:3.2: the mirror has no such kernel" in line
    line = complaint(
        run("compare", "--kernel", "debian:5.10", "min_ttl_ms=1000", "--only-show", cwd=tmp_path)
    )
    assert line.endswith("nothing can be run: min_ttl_ms=1000: does not apply: only from Linux 6.1 on")


def test_a_missing_emulator_names_its_package_before_anything_is_fetched(tmp_path: Path) -> None:
    emulator()
    done = run("compare", "stock", cwd=tmp_path, PATH=str(tmp_path), XDG_CACHE_HOME=str(tmp_path / "cache"))
    assert "qemu-system-x86_64 is not installed: apt-get install qemu-system-x86" in complaint(done)
    assert list(tmp_path.iterdir()) == []


def test_both_commands_have_the_same_options_for_what_they_write() -> None:
    def options(command: click.Command) -> dict[str, tuple[list[str], object]]:
        return {one.name or "": (one.opts, one.type.to_info_dict()) for one in command.params}

    here, there = options(compare.command), options(reproduce.command)
    for name in ("form", "output", "html", "full", "exit_code"):
        assert here[name] == there[name]
    assert list(here)[-5:] == list(there)[-5:] == ["form", "output", "html", "full", "exit_code"], (
        "in the help's order"
    )


def test_what_is_written_goes_where_it_is_wanted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    options = {"form": "text", "output": None, "html": None}

    def deliver(**more: str) -> str:
        given_.deliver({**options, **more}, b"{}", lambda paint: paint("head", "text") + "\n", lambda: "page")
        return capsys.readouterr().out

    assert deliver() == "text\n", "no colour where nobody looks"
    assert deliver(form="json") == "{}\n"
    assert list(tmp_path.iterdir()) == []
    assert deliver(html="page.html") == "text\n"
    assert deliver(output="out", form="json") == ""
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"page.html": "page", "out": "{}"}


def test_the_help_has_examples() -> None:
    shown = CliRunner().invoke(cli, ["compare", "--help"])
    assert shown.exit_code == 0
    assert " unkillable compare stock min_ttl_ms=1000 zram ext4\n" in shown.output


def test_the_list_has_every_built_in_variation_with_its_reason(tmp_path: Path) -> None:
    done = run("compare", "--list", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert [line.split()[0] for line in lines] == list(variations.builtin())
    assert all(variations.builtin()[line.split()[0]].why in line for line in lines)
    (ttl,) = (line for line in lines if line.startswith("min_ttl_ms=1000 "))
    assert ttl.endswith("(from 6.1 on)")


def test_options_become_a_plan(tmp_path: Path) -> None:
    def plan(*words: str) -> variations.Plan:
        return compare._plan(compare.command.make_context("compare", list(words)).params)

    own = plan(
        "--kernel",
        "debian:5.10",
        "--kernel",
        "debian:6.1",
        "--runs",
        "3",
        "--seed",
        "7",
        "stock",
        "a:zram_mib=8",
    )
    assert [row.kernel for row in own.kernels] == ["debian:5.10", "debian:6.1"]
    assert [one.name for one in own.variations] == ["stock", "a"]
    assert (own.runs, own.seed) == (3, 7)
    assert plan("--set", "emulator.cpus=1", "stock").base.emulator.cpus == 1
    assert plan("stock").runs == 5
    file = tmp_path / "plan.toml"
    file.write_text(
        "runs = 9\nseed = 4\nkernels = ['debian:6.12']\nvariations = ['stock', 'ext4']\n[base]\nseconds = 30\n"
    )
    read = plan("--plan", str(file))
    assert (read.runs, read.seed, read.base.seconds, len(read.variations)) == (9, 4, 30.0, 2)
    assert plan("--plan", str(file), "--runs", "2").runs == 2


def test_the_plan_in_the_documentation_is_one(tmp_path: Path) -> None:
    (block,) = (one for one in docs.blocks(docs.ROOT / "docs" / "compare.md") if one.info == "toml")
    (tmp_path / "plan.toml").write_text("\n".join(block.lines))
    plan = variations.read(tmp_path / "plan.toml")
    assert [row.title for row in plan.kernels] == ["as shipped", "debian:6.12"]
    assert plan.base.root.image == "rootfs.squashfs"
    own = plan.variations[-1]
    setup = variations.setup(plan, plan.kernels[0], own)
    assert (setup.kernel, setup.modules) == ("bzImage", "lib/modules/6.6.32")
    assert setup.settings == (("/proc/sys/vm/min_free_kbytes", "512"),)
    assert variations.why_not(plan.kernels[0], own) is None


STALLS = (22.7, 38.2, 57.5, 30.0, 40.0)


@pytest.fixture
def finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A results directory in which stock has five runs, min_ttl_ms=1000 five shorter ones, and ext4 none yet."""
    monkeypatch.setattr(comparison, "prepare", lambda setup, **_: _prepared(setup))
    monkeypatch.setattr(comparison, "identity", lambda _: "the same")
    plan = compare._plan(compare.command.make_context("compare", ["stock", "min_ttl_ms=1000", "ext4"]).params)
    folder = tmp_path / "results"
    folder.mkdir()
    stock, ttl, _ = cells(plan, lambda _: "the same")
    for cell, factor in ((stock, 1.0), (ttl, 0.05)):
        for number, stall in enumerate(STALLS, 1):
            _keep(folder, cell.setup, number, made.run(stall * factor), cell.key)
    return folder


def _prepared(setup: Setup) -> Prepared:
    return Prepared(setup, "6.1.0", "6.1.1", "vmlinuz", "initramfs", "disk")


def _keep(folder: Path, setup: Setup | None, number: int, one: Run, key: str) -> None:
    assert setup is not None
    (folder / f"{key}-{number:03d}.json").write_bytes(
        msgspec.json.encode(Stored(setup, "the same", number, one))
    )


def show(folder: Path, *words: str) -> tuple[int, str]:
    done = CliRunner().invoke(
        cli, ["compare", "stock", "min_ttl_ms=1000", "ext4", "--results", str(folder), "--only-show", *words]
    )
    assert done.exception is None or isinstance(done.exception, SystemExit), done.output
    return done.exit_code, done.stdout


def test_finished_runs_are_shown_without_running_anything(finished: Path) -> None:
    before = {path: path.read_bytes() for path in finished.iterdir()}
    status, text = show(finished)
    assert status == 0
    first = text.splitlines()[0]
    assert first.startswith("not complete, 5 runs are missing: debian:6.1: stock: stalled")
    assert "better: min_ttl_ms=1000 (1.9 s)" in first
    assert {path: path.read_bytes() for path in finished.iterdir()} == before
    (ext4,) = (line for line in text.splitlines() if line.strip().startswith("ext4 "))
    assert "not run yet" in ext4


def test_the_document_of_finished_runs_follows_the_schema(finished: Path, tmp_path: Path) -> None:
    status, text = show(finished, "--format", "json", "--html", str(tmp_path / "page.html"))
    assert status == 0
    document: dict[str, Any] = json.loads(text)
    jsonschema_rs.validator_for(json_schema("comparison")).validate(document)
    assert (document["missing"], document["runs_wanted"], document["baseline"]) == (5, 5, "stock")
    stock, ttl, ext4 = document["cells"]
    assert stock["versus"] is None
    assert stock["summary"]["longest_stall_s"]["median"] == 38.2
    assert ttl["versus"]["verdict"] == "better"
    assert ttl["versus"]["p"] < 0.05
    assert ttl["setup"]["settings"] == [
        ["/sys/kernel/mm/lru_gen/enabled", "y"],
        ["/sys/kernel/mm/lru_gen/min_ttl_ms", "1000"],
    ]
    assert ext4["summary"] is None
    assert "<svg" in (tmp_path / "page.html").read_text()


def test_exit_code_says_that_not_all_survived(finished: Path) -> None:
    assert show(finished, "--exit-code")[0] == 1
    good = CliRunner().invoke(
        cli, ["compare", "min_ttl_ms=1000", "--results", str(finished), "--only-show", "--exit-code"]
    )
    assert good.exit_code == 0, good.output


def test_output_goes_to_a_file(finished: Path, tmp_path: Path) -> None:
    status, text = show(finished, "-o", str(tmp_path / "table.txt"))
    assert (status, text) == (0, "")
    assert (tmp_path / "table.txt").read_text() == show(finished)[1]


def test_a_damaged_file_of_the_results_is_named_and_made_again(finished: Path) -> None:
    file = min(finished.iterdir())
    file.write_bytes(file.read_bytes()[:100])
    assert f"Damaged files in the results directory, to be made again: {file.name}" in " ".join(
        show(finished)[1].split()
    )
    assert "6 runs are missing" in show(finished)[1]


def test_what_is_finished_is_not_run_again(finished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = compare._plan(compare.command.make_context("compare", ["stock", "min_ttl_ms=1000", "ext4"]).params)
    asked: list[str] = []

    def execute(setup: Setup) -> Run:
        asked.append(setup.root.fs)
        if len(asked) == 3:
            raise KeyboardInterrupt
        return made.run(1.0)

    comparing = Comparing(plan, finished)
    with pytest.raises(KeyboardInterrupt):
        comparing.grid.run(execute)
    assert asked == ["ext4"] * 3
    assert "3 runs are missing" in show(finished)[1]
    again = Grid(cells(plan, lambda _: "the same"), plan.runs, plan.seed, finished)
    assert [number for _, number in again.missing()] == [3, 4, 5]


def test_results_where_no_directory_can_be(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    plan = compare._plan(compare.command.make_context("compare", ["stock"]).params)
    with pytest.raises(UserError, match=r"file: cannot keep results there: File exists"):
        Grid(cells(plan), plan.runs, plan.seed, tmp_path / "file").run(lambda _: made.run())


def test_a_table_that_is_continued_on_another_host_is_told_once(
    finished: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for path in finished.glob("*.json"):
        stored = msgspec.json.decode(path.read_bytes(), type=Stored)
        slow = msgspec.structs.replace(stored.run, host_speed=100.0)
        path.write_bytes(msgspec.json.encode(msgspec.structs.replace(stored, run=slow)))
    monkeypatch.setattr(Comparing, "_execute", lambda *_: made.run(30.0, host_speed=160.0))
    done = CliRunner().invoke(
        cli, ["compare", "stock", "min_ttl_ms=1000", "ext4", "--results", str(finished)]
    )
    if "is not installed" in done.output:
        pytest.skip(done.output)
    assert done.exit_code == 0, done.output
    notes = [line for line in done.stderr.splitlines() if line.startswith("note:")]
    assert len(notes) == 1, notes
    assert notes[0].startswith(
        "note: this host is 1.6 x as fast as that of the runs that were there, or one "
    )
    assert done.stdout.startswith("not all on one host: debian:6.1: stock: stalled")
    assert "Compared across hosts of different speed: debian:6.1 ext4 (1.6 x as fast" in " ".join(
        done.stdout.split()
    )

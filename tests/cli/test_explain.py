"""`unkillable explain` from the command line."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result

from unkillable.cli.main import cli
from unkillable.errors import UserError
from unkillable.model import native
from unkillable.model.types import Explanation, Sites, Swaps


def _run(*arguments: str, text: bytes | None = None) -> Result:
    result = CliRunner().invoke(cli, ["explain", *arguments], input=text, standalone_mode=False)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def test_the_first_line_is_the_answer() -> None:
    lines = _run("--era", "4.5", "--experiment", "crowd").output.splitlines()
    assert lines[0].startswith(
        "Linux up to 4.5: deadlock after 12 steps. Victim has been killed and cannot end"
    )
    assert lines[0].endswith("until it ends the OOM killer chooses nobody else")
    assert " 12. Victim finds all entries of the cache in use" in "\n".join(lines)


def test_the_series_holds_and_says_of_what() -> None:
    output = _run("--variant", "series", "--experiment", "shortage").output
    assert "nothing of this hangs, in any order of events" in output.splitlines()[0]
    assert "two programs that want more memory together than there is" in output


def test_the_document_is_what_its_types_say() -> None:
    found = msgspec.json.decode(
        _run("--experiment", "signal", "--format", "json").output, type=Explanation, strict=True
    )
    assert (found.era, found.variant) == ("6.1", "stock")
    assert {one.result for one in found.verdicts} == {"holds"}


def test_sites_and_waits_have_documents() -> None:
    sites = msgspec.json.decode(
        _run("--sites", "--states", "50", "--format", "json").output, type=Sites, strict=True
    )
    assert [one.decompressors for one in sites.sets] == ["PERCPU", "SINGLE", "MULTI"]
    swaps = msgspec.json.decode(
        _run("--wait", "wait_event_idle", "--era", "5.10", "--format", "json").output, type=Swaps, strict=True
    )
    assert swaps.swaps[0].task_state == "TASK_IDLE"
    assert "TASK_IDLE" in _run("--wait", "wait_event_idle", "--era", "5.10").output.splitlines()[0]


def test_exit_code_tells() -> None:
    assert _run("--experiment", "shortage").return_value in (None, 0)
    assert _run("--experiment", "shortage", "--exit-code").return_value == 1
    assert _run("--experiment", "signal", "--exit-code").return_value in (None, 0)
    assert _run("--experiment", "signal", "--states", "100", "--exit-code").return_value == 1


def test_parameters_can_be_changed() -> None:
    assert "livelock" in _run("--experiment", "shortage").output.splitlines()[0]
    output = _run("--experiment", "shortage", "--set", "kill_early=1").output
    assert "holds     Whoever asks for memory" in output
    assert "with kill_early=1" in output


def test_a_diagnosis_comes_from_standard_input() -> None:
    told = {
        "schema": "unkillable.diagnosis/1", "kernel": {"release": "4.4.135"}, "verdict": {"kind": "deadlock"},
        "victims": [{"pid": 192, "comm": "mal\u202eloc", "fate": "stuck"}],
    }  # fmt: skip
    output = _run("--diagnosis", "-", "--experiment", "crowd", text=msgspec.json.encode(told)).output
    assert "mal\\u202eloc/192 has been killed and cannot end" in output.splitlines()[0]
    assert "\u202e" not in output


def test_the_report_of_2011_is_told_as_the_deadlock_that_it_was() -> None:
    """Its log does not name its kernel; the form of its lines says that it is older than 2.6.36."""
    told = {
        "schema": "unkillable.diagnosis/1", "kernel": {"release": None, "until": "2.6.36"}, "verdict": {"kind": "deadlock"},
        "victims": [{"pid": 192, "comm": "malloc", "fate": "stuck"}],
    }  # fmt: skip
    line = _run("--diagnosis", "-", text=msgspec.json.encode(told)).output.splitlines()[0]
    assert line.startswith(
        "Linux up to 4.5: deadlock after 12 steps. malloc/192 has been killed and cannot end"
    )
    told["kernel"] = {}
    with pytest.raises(UserError, match="does not say which kernel it is: give --era"):
        _run("--diagnosis", "-", text=msgspec.json.encode(told))


def test_a_kernel_that_reads_past_the_cache_is_told_so() -> None:
    told = {
        "schema": "unkillable.diagnosis/1",
        "kernel": {"release": "6.1"},
        "verdict": {"kind": "reclaim-livelock"},
    }
    output = _run("--diagnosis", "-", text=msgspec.json.encode(told)).output
    assert "squashfs_readpage_block" in output
    assert "squashfs_cache_get" not in output.partition("In the end")[0]


def test_promela_is_written(tmp_path: Path) -> None:
    file = tmp_path / "model.pml"
    _run("--promela", str(file), "--experiment", "signal")
    assert "active [2] proctype task()" in file.read_text(encoding="utf-8")


@pytest.mark.skipif(native.compiler() is None, reason="no C compiler")
def test_without_a_compiler_python_searches(monkeypatch: pytest.MonkeyPatch) -> None:
    here = _run("--experiment", "shortage").output
    monkeypatch.setattr(native, "_COMPILERS", ("no-such-compiler",))
    assert _run("--experiment", "shortage").output == here
    with pytest.raises(UserError, match="apt-get install gcc"):
        native._compile("", Path("unused"))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--era", "nine"], "no kernel release that the model knows"),
        (["--sites", "--variant", "series"], "--variant does not go with --sites"),
        (["--sites", "--wait", "wait_event"], "do not go together"),
        (["--wait", "wait_event", "--exit-code"], "--exit-code does not go with --wait"),
        (
            ["--promela", "x.pml", "--set", "tasks=2", "--html", "x.html"],
            "--html does not go with --promela",
        ),
        (["--set", "tasks"], "write it as NAME=NUMBER"),
        (["--set", "tasks=-1"], "write it as NAME=NUMBER"),
        (["--set", "tasks=99"], "99 tasks: the model takes 1 to 8"),
        (["--set", "site_a=9"], "site_a=9: 1 to 4"),
        (["--set", "nonsense=1"], "nonsense: no parameter of the model"),
        (["--experiment", "nonsense"], "nonsense: no experiment"),
        (["--wait", "mutex_lock"], "not of the wait_event family"),
        (["--wait", "wait_event_state"], "the state that its caller gives"),
        (["--diagnosis", "/nonexistent"], "No such file"),
        (["--html", "/nonexistent/page.html"], "is no directory"),
    ],
)
def test_bad_input_is_one_line(arguments: list[str], words: str) -> None:
    with pytest.raises(UserError, match=words):
        _run(*arguments)

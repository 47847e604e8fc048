"""`explain --image`: its options, its text, its JSON, and what it says of senseless ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from click.testing import CliRunner, Result

from tests.model import sample
from unkillable.cli.explain import command
from unkillable.errors import UserError
from unkillable.report.schema import json_schema

LIST = str(sample.ROOT / "tests/samples/image/list.txt")


def explain(*words: str, stdin: str | None = None) -> Result:
    return CliRunner().invoke(
        command, ["--image", str(sample.IMAGE), *words], input=stdin, catch_exceptions=False
    )


def document(*words: str, stdin: str | None = None) -> dict[str, Any]:
    done = explain(*words, "--format", "json", stdin=stdin)
    assert done.exit_code == 0, done.output
    found: dict[str, Any] = json.loads(done.output)
    return found


def test_the_json_follows_its_schema() -> None:
    for words in (("--trace", LIST), ("--trace", LIST, "--memory", "512", "--block-size", "16K")):
        found = document(*words)
        assert found["schema"] == "unkillable.explain-image/1"
        assert jsonschema_rs.validator_for(json_schema("explain-image")).is_valid(found)


def test_the_first_line_is_the_answer() -> None:
    shown = explain("--trace", LIST).output.splitlines()
    assert (
        shown[0]
        == "For a page that is not in memory, 118 KiB are decompressed on this image (mean of 24 times)"
    )
    every = explain().output.splitlines()
    assert every[0].startswith("A page fault of 4 KiB reads and decompresses ")
    assert every[0].endswith(" on this image (mean of 500 pages, with nothing in memory)")


def test_options_reach_the_kernel() -> None:
    words = (
        "--era",
        "5.10",
        "--file",
        "cache",
        "--decompressors",
        "multi",
        "--cpus",
        "3",
        "--entries",
        "7",
        "--readahead",
        "64",
    )
    assert document("--trace", LIST, *words)["kernel"] == {
        "release": "5.10", "file": "cache", "decompressors": "multi", "cpus": 3, "metadata_entries": 8,
        "fragment_entries": 7, "data_entries": 6, "streams": 6, "readahead_pages": 16,
    }  # fmt: skip


CONFIG = """\
CONFIG_SQUASHFS=y
CONFIG_SQUASHFS_FILE_CACHE=y
# CONFIG_SQUASHFS_FILE_DIRECT is not set
CONFIG_SQUASHFS_DECOMP_SINGLE=y
CONFIG_SQUASHFS_FRAGMENT_CACHE_SIZE=5
"""


def test_a_configuration_says_how_it_is_read(tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text(CONFIG)
    kernel = document("--trace", LIST, "--config", str(config))["kernel"]
    assert (kernel["file"], kernel["decompressors"], kernel["fragment_entries"], kernel["data_entries"]) == (
        "cache", "single", 5, 1,
    )  # fmt: skip
    kernel = document("--trace", LIST, "--config", str(config), "--entries", "2")["kernel"]
    assert kernel["fragment_entries"] == 2, "what is said on the command line goes first"


def test_a_kernel_without_squashfs(tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text("# CONFIG_SQUASHFS is not set\n")
    with pytest.raises(UserError, match="this kernel has no squashfs"):
        explain("--config", str(config))


def test_paths_below_the_place_where_it_was_mounted() -> None:
    trace = "/opt/app/usr/bin/tool 0\n/usr/bin/tool 0\n/opt/application 0\n"
    found = document("--trace", "-", "--mounted-at", "/opt/app", stdin=trace)["trace"]
    assert (found["accesses"], found["elsewhere"]) == (1, 2)
    with pytest.raises(
        UserError, match=r"none of its 3 accesses is of a file on .*; is it mounted at /srv\?"
    ):
        explain("--trace", "-", "--mounted-at", "/srv", stdin=trace)


@pytest.mark.parametrize("size", ["many", "-4K", "4T", "1e3", ""])
def test_a_block_size_is_a_number_of_bytes(size: str) -> None:
    done = explain(f"--block-size={size}")
    assert done.exit_code == 2
    assert "bytes, such as 131072, 128K or 1M" in done.output


def test_control_characters_of_names_do_not_reach_the_terminal(tmp_path: Path) -> None:
    trace = tmp_path / "evil\x1b[31m"
    trace.write_text("/usr/bin/tool 0\n")
    shown = explain("--trace", str(trace)).output
    assert "\x1b" not in shown
    assert "\\x1b" in shown


def test_the_report_says_what_it_left_out() -> None:
    trace = "/usr/bin/tool 0\n/nowhere 0\n"
    shown = explain("--trace", "-", "--block-size", "16K", stdin=trace).output
    assert "1 access of files that are not on the image" in shown
    assert "how well blocks of another size compress" in shown


@pytest.mark.parametrize("words", [("--sites",), ("--wait", "wait_event"), ("--html", "page.html")])
def test_what_is_asked_of_the_model_is_not_asked_of_an_image(words: tuple[str, ...]) -> None:
    with pytest.raises(
        UserError, match=f"({words[0]} does not go with --image|{words[0]} and --image do not go together)"
    ):
        explain(*words)


def test_it_can_go_to_a_file(tmp_path: Path) -> None:
    target = tmp_path / "report.txt"
    assert explain("--trace", LIST, "-o", str(target)).output == ""
    assert "decompressed" in target.read_text()

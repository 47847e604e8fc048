"""`unkillable fix` from the command line."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result

from tests.remedies.trees import EXAMPLE, changed, needs_programs
from unkillable.cli.main import cli
from unkillable.errors import UserError
from unkillable.proof.types import Fix

pytestmark = needs_programs

AUTHOR = ("--author", "Ada Example <ada@example.org>")


def _run(*arguments: str) -> Result:
    result = CliRunner().invoke(cli, ["fix", *AUTHOR, *arguments], standalone_mode=False)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def test_the_first_line_is_the_answer() -> None:
    result = _run(str(EXAMPLE))
    assert result.output.splitlines()[0] == "7 patches for Linux 6.1.0-example"
    assert "fs/squashfs/cache.c:24: wait_event(cache->wait_queue, cache->unused);" in result.output
    assert result.return_value in (None, 0)


def test_patches_are_written(tmp_path: Path) -> None:
    folder = tmp_path / "patches"
    first = _run(str(EXAMPLE), "--output", str(folder)).output.splitlines()[0]
    assert first == f"7 patches for Linux 6.1.0-example, in {folder}"
    assert [path.name[:4] for path in sorted(folder.iterdir())] == [f"000{number}" for number in range(1, 8)]
    with pytest.raises(UserError, match="not empty"):
        _run(str(EXAMPLE), "--output", str(folder))
    assert _run(str(EXAMPLE), "--output", str(folder), "--force").return_value in (None, 0)


def test_the_document_is_what_its_types_say() -> None:
    fix = msgspec.json.decode(_run(str(EXAMPLE), "--format", "json").output, type=Fix, strict=True)
    assert fix.schema == "unkillable.fix/1"
    assert [step.status for step in fix.series.steps] == ["patched"] * 7
    assert fix.check is None


def test_an_unknown_shape_is_status_1_and_names_its_lines(tmp_path: Path) -> None:
    tree = changed(
        tmp_path / "tree", ("block.c", "alloc_page(GFP_NOIO)", "vendor_page(GFP_NOIO, bio->flags)")
    )
    assert _run(str(tree)).return_value in (None, 0)  # only the flags matter
    tree = changed(tmp_path / "other", ("squashfs.h", "#define TRACE", "#define VENDOR_TRACE"))
    result = _run(str(tree), "--output", str(tmp_path / "patches"))
    assert result.return_value == 1
    assert "2 more do not fit" in result.output.splitlines()[0]
    assert "DOES NOT FIT: let readahead fail" in result.output
    assert len(list((tmp_path / "patches").iterdir())) == 5


def test_a_tree_without_squashfs_gets_nothing(tmp_path: Path) -> None:
    (tmp_path / "fs").mkdir()
    result = _run(str(tmp_path), "--output", str(tmp_path / "patches"))
    assert result.return_value == 1
    assert result.output.startswith("No patch fits this tree: the tree has no fs/squashfs/cache.c")
    assert not (tmp_path / "patches").exists()


def test_text_of_the_tree_cannot_reach_the_terminal(tmp_path: Path) -> None:
    tree = changed(
        tmp_path / "tree",
        ("file_direct.c", "		goto out;\n\n	res", "		goto out; /* \x1b[2J */\n\n	res"),
    )
    assert "\x1b" not in _run(str(tree)).output

"""Files that are replaced: whole, or not at all."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from unkillable.files import replacing


def test_a_file_takes_its_place_at_the_end(tmp_path: Path) -> None:
    target = tmp_path / "out"
    target.write_text("before")
    with replacing(target) as aside:
        aside.write_text("after")
        assert target.read_text() == "before"
    assert target.read_text() == "after"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
def test_what_is_not_finished_leaves_nothing(tmp_path: Path, error: type[BaseException]) -> None:
    target = tmp_path / "out"
    target.write_text("before")

    def write_half() -> None:
        with replacing(target) as aside:
            aside.write_text("half")
            raise error

    with pytest.raises(error):
        write_half()
    assert target.read_text() == "before"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("mask", [0o022, 0o077])
def test_its_rights_are_those_of_any_new_file(tmp_path: Path, mask: int) -> None:
    before = os.umask(mask)
    try:
        with replacing(tmp_path / "out") as aside:
            aside.touch()
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "out").stat().st_mode) == 0o666 & ~mask


def test_where_nothing_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(IsADirectoryError), replacing(tmp_path / "folder") as aside:
        aside.touch()
    with pytest.raises(FileNotFoundError), replacing(tmp_path / "none" / "out"):
        pass
    assert [one.name for one in tmp_path.iterdir()] == ["folder"]

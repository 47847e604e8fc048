"""What names lead to: files, directories, patterns, lists; and what a name tells."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest

from unkillable.errors import UserError
from unkillable.fleet.given import Given
from unkillable.fleet.inputs import check, count, find, read_names
from unkillable.fleet.name_fields import NameFields, date
from unkillable.fleet.types import Log


def tree(place: Path, *names: str) -> Path:
    for name in names:
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_text(name)
    return place


def found(*names: object) -> list[str]:
    """The names of what is read, relative; those read as one joined by +."""
    return [
        "+".join(Path(one.name).name for one in each.inputs) if isinstance(each, Given) else f"{Path(each.name).name}: {each.problem}"
        for each in find(map(str, names))
    ]  # fmt: skip


def test_a_directory_is_read_with_all_below_it(tmp_path: Path) -> None:
    place = tree(tmp_path / "logs", "b.log", "a.log", "x/c.log", "x/y/d.log", ".hidden")
    assert found(place) == [".hidden", "a.log", "b.log", "c.log", "d.log"]
    assert count([str(place)]) == 5
    assert count([str(place), "-"]) is None


def test_a_loop_of_links_ends(tmp_path: Path) -> None:
    place = tree(tmp_path / "logs", "a.log", "x/b.log")
    (place / "x" / "up").symlink_to(place)
    (place / "same").symlink_to(place / "x")
    assert sorted(found(place)) == ["a.log", "b.log"]


def test_rotated_files_and_the_parts_of_a_dump_are_one_log(tmp_path: Path) -> None:
    place = tree(
        tmp_path / "logs",
        "kern.log", "kern.log.1", "kern.log.2.gz", "other.log.7", "dmesg-ramoops-0", "dmesg-ramoops-1", "day-20261101",
    )  # fmt: skip
    expected = ["day-20261101", "dmesg-ramoops-0+dmesg-ramoops-1", "kern.log.2.gz+kern.log.1+kern.log", "other.log.7"]  # fmt: skip
    assert sorted(found(place)) == expected
    assert sorted(found(place / "*")) == expected
    assert found(place / "kern*") == ["kern.log.2.gz+kern.log.1+kern.log"]


def test_patterns(tmp_path: Path) -> None:
    place = tree(tmp_path / "logs", "a/1.log", "a/2.txt", "b/3.log", "b/deep/4.log")
    assert sorted(found(place / "*/*.log")) == ["1.log", "3.log"]
    assert sorted(found(place / "*")) == ["1.log", "2.txt", "3.log", "4.log"]
    assert sorted(found(place / "**/*.log")) == ["1.log", "3.log", "4.log"]
    assert sorted(found(place / "**")) == ["1.log", "2.txt", "3.log", "4.log"]
    assert sorted(found(place / "**/deep")) == ["4.log"]
    odd = tree(tmp_path / "odd", "with[brackets].log")
    assert found(odd / "with[brackets].log") == ["with[brackets].log"]


def test_what_cannot_be_read_is_named_and_the_rest_is_found(tmp_path: Path) -> None:
    place = tree(tmp_path / "logs", "a.log")
    (place / "gone").symlink_to("nowhere")
    os.mkfifo(place / "pipe")
    assert found(place) == [
        "a.log",
        "gone: cannot be opened: No such file or directory",
        "pipe: not a file: a pipe, a device or a socket",
    ]
    assert found(place / "missing.log") == ["missing.log: cannot be opened: No such file or directory"]


def test_a_name_that_is_no_utf_8_is_read(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"caf\xe9.log")).write_text("x")
    (given,) = find([str(tmp_path)])
    assert isinstance(given, Given)
    assert given.inputs[0].name == str(tmp_path / "caf\\xe9.log")
    assert Path(given.paths[0]).read_text() == "x"


@pytest.mark.parametrize("separator", [b"\n", b"\0"])
def test_a_list_of_names(tmp_path: Path, separator: bytes) -> None:
    place = tree(tmp_path / "logs", "a.log", "b c.log", "x/d.log")
    names = [b"a.log", b"b c.log", b"x", b"missing"]
    listed = io.BytesIO(b"".join(os.fsencode(place / os.fsdecode(name)) + separator for name in names))
    each = [one.inputs[0].name if isinstance(one, Given) else one.problem for one in find(["-"], listed)]
    expected = [
        str(place / "a.log"), str(place / "b c.log"), str(place / "x/d.log"),
        "cannot be opened: No such file or directory",
    ]  # fmt: skip
    assert each == expected


def test_a_list_without_its_last_line_end_and_one_that_is_none() -> None:
    assert list(read_names(io.BytesIO(b"a\n\n-\nb"))) == ["a", "b"]
    with pytest.raises(UserError, match="it is no list of names"):
        list(read_names(io.BytesIO(bytes(range(1, 10)) * 20_000)))


def test_a_typing_error_is_told_at_once(tmp_path: Path) -> None:
    check([str(tmp_path), "-", "memory://x"])
    with pytest.raises(UserError, match="nothere: no such file or directory"):
        check([str(tmp_path / "nothere")])
    with pytest.raises(UserError, match=r"\*\.log: no file matches this pattern"):
        check([str(tmp_path / "*.log")])
    with pytest.raises(UserError, match="Protocol not known"):
        check(["nosuch://bucket/x"])


def test_name_fields() -> None:
    fields = NameFields(r"(?P<device>cam-\d+)/(?P<release>[\d.]+)/(?P<date>\d{8})")
    told = fields.of("/srv/cam-12/2026.3/20261102-x.log")
    assert (told.device, told.release, told.date) == ("cam-12", "2026.3", 1793577600.0)
    assert fields.of("/srv/else") == NameFields(None).of("/srv/cam-12/2026.3/20261102-x.log")
    assert NameFields(r"(?P<device>x)?y").of("y").device == ""


@pytest.mark.parametrize(
    ("pattern", "what"),
    [
        ("(", "not a regular expression"),
        ("abc", "has no named group"),
        ("(?P<name>x)", "knows no group name"),
    ],
)
def test_wrong_name_fields(pattern: str, what: str) -> None:
    with pytest.raises(UserError, match=what):
        NameFields(pattern)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("20261102", 1793577600.0),
        ("2026-11-02", 1793577600.0),
        ("20261102-101530", 1793614530.0),
        ("2026-11-02T10:15:30", 1793614530.0),
        ("2026-11-02T10:15:30+01:00", 1793610930.0),
        ("1793614530", 1793614530.0),
        ("19700101", None),  # a clock that was not set
        ("20261399", None),
        ("x", None),
        ("", None),
    ],
)
def test_dates_of_names(text: str, seconds: float | None) -> None:
    assert date(text) == seconds


def test_a_log_that_could_not_be_found_has_a_content_of_its_own(tmp_path: Path) -> None:
    one, two = find([str(tmp_path / "a"), str(tmp_path / "b")])
    assert isinstance(one, Log)
    assert isinstance(two, Log)
    assert one.content != two.content

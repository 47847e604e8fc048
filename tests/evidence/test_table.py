"""Every row of the format table has a sample that shows it, and ordinary lines show none."""

import re

import pytest

from tests import samples_file
from unkillable.evidence.formats import literals, table

_STAMP = re.compile(r"^\[ *\d+\.\d+\](?:\[ *[TC]\d+\])? ?")


def first_row(text):
    """The name of the row that a line without an open report is given to."""
    return next((row.name for row in table() if row.find(text)), None)


def lines(sample):
    path = samples_file.SAMPLES / sample
    log = samples_file.load(path)[1] if ".sample" in path.suffixes else path.read_bytes()
    return [_STAMP.sub("", line.rstrip("\r")) for line in log.decode("latin-1").split("\n")]


@pytest.mark.parametrize("row", table(), ids=lambda row: row.name)
def test_a_row_has_a_sample_that_shows_it(row):
    assert row.sample, "name a file below tests/samples"
    assert row.name in {first_row(line) for line in lines(row.sample)}


def test_names_are_unique_and_literals_fit_one_pass():
    names = [row.name for row in table()]
    assert len(names) == len(set(names))
    assert len(literals()) <= 60, "more cost the scan a second pass (docs/performance.md)"
    assert min(map(len, literals())) >= 4, "shorter ones slow the vectorised search down"


def test_boot_lines_are_nothing_but_what_they_are():
    """A quiet boot's lines: only rows about the kernel itself may take one."""
    kernel = {"banner", "command-line", "hardware", "memory", "mounted", "sysrq", "config"}
    boot = lines("captures/amd64-6.1-loglevel8.sample.xz")[:400]
    assert len(boot) > 300
    taken = dict(zip(map(first_row, boot), boot, strict=True))
    assert set(taken) <= {*kernel, None}, taken


def test_anchored_patterns_have_one_beginning():
    """`find` matches a pattern that starts with ^ at the line's beginning only, so ^ must hold for all of it."""
    for row in table():
        source = re.sub(r"\\.|\[[^]]*\]", "x", row.pattern.pattern)
        depths = [
            source[:at].count("(") - source[:at].count(")") for at, char in enumerate(source) if char == "|"
        ]
        assert not source.startswith("^") or 0 not in depths, row.name


def test_a_guard_stands_where_no_literal_does():
    for row in table():
        assert not (row.literals and row.guard), row.name

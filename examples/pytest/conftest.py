"""Fails a test of a device when the device's console shows a hang, and says why it hung.

Copy this file beside your tests; `pip install unkillable`.  With any program that writes a serial port to a file:

    pytest --console-log console.log

With labgrid, whose own option makes it keep the consoles of its targets:

    pytest --lg-env place.yaml --lg-log logs

Only what is written while a test runs counts for that test.
"""

from collections.abc import Generator
from pathlib import Path

import pytest

import unkillable

HARMLESS = ("no-hang", "zombie", "insufficient-evidence")
"""A part of a log often shows too little for a verdict; that alone is no failure."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--console-log", action="append", default=[], metavar="FILE", help="what a serial port is written to"
    )


def consoles(config: pytest.Config) -> list[Path]:
    labgrid = config.getoption("lg_log", None)
    return [
        *map(Path, config.getoption("--console-log")),
        *(Path(labgrid).glob("console_*") if labgrid else ()),
    ]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    begins = {log: log.stat().st_size for log in consoles(item.config) if log.exists()}
    failed = True
    try:
        result = yield
        failed = False
    finally:
        hangs = [hang for log in consoles(item.config) if (hang := hang_in(log, begins.get(log, 0)))]
        # A test that has failed by itself, such as for a timeout, keeps its reason and gets this one.
        for hang in hangs:
            item.add_report_section("call", "hang", hang)
    if hangs and not failed:
        pytest.fail(hangs[0], pytrace=False)
    return result


def hang_in(log: Path, begin: int) -> str | None:
    """What hangs in a log from a byte on; None where nothing does."""
    if not log.exists():
        return None
    with log.open("rb") as file:
        file.seek(begin)
        try:
            found = unkillable.diagnose(file)
        except unkillable.UserError:  # no kernel text came meanwhile
            return None
    if found.verdict.kind in HARMLESS:
        return None
    reasons = "".join(f"\n- {one.text}" for one in found.verdict.because)
    return f"{log.name}: {found.verdict.kind} ({found.verdict.confidence}): {found.verdict.summary}{reasons}"

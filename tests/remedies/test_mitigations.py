"""What helps without a patch: the order is that of the measurements."""

from __future__ import annotations

import re

import pytest
from click.testing import CliRunner

from unkillable.cli.main import cli
from unkillable.errors import UserError
from unkillable.lab.variations import builtin
from unkillable.remedies import mitigations
from unkillable.remedies.mitigations import Measured, effect, nearest, ranked, table

QUICK = Measured(5, {"survived": 5}, 0.2)
SLOW = Measured(5, {"stalled": 5}, 14.0)
NEVER = Measured(5, {"livelock": 5}, 120.5, open=True)


@pytest.mark.parametrize(
    ("stock", "own", "expected"),
    [
        (SLOW, QUICK, "helps"),
        (SLOW, Measured(1, {"stalled": 1}, 9.0), "not shown"),
        (SLOW, Measured(1, {"stalled": 1}, 39.0), "worse"),
        (SLOW, NEVER, "worse"),
        (NEVER, SLOW, "ends it"),
        (NEVER, NEVER, "not shown"),
        (SLOW, Measured(1, {"panic": 1}), "reboots"),
        (SLOW, None, "not measured"),
        (None, QUICK, "not measured"),
    ],
)
def test_what_runs_say(stock: Measured | None, own: Measured | None, expected: str) -> None:
    assert effect(stock, own) == expected
    assert expected in mitigations.EFFECTS


def test_the_nearest_series() -> None:
    assert nearest("6.1.192") == "6.1"
    assert nearest("6.6.32") == "6.1"
    assert nearest("4.19") == "5.10"
    assert nearest("9.0") == "7.3"


def test_the_order_is_that_of_the_measurements() -> None:
    found = ranked("6.1.5")
    stalls = [
        one.measured.stall_s for one in found.ranked if one.measured and one.measured.stall_s is not None
    ]
    assert stalls == sorted(stalls)
    assert found.ranked[0].effect == "helps"
    assert {one.mitigation.variation for one in found.ranked[:2]} == {"earlyoom", "min_ttl_ms=1000"}


def test_what_a_kernel_does_not_have_is_not_offered() -> None:
    assert all(one.mitigation.variation != "min_ttl_ms=1000" for one in ranked("5.10").ranked)


def test_every_mitigation_names_a_variation_and_says_how() -> None:
    for one in table():
        assert one.variation in builtin()
        assert one.snippets
        assert one.cost


def test_the_command() -> None:
    result = CliRunner().invoke(cli, ["fix", "--mitigations", "5.10"])
    first = result.output.splitlines()[0]
    assert re.search(r"s \(\d+ runs\) instead of more than 12\d s \(\d+ runs\)$", first)
    assert "vm.min_free_kbytes = 16384" in result.output


def test_a_release_that_is_none() -> None:
    with pytest.raises(UserError, match="no such directory"):
        CliRunner().invoke(
            cli, ["fix", "--mitigations", "6.x"], standalone_mode=False, catch_exceptions=False
        )

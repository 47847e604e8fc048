"""SARIF: what code scanning pages rely on."""

import json
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import msgspec
import pytest

from tests.report import given
from unkillable.diagnosis.types import KINDS, Verdict
from unkillable.report import sarif


def results(document: dict[str, Any]) -> list[dict[str, Any]]:
    (run,) = document["runs"]
    found: list[dict[str, Any]] = run["results"]
    return found


def test_one_result_for_the_verdict_and_one_for_each_unkillable_task() -> None:
    document = sarif.document(given.deadlock())
    assert document["version"] == "2.1.0"
    found = results(document)
    assert len(found) == 1 + 7
    first = found[0]
    assert (first["ruleId"], first["level"]) == ("deadlock", "error")
    (location,) = first["locations"]
    place = location["physicalLocation"]
    assert place["region"]["startLine"] == 7
    assert place["artifactLocation"]["uri"] == "logs/serial%20console.log"


@pytest.mark.parametrize("kind", KINDS)
def test_every_verdict_is_a_rule_with_its_level(kind: str) -> None:
    one = msgspec.structs.replace(given.deadlock(), verdict=Verdict(kind, "s", "low"))
    run = sarif.document(one)["runs"][0]
    result = run["results"][0]
    rule = run["tool"]["driver"]["rules"][result["ruleIndex"]]
    assert rule["id"] == result["ruleId"] == kind
    assert result["level"] == rule["defaultConfiguration"]["level"]
    assert result["level"] == ("note" if kind in {"zombie", "no-hang", "insufficient-evidence"} else "error")


def test_fingerprints_outlive_pids_times_and_lines() -> None:
    one = given.deadlock()
    later = msgspec.structs.replace(
        one,
        verdict=msgspec.structs.replace(one.verdict, summary="other pids", because=()),
        waiters=tuple(
            msgspec.structs.replace(waiter, pid=(waiter.pid or 0) + 500, since=9.0, lines=())
            for waiter in one.waiters
        ),
    )
    prints = [
        [result["partialFingerprints"] for result in results(sarif.document(each))] for each in (one, later)
    ]
    assert prints[0] == prints[1]
    assert len({json.dumps(each) for each in prints[0]}) == len(prints[0])


@pytest.mark.parametrize("log", given.LOGS, ids=lambda log: log.name)
def test_lines_of_the_bundled_logs_are_real(log: Path) -> None:
    one = given.of_log(log)
    for result in results(json.loads(sarif.render(one))):
        for location in [*result["locations"], *result.get("relatedLocations", [])]:
            region = location["physicalLocation"].get("region")
            assert region is None or 1 <= region["startLine"] <= one.coverage.lines


def test_hostile_text_is_cleaned_and_bounded() -> None:
    text = sarif.render(given.hostile())
    assert not any(char in text for char in "\x00\x1b\x9b\u202e\u2066")
    assert unquote(
        results(json.loads(text))[0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
    )
    assert len(sarif.render(given.hostile("x" * 1_000_000, 2))) < 4_000_000

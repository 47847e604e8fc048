"""An audit as SARIF: what code scanning pages rely on."""

import json
from typing import Any

from tests.report import audit_given as given
from unkillable.report import audit_sarif as sarif


def run(audit) -> dict[str, Any]:
    found: dict[str, Any]
    (found,) = sarif.document(audit)["runs"]
    return found


def test_findings_are_results_with_their_rules() -> None:
    found = run(given.audit())
    rules = found["tool"]["driver"]["rules"]
    assert [(rule["id"], rule["defaultConfiguration"]["level"]) for rule in rules] == [
        ("red/queue", "error"), ("amber/lock", "warning"), ("grey/time", "note"),
    ]  # fmt: skip
    assert [(one["ruleId"], one["level"], rules[one["ruleIndex"]]["id"]) for one in found["results"]] == [
        ("red/queue", "error", "red/queue"),
        ("amber/lock", "warning", "amber/lock"),
        ("grey/time", "note", "grey/time"),
    ]
    red = found["results"][0]
    place = red["locations"][0]["physicalLocation"]
    assert place["artifactLocation"] == {"uri": "fs/toyfs/cache.c", "uriBaseId": "SRCROOT"}
    assert place["region"] == {"startLine": 77}
    assert red["partialFingerprints"] == {"sleep/v1": "65a91301f29dc6f0"}
    assert (
        "Reached from a page fault. Follow wait_event_killable, as otherfs_get does" in red["message"]["text"]
    )
    assert "baselineState" not in red


def test_the_path_is_a_code_flow_of_calls_where_they_are_made() -> None:
    red = run(given.audit())["results"][0]
    (flow,) = red["codeFlows"][0]["threadFlows"]
    shown = [
        (
            one["location"]["physicalLocation"]["artifactLocation"]["uri"],
            one["location"]["physicalLocation"]["region"]["startLine"],
            one["location"]["message"]["text"],
        )
        for one in flow["locations"]
    ]
    assert shown == [
        ("mm/filemap.c", 3219, "filemap_fault"),
        ("mm/filemap.c", 539, "filemap_fault calls read_pages"),
        ("mm/readahead.c", 181, "read_pages calls (address_space_operations.read_folio) toyfs_read"),
        ("fs/toyfs/file.c", 72, "toyfs_read calls toyfs_get"),
        ("fs/toyfs/cache.c", 77, "toyfs_get sleeps in wait_event"),
    ]


def test_holders_and_allocations_are_related() -> None:
    related = run(given.audit())["results"][0]["relatedLocations"]
    assert [one["id"] for one in related] == [1, 2, 3]
    assert related[0]["physicalLocation"]["region"] == {"startLine": 90, "endLine": 120}
    assert related[1]["message"]["text"].endswith("waits for memory, may not call the OOM killer")


def test_compared_with_another_tree() -> None:
    found = run(given.against())
    states = {one["partialFingerprints"]["sleep/v1"]: one["baselineState"] for one in found["results"]}
    assert states == {
        "65a91301f29dc6f0": "updated", "a1": "new", "b2": "updated", "c3": "unchanged", "d4": "absent",
    }  # fmt: skip
    assert "killable yes -> no" in found["results"][0]["message"]["text"]


def test_hostile_text_is_cleaned_and_bounded() -> None:
    text = sarif.render(given.hostile())
    assert not any(char in text for char in "\x00\x1b\x9b\u202e\u2066")
    json.loads(text)
    assert len(sarif.render(given.hostile("x" * 1_000_000, 2))) < 400_000
    assert len(run(given.hostile(times=6000))["results"]) == 5000

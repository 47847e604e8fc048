"""The JSON documents that commands print, and their schemas."""

import json
from pathlib import Path
from typing import Any

import jsonschema_rs
import msgspec
import pytest

import unkillable.report.schema as room
from tests.report import given, lab_given
from unkillable.diagnosis.types import KINDS
from unkillable.lab.setup import Emulator, Module, Setup, Workload
from unkillable.lab.types import OUTCOMES
from unkillable.report.schema import DOCUMENTS, file_name, generate, json_schema, to_json


def valid(name: str, document: object) -> bool:
    return bool(jsonschema_rs.validator_for(json_schema(name)).is_valid(document))


def document(made: msgspec.Struct) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(to_json(made))
    return found


@pytest.mark.parametrize("name", DOCUMENTS)
def test_the_schema_file_is_what_the_types_give(name: str) -> None:
    stored = (Path(room.__file__).parent / file_name(name)).read_bytes()
    assert stored == generate(name), "a type has changed: run `python -m unkillable.report.schema`"
    assert json.loads(stored) == json_schema(name)


def test_no_schema_file_is_left_of_a_document_that_is_no_more() -> None:
    there = {path.name for path in Path(room.__file__).parent.glob("*.json")}
    assert there == {file_name(name) for name in DOCUMENTS}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_the_schema_says_what_it_is(name: str) -> None:
    schema = json_schema(name)
    assert schema["$id"] == DOCUMENTS[name].ident
    assert schema["title"].startswith("unkillable ")
    jsonschema_rs.meta.validate(schema)
    root = schema["$defs"][schema["$ref"].rpartition("/")[2]]
    assert root["properties"]["schema"]["const"] == DOCUMENTS[name].ident
    assert root["required"][0] == "schema"


def test_lists_are_closed() -> None:
    parts = json_schema()["$defs"]
    assert parts["Verdict"]["properties"]["kind"]["enum"] == list(KINDS)
    assert parts["Verdict"]["properties"]["confidence"]["enum"] == ["high", "medium", "low"]
    for name in ("reproduction", "comparison"):
        parts = json_schema(name)["$defs"]
        assert parts["Run"]["properties"]["outcome"]["enum"] == list(OUTCOMES)
        assert parts["Look"]["properties"]["kind"]["enum"] == list(KINDS)
        assert parts["Workload"]["properties"]["kind"]["enum"][:2] == ["churn", "hog"]


def test_every_closed_list_is_of_a_field_that_exists() -> None:
    fields = {
        (part, field)
        for name in DOCUMENTS
        for part, about in json_schema(name)["$defs"].items()
        for field in about.get("properties", {})
    }
    assert set(room._CLOSED) - fields == set()


def test_units_are_in_the_schema() -> None:
    parts = json_schema()["$defs"]
    assert parts["Waiter"]["properties"]["blocked_for"]["description"] == "Seconds, as khungtaskd says."
    assert parts["OomReport"]["properties"]["time"]["description"] == "Seconds since boot.", (
        "inherited from Fact"
    )
    assert parts["OomTask"]["properties"]["rss"]["description"] == "Pages."


def test_records_that_are_written_as_arrays_have_names_in_the_schema() -> None:
    beat = json_schema("reproduction")["$defs"]["Beat"]
    assert [item["title"] for item in beat["prefixItems"]] == ["at", "took"]
    assert beat["prefixItems"][1]["description"] == "Seconds until it had exited."


@pytest.mark.parametrize("log", given.LOGS, ids=lambda log: log.name)
def test_documents_of_the_bundled_logs_are_valid(log: Path) -> None:
    jsonschema_rs.validator_for(json_schema()).validate(document(given.of_log(log)))


def test_made_up_documents_are_valid_and_broken_ones_are_not() -> None:
    found = document(given.deadlock())
    assert valid("diagnosis", found)
    for broken in (
        {"schema": "unkillable.diagnosis/2"},
        {"verdict": found["verdict"] | {"kind": "bad-luck"}},
        {"boot": "one"},
    ):
        assert not valid("diagnosis", found | broken), broken


def test_a_reproduction_is_valid_and_a_broken_one_is_not() -> None:
    module = Setup(
        module=Module("cache", "single"), workload=Workload("hog"), emulator=Emulator(icount_shift=1)
    )
    for setup in (Setup(), module):
        assert valid("reproduction", document(lab_given.reproduction(setup=setup)))
    found = document(lab_given.reproduction())
    first = found["runs"][0]
    for broken in (
        {"schema": "unkillable.reproduction/2"},
        {"schema": "unkillable.comparison/1"},
        {"runs": [first | {"outcome": "fine"}]},
        {"runs": [first | {"beats": [[1.0]]}]},
        {"runs": [first | {"longest_stall_s": "long"}]},
        {"runs": [first | {"victims": [{"pid": 1, "comm": None, "killed_at": 1.0}]}]},
        {"setup": found["setup"] | {"root": {"fs": "vfat"}}},
    ):
        assert not valid("reproduction", found | broken), broken
    del found["summary"]
    assert not valid("reproduction", found)


def test_a_comparison_is_valid_and_a_broken_one_is_not() -> None:
    found = document(lab_given.comparison())
    assert valid("comparison", found)
    assert any(cell["versus"] and cell["versus"]["p"] is not None for cell in found["cells"])
    assert any(cell["setup"] is None for cell in found["cells"])
    better = next(cell for cell in found["cells"] if cell["versus"])
    for broken in (
        {"schema": "unkillable.reproduction/1"},
        {"cells": [better | {"versus": better["versus"] | {"verdict": "nice"}}]},
        {"cells": [better | {"runs": None}]},
    ):
        assert not valid("comparison", found | broken), broken
    assert not valid("reproduction", found)


def test_bytes_are_stable_and_indenting_changes_no_value() -> None:
    one = given.deadlock()
    assert to_json(one) == to_json(given.deadlock())
    assert to_json(one).count(b"\n") == 1
    assert to_json(one, indent=2).count(b"\n") > 100
    assert json.loads(to_json(one)) == json.loads(to_json(one, indent=2))


def test_names_that_are_not_utf_8_do_not_stop_it() -> None:
    assert document(given.hostile())["source"].startswith("<script>")
    assert "\\udcff" in document(given.hostile("bad\udcff.log"))["source"]
    assert document(lab_given.hostile_reproduction("bad\udcff"))["setup"]["kernel"] == "bad\\udcff"

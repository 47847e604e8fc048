"""The JSON document of a diagnosis, and its schema."""

import json
from pathlib import Path

import jsonschema_rs
import pytest

from tests.report import given
from unkillable.diagnosis.types import KINDS
from unkillable.report.schema import IDENT, generate, json_schema, to_json


def test_the_schema_file_is_what_the_types_give() -> None:
    import unkillable.report.schema as room

    stored = (Path(room.__file__).parent / "diagnosis-1.json").read_bytes()
    assert stored == generate(), "a type has changed: run `python -m unkillable.report.schema`"
    assert json.loads(stored) == json_schema()


def test_the_schema_says_what_it_is_and_closes_lists() -> None:
    schema = json_schema()
    assert schema["$id"] == IDENT
    jsonschema_rs.meta.validate(schema)
    parts = schema["$defs"]
    assert parts["Verdict"]["properties"]["kind"]["enum"] == list(KINDS)
    assert parts["Verdict"]["properties"]["confidence"]["enum"] == ["high", "medium", "low"]
    assert parts["Diagnosis"]["properties"]["schema"]["const"] == IDENT


def test_units_are_in_the_schema() -> None:
    parts = json_schema()["$defs"]
    assert parts["Waiter"]["properties"]["blocked_for"]["description"] == "Seconds, as khungtaskd says."
    assert parts["OomReport"]["properties"]["time"]["description"] == "Seconds since boot.", (
        "inherited from Fact"
    )
    assert parts["OomTask"]["properties"]["rss"]["description"] == "Pages."


@pytest.mark.parametrize("log", given.LOGS, ids=lambda log: log.name)
def test_documents_of_the_bundled_logs_are_valid(log: Path) -> None:
    document = json.loads(to_json(given.of_log(log)))
    jsonschema_rs.validator_for(json_schema()).validate(document)


def test_made_up_documents_are_valid_and_broken_ones_are_not() -> None:
    validator = jsonschema_rs.validator_for(json_schema())
    document = json.loads(to_json(given.deadlock()))
    validator.validate(document)
    for broken in (
        {"schema": "unkillable.diagnosis/2"},
        {"verdict": document["verdict"] | {"kind": "bad-luck"}},
        {"boot": "one"},
    ):
        assert not validator.is_valid(document | broken), broken


def test_bytes_are_stable_and_indenting_changes_no_value() -> None:
    one = given.deadlock()
    assert to_json(one) == to_json(given.deadlock())
    assert to_json(one).count(b"\n") == 1
    assert to_json(one, indent=2).count(b"\n") > 100
    assert json.loads(to_json(one)) == json.loads(to_json(one, indent=2))


def test_names_that_are_not_utf_8_do_not_stop_it() -> None:
    document = json.loads(to_json(given.hostile()))
    assert document["source"].startswith("<script>")
    assert "\\udcff" in json.loads(to_json(given.hostile("bad\udcff.log")))["source"]

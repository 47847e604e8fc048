"""An audit as JSON follows its schema."""

from __future__ import annotations

import json

import jsonschema_rs
import pytest

from tests.report import audit_given as given
from unkillable.ksource.audit_types import CHANGES, KINDS, RANKS
from unkillable.report.schema import json_schema, to_json


@pytest.mark.parametrize("audit", [given.audit(), given.against(), given.audit(()), given.hostile("x")])
def test_every_audit_follows_it(audit) -> None:
    document = json.loads(to_json(audit))
    jsonschema_rs.validator_for(json_schema("audit")).validate(document)
    assert document["schema"] == "unkillable.audit/1"


def test_lists_are_closed_and_fields_described() -> None:
    parts = json_schema("audit")["$defs"]
    site = parts["Site"]["properties"]
    assert site["rank"]["enum"] == list(RANKS)
    assert site["kind"]["enum"] == list(KINDS)
    assert parts["Change"]["properties"]["kind"]["enum"] == list(CHANGES)
    assert site["fingerprint"]["description"].startswith(
        "The same as long as the function waits in the same way"
    )

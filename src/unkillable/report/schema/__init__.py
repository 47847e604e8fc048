"""The documents that commands print as JSON, and the JSON Schemas they follow.

A schema is a file of the package (such as `diagnosis-1.json`), so that it can be linked to and diffed; `generate()`
makes it from the types, and a test compares the two.  msgspec's own schema knows nothing of the strings below an
attribute, where the types of this project say units, so they are read from source.
"""

from __future__ import annotations

import ast
import inspect
import json
import sys
from functools import cache
from importlib.resources import files
from types import ModuleType
from typing import Any

import msgspec

from unkillable.diagnosis.types import KINDS, Diagnosis
from unkillable.fleet.triage_types import Triage
from unkillable.ksource import audit_types, waits_types
from unkillable.lab import setup, table_types, types
from unkillable.lab.scenarios import types as scenario_types
from unkillable.model import types as model_types
from unkillable.model.image import types as image_types
from unkillable.proof import types as proof_types
from unkillable.remedies import mitigations
from unkillable.remedies import types as remedies_types

__all__ = ["DOCUMENTS", "IDENT", "Document", "file_name", "generate", "json_schema", "to_json"]

IDENT = "unkillable.diagnosis/1"
"""`schema` of every diagnosis, and `$id` of its schema."""


class Document(msgspec.Struct, frozen=True):
    """What a command prints with `--format json`."""

    ident: str
    """Its `schema`, and the `$id` of its schema."""
    root: type[msgspec.Struct]
    command: str


DOCUMENTS = {
    "diagnosis": Document(IDENT, Diagnosis, "unkillable diagnose"),
    "reproduction": Document("unkillable.reproduction/1", types.Reproduction, "unkillable reproduce"),
    "comparison": Document("unkillable.comparison/1", table_types.Comparison, "unkillable compare"),
    "audit": Document("unkillable.audit/1", audit_types.Audit, "unkillable audit"),
    "waits": Document("unkillable.waits/1", waits_types.Waits, "unkillable waits"),
    "fix": Document("unkillable.fix/1", proof_types.Fix, "unkillable fix"),
    "explanation": Document("unkillable.explanation/1", model_types.Explanation, "unkillable explain"),
    "sites": Document("unkillable.sites/1", model_types.Sites, "unkillable explain --sites"),
    "swaps": Document("unkillable.swaps/1", model_types.Swaps, "unkillable explain --wait"),
    "mitigations": Document(
        "unkillable.mitigations/1", mitigations.Mitigations, "unkillable fix --mitigations"
    ),
    "triage": Document("unkillable.triage/1", Triage, "unkillable triage"),
    "explain-image": Document(
        "unkillable.explain-image/1", image_types.ImageReport, "unkillable explain --image"
    ),
}

_CONFIDENCE = ("high", "medium", "low")
_CLOSED: dict[tuple[str, str], tuple[str, ...]] = {
    ("Verdict", "kind"): KINDS,
    ("Verdict", "confidence"): _CONFIDENCE,
    ("BootSummary", "kind"): KINDS,
    ("Bucket", "kind"): KINDS,
    ("BootSummary", "confidence"): _CONFIDENCE,
    ("Victim", "fate"): ("exited", "reaped", "stuck", "unknown"),
    ("Node", "kind"): ("task", "resource"),
    ("Edge", "kind"): ("waits-for", "held-by", "needs"),
    ("Run", "outcome"): types.OUTCOMES,
    ("Result", "outcome"): scenario_types.OUTCOMES,
    ("Step", "status"): remedies_types.STATUSES,
    ("Ranked", "effect"): mitigations.EFFECTS,
    ("Run", "accelerator"): ("kvm", "tcg"),
    ("Summary", "outcome"): types.OUTCOMES,
    ("Kill", "by"): ("oom", "memcg", "user"),
    ("Look", "kind"): KINDS,
    ("Look", "confidence"): _CONFIDENCE,
    ("Versus", "verdict"): table_types.VERDICTS,
    ("Versus", "bound"): ("", "at least", "at most"),
    ("Root", "fs"): setup.FILE_SYSTEMS,
    ("Root", "compressor"): setup.COMPRESSORS,
    ("Module", "file"): ("direct", "cache"),
    ("Module", "decompressors"): ("single", "multi", "percpu"),
    ("Workload", "kind"): ("churn", "hog", "mix", "threads", "command"),
    ("Emulator", "accelerator"): ("auto", "kvm", "tcg"),
    ("Site", "rank"): audit_types.RANKS,
    ("Site", "kind"): audit_types.KINDS,
    ("Change", "kind"): audit_types.CHANGES,
    ("Wait", "kind"): waits_types.KINDS,
    ("Wait", "role"): waits_types.ROLES,
    ("WaitChange", "kind"): waits_types.CHANGES,
    ("Answer", "result"): model_types.RESULTS,
    ("Story", "kind"): model_types.KINDS,
    ("SiteSets", "decompressors"): ("PERCPU", "SINGLE", "MULTI"),
    ("Mount", "file"): image_types.FILES,
    ("Mount", "decompressors"): image_types.DECOMPRESSORS,
    ("TraceFacts", "format"): image_types.FORMATS,
}
"""Strings that are one of a list."""

_ENCODER = msgspec.json.Encoder(order="deterministic")


def to_json(document: msgspec.Struct, indent: int = 0) -> bytes:
    """One JSON document, the same bytes for the same facts; on one line unless `indent` says how deep."""
    try:
        encoded = _ENCODER.encode(document)
    except UnicodeEncodeError:  # the name of a file need not be UTF-8
        encoded = _ENCODER.encode(_without_surrogates(msgspec.to_builtins(document)))
    return msgspec.json.format(encoded, indent=indent) + b"\n" if indent else encoded + b"\n"


def _without_surrogates(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode(errors="backslashreplace").decode()
    if isinstance(value, dict):
        return {_without_surrogates(key): _without_surrogates(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_without_surrogates(each) for each in value]
    return value


def file_name(name: str) -> str:
    """The schema's file in this folder: `diagnosis-1.json` of `unkillable.diagnosis/1`."""
    return DOCUMENTS[name].ident.partition(".")[2].replace("/", "-") + ".json"


@cache
def _stored(name: str) -> str:
    return (files("unkillable.report") / "schema" / file_name(name)).read_text(encoding="utf-8")


def json_schema(name: str = "diagnosis") -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of one of DOCUMENTS."""
    schema: dict[str, Any] = json.loads(_stored(name))
    return schema


def generate(name: str) -> bytes:
    """The contents of a schema's file, made from the types."""
    document = DOCUMENTS[name]
    parts: dict[str, Any] = msgspec.json.schema(document.root)["$defs"]
    classes = _classes(document.root)
    for title, part in parts.items():
        _describe(part, title, classes[title])
    root = parts[document.root.__name__]
    root["properties"]["schema"] = {
        "const": document.ident,
        "description": "Name and version of this format.",
    }
    root["required"] = ["schema", *root["required"]]
    whole = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": document.ident,
        "title": f"{document.command} --format json",
        "$ref": f"#/$defs/{document.root.__name__}",
        "$defs": {title: parts[title] for title in sorted(parts)},
    }
    return json.dumps(whole, indent=1, ensure_ascii=False).encode() + b"\n"


def _describe(part: dict[str, Any], name: str, kind: type[msgspec.Struct]) -> None:
    fields = _fields(part, kind)
    # What a plan may not have, a document may: a new field is no new version of it.
    part.pop("additionalProperties", None)
    for base in kind.__mro__:
        for field, text in _attribute_docs(sys.modules[base.__module__]).get(base.__name__, {}).items():
            if (shown := fields.get(field)) is not None:
                shown.setdefault("description", text)
    for field, shown in fields.items():
        if values := _CLOSED.get((name, field)):
            shown["enum"] = list(values)


def _fields(part: dict[str, Any], kind: type[msgspec.Struct]) -> dict[str, dict[str, Any]]:
    """The schema of each field.  A Struct that is written as an array has them in order, and without names but for these."""
    if part["type"] == "object":
        fields: dict[str, dict[str, Any]] = part["properties"]
        return fields
    named = dict(
        zip((field.encode_name for field in msgspec.structs.fields(kind)), part["prefixItems"], strict=True)
    )
    for field, shown in named.items():
        shown["title"] = field
    return named


def _classes(root: type[msgspec.Struct]) -> dict[str, type[msgspec.Struct]]:
    """Every Struct that `root` reaches, by name."""
    found: dict[str, type[msgspec.Struct]] = {}
    waiting: list[msgspec.inspect.Type] = [msgspec.inspect.type_info(root)]
    while waiting:
        one = waiting.pop()
        if isinstance(one, msgspec.inspect.StructType):
            if one.cls.__name__ in found:
                continue
            found[one.cls.__name__] = one.cls
            waiting += [field.type for field in one.fields]
        elif isinstance(one, msgspec.inspect.UnionType):
            waiting += one.types
        elif isinstance(one, msgspec.inspect.VarTupleType):
            waiting.append(one.item_type)
        elif isinstance(one, msgspec.inspect.TupleType):
            waiting += one.item_types
        elif isinstance(one, msgspec.inspect.DictType):
            waiting += [one.key_type, one.value_type]
    return found


def _attribute_docs(module: ModuleType) -> dict[str, dict[str, str]]:
    """The string below each attribute of each class of a module."""
    if module.__name__.partition(".")[0] != __name__.partition(".")[0]:
        return {}
    found: dict[str, dict[str, str]] = {}
    for node in ast.parse(inspect.getsource(module)).body:
        if not isinstance(node, ast.ClassDef):
            continue
        docs = found.setdefault(node.name, {})
        for field, below in zip(node.body, node.body[1:], strict=False):
            if not (isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)):
                continue
            if (
                isinstance(below, ast.Expr)
                and isinstance(below.value, ast.Constant)
                and isinstance(below.value.value, str)
            ):
                docs[field.target.id] = " ".join(inspect.cleandoc(below.value.value).split())
    return found

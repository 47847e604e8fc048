"""A diagnosis as JSON, and the JSON Schema it follows.

The schema is a file of the package (`diagnosis-1.json`), so that it can be linked to and diffed; `generate()`
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

__all__ = ["IDENT", "generate", "json_schema", "to_json"]

IDENT = "unkillable.diagnosis/1"
"""`schema` of every diagnosis, and `$id` of its schema."""

_CLOSED: dict[tuple[str, str], tuple[str, ...]] = {
    ("Verdict", "kind"): KINDS,
    ("Verdict", "confidence"): ("high", "medium", "low"),
    ("BootSummary", "kind"): KINDS,
    ("BootSummary", "confidence"): ("high", "medium", "low"),
    ("Victim", "fate"): ("exited", "reaped", "stuck", "unknown"),
    ("Node", "kind"): ("task", "resource"),
    ("Edge", "kind"): ("waits-for", "held-by", "needs"),
}
"""Strings that are one of a list."""

_ENCODER = msgspec.json.Encoder(order="deterministic")


def to_json(diagnosis: Diagnosis, indent: int = 0) -> bytes:
    """One JSON document, the same bytes for the same diagnosis; on one line unless `indent` says how deep."""
    try:
        encoded = _ENCODER.encode(diagnosis)
    except UnicodeEncodeError:  # the name of an input file need not be UTF-8
        encoded = _ENCODER.encode(_without_surrogates(msgspec.to_builtins(diagnosis)))
    return msgspec.json.format(encoded, indent=indent) + b"\n" if indent else encoded + b"\n"


def _without_surrogates(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode(errors="backslashreplace").decode()
    if isinstance(value, dict):
        return {_without_surrogates(key): _without_surrogates(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_without_surrogates(each) for each in value]
    return value


@cache
def _stored() -> str:
    return (files("unkillable.report") / "schema" / "diagnosis-1.json").read_text(encoding="utf-8")


def json_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of a diagnosis."""
    schema: dict[str, Any] = json.loads(_stored())
    return schema


def generate() -> bytes:
    """The contents of `diagnosis-1.json`, made from the types."""
    schema = msgspec.json.schema(Diagnosis)
    parts: dict[str, Any] = schema["$defs"]
    classes = _classes(Diagnosis)
    for name, part in parts.items():
        _describe(part, name, classes[name])
    root = parts["Diagnosis"]
    root["properties"]["schema"] = {"const": IDENT, "description": "Name and version of this format."}
    root["required"] = ["schema", *root["required"]]
    ordered = {name: parts[name] for name in sorted(parts)}
    document = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": IDENT,
        "title": "unkillable diagnose --format json",
        "$ref": "#/$defs/Diagnosis",
        "$defs": ordered,
    }
    return json.dumps(document, indent=1, ensure_ascii=False).encode() + b"\n"


def _describe(part: dict[str, Any], name: str, kind: type) -> None:
    for base in kind.__mro__:
        for field, text in _attribute_docs(sys.modules[base.__module__]).get(base.__name__, {}).items():
            if (shown := part["properties"].get(field)) is not None:
                shown.setdefault("description", text)
    for field, shown in part["properties"].items():
        if values := _CLOSED.get((name, field)):
            shown["enum"] = list(values)


def _classes(root: type) -> dict[str, type]:
    """Every Struct that `root` reaches, by name."""
    found: dict[str, type] = {}
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

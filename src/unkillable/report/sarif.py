"""A diagnosis as SARIF 2.1.0: for code scanning pages, CI, and editors that open a log at a line."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote as percent_encoded

import msgspec

from unkillable.diagnosis.types import KINDS, Diagnosis, Quote, Waiter
from unkillable.report.plain import clean, cut

__all__ = ["document", "render"]

_NOTES = frozenset({"zombie", "no-hang", "insufficient-evidence"})
"""Verdicts that are no hang; all others are errors."""
_RELATED, _RESULTS, _TEXT, _LONGEST_NAME = 40, 200, 2000, 4096

_TITLES = {
    "deadlock": "Tasks wait for each other, or for something that never comes",
    "unkillable-victim": "The OOM killer's victim sleeps where SIGKILL cannot wake it",
    "reclaim-livelock": "Memory is exhausted and tasks look for pages without end",
    "lock-contention": "Tasks wait very long for a lock or a cache entry",
    "io-stall": "Tasks wait for a device or a server that does not answer",
    "cached-error": "A failed read is served again and again from a cache",
    "zombie": "Dead processes that nobody has waited for",
    "no-hang": "Nothing in the log is stuck",
    "insufficient-evidence": "The log does not show enough to name the cause",
}


def render(diagnosis: Diagnosis) -> str:
    """The document as indented JSON."""
    return msgspec.json.format(msgspec.json.encode(document(diagnosis)), indent=2).decode() + "\n"


def document(diagnosis: Diagnosis) -> dict[str, Any]:
    """One run: a result for the verdict and one for each task that SIGKILL cannot wake."""
    verdict = diagnosis.verdict
    name, _, version = _text(diagnosis.tool).partition(" ")
    driver: dict[str, Any] = {"name": name or "unkillable", "rules": [_rule(kind) for kind in KINDS]}
    if version:
        driver["semanticVersion"] = version
    stuck = [waiter for waiter in diagnosis.waiters if waiter.killable is False and waiter.role != "runs"]
    seen: Counter[str] = Counter()
    results = [_verdict(diagnosis), *(_waiter(diagnosis, waiter, seen) for waiter in stuck[:_RESULTS])]
    kernel = diagnosis.kernel
    return {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [
            {
                "tool": {"driver": driver},
                "artifacts": [{"location": _artifact(diagnosis), "roles": ["analysisTarget"]}],
                "columnKind": "unicodeCodePoints",
                "results": results,
                "properties": {
                    "verdict": _text(verdict.kind),
                    "confidence": _text(verdict.confidence),
                    "kernel": _text(kernel.release or ""),
                    "arch": _text(kernel.arch or ""),
                    "boot": diagnosis.boot,
                },
            }
        ],
    }


def _rule(kind: str) -> dict[str, Any]:
    return {
        "id": kind,
        "shortDescription": {"text": _TITLES[kind]},
        "defaultConfiguration": {"level": _level(kind)},
    }


def _level(kind: str) -> str:
    return "note" if kind in _NOTES else "error"


def _text(text: str) -> str:
    return cut(clean(text[:_TEXT]), _TEXT)


def _verdict(diagnosis: Diagnosis) -> dict[str, Any]:
    verdict = diagnosis.verdict
    quotes = [quote for statement in verdict.because for quote in statement.lines]
    places = sorted({(waiter.function or "", waiter.resource or "") for waiter in diagnosis.waiters})
    key = "|".join([verdict.kind, *(f"{function}:{resource}" for function, resource in places[:20])])
    return _result(diagnosis, verdict.summary, quotes, key)


def _waiter(diagnosis: Diagnosis, waiter: Waiter, seen: Counter[str]) -> dict[str, Any]:
    name = waiter.comm or "a task"
    if waiter.pid is not None:
        name += f"/{waiter.pid}"
    text = f"{name} sleeps in {waiter.function or 'a function the log does not show'}"
    text += f" ({waiter.task_state})" if waiter.task_state else ""
    text += f" for {waiter.resource.replace('-', ' ')}" if waiter.resource else ""
    text += ": SIGKILL cannot wake it"
    key = "|".join(
        ("waiter", diagnosis.verdict.kind, waiter.comm or "", waiter.function or "", waiter.resource or "")
    )
    seen[key] += 1
    result = _result(diagnosis, text, waiter.lines, f"{key}|{seen[key]}")
    result["properties"] = {
        "pid": waiter.pid,
        "function": _text(waiter.function or ""),
        "resource": _text(waiter.resource or ""),
        "enteredBy": _text(waiter.entered_by or ""),
        "stack": [_text(frame) for frame in waiter.stack[:_RELATED]],
    }
    return result


def _result(diagnosis: Diagnosis, text: str, quotes: Sequence[Quote], key: str) -> dict[str, Any]:
    kind = diagnosis.verdict.kind
    located = [quote for quote in quotes if quote.line > 0]
    result: dict[str, Any] = {
        "ruleId": _text(kind),
        "level": _level(kind),
        "message": {"text": _text(text)},
        "locations": [_location(diagnosis, located[0] if located else None)],
        # Neither pids nor times nor line numbers: the same hang on the next boot is the same result.
        "partialFingerprints": {
            "hang/v1": hashlib.sha256(key.encode(errors="backslashreplace")).hexdigest()[:32]
        },
    }
    if kind in KINDS:
        result["ruleIndex"] = KINDS.index(kind)
    if located[1:]:
        result["relatedLocations"] = [
            {"id": number, **_location(diagnosis, quote), "message": {"text": _text(quote.text)}}
            for number, quote in enumerate(located[1 : _RELATED + 1], 1)
        ]
    return result


def _location(diagnosis: Diagnosis, quote: Quote | None) -> dict[str, Any]:
    place: dict[str, Any] = {"artifactLocation": {**_artifact(diagnosis), "index": 0}}
    if quote is not None:
        place["region"] = {"startLine": quote.line, "snippet": {"text": _text(quote.text)}}
    return {"physicalLocation": place}


def _artifact(diagnosis: Diagnosis) -> dict[str, Any]:
    """The input's name as a URI reference; whatever a URI cannot hold is percent-encoded."""
    name = diagnosis.source[:_LONGEST_NAME]
    try:
        encoded = name.encode(errors="surrogateescape")  # a file name that is not UTF-8: its own bytes
    except UnicodeEncodeError:
        encoded = name.encode(errors="backslashreplace")
    return {"uri": percent_encoded(encoded, safe="/-._~") or "-"}

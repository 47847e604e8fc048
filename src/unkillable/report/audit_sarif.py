"""An audit as SARIF 2.1.0: findings at their lines, for code review pages and editors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import quote as percent_encoded

import msgspec

from unkillable.ksource.audit_types import FINDINGS, Audit, Change, Site, Step
from unkillable.report import audit_words as words
from unkillable.report.plain import clean, cut

__all__ = ["document", "render"]

_RESULTS, _STEPS, _RELATED, _TEXT = 5000, 60, 40, 1000
_LEVELS = {"red": "error", "amber": "warning", "green": "note", "grey": "note"}
_STATES = {"appeared": "new", "vanished": "absent", "changed": "updated"}
_BASE = "SRCROOT"
"""Stands for the top of the tree, which is elsewhere where the document is read."""


def render(audit: Audit) -> str:
    """The document as indented JSON."""
    return msgspec.json.format(msgspec.json.encode(document(audit)), indent=2).decode() + "\n"


def document(audit: Audit) -> dict[str, Any]:
    """One run: a result for each finding, and for what has vanished or been made better since the tree compared with."""
    told = list(_told(audit))[:_RESULTS]
    rules = sorted({_rule_name(site) for site, _change in told}, key=_order)
    name, _, version = _text(audit.tool).partition(" ")
    driver: dict[str, Any] = {"name": name or "unkillable", "rules": [_rule(one) for one in rules]}
    if version:
        driver["semanticVersion"] = version
    return {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [
            {
                "tool": {"driver": driver},
                "columnKind": "unicodeCodePoints",
                "originalUriBaseIds": {
                    _BASE: {"description": {"text": f"The kernel tree {_text(audit.kernel)}".strip()}}
                },
                "results": [_result(site, change, audit, rules) for site, change in told],
                "properties": {
                    "kernel": _text(audit.kernel),
                    "answer": _text(words.headline(audit)),
                    "against": _text(audit.against or ""),
                    "configuration": _text(audit.configuration or ""),
                    "accepted": audit.accepted,
                    "unknownPointers": audit.coverage.unknown_pointers,
                },
            }
        ],
    }


def _told(audit: Audit) -> Iterator[tuple[Site, Change | None]]:
    changes = {_place(one.site): one for one in audit.changes if one.kind != "vanished"}
    for site in audit.sites:
        change = changes.get(_place(site))
        known = site.rank in FINDINGS or (site.killable is None and site.entries)
        # What was a finding and is none any more is told too: it closes that one.
        mended = change is not None and change.before is not None and change.before.rank in FINDINGS
        if known or mended:
            yield site, change
    for one in audit.changes:
        if one.kind == "vanished" and one.site.rank in FINDINGS:
            yield one.site, one


def _place(site: Site) -> tuple[str, int, str]:
    return site.file, site.line, site.primitive


def _rule_name(site: Site) -> str:
    return f"{site.rank}/{site.kind}"


def _order(name: str) -> tuple[int, str]:
    return list(_LEVELS).index(name.partition("/")[0]), name


def _rule(name: str) -> dict[str, Any]:
    rank, _, kind = name.partition("/")
    return {
        "id": name,
        "shortDescription": {"text": f"{words.TITLE[rank]} ({words.KIND[kind]})"},
        "fullDescription": {"text": words.MEANING[rank]},
        "defaultConfiguration": {"level": _LEVELS[rank]},
    }


def _result(site: Site, change: Change | None, audit: Audit, rules: Sequence[str]) -> dict[str, Any]:
    name = _rule_name(site)
    result: dict[str, Any] = {
        "ruleId": name,
        "ruleIndex": rules.index(name),
        "level": _LEVELS[site.rank],
        "message": {"text": _message(site, change, audit)},
        "locations": [
            {
                **_location(site.file, site.line),
                "logicalLocations": [{"name": _text(site.function), "kind": "function"}],
            }
        ],
        "partialFingerprints": {"sleep/v1": _text(site.fingerprint) or "-"},
        "properties": {
            "primitive": _text(site.primitive),
            "taskState": _text(site.task_state or ""),
            "resource": _text(site.resource or ""),
            "entries": [_text(one) for one in site.entries],
        },
    }
    if site.path:
        result["codeFlows"] = [{"threadFlows": [{"locations": list(_flow(site))}]}]
    related = list(_related(site))[:_RELATED]
    if related:
        result["relatedLocations"] = [{"id": number, **one} for number, one in enumerate(related, 1)]
    if audit.against is not None:
        result["baselineState"] = _STATES[change.kind] if change else "unchanged"
    return result


def _message(site: Site, change: Change | None, audit: Audit) -> str:
    text = f"{site.function} sleeps in {words.waits(site)}."
    text += f" {words.MEANING[site.rank]}"
    if site.missing:
        text += f" Not red: {words.missing(site)}."
    first = words.first_entry(site, audit.entries)
    if first:
        text += f" Reached from {first}."
    if site.convention is not None:
        text += f" Follow {site.convention.primitive}"
        text += (
            f", as {site.convention.function} does ({site.convention.file}:{site.convention.line})."
            if site.convention.function
            else "."
        )
    if change is not None and change.what:
        text += f" Against {audit.against}: {'; '.join(change.what)}."
    return _text(text)


def _flow(site: Site) -> Iterator[dict[str, Any]]:
    """The calls of the path, where each is made, and in the end the sleep."""
    before: Step | None = None
    for one in site.path[:_STEPS]:
        file = before.file if before else one.file
        call = f"{before.function} calls {words.step(one, first=True)}" if before else one.function
        yield {"location": {**_location(file, one.line), "message": {"text": _text(call)}}}
        before = one
    text = f"{site.function} sleeps in {site.primitive}"
    yield {
        "location": {**_location(site.file, site.line), "message": {"text": _text(text)}},
        "importance": "essential",
    }


def _related(site: Site) -> Iterator[dict[str, Any]]:
    for holder in site.holders:
        yield {
            **_location(holder.file, holder.acquired, max(holder.released, holder.acquired)),
            "message": {"text": _text(f"{holder.function} holds it")},
        }
        for one in holder.allocations:
            text = f"{holder.function} asks for memory meanwhile: {one.call} in {one.function}: {words.allocation(one)}"
            yield {**_location(one.file, one.line), "message": {"text": _text(text)}}


def _location(file: str, first: int, last: int | None = None) -> dict[str, Any]:
    place: dict[str, Any] = {"artifactLocation": {"uri": _uri(file), "uriBaseId": _BASE}}
    if first > 0:
        place["region"] = {"startLine": first, **({"endLine": last} if last is not None else {})}
    return {"physicalLocation": place}


def _uri(file: str) -> str:
    """A path of the tree as a URI reference; whatever a URI cannot hold is percent-encoded."""
    try:
        encoded = file[:4096].encode(errors="surrogateescape")
    except UnicodeEncodeError:
        encoded = file[:4096].encode(errors="backslashreplace")
    return percent_encoded(encoded, safe="/-._~") or "-"


def _text(text: str) -> str:
    return cut(clean(text[: _TEXT + 1]), _TEXT)

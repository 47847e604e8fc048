"""Logs as JSON: journalctl, dmesg, container runtimes, LAVA, log shippers."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from unkillable.klog import clock
from unkillable.klog.decoders.header import header
from unkillable.klog.rows import LEVELS

Pairs = Iterator[tuple[int, bytes]]
Entry = dict[str, Any]

_START = re.compile(rb"[\s\x1e,\[]*(?:data: ?|- )?(?=\{)")
"""What may stand before an object: json-seq's record separator, server-sent events, a YAML list, an array."""
_PAIR = re.compile(rb'\s*"((?:[^"\\]|\\.){1,256})"\s*:\s*(.*?)\s*,?\s*$')

_decode = msgspec.json.Decoder().decode


def _journal(entry: Entry) -> tuple[bytes, str] | None:
    kernel = entry.get("_TRANSPORT") == "kernel"
    micro = entry.get("_SOURCE_MONOTONIC_TIMESTAMP") or entry.get("__MONOTONIC_TIMESTAMP")
    return (
        header(
            time=_scaled(micro, 1e6),
            wall=_scaled(entry.get("__REALTIME_TIMESTAMP"), 1e6),
            level=_small(entry.get("PRIORITY")),
            kernel=kernel,
            boot=_word(entry.get("_BOOT_ID")),
        ),
        _text(entry["MESSAGE"]),
    )


def _dmesg(entry: Entry) -> tuple[bytes, str] | None:
    priority = entry.get("pri")
    level = LEVELS.get(priority) if isinstance(priority, str) else _small(priority)
    caller = _word(entry.get("caller"))
    time = entry.get("time")
    wall = clock.iso(time.replace(",", ".")) if isinstance(time, str) else None
    return (
        header(
            time=_scaled(time, 1),
            wall=wall,
            level=level,
            caller=caller,
            kernel=entry.get("fac", "kern") == "kern",
        ),
        _text(entry["msg"]),
    )


def _wrapped(key: str) -> Callable[[Entry], tuple[bytes, str] | None]:
    def read(entry: Entry) -> tuple[bytes, str] | None:
        wall = None
        for name in ("time", "timestamp", "@timestamp", "dt", "ts", "date"):
            value = entry.get(name)
            if isinstance(value, str):
                wall = clock.iso(value)
            elif isinstance(value, int | float) and 1e8 < value < 1e11:
                wall = float(value)
            if wall is not None:
                break
        return header(wall=wall), _text(entry[key])

    return read


SHAPES: tuple[tuple[str, str, tuple[str, ...], Callable[[Entry], tuple[bytes, str] | None]], ...] = (
    # name, key of the message, other keys of which one must be there, how to read it
    ("journal-json", "MESSAGE", (), _journal),
    ("dmesg-json", "msg", ("pri", "fac"), _dmesg),
    ("docker-json", "log", (), _wrapped("log")),
    ("lava", "msg", ("lvl", "dt"), _wrapped("msg")),
    ("json", "message", (), _wrapped("message")),
    ("json", "msg", (), _wrapped("msg")),
    ("json", "textPayload", (), _wrapped("textPayload")),
    ("json", "_raw", (), _wrapped("_raw")),
    ("json", "line", (), _wrapped("line")),
    ("json", "text", (), _wrapped("text")),
)


def _shape(entry: Entry) -> tuple[str, Callable[[Entry], tuple[bytes, str] | None]] | None:
    for name, key, others, read in SHAPES:
        if key in entry and (not others or any(other in entry for other in others)):
            return name, read
    return None


def _scaled(value: object, unit: float) -> float | None:
    if (
        isinstance(value, str)
        and len(value) < 24
        and value.replace(".", "", 1).isdecimal()
        and value.isascii()
    ):
        value = float(value)
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1e18:
        return value / unit
    return None


def _small(value: object) -> int | None:
    number = _scaled(value, 1)
    return int(number) & 7 if number is not None and number < 192 else None


def _word(value: object) -> str:
    return (
        value if isinstance(value, str) and len(value) <= 64 and value.isalnum() and value.isascii() else ""
    )


def _text(value: object) -> str:
    """A message; journald writes one that is not UTF-8 or has control characters as an array of bytes."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        if value and isinstance(value[0], str):
            return str(value[-1])  # a field given twice
        try:
            return bytes(value).decode("utf-8", "replace")
        except (TypeError, ValueError):
            return ""
    return "" if value is None else str(value)


def _lines(entry: Entry, number: int, raw: bytes) -> Pairs:
    """The plain lines of one entry; what has no known shape is handed on as it is."""
    shape = _shape(entry)
    if shape is None:
        for key in ("jsonPayload", "_source", "result", "fields", "event"):
            inner = entry.get(key)
            if isinstance(inner, dict) and (shape := _shape(inner)) is not None:
                entry = inner
                break
    found = shape[1](entry) if shape is not None else None
    if found is None:
        if raw:
            yield number, header() + raw
        return
    head, text = found
    for line in text.encode("utf-8", "replace").rstrip(b"\r\n").split(b"\n"):
        yield number, head + line


def decode_json(lines: Pairs, head: bytes) -> Pairs:
    """One object a line."""
    for number, line in lines:
        start = _START.match(line)
        if start is None:
            if line.strip(b"\x1e \t\r,[]"):
                yield number, header() + line
            continue
        try:
            entry = _decode(line[start.end() :].rstrip(b" \t\r\n,]"))
        except (msgspec.DecodeError, ValueError, RecursionError):
            entry = None
        if isinstance(entry, dict):
            yield from _lines(entry, number, line)
        else:
            yield number, header() + line


_MESSAGE_KEYS = frozenset(key.encode() for _, key, _, _ in SHAPES)
PRETTY_MARKS = tuple(b'"' + key + b'"' for key in sorted(_MESSAGE_KEYS))
_MAX_PAIRS = 256


def decode_pretty(lines: Pairs, head: bytes) -> Pairs:
    """One pair a line, objects ended by a brace: journalctl -o json-pretty, dmesg --json.

    Read pair by pair, so a log cut in the middle of an object loses nothing else.
    """
    entry: Entry = {}
    strays: list[
        tuple[int, bytes]
    ] = []  # lines of something else inside an object, kept in the order of numbers
    at = 0
    for number, line in lines:
        found = _PAIR.match(line) if len(line) < 1 << 16 else None
        if found is not None and found[2] not in (b"{", b"["):
            try:
                value = _decode(found[2])
            except (msgspec.DecodeError, ValueError, RecursionError):
                value = found[2].decode("utf-8", "replace").lstrip('"')  # the log breaks off here
            if len(entry) < _MAX_PAIRS:
                entry[found[1].decode("utf-8", "replace")] = value
            if found[1] in _MESSAGE_KEYS:
                at = number
        elif line.lstrip()[:1] in (b"}", b"{") and entry:
            yield from _ended(entry, at or number, strays)
            entry, strays, at = {}, [], 0
        elif found is None and line.strip(b" \t\r\n{}[],"):
            if entry and len(strays) < _MAX_PAIRS:
                strays.append((number, header() + line))
            else:
                yield number, header() + line
    yield from _ended(entry, at, strays)


def _ended(entry: Entry, at: int, strays: list[tuple[int, bytes]]) -> Pairs:
    """The lines of an object whose message stands in line `at`, and what was put between them."""
    yield from (stray for stray in strays if stray[0] < at)
    if entry:
        yield from _lines(entry, at, b"")
    yield from (stray for stray in strays if stray[0] >= at)


def _entries(head: bytes) -> Iterator[Entry]:
    for line in head.split(b"\n")[:50]:
        start = _START.match(line)
        if start is not None:
            try:
                entry = _decode(line[start.end() :].rstrip(b" \t\r\n,]"))
            except (msgspec.DecodeError, ValueError, RecursionError):
                continue
            if isinstance(entry, dict):
                yield entry


def is_json(head: bytes) -> bool:
    """Whether most of the first lines are objects (or the first is one, longer than what is looked at)."""
    if b"{" not in head:
        return False
    lines = [line for line in head.split(b"\n")[:50] if line.strip(b" \t\r\n[],")]
    if not lines or not any(_START.match(line) for line in lines[:4]):
        return False
    good = sum(1 for entry in _entries(head) if entry)
    return good * 2 >= len(lines) or (good * 3 >= len(lines) and b"data: " in head)


def is_pretty(head: bytes) -> bool:
    """Whether objects are spread over lines, a pair on each."""
    if head.lstrip()[:1] not in (b"{", b"[") or not any(mark in head for mark in PRETTY_MARKS):
        return False
    return sum(1 for line in head.split(b"\n")[:200] if len(line) < 4096 and _PAIR.match(line)) >= 2


def json_name(head: bytes) -> str:
    """Which of the shapes the first entries have."""
    for entry in _entries(head):
        shape = _shape(entry)
        if shape is not None:
            return shape[0]
    return "journal-json" if b'"MESSAGE"' in head else "dmesg-json" if b'"dmesg"' in head else "json"

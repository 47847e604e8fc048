"""journalctl -o export: fields a line each, an empty line after each entry, binary values with their length."""

from __future__ import annotations

from collections.abc import Iterator

from unkillable.klog.decoders.header import header
from unkillable.klog.limits import MAX_ENCODED_LINE

Pairs = Iterator[tuple[int, bytes]]

_KEPT = frozenset(
    (b"MESSAGE", b"PRIORITY", b"_TRANSPORT", b"_BOOT_ID", b"__REALTIME_TIMESTAMP", b"__MONOTONIC_TIMESTAMP",
     b"_SOURCE_MONOTONIC_TIMESTAMP")
)  # fmt: skip


EXPORT_MARKS = (b"__CURSOR=", b"__REALTIME_TIMESTAMP=")


def is_export(head: bytes) -> bool:
    """Whether the input begins with an entry of the journal's export format."""
    start = head[:4096].lstrip(b"\n")
    return start.startswith(EXPORT_MARKS) or b"\n__REALTIME_TIMESTAMP=" in start


def decode_export(lines: Pairs, head: bytes) -> Pairs:
    """One plain line per line of each entry's MESSAGE, with the number of the line it begins on."""
    fields: dict[bytes, bytes] = {}
    at = 0
    for number, line in lines:
        key, equals, value = line.partition(b"=")
        if not line:
            yield from _entry(fields, at)
            fields, at = {}, 0
        elif equals and _is_key(key):
            if key in _KEPT:
                fields[key] = value
                at = number if key == b"MESSAGE" or not at else at
        elif _is_key(line):
            value = _binary(lines)
            if line in _KEPT:
                fields[line] = value
                at = number + 1 if line == b"MESSAGE" or not at else at
        # anything else: the log is cut or damaged here; the next empty line begins anew
    yield from _entry(fields, at)


def _is_key(key: bytes) -> bool:
    return 0 < len(key) <= 64 and key.replace(b"_", b"A").isalnum() and key.isupper() and key.isascii()


def _binary(lines: Pairs) -> bytes:
    """A value after its 64-bit length; both may contain line ends, and so span several of our lines."""
    data = b""
    want = 8
    for _, line in lines:
        data += line + b"\n"
        if want == 8 and len(data) >= 8:
            want = 8 + int.from_bytes(data[:8], "little") + 1
        if len(data) >= want or len(data) > MAX_ENCODED_LINE:
            break
    return data[8 : want - 1]


def _entry(fields: dict[bytes, bytes], number: int) -> Pairs:
    message = fields.get(b"MESSAGE")
    if message is None:
        return
    micro = fields.get(b"_SOURCE_MONOTONIC_TIMESTAMP") or fields.get(b"__MONOTONIC_TIMESTAMP")
    level = fields.get(b"PRIORITY", b"")
    boot = fields.get(b"_BOOT_ID", b"")
    start = header(
        time=_seconds(micro),
        wall=_seconds(fields.get(b"__REALTIME_TIMESTAMP")),
        level=int(level) if level in (b"0", b"1", b"2", b"3", b"4", b"5", b"6", b"7") else None,
        kernel=fields.get(b"_TRANSPORT") == b"kernel",
        boot=boot.decode() if boot.isalnum() and boot.isascii() and len(boot) <= 64 else "",
    )
    for offset, line in enumerate(message.split(b"\n")):
        yield number + offset, start + line


def _seconds(micro: bytes | None) -> float | None:
    return int(micro) / 1e6 if micro and micro.isdigit() and len(micro) <= 18 else None

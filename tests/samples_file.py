"""Sample files: a TOML head between `+++` lines, then the raw log; `.xz` compresses the whole."""

from __future__ import annotations

import lzma
import tomllib
from pathlib import Path
from typing import Any

SAMPLES = Path(__file__).parent / "samples"


def load(path: Path) -> tuple[dict[str, Any], bytes]:
    """The head and the log of a sample."""
    data = path.read_bytes()
    if path.suffix == ".xz":
        data = lzma.decompress(data)
    mark, head, body = data.split(b"+++\n", 2)
    assert mark == b"", f"{path} does not begin with +++"
    return tomllib.loads(head.decode()), body


def find(folder: str) -> list[Path]:
    return sorted(path for path in (SAMPLES / folder).rglob("*") if ".sample" in path.suffixes)


def shows(actual: Any, expected: Any) -> bool:
    """Whether a JSON value contains the expected facts: tables by key, lists of tables entry by entry."""
    if isinstance(expected, dict):
        return isinstance(actual, dict) and all(
            shows(_at(actual, key), value) for key, value in expected.items()
        )
    if isinstance(expected, list) and expected and isinstance(expected[0], dict):
        return isinstance(actual, list) and all(any(shows(one, want) for one in actual) for want in expected)
    if isinstance(expected, list):
        return isinstance(actual, list) and all(want in actual for want in expected)
    return bool(actual == expected)


def _at(table: dict[str, Any], key: str) -> Any:
    value: Any = table
    for part in key.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value

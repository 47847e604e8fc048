"""The hand-made labels (labels.toml), and the captures they are of."""

from __future__ import annotations

from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path

import msgspec

from tests.samples_file import SAMPLES, load


class Label(msgspec.Struct, frozen=True, rename={"kind": "class"}, forbid_unknown_fields=True):
    """A row of labels.toml."""

    capture: tuple[str, ...]
    kind: str
    cause: str = ""
    verdicts: tuple[str, ...] = ()
    shows: tuple[str, ...] = ()
    why: str = ""


class Capture(msgspec.Struct, frozen=True):
    """A real log with a known truth."""

    name: str
    label: Label
    kernel: str
    """Release, as far as known: of reports, that of the name."""
    arch: str
    log: bytes


class _Labels(msgspec.Struct, frozen=True):
    label: tuple[Label, ...]


@cache
def labels() -> tuple[Label, ...]:
    return msgspec.toml.decode((Path(__file__).parent / "labels.toml").read_bytes(), type=_Labels).label


def label(name: str) -> Label:
    """The first row that fits; the last fits all."""
    return next(one for one in labels() if any(fnmatchcase(name, pattern) for pattern in one.capture))


@cache
def captures() -> tuple[Capture, ...]:
    """The lab's captures, by name."""
    found = []
    for path in sorted((SAMPLES / "captures").iterdir()):
        told, body = load(path)
        name = path.name.partition(".sample")[0]
        found.append(
            Capture(name, label(name), told.get("kernel", ""), told.get("arch", ""), body.replace(b"\r", b""))
        )
    return tuple(found)


@cache
def reports() -> tuple[Capture, ...]:
    """Logs that others published."""
    return tuple(
        Capture(path.stem, label(path.stem), "", "", path.read_bytes().partition(b"\n")[2])
        for path in sorted((SAMPLES / "reports").iterdir())
    )

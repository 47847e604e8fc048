"""A catalogue of one kernel's sleeps, made from its source by `unkillable catalogue build`; several come with the package.

It says of each function that sleeps by itself with which primitive, in which state and for what, and which functions a
primitive is made of: what a stack shows between the scheduler and the one that waits.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

import msgspec
import zstandard

from unkillable.errors import UserError
from unkillable.versions import version_key

SCHEMA = "unkillable.catalogue/1"
SUFFIX = ".catalogue"
_LARGEST = 64 << 20
"""Bytes of an unpacked catalogue; that of the core of 6.1 has 0.6 MiB."""
_FOLDER = "catalogues"


class Sleep(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A sleep of a function."""

    file: int
    """Index into `files`."""
    line: int
    primitive: str
    """"" where the loop around schedule() is written out."""
    state: str | None
    """TASK_...; None where it is not known, or the caller's."""
    resource: str | None
    """structure.member, or the name of a variable."""
    kind: str
    """lock, queue, completion, page, io, time or other."""


class Inner(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A function on the way from a primitive to the scheduler, or a primitive that is a function."""

    primitive: str | None
    """The primitive that it belongs to; None where several share it."""
    state: str | None
    """TASK_..., `caller`, or None where it is not known."""


class Generated(msgspec.Struct, frozen=True, eq=False):
    """The sleeps of one kernel."""

    kernel: str
    """x.y.z."""
    generator: str
    """Version of the program that made it."""
    files: tuple[str, ...]
    sleeps: dict[str, tuple[Sleep, ...]]
    """By function."""
    inner: dict[str, Inner]
    """By function."""
    schema: str = SCHEMA

    def file(self, sleep: Sleep) -> str:
        """The path of a sleep's file in the tree."""
        return self.files[sleep.file] if 0 <= sleep.file < len(self.files) else ""


class Bundled(NamedTuple):
    version: str
    name: str


def pack(catalogue: Generated) -> bytes:
    """For a file; the same bytes for the same catalogue."""
    return zstandard.ZstdCompressor(level=19).compress(
        msgspec.msgpack.encode(catalogue, order="deterministic")
    )


def read(path: Path) -> Generated:
    """A catalogue's file.  Raises UserError if it is none, or of another program's time."""
    try:
        with path.open("rb") as file:
            packed = file.read(_LARGEST + 1)
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}") from error
    return _unpacked(packed, str(path))


def _unpacked(packed: bytes, name: str) -> Generated:
    try:
        with zstandard.ZstdDecompressor().stream_reader(packed) as reader:
            data = reader.read(_LARGEST + 1)
        if len(data) > _LARGEST:
            raise UserError(f"{name}: unpacks to more than {_LARGEST >> 20} MiB, which no catalogue does")
        found = msgspec.msgpack.decode(data, type=Generated)
    except (zstandard.ZstdError, msgspec.MsgspecError) as error:
        raise UserError(f"{name}: no catalogue; make one with `unkillable catalogue build TREE`") from error
    if found.schema != SCHEMA:
        raise UserError(f"{name}: is {found.schema[:60]}, and this program reads {SCHEMA}; build it anew")
    return found


@cache
def bundled() -> tuple[Bundled, ...]:
    """What comes with the package, the oldest first."""
    folder = files("unkillable.waits") / "data" / _FOLDER
    names = (
        sorted(one.name for one in folder.iterdir() if one.name.endswith(SUFFIX)) if folder.is_dir() else []
    )
    found = [Bundled(name.removeprefix("linux-").removesuffix(SUFFIX), name) for name in names]
    return tuple(sorted(found, key=lambda one: version_key(one.version)))


def nearest(version: str | None) -> str | None:
    """Of the bundled catalogues, the version that fits a log's kernel: of the same series, else of the series before it, else
    the oldest.  None if the log does not say its kernel, or nothing is bundled."""
    known = [one.version for one in bundled()]
    if version is None or not known:
        return None
    series = version_key(version)[:2]
    same = [one for one in known if version_key(one)[:2] == series]
    before = [one for one in known if version_key(one)[:2] < series]
    return same[-1] if same else before[-1] if before else known[0]


@cache
def of(version: str) -> Generated:
    """A bundled catalogue by its version."""
    name = next(one.name for one in bundled() if one.version == version)
    return _unpacked((files("unkillable.waits") / "data" / _FOLDER / name).read_bytes(), name)

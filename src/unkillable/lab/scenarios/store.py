"""Results of scenarios in a directory: what was played with the same kernel, squashfs and guest is not played again."""

from __future__ import annotations

from pathlib import Path

import msgspec

from unkillable import __version__
from unkillable.errors import UserError
from unkillable.lab.cache import digest
from unkillable.lab.prepare import identity
from unkillable.lab.scenarios.types import Result
from unkillable.lab.setup import Prepared

_LARGEST = 16 << 20
"""Bytes of a stored result."""


class Stored(msgspec.Struct, frozen=True):
    """What is in the file."""

    key: str
    result: Result


class Store:
    """The result of one scenario with one variant, beside its console."""

    def __init__(self, logs: Path, prepared: Prepared) -> None:
        self.path = logs / "result.json"
        self._key = digest(
            __version__, identity(prepared), Path(prepared.initramfs).name, *prepared.setup.kernel_args
        )

    def read(self) -> Result | None:
        """None where there is none, or one of something else."""
        try:
            with self.path.open("rb") as file:
                stored = msgspec.json.decode(file.read(_LARGEST), type=Stored)
        except (OSError, msgspec.DecodeError):
            return None
        return stored.result if stored.key == self._key else None

    def keep(self, result: Result) -> None:
        try:
            self.path.write_bytes(msgspec.json.encode(Stored(self._key, result)))
        except OSError as error:
            raise UserError(f"{self.path}: cannot write: {error.strerror}") from error

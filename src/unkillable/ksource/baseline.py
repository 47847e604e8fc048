"""Findings that a driver's people know of and accept: a JSON file that is kept beside their source."""

from __future__ import annotations

from pathlib import Path

import msgspec

from unkillable.errors import UserError
from unkillable.ksource.audit_types import Audit
from unkillable.ksource.compare_audits import findings

__all__ = ["SCHEMA", "Accepted", "Baseline", "made", "read"]

SCHEMA = "unkillable.baseline/1"
LARGEST = 64 << 20
"""Bytes."""


class Accepted(msgspec.Struct, frozen=True):
    """One finding."""

    fingerprint: str
    """The one thing that is compared; the rest is for people."""
    file: str = ""
    function: str = ""
    primitive: str = ""
    why: str = ""
    """Why it is no trouble, or until when; kept when the file is written anew."""


class Baseline(msgspec.Struct, frozen=True):
    schema: str = SCHEMA
    accepted: tuple[Accepted, ...] = ()

    @property
    def fingerprints(self) -> tuple[str, ...]:
        return tuple(one.fingerprint for one in self.accepted)


def read(path: Path) -> Baseline:
    """Raises UserError for a file that is none."""
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST + 1)
    except OSError as error:
        raise UserError(f"{path}: cannot read the baseline: {error.strerror}") from error
    if len(data) > LARGEST:
        raise UserError(f"{path}: no baseline: larger than {LARGEST >> 20} MiB")
    try:
        found = msgspec.json.decode(data, type=Baseline)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: no baseline ({error}); --write-baseline writes one") from error
    if found.schema != SCHEMA:
        raise UserError(f"{path}: schema {found.schema[:80]!r} is not known; this version reads {SCHEMA}")
    return found


def made(audit: Audit, before: Baseline | None = None) -> bytes:
    """The file that accepts every finding; what was said of one stays."""
    whys: dict[str, list[str]] = {}
    for one in before.accepted if before else ():
        whys.setdefault(one.fingerprint, []).append(one.why)
    accepted = tuple(
        Accepted(
            site.fingerprint,
            site.file,
            site.function,
            site.primitive,
            whys[site.fingerprint].pop(0) if whys.get(site.fingerprint) else "",
        )
        for site in sorted(findings(audit), key=lambda site: (site.file, site.line))
    )
    return msgspec.json.format(msgspec.json.encode(Baseline(accepted=accepted)), indent=1) + b"\n"

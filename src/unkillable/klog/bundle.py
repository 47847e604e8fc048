"""An archive whose members belong together: what collect.sh writes on a device.  What they mean is not this room's affair."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from unkillable.klog.archive import Member

MARKER = "unkillable-collect/VERSION"
"""Name of the first member; the archive's are then no logs of their own."""


class Bundle(msgspec.Struct, frozen=True):
    """Such an archive, open at its first member: to be read before the next source is asked for."""

    name: str
    members: Iterator[Member]
    """All of them, the marker too, in one forward pass. Raises Damaged where the archive breaks off."""


def is_marker(name: str) -> bool:
    """Whether a first member with this name makes an archive a Bundle."""
    return name.removeprefix("./") == MARKER

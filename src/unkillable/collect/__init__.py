"""The script for the device: parts in the order in which a shell reads them."""

from __future__ import annotations

from importlib.resources import files

__all__ = ["PARTS", "script"]

PARTS = ("head", "archive", "gather", "place", "now", "arm", "main")
"""Names of the .sh files here."""


def script() -> str:
    """collect.sh, a POSIX shell script that needs nothing but a busybox."""
    here = files(__package__)
    return "\n".join((here / f"{name}.sh").read_text(encoding="utf-8") for name in PARTS)

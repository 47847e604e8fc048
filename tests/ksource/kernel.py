"""A kernel of a few lines on disk."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

MAKEFILE = "VERSION = 6\nPATCHLEVEL = 1\nSUBLEVEL = 192\nEXTRAVERSION =\n"


def write(root: Path, files: Mapping[str, str], makefile: str = MAKEFILE) -> Path:
    """A tree of these files by their path; returns its top."""
    for name, text in {"Makefile": makefile, **files}.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root

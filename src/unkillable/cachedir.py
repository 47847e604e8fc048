"""Where what can be made again is kept."""

from __future__ import annotations

import os
from pathlib import Path


def root() -> Path:
    """The cache of this program: `unkillable` in $XDG_CACHE_HOME, or in ~/.cache."""
    # The XDG specification has relative paths ignored.
    base = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return (base if base.is_absolute() else Path.home() / ".cache") / "unkillable"

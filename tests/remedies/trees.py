"""Trees for the tests of `fix`: the example, changed as a vendor or another version would have it, and real ones."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[2] / "examples" / "squashfs"
VERSIONS = ("5.10", "6.1", "6.12", "7.2", "7.3")


def real(version: str) -> Path:
    """The unpacked kernel tree that the environment names."""
    variable = f"UNKILLABLE_TREE_{version.replace('.', '_')}"
    if variable not in os.environ:
        pytest.skip(f"{variable} names no unpacked Linux {version}")
    return Path(os.environ[variable])


needs_programs = pytest.mark.skipif(
    any(shutil.which(name) is None for name in ("spatch", "git", "patch")),
    reason="making patches needs spatch (coccinelle), git and patch",
)


def changed(target: Path, *changes: tuple[str, str, str]) -> Path:
    """A copy of the example with (file, old, new) replaced; every old text must be there."""
    shutil.copytree(EXAMPLE, target)
    for name, old, new in changes:
        path = target / "fs" / "squashfs" / name
        text = path.read_text()
        assert old in text, (name, old)
        path.write_text(text.replace(old, new))
    return target

"""A directory of patches, written whole or not at all."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from unkillable.errors import UserError
from unkillable.remedies.types import Series


def check(folder: Path, force: bool) -> None:
    """Raises UserError if the patches could not be written there, before they are made."""
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder}: is no directory")
    if folder.is_dir() and any(folder.iterdir()) and not force:
        raise UserError(f"{folder}: is not empty; --force replaces the patches in it and leaves other files")
    if not folder.parent.is_dir():
        raise UserError(f"{folder}: cannot write there: {folder.parent} is no directory")


def write(series: Series, folder: Path) -> None:
    """Writes the patches; those of an earlier series in the directory go."""
    aside = None
    try:
        aside = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
        for step in series.patches:
            (aside / (step.name or "")).write_text(
                step.patch or "", encoding="utf-8", errors="surrogateescape"
            )
        if not folder.exists():
            aside.chmod(0o755)
            aside.rename(folder)
            aside = None
            return
        for old in folder.glob("[0-9][0-9][0-9][0-9]-*.patch"):
            old.unlink()
        for path in aside.iterdir():
            path.replace(folder / path.name)
    except OSError as error:
        raise UserError(f"{folder}: cannot write there: {error.strerror}") from error
    finally:
        if aside is not None:
            shutil.rmtree(aside, ignore_errors=True)

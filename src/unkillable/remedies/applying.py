"""Patches onto a tree: tried on a copy with both programs that people use, or committed to a git work tree."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from unkillable import commands
from unkillable.errors import UserError
from unkillable.remedies.scratch import FOLDER, scratch
from unkillable.remedies.types import Author, Step

_SECONDS = 60.0


@contextmanager
def patched(tree: Path, patches: Iterable[Step]) -> Iterator[Iterator[Path]]:
    """Yields, patch by patch, a directory in which fs/squashfs of the tree has all patches up to this one; first none.

    Raises UserError where one does not apply exactly.
    """
    with tempfile.TemporaryDirectory(prefix="unkillable-") as place:
        folder = Path(place)
        shutil.copytree(tree / FOLDER, folder / FOLDER, symlinks=True)
        yield _each(folder, tuple(patches))


def _each(folder: Path, patches: tuple[Step, ...]) -> Iterator[Path]:
    yield folder
    for step in patches:
        file = folder / "next.patch"
        file.write_text(step.patch or "", encoding="utf-8", errors="surrogateescape")
        commands.run(
            ["patch", "--strip=1", "--fuzz=0", "--forward", "--batch", "--no-backup-if-mismatch", "--reject-file=-",
             f"--directory={folder}", f"--input={file}"],
            "patch", seconds=_SECONDS,
        )  # fmt: skip
        file.unlink()
        yield folder


def with_am(tree: Path, patches: Iterable[Step], author: Author) -> None:
    """Tries `git am` on a copy.  Raises UserError if a patch does not apply."""
    with scratch(tree, author) as copy:
        for step in patches:
            file = copy.root / "next.patch"
            file.write_text(step.patch or "", encoding="utf-8", errors="surrogateescape")
            copy.git("am", "--quiet", "--keep-non-patch", str(file))


def commit(tree: Path, patches: tuple[Step, ...]) -> None:
    """One commit per patch in the tree's own repository.  Raises UserError, and changes nothing, if it is not clean."""
    _require_clean(tree)
    with tempfile.TemporaryDirectory(prefix="unkillable-") as place:
        files = []
        for step in patches:
            files.append(Path(place) / (step.name or "patch"))
            files[-1].write_text(step.patch or "", encoding="utf-8", errors="surrogateescape")
        try:
            _git(tree, "am", "--quiet", "--keep-non-patch", *map(str, files))
        except UserError as error:
            with suppress(UserError):
                _git(tree, "am", "--abort")
            raise UserError(f"{tree}: the patches were not applied: {error}") from error


def _require_clean(tree: Path) -> None:
    try:
        changes = _git(tree, "status", "--porcelain", "--untracked-files=no")
    except UserError as error:
        raise UserError(
            f"{tree}: --apply makes commits, and this is no git work tree: use --output and patch -p1"
        ) from error
    if changes:
        first = changes.splitlines()[0].strip()
        raise UserError(
            f"{tree}: --apply needs a work tree without changes (`{first}`): commit or stash them"
        )


def _git(tree: Path, *arguments: str) -> str:
    return commands.run(["git", "-C", tree, *arguments], "git", seconds=_SECONDS)

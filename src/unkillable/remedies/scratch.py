"""A repository of its own for the part of a tree that is patched: commits become mails for `git am`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from unkillable import commands
from unkillable.errors import UserError
from unkillable.remedies.types import Author

FOLDER = "fs/squashfs"

_LARGEST = 1 << 20
"""Bytes of a source file; the largest of squashfs has 40 KiB."""
_MOST = 200
"""squashfs has 34 files."""


class Scratch:
    """A copy of fs/squashfs of a tree under version control."""

    def __init__(self, root: Path, author: Author) -> None:
        self.root = root
        self.folder = root / FOLDER
        self._environment = {
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_AUTHOR_NAME": author.name,
            "GIT_AUTHOR_EMAIL": author.email,
            "GIT_COMMITTER_NAME": author.name,
            "GIT_COMMITTER_EMAIL": author.email,
        }

    def git(self, *arguments: str) -> str:
        return commands.run(
            ["git", "-C", self.root, *arguments], "git", seconds=60.0, environment=self._environment
        )

    def commit(self, message: str) -> None:
        self.git("add", "--all", "--force", FOLDER)
        self.git("commit", "--quiet", "--no-verify", "--message", message)

    def changed(self) -> bool:
        return bool(self.git("status", "--porcelain", "--", FOLDER))

    def restore(self) -> None:
        self.git("checkout", "--quiet", "--force", "HEAD", "--", FOLDER)

    def mails(self, count: int) -> list[tuple[str, str]]:
        """(file name, text) of the last `count` commits, the first one first."""
        self.git(
            "format-patch", "--no-signature", "--zero-commit", "--no-stat", "--quiet", "--output-directory=mails",
            f"-{count}",
        )  # fmt: skip
        folder = self.root / "mails"
        return [(path.name, path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.patch"))]


@contextmanager
def scratch(tree: Path, author: Author) -> Iterator[Scratch]:
    """A copy of the tree's fs/squashfs, which goes when the block is left."""
    with TemporaryDirectory(prefix="unkillable-") as place:
        own = Scratch(Path(place), author)
        _copy(tree / FOLDER, own.folder)
        own.git("init", "--quiet", "--initial-branch=main")
        own.commit("The tree as it is")
        yield own


def _copy(source: Path, target: Path) -> None:
    """Regular files only: a link could lead out of the tree."""
    target.mkdir(parents=True)
    paths = [path for path in sorted(source.iterdir()) if path.is_file() and not path.is_symlink()]
    if len(paths) > _MOST:
        raise UserError(f"{source}: has {len(paths)} files, and squashfs has fewer than {_MOST}")
    for path in paths:
        with path.open("rb") as file:
            text = file.read(_LARGEST + 1)
        if len(text) > _LARGEST:
            raise UserError(f"{path}: larger than {_LARGEST >> 20} MiB, which no source file of squashfs is")
        (target / path.name).write_bytes(text)

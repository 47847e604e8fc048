"""Kernel source trees: whether a directory is one, its version, and a name for exactly its content."""

from __future__ import annotations

import hashlib
import os
import re
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

from unkillable.errors import UserError
from unkillable.lab.cache import digest

_LIMIT = 300.0
_MAX_FILES = 500_000
"""Linux 7.2 has 93,000."""
_LEFT_OUT = frozenset((".git", ".gitignore", ".gitattributes", ".mailmap"))
_FIELD = re.compile(r"^(VERSION|PATCHLEVEL|SUBLEVEL|EXTRAVERSION) *= *(\S*) *$", re.MULTILINE)
_GIT = ("git", "-c", "core.fsmonitor=false", "-c", "core.quotePath=false")
"""A tree's own settings must not make `git status` start a program."""


def version(tree: Path) -> str:
    """x.y.z of a kernel tree in which nobody has built; else an error."""
    makefile = tree / "Makefile"
    if not tree.is_dir():
        raise UserError(f"{tree}: no such directory")
    fields = dict(_FIELD.findall(makefile.read_text(errors="replace")[:65536])) if makefile.is_file() else {}
    if not all(fields.get(name, "").isdecimal() for name in ("VERSION", "PATCHLEVEL", "SUBLEVEL")):
        raise UserError(
            f"{tree}: no kernel source tree: it has no Makefile with VERSION, PATCHLEVEL and SUBLEVEL"
        )
    for name in ("Kconfig", "scripts/kconfig/Makefile", "fs/squashfs/Kconfig"):
        if not (tree / name).is_file():
            raise UserError(f"{tree}: an incomplete kernel source tree: it has no {name}")
    if built := next((path for path in _built(tree) if path.exists()), None):
        raise UserError(
            f"{tree}: somebody built in it ({built.relative_to(tree)}): save its .config and run make -C {tree} mrproper"
        )
    return "{VERSION}.{PATCHLEVEL}.{SUBLEVEL}{EXTRAVERSION}".format_map({"EXTRAVERSION": "", **fields})


def _built(tree: Path) -> Iterator[Path]:
    """What the kernel's own Makefile takes for a sign that a build in another directory would mix with one in the tree."""
    yield tree / ".config"
    yield tree / "include" / "config"
    yield from sorted(tree.glob("arch/*/include/generated"))


def content(tree: Path) -> str:
    """A digest of all files of the tree.

    In a git work tree that is the commit's tree and the files that differ from it, which takes a second; else every file
    is read.
    """
    return _from_git(tree) or _from_files(tree, _walk(tree))


def _from_git(tree: Path) -> str | None:
    commit = _git(tree, "rev-parse", "--verify", "HEAD:./")
    status = _git(tree, "status", "--porcelain=v1", "-z", "--no-renames", "--untracked-files=all", "--", ".")
    prefix = _git(tree, "rev-parse", "--show-prefix")
    if commit is None or status is None or prefix is None:
        return None
    # `XY path`, of which the two letters tell whether the index differs, and the path is of the work tree's root.
    names = [row[3:].removeprefix(prefix.decode().strip().encode()) for row in status.split(b"\0") if row]
    changed = sorted(os.fsdecode(name) for name in names)
    return digest(commit.decode().strip(), _from_files(tree, changed))


def _git(tree: Path, *arguments: str) -> bytes | None:
    """git's answer; None without git, outside of a work tree, or in one of somebody else that git does not trust."""
    environment = os.environ | {"LC_ALL": "C", "GIT_OPTIONAL_LOCKS": "0"}
    try:
        done = subprocess.run(
            [*_GIT, "-C", str(tree), *arguments],
            stdin=subprocess.DEVNULL, capture_output=True, timeout=_LIMIT, check=False, env=environment,
        )  # fmt: skip
    except (FileNotFoundError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None


def _walk(tree: Path) -> list[str]:
    """Files and symbolic links by their path below the tree."""
    found: list[str] = []
    left = [""]
    while left:
        below = left.pop()
        with os.scandir(tree / below) as entries:
            for entry in entries:
                if entry.name in _LEFT_OUT:
                    continue
                if entry.is_dir(follow_symlinks=False):
                    left.append(f"{below}{entry.name}/")
                else:
                    found.append(f"{below}{entry.name}")
        if len(found) > _MAX_FILES:
            raise UserError(f"{tree}: more than {_MAX_FILES} files, which no kernel has")
    return sorted(found)


def _from_files(tree: Path, names: list[str]) -> str:
    """A digest of files by name, content and the right to run."""
    # One thread: nearly all files are so short that several only wait for the interpreter's lock (measured: twice as long).
    return digest(*(part for name in names for part in (name, _file(os.path.join(tree, name)))))  # noqa: PTH118


def _file(path: str) -> bytes:
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return b"gone"
    if stat.S_ISLNK(mode):
        return b"link " + os.fsencode(os.readlink(path))  # noqa: PTH115
    if not stat.S_ISREG(mode):
        return b"other"
    with open(path, "rb", buffering=0) as file:  # noqa: PTH123
        return b"%o " % (mode & 0o111) + hashlib.sha256(file.read()).digest()

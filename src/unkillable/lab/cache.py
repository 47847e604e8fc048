"""What the lab made and would make again: kept under the XDG cache directory, finished or not there at all."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from unkillable.cachedir import root as root
from unkillable.errors import UserError

_KEY = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.,:+~=@-]{0,199}")
"""A file name that is not hidden, with room for what is put around it (NAME_MAX is 255)."""
_FULL = (errno.ENOSPC, errno.EDQUOT)
_FORBIDDEN = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST)
_swept: set[Path] = set()


def digest(*parts: object) -> str:
    """A key for content: differs if any part does (bytes as they are, all else as str)."""
    total = hashlib.sha256()
    for part in parts:
        data = part if isinstance(part, bytes) else str(part).encode(errors="surrogateescape")
        total.update(b"%d:" % len(data) + data)
    return total.hexdigest()[:32]


def entry(kind: str, key: str, make: Callable[[Path], None]) -> Path:
    """The finished entry, a file or a directory; made first if it is not there.

    `make` is given a path where nothing is yet and creates a file or a directory there.  The directory around it is
    its own for other files, and goes away afterwards.  Whoever else wants the same entry, in this process or another,
    waits; whatever ends the making, Ctrl-C included, leaves nothing behind.
    """
    for name in (kind, key):
        if not _KEY.fullmatch(name):
            raise ValueError(f"{name!r} cannot name an entry of the cache")
    folder = root() / kind
    final = folder / key
    if final.exists():
        return final
    with errors_told(f"making {kind} {key}"):
        folder.mkdir(parents=True, exist_ok=True)
        _sweep(folder)
        with locked(_lock(folder, key)):
            if not final.exists():
                _make(final, make)
    return final


def _make(final: Path, make: Callable[[Path], None]) -> None:
    aside = _aside(final.parent, final.name)
    remove(aside)
    aside.mkdir()
    try:
        made = aside / final.name
        make(made)
        if not made.exists():
            raise RuntimeError(f"nothing was made for {final}")
        made.rename(final)
    finally:
        remove(aside)


@contextmanager
def errors_told(doing: str) -> Iterator[None]:
    """Turns a full or forbidden cache into an error that the user can mend."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise UserError(
                f"{root()}: {error.strerror} while {doing}; free some or set XDG_CACHE_HOME to another file system"
            ) from error
        if error.errno in _FORBIDDEN and str(root()) in str(error.filename):
            raise UserError(
                f"{error.filename}: {error.strerror}; set XDG_CACHE_HOME to a directory that can be written"
            ) from error
        raise


@contextmanager
def locked(path: Path, *, wait: bool = True) -> Iterator[bool]:
    """Holds a lock file, which is gone afterwards; yields whether it was got, which without `wait` it may not be."""
    while True:
        handle = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o644)
        try:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            except BlockingIOError:
                yield False
                return
            # The file may have been removed by its last holder before this lock was granted: then it guards nothing.
            if not _same(handle, path):
                continue
            try:
                yield True
            finally:
                path.unlink(missing_ok=True)
            return
        finally:
            os.close(handle)


def remove(path: Path) -> None:
    """Removes a file or a tree, if it is there; also directories that were unpacked without the right to write."""
    if path.is_symlink() or not path.is_dir():
        path.unlink(missing_ok=True)
        return
    for folder, _, _ in os.walk(path):
        with suppress(OSError):
            os.chmod(folder, 0o700)  # noqa: PTH101
    shutil.rmtree(path)


def _same(handle: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except FileNotFoundError:
        return False


def _sweep(folder: Path) -> None:
    """Removes what makers left that were killed: their locks are free.  Once a process, for each kind."""
    if folder in _swept:
        return
    _swept.add(folder)
    for aside in folder.glob(".*.making"):
        key = aside.name.removeprefix(".").removesuffix(".making")
        with locked(_lock(folder, key), wait=False) as got:
            if got:
                remove(aside)


def _lock(folder: Path, key: str) -> Path:
    return folder / f".{key}.lock"


def _aside(folder: Path, key: str) -> Path:
    return folder / f".{key}.making"

"""The cache: finished entries, each a directory made aside and renamed, so that what is there is whole."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from unkillable.errors import UserError

_ASIDE = ".aside-"


def root() -> Path:
    """$XDG_CACHE_HOME/unkillable, or ~/.cache/unkillable (XDG base directory specification)."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    path = (Path(base) if base.startswith("/") else Path.home() / ".cache") / "unkillable"
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{path}: cannot make the cache: {error.strerror}; set XDG_CACHE_HOME") from error
    return path


def digest(*parts: object) -> str:
    """A key: equal for equal parts, with their order and their bounds."""
    total = hashlib.sha256()
    for part in parts:
        data = part if isinstance(part, bytes) else str(part).encode()
        total.update(b"%d:" % len(data))
        total.update(data)
    return total.hexdigest()[:32]


@contextmanager
def lock(name: str) -> Iterator[None]:
    """One process at a time."""
    folder = root() / "locks"
    folder.mkdir(exist_ok=True)
    with (folder / name.replace("/", "_")).open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def entry(kind: str, key: str, make: Callable[[Path], None]) -> Path:
    """The directory or file of an entry: found, or made by `make`, which is called with the path that it is to create there
    (a directory, empty, that it may also replace by a file)."""
    folder = root() / kind
    path = folder / key
    if path.exists():
        return path
    folder.mkdir(exist_ok=True)
    with lock(f"{kind}-{key}"):
        if not path.exists():
            _make(folder, path, make)
    return path


def _make(folder: Path, path: Path, make: Callable[[Path], None]) -> None:
    _sweep(folder)
    aside = Path(tempfile.mkdtemp(prefix=f"{_ASIDE}{os.getpid()}-", dir=folder))
    try:
        made = aside / "it"
        make(made)
        made.rename(path)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise UserError(f"{folder}: no space left on the disk; remove old entries of the cache") from error
        raise
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _sweep(folder: Path) -> None:
    """Removes what makers left that were killed."""
    for left in folder.glob(f"{_ASIDE}*"):
        pid = left.name.removeprefix(_ASIDE).partition("-")[0]
        if pid.isdigit() and not Path(f"/proc/{pid}").exists():
            shutil.rmtree(left, ignore_errors=True)

"""A store on disk: what lies where, and how a commit comes to be there whole or not at all.

    store.json          what this directory is
    lock                held by whoever merges or prunes
    commits/ID/         commit.json, inputs.parquet, logs.parquet, findings.parquet, outgrown.parquet: never changed once there
    commits/.aside-*    being written, or left by a writer that was killed

Nothing here needs DuckDB.
"""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec

from unkillable.errors import UserError

SCHEMA = "unkillable.store/1"
INPUTS, LOGS, FINDINGS, OUTGROWN = "inputs", "logs", "findings", "outgrown"
TABLES = (INPUTS, LOGS, FINDINGS, OUTGROWN)
_MARK = "store.json"
_ABOUT = "commit.json"
_ASIDE = ".aside-"
_YOUNG = 60
"""Seconds: what was made aside so recently may not be locked by its maker yet."""
_UNLOCKED_DAYS = 1
"""Where the file system has no locks, what lies aside untouched for so long has lost its writer."""
_LOOKS = 100
"""How often a listing is repeated until two of them agree."""


class Mark(msgspec.Struct, frozen=True):
    """`store.json`."""

    schema: str = SCHEMA


class Commit(msgspec.Struct, frozen=True):
    """`commit.json`: what one commit holds."""

    name: str
    """Its directory; names sort by time."""
    written: int
    """Nanoseconds since 1970; of several rows for one thing the one written last counts."""
    scheme: int
    """The newest `fleet.signature.SCHEME` among its findings."""
    oldest: int
    """And the oldest."""
    logs: int = 0
    findings: int = 0
    inputs: int = 0
    outgrown: int = 0
    distinct: bool = False
    """No row of it is there twice."""
    replaces: tuple[str, ...] = ()
    """Commits whose rows are all in this one: they no longer count, whether they were removed yet or not."""
    horizon: float = 0.0
    """Logs seen before this time were pruned: seconds since 1970."""


def create(root: Path) -> None:
    """Makes an empty directory, or none, a store; of several who try at once, one does."""
    try:
        root.mkdir(parents=True, exist_ok=True)
        if any(one.name != "commits" and not one.name.startswith(_ASIDE) for one in root.iterdir()):
            if (root / _MARK).exists():
                return
            raise UserError(f"{root}: not a store and not empty; name a directory of its own")
        (root / "commits").mkdir(exist_ok=True)
        aside = root / f"{_ASIDE}{secrets.token_hex(8)}"
        aside.write_bytes(msgspec.json.encode(Mark()) + b"\n")
        flush(aside)
        with suppress(FileExistsError):
            os.link(aside, root / _MARK)
        aside.unlink()
        flush(root)
    except OSError as error:
        raise UserError(f"{root}: cannot make a store: {error.strerror}") from error


def check(root: Path) -> None:
    """Raises UserError unless the directory is a store that this version can read."""
    try:
        mark = msgspec.json.decode((root / _MARK).read_bytes(), type=Mark)
    except (FileNotFoundError, NotADirectoryError):
        raise UserError(f"{root}: no store here; `unkillable triage --store` makes one") from None
    except (OSError, msgspec.MsgspecError) as error:
        raise UserError(f"{root / _MARK}: cannot be read: {error}") from error
    if mark.schema != SCHEMA:
        raise UserError(
            f"{root}: written by another version ({mark.schema[:60]}; this one reads {SCHEMA}); upgrade unkillable"
        )


def commits(root: Path) -> tuple[Commit, ...]:
    """The commits that count, oldest first: none that another one replaces.

    A directory that is listed while it changes may show neither the old commits nor the one that replaces them, so it
    is listed until two listings agree.
    """
    folder = root / "commits"
    before = _names(folder)
    for _ in range(_LOOKS):
        try:
            found = [_about(folder / name) for name in before]
        except FileNotFoundError:
            found = None
        after = _names(folder)
        if before == after and found is not None:
            break
        before = after
    else:
        raise UserError(
            f"{folder}: a commit without {_ABOUT}; remove that directory, and its inputs are read again"
        )
    dead = {name for one in found for name in one.replaces}
    return tuple(one for one in found if one.name not in dead)


def dead(root: Path) -> tuple[str, ...]:
    """Commits that are still there although another one holds their rows."""
    alive = {one.name for one in commits(root)}
    return tuple(name for name in _names(root / "commits") if name not in alive)


def horizon(found: Sequence[Commit]) -> float:
    """The time before which logs are pruned: seconds since 1970."""
    return max((one.horizon for one in found), default=0.0)


def new_name(written: int) -> str:
    stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime(written / 1e9))
    return f"{stamp}.{written % 10**9:09d}-{secrets.token_hex(4)}"


@contextmanager
def aside(root: Path) -> Iterator[Path]:
    """A directory to write a commit in; what is left of it at the end is removed.

    It is locked as long as its maker lives, which is how others know leftovers from work.
    """
    with errors_told(root):
        path = root / "commits" / f"{_ASIDE}{secrets.token_hex(8)}"
        path.mkdir()
        handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            with suppress(OSError):  # No locks on this file system: then age decides.
                fcntl.flock(handle, fcntl.LOCK_EX)
            yield path
        finally:
            shutil.rmtree(path, ignore_errors=True)
            os.close(handle)


def publish(root: Path, path: Path, about: Commit) -> None:
    """Makes what was written aside a commit.  Before the rename it does not exist; after it, it is on the disk."""
    (path / _ABOUT).write_bytes(msgspec.json.encode(about) + b"\n")
    for file in path.iterdir():
        flush(file)
    flush(path)
    path.rename(path.parent / about.name)
    flush(path.parent)


def remove(root: Path, name: str) -> None:
    """Removes a commit that no longer counts; it is gone at once, its files a little later."""
    gone = root / "commits" / f"{_ASIDE}{secrets.token_hex(8)}"
    with suppress(FileNotFoundError):
        (root / "commits" / name).rename(gone)
        shutil.rmtree(gone, ignore_errors=True)


def sweep(root: Path) -> None:
    """Removes what killed writers left aside: what nobody holds locked."""
    with suppress(OSError):
        for path in (root / "commits").glob(_ASIDE + "*"):
            with suppress(OSError):
                if time.time() - path.stat().st_mtime > _YOUNG and _abandoned(path):
                    shutil.rmtree(path, ignore_errors=True)


def _abandoned(path: Path) -> bool:
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return time.time() - path.stat().st_mtime > _UNLOCKED_DAYS * 86400
    finally:
        os.close(handle)
    return True


@contextmanager
def alone(root: Path, wait: bool) -> Iterator[bool]:
    """Holds the store's lock, which only those need who replace commits; yields whether it was got."""
    with errors_told(root):
        handle = os.open(root / "lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o666)
        try:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            except BlockingIOError:
                yield False
                return
            yield True
        finally:
            os.close(handle)


def flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def errors_told(root: Path) -> Iterator[None]:
    """Turns a full or forbidden disk into an error that the user can mend."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS):
            raise UserError(f"{root}: {error.strerror}; nothing of this commit was kept") from error
        raise


def _names(folder: Path) -> list[str]:
    try:
        return sorted(one.name for one in folder.iterdir() if not one.name.startswith("."))
    except FileNotFoundError:
        return []


def _about(path: Path) -> Commit:
    try:
        return msgspec.json.decode((path / _ABOUT).read_bytes(), type=Commit)
    except (msgspec.MsgspecError, NotADirectoryError) as error:
        raise UserError(f"{path}: damaged ({error}); remove it, and its inputs are read again") from error

"""An archive whose members belong together: what collect.sh writes on a device.  What they mean is not this room's affair.

Somebody may have unpacked it, or packed it again in another way: then its files lie in a directory of any name, and the marker
is not the first of them.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

import msgspec

from unkillable.klog.archive import Member
from unkillable.klog.compression import Damaged, Unreachable
from unkillable.klog.limits import MAX_DEPTH, MAX_MEMBERS
from unkillable.klog.streams import File

MARKER = "unkillable-collect/VERSION"
"""A member of every bundle, the first as collect.sh writes it; the archive's members are then no logs of their own."""

_LIKELY = re.compile(r"(?:.*/)?(?:(?:proc|sys|unkillable-collect)/|dmesg$)", re.DOTALL)
"""A name that a bundle may begin with: only then is an archive read twice."""


class Bundle(msgspec.Struct, frozen=True):
    """Such an archive, open at its first member: to be read before the next source is asked for."""

    name: str
    members: Iterator[Member]
    """All of them, the marker too, in one forward pass. Raises Damaged where the archive breaks off."""


def prefix(first: str, reopen: Callable[[], Iterator[Member]] | None) -> str | None:
    """What stands before the names of a bundle's members; None where an archive is no bundle.

    `first` is the name of the first member; `reopen` begins anew, and is None where that cannot be: there only a bundle that
    begins with its marker is known as one.
    """
    before = first.removesuffix(MARKER)
    if _is_marker(first) and (not before or reopen is None):
        return before
    if reopen is None or not _LIKELY.match(first):
        return None
    names: list[str] = []
    with suppress(Damaged, OSError):  # what comes before the damage is enough
        names.extend(one.name for one in reopen())
    found = {name.removesuffix(MARKER) for name in names if _is_marker(name)}
    # With anything else beside it (a second bundle, logs) it is an archive of several things.
    if len(found) != 1 or not all(name.startswith(tuple(found)) for name in names):
        return None
    return found.pop()


def below(prefix: str, members: Iterator[Member]) -> Iterator[Member]:
    """The members whose names begin with the prefix, without it."""
    for one in members:
        if one.name.startswith(prefix):
            yield msgspec.structs.replace(one, name=one.name.removeprefix(prefix))


def unpacked(directory: str) -> Bundle | None:
    """The bundle that was unpacked into a directory; None where there is none.  Links in it are not followed."""
    try:
        if not stat.S_ISREG(Path(directory, MARKER).lstat().st_mode):
            return None
    except OSError:
        return None
    return Bundle(directory, _files(directory, "", [MAX_MEMBERS], MAX_DEPTH))


def _files(directory: str, name: str, left: list[int], depth: int) -> Iterator[Member]:
    """The regular files below a directory; `left` is how many more are taken."""
    try:
        with os.scandir(Path(directory, name)) as entries:
            found = sorted(entries, key=lambda entry: entry.name)
    except OSError:  # what cannot be listed is missing, as if it had not been collected
        return
    for entry in found:
        inside = f"{name}{entry.name}"
        if entry.is_dir(follow_symlinks=False) and depth:
            yield from _files(directory, f"{inside}/", left, depth - 1)
        elif entry.is_file(follow_symlinks=False):
            left[0] -= 1
            if left[0] < 0:
                raise Damaged(f"the directory has more than {MAX_MEMBERS:,} files: the rest is left out")
            yield Member(inside, entry.stat(follow_symlinks=False).st_size, partial(_open, entry.path))


def _open(path: str) -> File:
    try:
        return File(path)
    except OSError as error:
        raise Unreachable(f"{path}: cannot be opened: {error.strerror or error}") from None


def _is_marker(name: str) -> bool:
    return name == MARKER or name.endswith(f"/{MARKER}")

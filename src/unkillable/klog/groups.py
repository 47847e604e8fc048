"""Files that are parts of one log: rotated ones, and the parts pstore cuts a dump into."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from unkillable.klog.compression import Damaged
from unkillable.klog.limits import MAX_PARTS
from unkillable.klog.streams import Part, Source, plain

_ROTATED = re.compile(
    r"(?P<base>.+?)"
    r"(?:\.(?P<number>\d{1,3})|[-.](?P<date>\d{8}(?:[-T_.]?\d{2,10})?))"  # logrotate, and its dateext
    r"(?:\.(?:gz|xz|zst|bz2|lz4|Z))?"
)
_COMPRESSED = (".gz", ".xz", ".zst", ".bz2", ".lz4", ".Z")
_PSTORE = re.compile(r"dmesg-[a-z][a-z_-]*-\d+(?:\.enc\.z)?", re.IGNORECASE)
_PART = re.compile(rb"(?:====\d+\.\d+-[A-Z]\n)?([A-Za-z ]{1,20})#(\d{1,9}) Part(\d{1,9})\r?\n")


def is_rotated(path: str) -> bool:
    """Whether the name may be that of a rotated file; cheap, as most are not."""
    return (path[-1:].isdigit() or path.endswith(_COMPRESSED)) and _ROTATED.fullmatch(path) is not None


def join_rotated(paths: Sequence[str]) -> dict[str, list[str]]:
    """Path of the current file -> it and its rotated forms, oldest first; a file alone is its own entry.

    `x.1` counts as rotated only where `x` is there too: other numbered files are logs of their own.
    """
    present = set(paths)
    groups: dict[str, list[tuple[tuple[int, str, int], str]]] = {}
    for path in dict.fromkeys(paths):
        name = path.rpartition("/")[2]
        found = _ROTATED.fullmatch(name)
        base = path.removesuffix(name) + found["base"] if found else path
        if found is None or base not in present:
            groups.setdefault(path, []).append(((1, "", 0), path))
        elif found["date"]:
            groups.setdefault(base, []).append(((0, found["date"], 0), path))
        else:
            groups.setdefault(base, []).append(((0, "", -int(found["number"])), path))
    return {base: [path for _, path in sorted(members)[-MAX_PARTS:]] for base, members in groups.items()}


def is_pstore(path: str) -> bool:
    """Whether the name is one that pstore gives to a part of a kernel log."""
    return _PSTORE.fullmatch(path.rpartition("/")[2]) is not None


def join_pstore(parts: Sequence[Part]) -> Iterator[Source]:
    """The dumps in pstore's files, each with its parts in the order of time.

    pstore_dump() writes the newest text first, as Part1 (and numbers its dumps from 1 in each boot), so a new
    dump begins where the part number does not grow.
    """
    dumps: dict[tuple[str, str], list[list[tuple[int, Part]]]] = {}
    for part in sorted(parts, key=_by_number):
        title, number = _title(part)
        runs = dumps.setdefault((_folder(part.name), title), [])
        if not runs or not title or number <= runs[-1][-1][0] or len(runs[-1]) >= MAX_PARTS:
            runs.append([])
        runs[-1].append((number, part))
    for runs in dumps.values():
        for run in runs:
            ordered = [part for _, part in reversed(run)]
            name = run[0][1].name
            size = sum(part.size or 0 for part in ordered)
            yield Source(f"{name} and {len(run) - 1} more" if len(run) > 1 else name, ordered, size)


def _folder(name: str) -> str:
    return name[: len(name) - len(re.split(r"[/!]", name)[-1])]


def _by_number(part: Part) -> tuple[str, int]:
    digits = re.findall(r"\d+", part.name.rpartition("/")[2])
    return _folder(part.name), int(digits[-1][:30]) if digits else 0


def _title(part: Part) -> tuple[str, int]:
    """(`Panic#1`, 3) from a part's first line; an empty title where there is none."""
    try:
        head = next(plain(part.open(), part.deflate), b"")[:256]
    except (Damaged, OSError):
        return "", 0
    found = _PART.match(head)
    if found is None:
        return "", 0
    return f"{found[1].decode()}#{int(found[2])}", int(found[3])

"""What collect.sh gathered on a device: its kernel's log and a copy of its /proc, as one Evidence.

The archive may come from a stranger. Only members that the table names are taken, each up to its bound; they are written
to a directory of our own, which is gone afterwards, so that they are read as any other copy of /proc is.
"""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

import msgspec

from unkillable.errors import UserError
from unkillable.evidence.proc import LiveResult, read_proc_tree
from unkillable.klog import Bundle
from unkillable.klog.bundle import MARKER
from unkillable.klog.compression import Damaged
from unkillable.klog.streams import read_up_to

VERSION = 1
"""Of the bundles that are understood; the same as in collect/head.sh."""
NOTES = "unkillable-collect/notes"
MACHINE = "unkillable-collect/machine"
MOST_BYTES = 64 << 20
"""Of all files together: collect.sh writes at most 8 MiB unless asked."""
_NOTES = 20

_TAKEN = tuple(
    (re.compile(pattern, re.ASCII), size)
    for pattern, size in (
        (
            r"(?:again/)?proc/\d{1,7}/(?:task/\d{1,7}/)?(?:stat|status|wchan|stack|syscall|oom_score_adj)",
            1 << 14,
        ),
        (r"(?:again/)?proc/(?:meminfo|vmstat|zoneinfo|uptime)|proc/(?:version|cmdline|mounts)", 1 << 18),
        (r"proc/config", 1 << 20),
        (r"(?:again/)?proc/pressure/(?:memory|io|cpu)", 1 << 12),
        (r"proc/sys/(?:vm|kernel)/[a-z0-9_]{1,64}", 1 << 12),
        (r"sys/kernel/mm/lru_gen/(?:enabled|min_ttl_ms)", 1 << 12),
        (r"sys/fs/cgroup/(?:unified/)?memory\.pressure", 1 << 12),
        (r"dmesg", 16 << 20),
        (f"{MARKER}|{NOTES}|{MACHINE}", 1 << 12),
    )
)
"""Members that are read and the bytes of each; no two of them can be a file and its directory."""


def read_bundle(bundle: Bundle) -> LiveResult:
    """The evidence of a bundle, also of one cut short, and in `unread` what that cost.

    Raises UserError where it holds neither a task nor the state of memory.
    """
    with tempfile.TemporaryDirectory(prefix="unkillable-") as place:
        tree = Path(place)
        unread = _unpack(bundle, tree)
        version = _words(tree / MARKER)
        if not version or not version[0].isdecimal() or int(version[0][:9]) > VERSION:
            unread.append("written by another version of collect.sh: what is new in it is left out")
        notes = [f"collect.sh: {line}" for line in _words(tree / NOTES)[:_NOTES]]
        machine = _words(tree / MACHINE)
        try:
            found = read_proc_tree(tree, source=bundle.name, machine=machine[0] if machine else None)
        except UserError:
            why = f" ({'; '.join(unread + notes)})" if unread or notes else ""
            raise UserError(f"a bundle of collect.sh without tasks or memory in it{why}") from None
    return msgspec.structs.replace(found, notes=(*notes, *found.notes), unread=tuple(unread))


def _unpack(bundle: Bundle, tree: Path) -> list[str]:
    """Writes the members that are taken below `tree`; says what became of the rest."""
    room = MOST_BYTES
    try:
        for member in bundle.members:
            name = member.name.removeprefix("./")
            most = next((size for pattern, size in _TAKEN if pattern.fullmatch(name)), 0)
            target = tree / name
            if not most or target.exists():  # of two with one name the first counts
                continue
            data = read_up_to(member.open(), min(most, room))
            room -= len(data)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
            if not room:
                return [f"more than {MOST_BYTES >> 20} MiB: the rest is left out"]
    except Damaged as error:
        return [f"{error}: what comes before is used"]
    return []


def _words(file: Path) -> list[str]:
    """The lines of a small file; none where there is no such file."""
    try:
        return file.read_text("utf-8", "replace").splitlines()
    except OSError:
        return []

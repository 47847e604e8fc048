"""lockdep's lists of held locks: `2 locks held by name/12:` and its `#0:` lines.

A task that waits for a lock is listed as holding it too: lockdep enters a lock before the wait for it, so
the last lock of a sleeping task's list is often the one it waits for (Documentation/locking/lockdep-design).
"""

from __future__ import annotations

import re

from unkillable.evidence.builder import Builder
from unkillable.evidence.table import Format
from unkillable.evidence.types import HeldLock
from unkillable.klog.record import Record

_OWNER = re.compile(
    r"(?:(?P<count>\d+) locks?|(?P<none>no locks)) held by (?P<comm>.{1,64})/(?P<pid>\d+)(?=[:.]|$)"
)
# 7.3: `locks held by name/12: 2, last CPU#1:` (docs/dev/console-formats.md)
_OWNER_7_3 = re.compile(r"locks held by (?P<comm>.{1,64})/(?P<pid>\d+): (?P<count>\d+), (?:last|on)")
_SHOWING = re.compile(r"Showing all locks held in the system")
# 2.6-4.x: ` #0:  (&mm->mmap_sem){++++}, at: [<c03c3748>] do_page_fault+0xfc/0x368`
# 5.x-:    ` #0: ffff88813bc3e0a0 (&type->s_umount_key#9){++++}-{3:3}, at: f+0x1/0x2`
_LOCK = re.compile(
    r"#(?P<index>\d+):\s+(?:(?P<address>[0-9a-f]{8,16})\s+)?\((?P<name>.{1,160}?)\)(?:\{(?P<usage>[^}]*)\}|(?=,))(?:-\{[^}]*\})?"
    r"(?:, at: (?:\[<[^>]*>\] )?(?P<function>[\w.$]+))?"
)
_LIMIT = 64  # lockdep holds 48 at most (MAX_LOCK_DEPTH)
_OTHER = re.compile(r"^\s*$|^=+$|^-{20,}$")


class LockSection:
    """The locks of one task."""

    patience = 3

    def __init__(self, builder: Builder, record: Record, pid: int | None, comm: str | None) -> None:
        self.builder = builder
        self.pid = pid
        self.comm = comm
        self.locks: dict[int, HeldLock] = {}

    def feed(self, record: Record) -> bool:
        match = _LOCK.search(record.text)
        if match is None or int(match["index"]) >= _LIMIT:
            return _OTHER.match(record.text) is not None
        index = int(match["index"])
        # A decoded log repeats a lock's line for each inlined function; the last one is the function proper.
        self.locks[index] = HeldLock(
            line=record.number,
            text=record.text,
            time=record.time,
            pid=self.pid,
            comm=self.comm,
            index=index,
            name=match["name"],
            address=match["address"],
            usage=match["usage"],
            function=match["function"],
            snapshot=self.builder.snapshot,
        )
        return True

    def close(self) -> None:
        for lock in self.locks.values():
            self.builder.add_lock(lock)


def _owner(builder: Builder, match: re.Match[str], record: Record) -> LockSection | None:
    if match.groupdict().get("none"):
        return None
    return LockSection(builder, record, int(match["pid"]), match["comm"].strip())


def _showing(builder: Builder, match: re.Match[str], record: Record) -> None:
    builder.begin_snapshot(None)


FORMATS = (
    Format(
        "locks-held-7.3",
        ("held by ",),
        _OWNER_7_3,
        _owner,
        "7.3",
        "captures/own-7.3-lockdep-abba-deadlock.sample",
    ),
    Format(
        "locks-held",
        ("held by ",),
        _OWNER,
        _owner,
        "2.6.24-7.3",
        "reports/2011-12-23_linux-mm_ajeet-yadav_2.6.35.14_arm.txt",
    ),
    Format(
        "locks-all",
        ("Showing all locks",),
        _SHOWING,
        _showing,
        "2.6.24-7.3",
        "captures/own-7.3-lockdep-ext4-frozen.sample.xz",
    ),
)

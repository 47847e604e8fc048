"""What kind of thing is waited for, by the header that offers the wait."""

from __future__ import annotations

from pathlib import PurePosixPath

from unkillable.ksource.releases import release

_KINDS = {
    "mutex": "lock", "rwsem": "lock", "semaphore": "lock", "rtmutex": "lock", "percpu-rwsem": "lock", "ww_mutex": "lock",
    "wait": "queue", "swait": "queue", "wait_bit": "queue", "rcuwait": "queue",
    "completion": "completion", "pagemap": "page", "buffer_head": "io", "bio": "io", "blkdev": "io",
    "sched": "time", "delay": "time", "timer": "time", "hrtimer": "time",
}  # fmt: skip


def kind_of(primitive: str, header: str) -> str:
    """One of audit_types.KINDS for a primitive and the path of the header that offers it."""
    kind = _KINDS.get(PurePosixPath(header).stem, "other")
    return "lock" if kind == "other" and release(primitive) else kind

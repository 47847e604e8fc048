"""What the closed lists of a diagnosis mean, in a person's words."""

from __future__ import annotations

from unkillable.waits.catalogue import load

__all__ = ["CONFIDENCE", "ENTRY", "FATE", "KINDS", "TONE", "kill", "resource"]

KINDS: dict[str, tuple[str, str]] = {
    "deadlock": (
        "Deadlock",
        "Tasks wait for each other, or for something that will never come. Only a reboot ends it.",
    ),
    "unkillable-victim": (
        "Unkillable victim",
        "The process chosen to free memory sleeps where SIGKILL cannot wake it, so its memory stays taken.",
    ),
    "reclaim-livelock": (
        "Reclaim livelock",
        "Memory is exhausted; tasks look for pages, or wait behind one that does, and get nowhere.",
    ),
    "lock-contention": (
        "Lock contention",
        "Tasks wait for a lock or a cache entry that somebody else keeps for very long.",
    ),
    "io-stall": ("I/O stall", "Tasks wait for a device or a server that does not answer."),
    "cached-error": (
        "Cached read error",
        "One failed read is served again and again, although a new read might succeed.",
    ),
    "zombie": (
        "Zombies only",
        "Dead processes whose parent has not asked for their status. They hold no memory.",
    ),
    "no-hang": ("No hang", "Nothing in this log is stuck."),
    "insufficient-evidence": ("Not enough evidence", "This log does not show enough to name the cause."),
}
"""Title and meaning of each verdict."""

TONE = {"no-hang": "good", "zombie": "good", "insufficient-evidence": "unsure"}
"""Colour of the headline where it is not bad news."""

CONFIDENCE = {
    "high": "high: the lines below show it",
    "medium": "medium: the lines below point to it, a link is inferred or missing",
    "low": "low: the best guess from very little",
}

FATE = {
    "exited": "exited",
    "reaped": "memory freed by the oom_reaper; not seen to exit",
    "stuck": "stuck: does not die",
    "unknown": "not shown",
}

ENTRY = {
    "page-fault": "page fault",
    "read": "read(2)",
    "write": "write(2)",
    "open": "open(2)",
    "exec": "exec",
    "exit": "exiting",
    "stat": "stat(2)",
    "mmap": "mmap(2)",
    "fsync": "fsync(2)",
    "ioctl": "ioctl(2)",
    "mount": "mount(2)",
    "kthread": "kernel thread",
}


def resource(key: str | None) -> str:
    """The catalogue's title of a resource; the key in plain words where it has none."""
    if key is None:
        return ""
    row = load().resource(key)
    return row.title if row else key.replace("-", " ")


def kill(killable: bool | None) -> str:
    return {True: "yes", False: "no", None: "not shown"}[killable]

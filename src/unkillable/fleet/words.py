"""English for what signatures are made of."""

from __future__ import annotations

from unkillable.waits.catalogue import load

_WORDS = {
    "block-io": "block I/O", "memory": "memory", "percpu-rwsem": "a frozen file system", "mmap-lock": "the mmap lock of a process",
    "inode-lock": "an inode lock", "folio-lock": "a locked page of the page cache", "rcu-grace-period": "an RCU grace period",
    "swap-io": "swapped-out pages", "event": "an event", "journal": "the journal of its file system", "completion": "a completion",
    "workqueue-item": "a work item", "memcg-oom": "memory of its cgroup", "writeback": "writeback of a page",
    "squashfs-cache-entry": "an entry of squashfs's block cache", "squashfs-decompressor": "squashfs's decompressor",
}  # fmt: skip
"""Resources by key, where their title in the catalogue is not what a sentence wants."""
_WAYS = {"page-fault": "page fault", "syscall": "system call", "kthread": "kernel thread", "exec": "execve"}


def way(entry: str) -> str:
    """How a task came into the kernel."""
    return _WAYS.get(entry, entry)


def thing(resource: str | None) -> str:
    """What is waited for, with its article."""
    key = resource or "event"
    if key in _WORDS:
        return _WORDS[key]
    row = load().resource(key)
    title = row.title if row else key.replace("-", " ")
    if title[0].isupper():  # NFS server
        return f"the {title}"
    return f"{'an' if title[0] in 'aeiou' else 'a'} {title}"


def bare(text: str) -> str:
    """Without its article."""
    return text.removeprefix("a ").removeprefix("an ").removeprefix("the ")

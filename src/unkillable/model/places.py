"""Where a task is, in words and in the kernel's functions."""

from __future__ import annotations

from typing import NamedTuple

from unkillable.model.state import At, Sleep


class Place(NamedTuple):
    words: str
    kernel: str


PLACES = {
    At.USER: Place("runs its program", ""),
    At.TOUCH: Place("needs a page of memory of its own", "do_anonymous_page"),
    At.FAULT: Place("needs a page of its code", "filemap_fault"),
    At.ADD: Place("needs memory for a page of code", "filemap_fault"),
    At.GET: Place("looks for the block in squashfs's cache", "squashfs_cache_get"),
    At.WAIT_ENTRY: Place("waits for a free cache entry (site A)", "squashfs_cache_get"),
    At.WAIT_FILL: Place("waits for a block that another task reads (site B)", "squashfs_cache_get"),
    At.MORE: Place("locks the block's other pages", "squashfs_readpage_block"),
    At.ACTOR: Place("needs memory for the page actor", "squashfs_page_actor_init_special"),
    At.FILL: Place("needs memory to read a block", "squashfs_bio_read"),
    At.STREAM: Place("wants a decompressor", "squashfs_decompress"),
    At.NEW_STREAM: Place("needs memory for a decompressor", "get_decomp_stream"),
    At.WAIT_STREAM: Place("waits for a decompressor (site C)", "get_decomp_stream"),
    At.DECOMPRESS: Place("decompresses", "squashfs_decompress"),
    At.PUT_STREAM: Place("gives its decompressor back", "put_decomp_stream"),
    At.FILLED: Place("is done with reading", "squashfs_read_data"),
    At.COPY: Place("needs memory for the block's other pages", "squashfs_copy_cache"),
    At.RELEASE: Place("gives the cache entry back", "squashfs_cache_put"),
    At.UNLOCK: Place("is done with the page", "filemap_fault"),
    At.WAIT_PAGE: Place("waits for a page that another task has locked", "folio_lock_killable"),
    At.EXIT: Place("is ending", "do_exit"),
    At.ZOMBIE: Place("has ended; its parent has not asked yet", "do_exit"),
    At.GONE: Place("is gone", ""),
}

STATES = {
    Sleep.RUNNING: "TASK_RUNNING",
    Sleep.INTERRUPTIBLE: "TASK_INTERRUPTIBLE",
    Sleep.UNINTERRUPTIBLE: "TASK_UNINTERRUPTIBLE",
    Sleep.KILLABLE: "TASK_KILLABLE",
    Sleep.IDLE: "TASK_IDLE",
}

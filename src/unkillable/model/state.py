"""What a state of the model consists of: small numbers, each with its bound.

The rules (tasks, waitqueues, squashfs, memory, oomkiller, pagecache) are Python functions on a `State`.  They are never called as
they stand: `rows` turns them into functions on rows of bytes, `promela` into a model for SPIN.  So there is one text, and what is
written here is what both explore.
"""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple


class At(IntEnum):
    """Where a task is.  The names are those of the story's steps; the kernel functions stand beside the rules."""

    USER = 0
    """In its own code."""
    TOUCH = 1
    """A page fault on memory of its own: needs a page."""
    FAULT = 2
    """A page fault on the program's code, which is a file on squashfs."""
    ADD = 3
    """The page is in no cache: needs a page for it."""
    GET = 4
    """squashfs_cache_get() with cache->lock taken."""
    WAIT_ENTRY = 5
    """Site A: all entries are in use."""
    WAIT_FILL = 6
    """Site B: another task reads the block."""
    MORE = 7
    """Locks the block's other pages (FILE_DIRECT)."""
    ACTOR = 8
    """Allocates the page actor (FILE_DIRECT)."""
    FILL = 9
    """Needs a page for the compressed data."""
    STREAM = 10
    """Wants a decompressor."""
    NEW_STREAM = 11
    """Allocates one."""
    WAIT_STREAM = 12
    """Site C: all decompressors are in use."""
    DECOMPRESS = 13
    PUT_STREAM = 14
    """Gives the decompressor back."""
    FILLED = 15
    """The block is read, or could not be."""
    COPY = 16
    """Copies to the block's other pages, which need memory, while it holds the entry."""
    RELEASE = 17
    """squashfs_cache_put()."""
    UNLOCK = 18
    """Unlocks the page that was wanted."""
    WAIT_PAGE = 19
    """Another task has the page locked."""
    EXIT = 20
    ZOMBIE = 21
    """Its memory is given back; its parent has not asked yet."""
    GONE = 22


class Sleep(IntEnum):
    """The task state (kernel: task->__state)."""

    RUNNING = 0
    INTERRUPTIBLE = 1
    UNINTERRUPTIBLE = 2
    KILLABLE = 3
    IDLE = 4
    """TASK_IDLE: uninterruptible, and not counted as load."""


class Page(IntEnum):
    """A page of code in the page cache."""

    ABSENT = 0
    LOCKED = 1
    UPTODATE = 2


class Error(IntEnum):
    NONE = 0
    EINTR = 1
    ENOMEM = 2


class End(IntEnum):
    """What its parent is told by wait4()."""

    NOT_YET = 0
    SIGKILL = 1
    SIGBUS = 2


class Gfp(IntEnum):
    """What an allocation may do when there is no memory."""

    FAIL = 0
    """__GFP_NORETRY or no reclaim: fails, its caller copes."""
    LOOP = 1
    """Without __GFP_FS: may neither call the OOM killer nor fail (order 0 is "too small to fail")."""
    KILL = 2
    """May call the OOM killer, and tries for ever."""


class Decompressors(IntEnum):
    PERCPU = 0
    """One per processor: nobody waits."""
    SINGLE = 1
    MULTI = 2


class OnKill(IntEnum):
    """What squashfs_cache_get() does when its wait at site A is ended by a signal."""

    AGAIN = 0
    """Ignores it, as it ignores wait_event()'s return: looks again."""
    FAIL = 1
    """Returns an error."""


class Field(NamedTuple):
    name: str
    each: str
    """Of what there is one: "" (of the machine), task, entry, page."""
    most: str
    """The largest value: a number, or a parameter's name."""
    meaning: str


FIELDS = (
    Field("free", "", "memory", "free pages"),
    Field("mapped", "", "memory", "pages of all tasks' own memory"),
    Field("mutex", "", "tasks", "who has the decompressors' mutex: a task's number + 1, or 0"),
    Field("streams", "", "streams", "decompressors that were allocated"),
    Field("idle_streams", "", "streams", "of these, those that nobody uses"),
    Field("next", "", "entries", "cache->next_blk: where the search for a victim entry begins"),
    Field("panicked", "", "1", "the kernel has panicked"),
    Field("kills", "", "kills", "SIGKILLs that somebody outside may still send"),
    Field("signals", "", "signals", "signals with a handler that may still be sent"),
    Field("at", "task", "22", "where it is (At)"),
    Field("state", "task", "4", "its task state (Sleep)"),
    Field("killed", "task", "2", "SIGKILL is pending: 1, and from the OOM killer: 2"),
    Field("caught", "task", "1", "a signal with a handler is pending"),
    Field("reaped", "task", "1", "MMF_OOM_SKIP: the reaper is done with its memory"),
    Field("page", "task", "pages", "the page of code that it wants"),
    Field("entry", "task", "entries", "the cache entry that it has a reference to, + 1"),
    Field("error", "task", "2", "the error that its read returns (Error)"),
    Field("anon", "task", "memory", "pages of its own memory"),
    Field("work", "task", "work", "times that it will still run code that is not in memory"),
    Field("ahead", "task", "1", "it is in readahead"),
    Field("buffer", "task", "1", "it has a page for compressed data"),
    Field("more", "task", "1", "it has locked the block's other page"),
    Field(
        "place",
        "task",
        "tasks",
        "its place in cache->wait_queue, if it waits there exclusively; 0: not queued",
    ),
    Field("given", "task", "1", "it was woken because an entry became free (7.3: capacity_wake)"),
    Field(
        "turns",
        "task",
        "2",
        "times in a row that a signal ended its wait and it began again without having slept",
    ),
    Field("end", "task", "2", "what its parent is told (End)"),
    Field("block", "entry", "pages", "the block's number + 1; 0: SQUASHFS_INVALID_BLK"),
    Field("refs", "entry", "tasks", "references (refcount)"),
    Field("pending", "entry", "1", "it is being read"),
    Field("failed", "entry", "2", "the error of reading it (Error)"),
    Field("cached", "page", "2", "a page of code (Page)"),
)


class State:
    """The fields as the rules see them: numbers, and lists of numbers by task, entry or page."""

    free: int
    mapped: int
    mutex: int
    streams: int
    idle_streams: int
    next: int
    panicked: int
    kills: int
    signals: int
    at: list[int]
    state: list[int]
    killed: list[int]
    caught: list[int]
    reaped: list[int]
    page: list[int]
    entry: list[int]
    error: list[int]
    anon: list[int]
    work: list[int]
    ahead: list[int]
    buffer: list[int]
    more: list[int]
    place: list[int]
    given: list[int]
    turns: list[int]
    end: list[int]
    block: list[int]
    refs: list[int]
    pending: list[int]
    failed: list[int]
    cached: list[int]

"""Audits for the tests of this room, made by hand: no kernel is like this."""

from __future__ import annotations

from typing import Any

import msgspec

from tests.report.given import HOSTILE
from unkillable.ksource.audit_types import (
    Allocation,
    Audit,
    Change,
    Convention,
    Coverage,
    EntryPoint,
    Holder,
    Site,
    Step,
)
from unkillable.ksource.compare_audits import compared

ENTRIES = (
    EntryPoint("fault", "page fault", ("filemap_fault",)),
    EntryPoint("read", "read(2)", ("vfs_read",)),
    EntryPoint("exit", "a task's end", ("do_exit",)),
)
PATH = (
    Step("filemap_fault", "mm/filemap.c", 3219),
    Step("read_pages", "mm/readahead.c", 539),
    Step("toyfs_read", "fs/toyfs/file.c", 181, "address_space_operations.read_folio"),
    Step("toyfs_get", "fs/toyfs/cache.c", 72),
)


def site(**more: Any) -> Site:
    """The red one."""
    values: dict[str, Any] = {
        "file": "fs/toyfs/cache.c",
        "line": 77,
        "function": "toyfs_get",
        "primitive": "wait_event",
        "task_state": "TASK_UNINTERRUPTIBLE",
        "killable": False,
        "open_coded": False,
        "rank": "red",
        "kind": "queue",
        "queue": "cache->queue",
        "resource": "toyfs_cache.queue",
        "entries": ("fault", "read"),
        "path": PATH,
        "scope": ("nofs",),
        "holders": (
            Holder(
                "toyfs_fill",
                "fs/toyfs/cache.c",
                90,
                120,
                (
                    Allocation(
                        "toyfs_bio", "fs/toyfs/block.c", 93, "bio_alloc(n, GFP_NOIO)", True, False,
                        (Step("toyfs_bio", "fs/toyfs/block.c", 85),),
                    ),
                    Allocation("toyfs_fill", "fs/toyfs/cache.c", 99, "kmalloc(n, flags)"),
                ),
            ),
        ),
        "convention": Convention("wait_event_killable", "otherfs_get", "fs/otherfs/cache.c", 40),
        "fingerprint": "65a91301f29dc6f0",
    }  # fmt: skip
    return Site(**(values | more))


AMBER = site(
    line=140, function="toyfs_put", primitive="mutex_lock", rank="amber", kind="lock", queue="&cache->lock",
    resource="toyfs_cache.lock", entries=("exit",), path=(Step("do_exit", "kernel/exit.c", 800), Step("toyfs_put", "fs/toyfs/cache.c", 830)),
    scope=(), holders=(), convention=Convention("mutex_lock_killable"), fingerprint="a1",
)  # fmt: skip
GREEN = site(
    line=200, function="toyfs_wait", primitive="wait_event_killable", task_state="TASK_KILLABLE", killable=True,
    rank="green", holders=(), convention=None, fingerprint="b2",
)  # fmt: skip
GREY = site(
    line=220, function="toyfs_odd", primitive="schedule", task_state=None, killable=None, open_coded=True, rank="grey",
    kind="time", queue=None, resource=None, holders=(), convention=None, fingerprint="c3",
)  # fmt: skip


def audit(sites: tuple[Site, ...] = (site(), AMBER, GREEN, GREY), **more: Any) -> Audit:
    """One of each rank."""
    values: dict[str, Any] = {
        "kernel": "6.1.192",
        "scope": ("fs", "mm"),
        "within": ("fs/toyfs",),
        "entries": ENTRIES,
        "sites": sites,
        "coverage": Coverage(9501, 101_495, 313_155, 350, ("fs/x.c: larger than 32 MiB",), 10.5),
        "configuration": ".config",
        "tool": "unkillable 0.1.0",
    }
    return Audit(**(values | more))


def against() -> Audit:
    """Compared with a tree where the red one could be killed, the green one could not, and there was one more."""
    before = audit(
        (
            site(line=70, primitive="wait_event_killable", task_state="TASK_KILLABLE", killable=True, rank="green", holders=()),
            site(line=190, function="toyfs_wait", fingerprint="b2", rank="amber", holders=()),
            site(line=300, function="toyfs_gone", fingerprint="d4"),
            GREY,
        ),
        kernel="6.1.100",
    )  # fmt: skip
    return compared(before, audit())


def hostile(text: str = HOSTILE, times: int = 1) -> Audit:
    """Everything that can be text is this text."""
    step = Step(text, text, 1, text)
    one = Site(
        text, 1, text, text, text, False, True, "red", "queue", text, text, ("fault", text), (step, step), True, (text,),
        (Holder(text, text, 5, 3, (Allocation(text, text, -1, text, None, None, (step,)),)),),
        Convention(text, text, text, 1), text,
    )  # fmt: skip
    many = tuple(msgspec.structs.replace(one, line=number) for number in range(times))
    return Audit(
        text, (text,), (text,), (*ENTRIES, EntryPoint(text, text, (text,))), many, Coverage(1, 1, 1, 1, (text,)),
        text, (Change("changed", one, one, (text,)), Change("vanished", one)), 3, text, text,
    )  # fmt: skip

"""Where tasks come from: the functions that a walk through the call graph begins at."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from unkillable.errors import UserError
from unkillable.ksource.audit_types import EntryPoint
from unkillable.ksource.index import Index


class Entry(NamedTuple):
    key: str
    title: str
    functions: tuple[str, ...]
    """Whatever of these a kernel has: names change with releases."""


FAULT = "fault"
ENTRIES = (
    Entry(FAULT, "page fault", ("filemap_fault", "handle_mm_fault")),
    Entry("read", "read(2)", ("sys_read", "sys_pread64", "vfs_read")),
    Entry(
        "lookup",
        "open(2), stat(2): looking a path up",
        ("sys_openat", "sys_newfstatat", "sys_statx", "link_path_walk"),
    ),
    Entry("readdir", "getdents(2)", ("sys_getdents64", "iterate_dir")),
    Entry("exec", "execve(2)", ("sys_execve", "bprm_execve", "do_execveat_common")),
    Entry("exit", "a task's end", ("do_exit",)),
    Entry(
        "reclaim",
        "direct reclaim, when memory is asked for",
        ("try_to_free_pages", "try_to_free_mem_cgroup_pages"),
    ),
    Entry("write", "write(2), fsync(2)", ("sys_write", "sys_fsync", "vfs_write")),
)
"""In the order in which they count: a site is shown with the path from the first that leads to it."""

RECLAIM = (
    "try_to_free_pages",
    "try_to_free_mem_cgroup_pages",
    "shrink_node",
    "kswapd",
    "out_of_memory",
    "mem_cgroup_out_of_memory",
)
"""Where a walk from the other entries ends: every allocation leads here, and from here everything is reached."""


def chosen(names: Sequence[str], index: Index) -> tuple[Entry, ...]:
    """The entries asked for: keys, or names of functions.  All where none is named."""
    if not names:
        return ENTRIES
    by_key = {one.key: one for one in ENTRIES}
    found = []
    for name in names:
        if name in by_key:
            found.append(by_key[name])
        elif index.defined(name).size:
            found.append(Entry(name, name, (name,)))
        else:
            raise UserError(f"{name}: no entry ({', '.join(by_key)}) and no function of what was read")
    return tuple(found)


def point(entry: Entry, index: Index) -> EntryPoint:
    """An entry as the report names it, with the functions that this tree has."""
    return EntryPoint(
        entry.key, entry.title, tuple(name for name in entry.functions if index.defined(name).size)
    )


def nodes(names: Sequence[str], index: Index) -> list[int]:
    """The functions of these names."""
    return [int(one) for name in names for one in index.defined(name)]

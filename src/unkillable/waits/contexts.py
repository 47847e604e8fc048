"""What an allocation may do where it is made: the frames around the page allocator decide it.

An allocation without __GFP_FS may not call the OOM killer (mm/oom_kill.c out_of_memory(): returns true without
killing), so it loops until somebody else frees memory.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from unkillable.versions import within

_ALLOCATORS = (
    "__alloc_pages",
    "__alloc_frozen_pages",
    "alloc_pages",
    "slab_pre_alloc_hook",
    "kmem_cache_alloc",
    "__kmalloc",
)


class Context(msgspec.Struct, frozen=True):
    """An allocation in these frames, in these kernels."""

    frame: str
    """The innermost of these that encloses the allocation decides."""
    may_oom: bool
    why: str
    cite: str
    since: str | None = None
    until: str | None = None


CONTEXTS = (
    Context(
        "squashfs_bio_read",
        False,
        "alloc_page(GFP_NOIO) for the block's pages",
        "6.1.192 fs/squashfs/block.c:102",
        "5.7",
    ),
    Context(
        "read_pages", False, "readahead runs under memalloc_nofs_save()", "6.1.192 mm/readahead.c:224", "5.8"
    ),
    Context(
        "page_cache_ra_unbounded",
        False,
        "readahead runs under memalloc_nofs_save()",
        "6.1.192 mm/readahead.c:224",
        "5.8",
    ),
    Context(
        "page_cache_ra_order",
        False,
        "readahead runs under memalloc_nofs_save()",
        "6.1.192 mm/readahead.c:512",
        "6.1",
    ),
    Context(
        "__getblk_slow",
        False,
        "grow_dev_page() allocates without __GFP_FS",
        "4.19.306 fs/buffer.c:947",
        "4.11",
        "6.10",
    ),
    Context(
        "squashfs_readpage",
        False,
        "page cache pages are allocated without __GFP_FS while an entry is held",
        "3.10.30 fs/squashfs/file.c:462",
        None,
        "5.8",
    ),
    Context("out_of_memory", True, "the OOM killer was called", "6.1.192 mm/oom_kill.c:1116"),
    Context(
        "__filemap_get_folio",
        True,
        "the faulted page itself is allocated with __GFP_FS",
        "6.1.192 mm/filemap.c:3265",
    ),
    Context(
        "do_anonymous_page", True, "anonymous memory is allocated with __GFP_FS", "6.1.192 mm/memory.c:4190"
    ),
)


def allocation_context(path: Sequence[str], version: str | None) -> Context | None:
    """The context of the allocation a stack (innermost first) is in, or None if it is in none we know."""
    inside = False
    for name in path:
        inside = inside or name.startswith(_ALLOCATORS)
        if not inside:
            continue
        for row in CONTEXTS:
            if row.frame == name and within(version, row.since, row.until):
                return row
    return None

"""fs/squashfs: how a page of a file is filled (file.c, file_direct.c, file_cache.c, cache.c)."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby

from unkillable.model.blockcache import BlockCache, Got
from unkillable.model.image.image import File
from unkillable.model.image.layout import EIO, HOLE, Extent
from unkillable.model.image.machine import SLEEP, Machine, Step
from unkillable.model.image.metadata import Damaged
from unkillable.model.image.pages import PAGE, UPTODATE, key
from unkillable.model.image.window import Window


def cache_get(m: Machine, who: int, cache: BlockCache, extent: Extent) -> Step:
    """squashfs_cache_get(): returns the entry's index and its error."""
    while True:
        answer = cache.get(extent.address, who)
        m.wake(answer.woken)
        if answer.got is Got.WAIT_ENTRY:
            yield SLEEP
            continue
        if answer.got is Got.FILL:
            error = yield from m.read_data(who, extent, cache is m.metadata)
            answer = cache.filled(answer.entry, error)
            m.wake(answer.woken)
        elif answer.got is Got.WAIT_FILL:
            while cache.entry[answer.entry].pending:
                yield SLEEP
            index = answer.entry
            shared = cache.waited(index)
            if shared is None:
                m.wake(cache.put(index))
                continue
            answer = shared
        return answer.entry, answer.error


def read_metadata(m: Machine, who: int, gets: Iterable[int]) -> Step:
    """squashfs_read_metadata(), for the blocks that it gets one after the other; returns the first error.

    Gets of the same block in a row are one visit: nobody comes between them.
    """
    for start, same in groupby(gets):
        try:
            block = m.image.metadata.block(start)
        except Damaged:
            return -EIO
        extent = Extent(start, block.stored, len(block.data), compressed=block.compressed)
        index, error = yield from cache_get(m, who, m.metadata, extent)
        again = sum(1 for _ in same) - 1
        m.metadata.counts.lookups += again
        m.metadata.counts.hits += again
        m.wake(m.metadata.put(index))
        if error:
            return error
    return 0


def read_folio(m: Machine, who: int, file: File, index: int) -> Step:
    """squashfs_read_folio(), squashfs_readpage() of old: fills a locked page and those of its block, and unlocks it."""
    own = key(file.inode.number, index)
    block = index * PAGE // m.layout.block_size
    if block == m.tail(file):
        extent = m.layout.extent(file, block)
        error = yield from _through(m, who, file, index, m.fragments, extent)
    else:
        error, extent = yield from _read_blocklist(m, who, file, block)
        if error:
            pass
        elif not extent.stored and not extent.error:
            _copy(m, file, index)
        elif m.kernel.file == "cache" and m.data is not None:
            error = yield from _through(m, who, file, index, m.data, extent)
        else:
            error = yield from _direct(m, who, file, index, extent)
    if error:
        m.unlock(own)
    return error


def _read_blocklist(m: Machine, who: int, file: File, block: int) -> Step:
    """read_blocklist(): where a block of a file is; an error, or that."""
    try:
        gets, extent = m.layout.gets(file, block), m.layout.extent(file, block)
    except Damaged:
        return -EIO, HOLE
    error = yield from read_metadata(m, who, gets)
    return error, extent


def _through(m: Machine, who: int, file: File, index: int, cache: BlockCache, extent: Extent) -> Step:
    """squashfs_readpage_fragment(), and squashfs_readpage_block() of file_cache.c."""
    entry, error = yield from cache_get(m, who, cache, extent)
    if not error:
        _copy(m, file, index)
    m.wake(cache.put(entry))
    return error


def _copy(m: Machine, file: File, index: int) -> None:
    """squashfs_copy_cache(): fills what it can lock of the block's pages."""
    for page in _pages(m, file, index):
        if page == key(file.inode.number, index) or m.pages.grab(page):
            m.pages.set(page, UPTODATE)
            m.unlock(page)


def _direct(m: Machine, who: int, file: File, index: int, extent: Extent) -> Step:
    """squashfs_readpage_block() of file_direct.c."""
    own = key(file.inode.number, index)
    grabbed, missing = [], False
    for page in _pages(m, file, index):
        if page != own and not m.pages.grab(page):
            missing = True
        elif page != own and m.pages.has(page, UPTODATE):
            m.unlock(page)
            missing = True
        else:
            grabbed.append(page)
    if missing and not m.era.readahead and m.data is not None:
        # squashfs_read_cache(): before 6.0 the block went through the data cache unless all of its pages could be had.
        entry, error = yield from cache_get(m, who, m.data, extent)
        m.wake(m.data.put(entry))
    else:
        m.direct.note(extent.address)
        error = yield from m.read_data(who, extent)
        m.direct.errors += error != 0
    for page in grabbed:
        if not error:
            m.pages.set(page, UPTODATE)
        if page != own or not error:
            m.unlock(page)
    return error


def _pages(m: Machine, file: File, index: int) -> list[int]:
    """The pages of a page's block, as far as the file goes."""
    each = m.layout.block_size // PAGE
    begin = index // each * each
    end = min(begin + each, -(-file.inode.size // PAGE))
    return [key(file.inode.number, page) for page in range(begin, end)]


def readahead(m: Machine, who: int, file: File, window: Window, first: int, count: int) -> Step:
    """squashfs_readahead(): `count` pages from `first` on are locked; the window is widened to whole blocks, and read.

    Returns the page after the last.
    """
    each = m.layout.block_size // PAGE
    pages = file.inode.number
    start = first // each * each
    # (len | mask) + 1: a window that ends with a block is widened by one more.
    wanted = range(start, start + ((first + count - start) // each + 1) * each)
    first, count = _expand(m, pages, window, wanted, (first, count))
    m.beyond += max(0, first + count - -(-file.inode.size // PAGE))
    at, end = first, first + count
    current = start // each
    file_end = file.inode.size // m.layout.block_size
    tail_bytes = file.inode.size % m.layout.block_size
    while at < end:
        expected = tail_bytes if current == file_end else m.layout.block_size
        # Where a file ends with a block, __readahead_batch() is asked for no page behind it, and gives all.
        batch = range(at, min(end, at + -(-expected // PAGE)) if expected else end)
        at = batch.stop
        block = current if m.era.advances else batch[0] // each
        astray = not m.era.advances and batch[-1] // each != block
        if batch[0] * PAGE >= file.inode.size or astray:
            _release(m, pages, batch)
            break
        if block == m.tail(file):
            error = yield from _readahead_tail(m, who, file, block, batch, expected)
        else:
            error = yield from _readahead_block(m, who, file, block, batch, expected)
        _release(m, pages, batch)
        if error:
            break
        if m.era.advances and block != m.tail(file):
            start += len(batch)
            current = start // each
    _clean(m, pages, window, range(at, end))
    return end


def _expand(m: Machine, number: int, window: Window, wanted: range, has: tuple[int, int]) -> tuple[int, int]:
    """readahead_expand(): adds pages before and behind, until one is there already; it does not care where the file ends."""
    first, count = has
    while first > wanted.start:
        if key(number, first - 1) in m.pages:
            return first, count
        first, count = first - 1, count + 1
        m.pages.add(key(number, first))
    while first + count < wanted.stop:
        if key(number, first + count) in m.pages:
            break
        m.pages.add(key(number, first + count))
        count += 1
        window.size += 1
        window.async_size += 1
    return first, count


def _readahead_block(m: Machine, who: int, file: File, block: int, batch: range, expected: int) -> Step:
    error, extent = yield from _read_blocklist(m, who, file, block)
    if error:
        return error
    if not extent.stored and not extent.error:
        return 1  # a hole: read_folio() fills its pages
    m.direct.note(extent.address)
    error = yield from m.read_data(who, extent)
    m.direct.errors += error != 0
    each = m.layout.block_size // PAGE
    if not error and extent.length == expected and batch[0] // each == batch[-1] // each == block:
        for page in batch:
            m.pages.set(key(file.inode.number, page), UPTODATE)
    return 0


def _readahead_tail(m: Machine, who: int, file: File, block: int, batch: range, expected: int) -> Step:
    """squashfs_readahead_fragment()."""
    extent = m.layout.extent(file, block)
    entry, error = yield from cache_get(m, who, m.fragments, extent)
    m.wake(m.fragments.put(entry))
    if error:
        return error
    each = m.layout.block_size // PAGE
    there = extent.length - m.layout.tail_offset(file)
    for page in batch:
        offset = page % each * PAGE
        # 6.1 takes what lies behind the file's end in the fragment for more of it.
        behind = 0 < min(PAGE, expected - offset) <= there - offset
        if page // each == block if m.era.advances else behind:
            m.pages.set(key(file.inode.number, page), UPTODATE)
    return 0


def _release(m: Machine, number: int, batch: range) -> None:
    for page in batch:
        m.unlock(key(number, page))


def _clean(m: Machine, number: int, window: Window, rest: range) -> None:
    """read_pages(): what ->readahead() left goes again, but for as many pages as were asked for now."""
    for page in rest:
        window.size -= 1
        if window.async_size >= 1:
            window.async_size -= 1
            m.wake(m.pages.remove(key(number, page)))
        else:
            m.unlock(key(number, page))

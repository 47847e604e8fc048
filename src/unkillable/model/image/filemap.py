"""mm/filemap.c and mm/readahead.c: what a read or a page fault asks of the file system."""

from __future__ import annotations

from unkillable.model.image.image import File
from unkillable.model.image.machine import Machine, Step
from unkillable.model.image.pages import PAGE, READAHEAD, UPTODATE, key
from unkillable.model.image.squashread import read_folio, readahead
from unkillable.model.image.window import Window

LOTS = 100
"""MMAP_LOTSAMISS: misses after which a mapping gets no more read-around."""
_MOST_MISSES = LOTS * 10
IO_PAGES = 320
"""bdi->io_pages: a request beyond the window may be as large as the block layer's default for one, 1280 KiB."""
_AROUND = 16
"""Pages that a fault maps at once (fault_around_bytes)."""
_TRIES = 100
"""Faults after which a task gives up on a page that others keep taking away."""


def fault(m: Machine, who: int, file: File, window: Window, index: int, executable: bool = False) -> Step:
    """filemap_fault(), again until the page is there; returns the error (SIGBUS)."""
    page = key(file.inode.number, index)
    quiet = m.era.executable and executable
    for again in range(_TRIES):
        if page not in m.pages:
            yield from _sync_mmap(m, who, file, window, index, executable)
        elif not again:
            if m.pages.has(page, UPTODATE) and not m.pages.has(page, READAHEAD):
                if not quiet:
                    _map_around(m, file, window, index)
                return 0
            if not quiet:
                window.mmap_miss = max(0, window.mmap_miss - 1)
            yield from _async(m, who, file, window, index, m.kernel.readahead_pages)
        error, there = yield from _locked_read(m, who, file, index)
        if error or there:
            if m.era.forgiving:
                _map_around(m, file, window, index)
            return error
    return 0


def _map_around(m: Machine, file: File, window: Window, index: int) -> None:
    """filemap_map_pages(), as far as readahead sees it."""
    if not m.era.forgiving:
        window.mmap_miss = max(0, window.mmap_miss - 1)
        return
    if window.mmap_miss:
        begin = index // _AROUND * _AROUND
        near = (key(file.inode.number, page) for page in range(begin, begin + _AROUND))
        mapped = sum(m.pages.has(page, UPTODATE) for page in near)
        window.mmap_miss = max(0, window.mmap_miss - mapped)


def _locked_read(m: Machine, who: int, file: File, index: int) -> Step:
    """Locks the page, added if it is not there, and fills it if nobody has: its error, and whether it is there."""
    page = key(file.inode.number, index)
    if page not in m.pages:
        m.pages.add(page)
    elif m.pages.has(page, UPTODATE):
        return 0, True
    elif not (yield from m.lock(who, page)):
        return 0, False
    if m.pages.has(page, UPTODATE):
        m.unlock(page)
        return 0, True
    error = yield from read_folio(m, who, file, index)
    return error, m.pages.has(page, UPTODATE)


def _sync_mmap(m: Machine, who: int, file: File, window: Window, index: int, executable: bool) -> Step:
    """do_sync_mmap_readahead()."""
    most = m.kernel.readahead_pages
    if not most:
        return
    quiet = m.era.executable and executable
    if not quiet:
        window.mmap_miss = min(_MOST_MISSES, window.mmap_miss + 1)
        if window.mmap_miss > LOTS:
            return
    window.start = index if quiet else max(0, index - most // 2)
    window.size = most
    window.async_size = 0 if quiet else most // 4
    yield from _do_ra(m, who, file, window, window.start, window.size, window.async_size)


def read(m: Machine, who: int, file: File, window: Window, offset: int, length: int) -> Step:
    """filemap_read(): returns the error."""
    end = min(offset + length, file.inode.size)
    if offset >= end:
        return 0
    last = -(-(offset + length) // PAGE)
    error = 0
    for index in range(offset // PAGE, -(-end // PAGE)):
        error = yield from _read_page(m, who, file, window, index, last - index)
        if error:
            break
        window.prev_pos = min((index + 1) * PAGE, end)
    return error


def _read_page(m: Machine, who: int, file: File, window: Window, index: int, request: int) -> Step:
    page = key(file.inode.number, index)
    for _ in range(_TRIES):
        if page not in m.pages:
            yield from _sync(m, who, file, window, index, request)
        if m.pages.has(page, READAHEAD):
            yield from _async(m, who, file, window, index, request)
        error, there = yield from _locked_read(m, who, file, index)
        if error or there:
            if there:
                m.pages.use(page, min(PAGE, file.inode.size - index * PAGE))
            return error
    return 0


def _most(m: Machine, request: int) -> int:
    """ractl_max_pages()."""
    most = m.kernel.readahead_pages
    return min(request, IO_PAGES) if request > most and most < IO_PAGES else most


def _sync(m: Machine, who: int, file: File, window: Window, index: int, request: int) -> Step:
    """page_cache_sync_ra(): a page is missing."""
    if not m.kernel.readahead_pages:  # force_page_cache_ra() of the one page
        yield from _do_ra(m, who, file, window, index, 1, 0)
        return
    most = _most(m, request)
    if index == 0 or request > most or 0 <= index - (window.prev_pos >> 12) <= 1:
        window.start = index
        window.size = window.initial(request, most)
        rest = window.size - request
        window.async_size = rest if rest > 0 else window.size if m.era.ondemand else window.size >> 1
    else:
        history = _history(m, file, index, most)
        if history <= request:
            yield from _do_ra(m, who, file, window, index, request, 0)
            return
        window.start = index
        window.size = min((history * 2 if history >= index else history) + request, most)
        window.async_size = 1
    yield from _submit(m, who, file, window, index, most)


def _async(m: Machine, who: int, file: File, window: Window, index: int, request: int) -> Step:
    """page_cache_async_ra(): a task has come to the page that readahead marked."""
    page = key(file.inode.number, index)
    if not m.pages.has(page, READAHEAD) or not m.kernel.readahead_pages:
        return
    m.pages.clear(page, READAHEAD)
    most = _most(m, request)
    if m.era.ondemand and index == 0:
        yield from _sync(m, who, file, window, index, request)
        return
    expected = window.start + window.size - window.async_size
    if index == expected or (m.era.ondemand and index == window.start + window.size):
        window.start += window.size
        window.size = max(window.size, window.next(most))
    else:
        start = index + 1
        while start <= index + most and key(file.inode.number, start) in m.pages:
            start += 1
        if start - index > most:
            return
        window.start = start
        window.size = start - index + request
        window.size = window.next(most)
    if m.era.aligned:
        end = window.start + window.size
        if (rounded := end // 4 * 4) > window.start:
            window.size -= end - rounded
    window.async_size = window.size
    yield from _submit(m, who, file, window, index, most)


def _submit(m: Machine, who: int, file: File, window: Window, index: int, most: int) -> Step:
    if m.era.ondemand and index == window.start and window.size == window.async_size:
        more = window.next(most)
        if window.size + more <= most:
            window.async_size = more
            window.size += more
        else:
            window.size = most
            window.async_size = most >> 1
    yield from _do_ra(m, who, file, window, window.start, window.size, window.async_size)


def _history(m: Machine, file: File, index: int, most: int) -> int:
    """count_history_pages(): how many pages before this one are in memory without a gap."""
    count = 0
    while count < most and index - 1 - count >= 0 and key(file.inode.number, index - 1 - count) in m.pages:
        count += 1
    return count


def _do_ra(m: Machine, who: int, file: File, window: Window, index: int, count: int, ahead: int) -> Step:
    """do_page_cache_ra() and page_cache_ra_unbounded()."""
    end = (file.inode.size - 1) // PAGE
    if index > end:
        return
    if count > end - index:
        count = end - index + 1
        ahead = 0 if m.era.aligned else ahead
    mark = index + count - ahead if ahead <= count else -1
    stop, first, at = index + count, index, index
    while at < stop:
        page = key(file.inode.number, at)
        if page in m.pages:
            # What was added so far is read, and may have been widened beyond this page.
            at = (yield from _read_pages(m, who, file, window, first, at - first)) + 1
            first = at
            continue
        m.pages.add(page, READAHEAD if at == mark else 0)
        at += 1
    yield from _read_pages(m, who, file, window, first, at - first)


def _read_pages(m: Machine, who: int, file: File, window: Window, first: int, count: int) -> Step:
    """read_pages(): returns the page after the last that was read."""
    if not count:
        return first
    if m.era.readahead:
        return (yield from readahead(m, who, file, window, first, count))
    for index in range(first, first + count):
        yield from read_folio(m, who, file, index)
    return first + count

"""A trace, replayed on an image: who reads what, and what it costs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from statistics import median

from unkillable.model.blockcache import BlockCache
from unkillable.model.image.accesses import ADDED, DROPPED, FAULT, Access, Trace
from unkillable.model.image.eras import era_of
from unkillable.model.image.filemap import fault, read
from unkillable.model.image.image import File, Image
from unkillable.model.image.layout import Layout
from unkillable.model.image.machine import TURN, Machine, Step, Task
from unkillable.model.image.metadata import SIZE
from unkillable.model.image.pages import LOCKED, PAGE, Pages, key
from unkillable.model.image.squashread import read_folio, read_metadata
from unkillable.model.image.types import CacheReport, Cost, Mount
from unkillable.model.image.window import Window

MOST_PAGES = 1 << 21
"""Pages that are looked at before a replay ends: 8 GiB of reads, some ten seconds."""

_CAT = 128 << 10
"""Bytes of a read where a trace says only that a file was read."""


class Replay:
    """A machine that has replayed a trace, with what it counted."""

    def __init__(self, image: Image, layout: Layout, kernel: Mount, memory_kib: int | None = None) -> None:
        limit = memory_kib * 1024 // PAGE if memory_kib is not None else None
        self.machine = Machine(image, layout, kernel, era_of(kernel.release), Pages(limit))
        self.elsewhere = 0
        self.failed = 0
        self.done = 0
        self.whole = True
        self._costs: list[int] = []
        """Bytes decompressed for each access that had some decompressed."""
        self._left = MOST_PAGES
        self._windows: dict[tuple[str, int], Window] = {}
        self._found: dict[str, File | None] = {}

    def run(self, trace: Trace) -> None:
        """Every task makes its accesses in their order, as fast as it can; tasks take turns."""
        machine = self.machine
        machine.run({0: self._mount()})
        by_task: dict[str, list[Access]] = {}
        for one in trace.accesses:
            by_task.setdefault("" if trace.ordered else one.task, []).append(one)
        machine.run({who: self._task(who, accesses) for who, accesses in enumerate(by_task.values())})
        self.whole &= trace.whole

    def _mount(self) -> Task:
        yield from read_metadata(self.machine, 0, self.machine.image.mount_gets)

    def _task(self, who: int, accesses: Iterable[Access]) -> Task:
        for one in self._parts(accesses):
            if self._left <= 0:
                self.whole = False
                return
            before = self.machine.spent[who]
            error = yield from self._access(who, one)
            self.failed += bool(error)
            if spent := self.machine.spent[who] - before:
                self._costs.append(spent)
            yield TURN

    def _parts(self, accesses: Iterable[Access]) -> Iterator[Access]:
        """Accesses, with files that are read whole as the reads that `cat` makes."""
        for one in accesses:
            if one.length is not None:
                yield one
                continue
            file = self.machine.image.find(one.path or "").file
            size = file.inode.size if file else 0
            for offset in range(0, max(1, size), _CAT):
                yield replace(one, offset=offset, length=_CAT)

    def _access(self, who: int, one: Access) -> Step:
        machine = self.machine
        file = yield from self._open(who, one)
        if file is None:
            self.elsewhere += 1
            return 0
        self.done += one.kind != DROPPED
        index = one.offset // PAGE
        if one.kind in (ADDED, DROPPED):
            return (yield from self._replace(who, file, index, one.kind == ADDED))
        length = min(one.length or 0, file.inode.size - one.offset)
        if length <= 0:  # behind the file's end: the trace is of another version of it
            return 0
        window = self._windows.setdefault((one.task, file.inode.number), Window())
        if one.kind != FAULT:
            length = min(length, max(0, self._left) * PAGE)
            self._left -= length // PAGE + 1
            return (yield from read(machine, who, file, window, one.offset, length))
        for page in range(index, -(-(one.offset + length) // PAGE)):
            self._left -= 1
            if self._left < 0:
                break
            error = yield from fault(machine, who, file, window, page, one.executable)
            if error:
                return error
            if (wanted := key(file.inode.number, page)) in machine.pages:
                machine.pages.use(wanted, min(PAGE, file.inode.size - page * PAGE))
        return 0

    def _open(self, who: int, one: Access) -> Step:
        """The file of an access; a path is looked up, name by name, the first time."""
        if one.path is None:
            return self.machine.image.by_number.get(one.number)
        if one.path in self._found:
            return self._found[one.path]
        found = self.machine.image.find(one.path)
        self._found[one.path] = found.file
        for name, gets in found.steps:
            if name not in self.machine.known:
                self.machine.known.add(name)
                yield from read_metadata(self.machine, who, gets)
        return found.file

    def _replace(self, who: int, file: File, index: int, added: bool) -> Step:
        """Does to the page cache what the traced kernel did; a page that is added is filled with all of its block."""
        machine = self.machine
        page = key(file.inode.number, index)
        if not added:
            if not machine.pages.has(page, LOCKED):
                machine.pages.remove(page)
            return 0
        self._left -= 1
        if page in machine.pages or index * PAGE >= file.inode.size:
            return 0
        machine.pages.add(page)
        return (yield from read_folio(machine, who, file, index))

    @property
    def cost(self) -> Cost:
        costs = self._costs
        if not costs:
            return Cost(0, 0.0, 0, 0)
        return Cost(len(costs), sum(costs) / len(costs), round(median(costs)), max(costs))

    @property
    def caches(self) -> tuple[CacheReport, ...]:
        machine = self.machine
        block = machine.layout.block_size
        rows = [_row(machine.metadata, SIZE), _row(machine.fragments, block)]
        if machine.data is not None and machine.data.counts.lookups:
            rows.append(_row(machine.data, block))
        direct = machine.direct
        rows.append(
            CacheReport("page cache", 0, 0, 0, 0, direct.fills, direct.refills, 0, 0, 0, direct.errors)
        )
        return tuple(rows)


def _row(cache: BlockCache, size: int) -> CacheReport:
    counts = cache.counts
    return CacheReport(
        cache.name, len(cache.entry), size, counts.lookups, counts.hits, counts.fills, counts.refills,
        counts.evictions, counts.entry_waits, counts.shared, counts.errors,
    )  # fmt: skip

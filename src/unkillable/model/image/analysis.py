"""From an image and a trace to what a page fault costs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import msgspec

from unkillable.errors import UserError
from unkillable.model.image import traces
from unkillable.model.image.accesses import FAULT, Access, Trace
from unkillable.model.image.eras import kernel_of
from unkillable.model.image.image import File, Image
from unkillable.model.image.layout import Layout, Planned, layout_of
from unkillable.model.image.metadata import Damaged
from unkillable.model.image.pages import PAGE
from unkillable.model.image.replay import Replay
from unkillable.model.image.trace_ftrace import NOTE_ADDED
from unkillable.model.image.types import Cold, ImageReport, Mount, TraceFacts
from unkillable.model.image.types import Layout as LayoutFacts

COLD_PAGES = 500
"""Pages, spread evenly over the image, on which a fault is tried with nothing in memory."""


DEFAULT = "6.1"
"""Kernel release, if none is said."""


class Options(msgspec.Struct, frozen=True):
    """What is asked, beside the image and the trace."""

    release: str = DEFAULT
    file: str = "direct"
    decompressors: str = "percpu"
    cpus: int = 2
    entries: int = 3
    """Of the fragment cache."""
    block_size: int | None = None
    """Bytes; none is the image's own."""
    memory_kib: int | None = None
    """Limit of the page cache; none is no limit."""
    readahead_kib: int = 128
    mounted_at: str = "/"
    device: str | None = None
    """MAJOR:MINOR of the image in a trace of ftrace."""


def examine(path: str, source: str, options: Options, tool: str) -> ImageReport:
    """Replays a trace (`every`, `-`, or a file) on an image.  UserError for one that cannot be used."""
    check(options)
    with Image(path) as image:
        trace = traces.every(one.path for one in image.files) if source == traces.EVERY else None
        trace = trace or _below(traces.load(source, options.device), options.mounted_at)
        layout = layout_of(image, options.block_size)
        fragments = layout.fragments if isinstance(layout, Planned) else len(image.fragments)
        kernel = kernel_of(
            options.release, options.file, options.decompressors, options.cpus, options.entries,
            options.readahead_kib, fragments,
        )  # fmt: skip
        replay = Replay(image, layout, kernel, options.memory_kib)
        replay.run(trace)
        if not replay.done:
            raise UserError(_nothing(trace, path, options))
        return _report(replay, trace, cold(image, layout, kernel), options, tool)


def check(options: Options) -> None:
    """Complains about what no kernel or no image has."""
    size = options.block_size
    if size is not None and (size & (size - 1) or not PAGE <= size <= 1 << 20):
        raise UserError(f"--block-size {size}: squashfs has powers of two from 4 KiB to 1 MiB")
    if options.memory_kib is not None and options.memory_kib < 64:
        raise UserError(f"--memory {options.memory_kib}: at least 64 KiB, sixteen pages")
    if not options.mounted_at.startswith("/"):
        raise UserError(f"--mounted-at {options.mounted_at}: a path that begins with /")


def _below(trace: Trace, mount: str) -> Trace:
    """Paths of the device as paths of the image."""
    prefix = mount.rstrip("/") + "/"
    if prefix != "/":
        trace.accesses = [replace(one, path=_inside(one.path, prefix)) for one in trace.accesses]
    return trace


def _inside(path: str | None, prefix: str) -> str | None:
    # A path that leads nowhere, where it is not on the image; none at all would be an access by inode number.
    return path if path is None else "/" + path.removeprefix(prefix) if path.startswith(prefix) else "//"


def _nothing(trace: Trace, path: str, options: Options) -> str:
    first: Access = trace.accesses[0]
    named = first.path or f"inode {first.number}"
    return (
        f"{trace.source}: none of its {len(trace.accesses)} accesses is of a file on {path} (the first is {named});"
        f" is it mounted at {options.mounted_at}?"
    )


def cold(image: Image, layout: Layout, kernel: Mount) -> Cold:
    """A fault on pages all over the image that are no holes, each time with nothing in memory."""
    pages = sum(len(some) for file in image.files for some in _data(layout, file))
    if not pages:
        return Cold(0, 0.0, 0)
    count = min(COLD_PAGES, pages)
    wanted = ((2 * n + 1) * pages // (2 * count) for n in range(count))
    spent = [_cold_fault(image, layout, kernel, file, page) for file, page in _places(image, layout, wanted)]
    return Cold(count, sum(spent) / count, max(spent))


def _data(layout: Layout, file: File) -> Iterator[range]:
    """The pages of a file that hold data, block by block."""
    each, end = layout.block_size // PAGE, -(-file.inode.size // PAGE)
    try:
        for index in layout.data_blocks(file):
            yield range(index * each, min((index + 1) * each, end))
    except Damaged:
        return


def _places(image: Image, layout: Layout, wanted: Iterator[int]) -> Iterator[tuple[File, int]]:
    """The file and page of each of these, counted over all pages that hold data; they are in order."""
    at, before = next(wanted, None), 0
    for file in image.files:
        for some in _data(layout, file):
            while at is not None and at < before + len(some):
                yield file, some[at - before]
                at = next(wanted, None)
            before += len(some)


def _cold_fault(image: Image, layout: Layout, kernel: Mount, file: File, page: int) -> int:
    """Bytes that a fault has decompressed."""
    replay = Replay(image, layout, kernel)
    replay.run(Trace("", "", accesses=[Access("", FAULT, None, file.inode.number, page * PAGE, 1)]))
    return replay.machine.data_bytes


def _report(replay: Replay, trace: Trace, cold_fault: Cold, options: Options, tool: str) -> ImageReport:
    machine = replay.machine
    image, pages = machine.image, machine.pages
    layout = machine.layout
    return ImageReport(
        tool=tool,
        image=LayoutFacts(
            path=image.path,
            compressor=image.info.compressor,
            block_size=layout.block_size,
            planned=isinstance(layout, Planned),
            files=len(image.files),
            bytes=sum(one.inode.size for one in image.files),
            bytes_used=image.info.bytes_used,
            fragments=layout.fragments if isinstance(layout, Planned) else len(image.fragments),
            findings=tuple(image.findings),
        ),
        kernel=machine.kernel,
        memory_kib=options.memory_kib,
        trace=TraceFacts(
            source=trace.source,
            format=trace.format,
            accesses=replay.done,
            tasks=len({one.task for one in trace.accesses}),
            skipped=trace.skipped,
            elsewhere=replay.elsewhere,
            failed=replay.failed,
            whole=replay.whole,
            notes=tuple(trace.notes),
        ),
        cold=cold_fault,
        cost=replay.cost,
        caches=replay.caches,
        data_bytes=machine.data_bytes,
        metadata_bytes=machine.metadata_bytes,
        disk_bytes=machine.disk_bytes,
        added_bytes=pages.added * PAGE,
        wanted_bytes=None if NOTE_ADDED in trace.notes else pages.used_bytes,
        beyond_bytes=machine.beyond * PAGE,
        evicted_bytes=pages.evicted * PAGE,
        page_waits=machine.page_waits,
        decompressor_waits=machine.stream_waits,
    )

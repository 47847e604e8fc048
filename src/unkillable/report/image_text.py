"""What a page fault costs on an image, as text: the first line is the answer."""

from __future__ import annotations

from collections.abc import Sequence

from unkillable.model.image.pages import PAGE
from unkillable.model.image.types import CacheReport, ImageReport
from unkillable.report.plain import clean, count, width, wrap
from unkillable.report.text import Style, plain_style

__all__ = ["headline", "render"]

_KIB = 1024
_NAMES = 2
"""Columns that are words."""
_HEAD = ("", "entries", "asked", "found", "decompressed", "again", "thrown out", "no entry", "being filled")
_DECOMPRESSORS = {"single": "DECOMP_SINGLE", "multi": "DECOMP_MULTI", "percpu": "DECOMP_MULTI_PERCPU"}
_WORDS = {
    "every": "every file read once",
    "ftrace": "events of ftrace",
    "strace": "calls of strace",
    "list": "a list",
}


def render(report: ImageReport, paint: Style = plain_style, columns: int | None = None) -> str:
    """The whole report."""
    wide = columns or width()
    parts = [
        [paint("headline-unsure", clean(headline(report)))],
        _facts(report, wide),
        [paint("head", "Blocks"), *_table(report.caches), *_legend(report.caches, wide)],
        [paint("head", "Bytes"), *_bytes(report, wide)],
        [paint("head", "Waits of one task for another"), *_waits(report, wide)],
        _bullets("Faults of the image", report.image.findings, wide, paint),
        _bullets("What this does not show", _limits(report), wide, paint),
    ]
    return "\n\n".join("\n".join(part) for part in parts if part) + "\n"


def headline(report: ImageReport) -> str:
    """The answer in a line."""
    cost, cold = report.cost, report.cold
    where = f"in blocks of {_size(report.image.block_size)}" if report.image.planned else "on this image"
    if report.trace.format == "every" or not cost.misses:
        if not cold.pages:
            return "There is no page to fault on: the image has no file with anything in it"
        return (
            f"A page fault of 4 KiB reads and decompresses {_size(cold.decompressed_mean)} {where}"
            f" (mean of {cold.pages:,} pages, with nothing in memory)"
        )
    times = "once" if cost.misses == 1 else f"mean of {cost.misses:,} times"
    return f"For a page that is not in memory, {_size(cost.decompressed_mean)} are decompressed {where} ({times})"


def _facts(report: ImageReport, wide: int) -> list[str]:
    image, kernel, trace, cold, cost = report.image, report.kernel, report.trace, report.cold, report.cost
    size = f"{_size(image.block_size)}{', computed' if image.planned else ''}"
    readahead = _size(kernel.readahead_pages * PAGE)
    rows = {
        "image": f"{image.path}: {image.compressor}, {count(image.files, 'file')}, {_size(image.bytes)},"
        f" on disk {_size(image.bytes_used)}",
        "blocks": f"{size}; {count(image.fragments, 'fragment')}",
        "kernel": f"{kernel.release}, FILE_{kernel.file.upper()}, {_DECOMPRESSORS[kernel.decompressors]}"
        f" on {count(kernel.cpus, 'processor')}, readahead of {readahead}",
        "memory": "a page once read stays",
        "trace": f"{_source(report)}: {_accesses(trace.accesses)}",
        "cold": f"a fault with nothing in memory takes {_size(cold.decompressed_mean)}, {_size(cold.decompressed_most)} at most",
        "a miss": "there was none",
    }
    if report.memory_kib is not None:
        rows["memory"] = f"a page cache of {_size(report.memory_kib * _KIB)}"
    if trace.tasks > 1:
        rows["trace"] += f" of {trace.tasks:,} tasks"
    if cost.misses:
        rows["a miss"] = (
            f"half of them take {_size(cost.decompressed_median)} or less, the largest {_size(cost.decompressed_most)}"
        )
    return [line for name, text in rows.items() for line in wrap(clean(text), " " * 9, wide, f"{name:<9}")]


def _source(report: ImageReport) -> str:
    trace = report.trace
    words = _WORDS[trace.format]
    return words if trace.format == "every" else f"{trace.source}, {words}"


def _table(caches: Sequence[CacheReport]) -> list[str]:
    rows = [_HEAD, *map(_row, caches)]
    widths = [max(len(row[n]) for row in rows) for n in range(len(_HEAD))]
    return ["  ".join(map(_cell, range(len(row)), row, widths)).rstrip() for row in rows]


def _cell(column: int, text: str, size: int) -> str:
    return text.ljust(size) if column < _NAMES else text.rjust(size)


def _row(cache: CacheReport) -> tuple[str, ...]:
    if not cache.entry_bytes:
        return ("page cache", "-", "-", "-", f"{cache.fills:,}", f"{cache.refills:,}", "-", "-", "-")
    counts = (
        cache.lookups, cache.hits, cache.fills, cache.refills, cache.evictions, cache.entry_waits, cache.fill_waits,
    )  # fmt: skip
    return (cache.name, f"{cache.entries} of {_size(cache.entry_bytes)}", *(f"{one:,}" for one in counts))


def _legend(caches: Sequence[CacheReport], wide: int) -> list[str]:
    text = (
        "page cache: blocks that go right into it. again: blocks that had been decompressed before. no entry, being filled:"
        " the two waits of squashfs_cache_get()."
    )
    errors = sum(one.errors for one in caches)
    return wrap(text + (f" {count(errors, 'error')}." if errors else ""), "", wide)


def _bytes(report: ImageReport, wide: int) -> list[str]:
    ratio = report.per_wanted
    wanted = f", {ratio:.2f} for each byte wanted" if ratio is not None else ""
    used = f"; {_size(report.wanted_bytes)} of that were wanted" if report.wanted_bytes is not None else ""
    beyond = f"; {_size(report.beyond_bytes)} lie behind the ends of files" if report.beyond_bytes else ""
    gone = f"; {_size(report.evicted_bytes)} went to make room" if report.memory_kib is not None else ""
    about = "about " if report.image.planned else ""
    rows = (
        f"decompressed: {_size(report.data_bytes)} of data{wanted}; {_size(report.metadata_bytes)} of metadata",
        f"read from the disk: {about}{_size(report.disk_bytes)}",
        f"put into the page cache: {_size(report.added_bytes)}{used}{beyond}{gone}",
    )
    return [line for row in rows for line in wrap(row, "    ", wide, "  ")]


def _waits(report: ImageReport, wide: int) -> list[str]:
    if report.trace.tasks < 2:
        return ["  none: the trace has one task"]
    rows = (
        ("for an entry of a cache that is free", sum(one.entry_waits for one in report.caches)),
        ("for another task's fill of the same block", sum(one.fill_waits for one in report.caches)),
        ("for a page that another task has locked", report.page_waits),
        ("for a decompressor", report.decompressor_waits),
    )
    return [line for text, count in rows for line in wrap(f"{count:,} {text}", "    ", wide, "  ")]


def _limits(report: ImageReport) -> list[str]:
    trace = report.trace
    found = list(trace.notes)
    if trace.skipped:
        found.append(f"{count(trace.skipped, 'line')} of the trace could not be used")
    if trace.elsewhere:
        found.append(f"{_accesses(trace.elsewhere)} of files that are not on the image")
    if trace.failed:
        found.append(f"{_accesses(trace.failed)} ended in an error: a block lies outside of the image")
    if not trace.whole:
        found.append("the trace is longer than what is replayed: this is its beginning")
    if report.image.planned:
        found.append(
            "how well blocks of another size compress: what they take on disk is taken from the image as it is"
        )
    return found


def _bullets(title: str, texts: Sequence[str], wide: int, paint: Style) -> list[str]:
    if not texts:
        return []
    return [paint("head", title), *(line for text in texts for line in wrap(clean(text), "    ", wide, "  "))]


def _accesses(number: int) -> str:
    return f"{number:,} {'access' if number == 1 else 'accesses'}"


def _size(size: float) -> str:
    """Bytes, in the unit that leaves three digits at most."""
    if size < _KIB:
        return f"{size:.0f} bytes"
    for unit in ("KiB", "MiB", "GiB"):
        size /= _KIB
        if size < 1000 or unit == "GiB":
            break
    return f"{size:.0f} {unit}" if size >= 100 or size == int(size) else f"{size:.1f} {unit}"

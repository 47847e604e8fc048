"""What is found out about an image: immutable, and what the JSON is."""

from __future__ import annotations

import msgspec

FILES = ("direct", "cache")
DECOMPRESSORS = ("single", "multi", "percpu")
FORMATS = ("every", "ftrace", "strace", "list")


class Mount(msgspec.Struct, frozen=True):
    """How a kernel reads an image: its release, its configuration, its machine."""

    release: str
    file: str
    """`direct` or `cache`: CONFIG_SQUASHFS_FILE_DIRECT, CONFIG_SQUASHFS_FILE_CACHE."""
    decompressors: str
    """`single`, `multi` or `percpu`: CONFIG_SQUASHFS_DECOMP_*."""
    cpus: int
    metadata_entries: int
    """Of 8 KiB each."""
    fragment_entries: int
    """CONFIG_SQUASHFS_FRAGMENT_CACHE_SIZE, of a block each; 0 for an image without fragments."""
    data_entries: int
    """Of a block each; 0 where files are read past the cache."""
    streams: int
    """Blocks that can be decompressed at the same time."""
    readahead_pages: int
    """read_ahead_kb of the disk, in pages of 4 KiB."""


class Layout(msgspec.Struct, frozen=True):
    """The image, and how its files lie in blocks."""

    path: str
    compressor: str
    block_size: int
    """Bytes: the image's own, or that of --block-size."""
    planned: bool
    """Whether the blocks were computed for another size than the image has; what they take on disk is estimated then."""
    files: int
    bytes: int
    """Of all files, holes included."""
    bytes_used: int
    """Of the image on disk, as it is."""
    fragments: int
    findings: tuple[str, ...]
    """Faults of the image."""


class TraceFacts(msgspec.Struct, frozen=True):
    """What asked for pages."""

    source: str
    """File name, `-`, or `every`."""
    format: str
    accesses: int
    """Reads, faults and pages added that were replayed."""
    tasks: int
    skipped: int
    """Lines that could not be read, or do not say which file or where."""
    elsewhere: int
    """Accesses of files that are not on the image."""
    failed: int
    """Accesses that ended in an error of the file system."""
    whole: bool
    """Whether all of it was replayed."""
    notes: tuple[str, ...]
    """What a trace of this kind cannot show."""


class Cold(msgspec.Struct, frozen=True):
    """A fault on pages all over the image that hold data, each as likely as the others, with nothing in memory."""

    pages: int
    decompressed_mean: float
    """Bytes of data blocks and fragments."""
    decompressed_most: int


class Cost(msgspec.Struct, frozen=True):
    """What the accesses of the trace cost that had to read something."""

    misses: int
    """Accesses for which a data block or a fragment was decompressed."""
    decompressed_mean: float
    """Bytes for one of them, of data blocks and fragments."""
    decompressed_median: int
    decompressed_most: int


class CacheReport(msgspec.Struct, frozen=True):
    """One cache of the mount, or the way past them."""

    name: str
    """`metadata`, `fragment`, `data`, or `page cache` for blocks that are decompressed right into it."""
    entries: int
    entry_bytes: int
    lookups: int
    """squashfs_cache_get() calls."""
    hits: int
    fills: int
    """Blocks read and decompressed."""
    refills: int
    """Of these, blocks that had been decompressed before."""
    evictions: int
    """Fills that took another block's entry."""
    entry_waits: int
    """Sleeps for want of an unused entry: the first wait of squashfs_cache_get()."""
    fill_waits: int
    """Sleeps for another task's fill of the same block: the second wait."""
    errors: int


class ImageReport(msgspec.Struct, frozen=True):
    """What a page fault costs on an image."""

    tool: str
    image: Layout
    kernel: Mount
    memory_kib: int | None
    """Limit of the page cache; none: a page once read stays."""
    trace: TraceFacts
    cold: Cold
    cost: Cost
    caches: tuple[CacheReport, ...]
    data_bytes: int
    """Data blocks and fragments, decompressed."""
    metadata_bytes: int
    """Metadata, decompressed."""
    disk_bytes: int
    """Read from the disk."""
    added_bytes: int
    """Pages put into the page cache, those behind the ends of files included."""
    wanted_bytes: int | None
    """Of these pages, what accesses wanted before they went, each page once; null where the trace does not say."""
    beyond_bytes: int
    """Of these pages, those behind the ends of files: squashfs_readahead() adds them and has nothing to put into them."""
    evicted_bytes: int
    """Pages that went for the limit's sake."""
    page_waits: int
    """Sleeps for a page that another task had locked."""
    decompressor_waits: int
    """Sleeps for want of a decompressor."""
    schema: str = "unkillable.explain-image/1"

    @property
    def per_wanted(self) -> float | None:
        """Bytes decompressed for each byte wanted."""
        return self.data_bytes / self.wanted_bytes if self.wanted_bytes else None

"""What differs between kernels in how a page of a squashfs file gets into memory.

Read from the sources of 5.10, 6.1, 6.12, 7.2 and 7.3.  Where a change came between two of these, the row says the earliest
release that can have it.
"""

from __future__ import annotations

from dataclasses import dataclass

from unkillable.errors import UserError
from unkillable.model.image.pages import PAGE
from unkillable.model.image.types import Mount
from unkillable.versions import within


@dataclass(frozen=True, slots=True)
class Era:
    readahead: bool = False
    """squashfs_readahead() reads whole blocks at once (6.0); before, readahead called squashfs_readpage() for every page, and
    all but the first went through the data cache."""
    advances: bool = False
    """squashfs_readahead() knows which block it is at; that of 6.1 takes the first one's length for all, so that the end of a
    file is decompressed and not taken."""
    ondemand: bool = True
    """mm/readahead.c decides in ondemand_readahead() for both a miss and a marked page."""
    aligned: bool = False
    """Readahead that a marked page starts ends at a multiple of four pages, and no page is marked at a file's end."""
    executable: bool = False
    """A fault in a mapping that can be executed reads on from its page instead of around it."""
    forgiving: bool = True
    """Mapping the pages around a fault takes back what misses were counted against readahead (mmap_miss), one per page."""
    keyed: bool = False
    """Sleepers for a cache entry are woken one at a time."""
    data_entries: bool = True
    """The data cache has entries also if files are read directly."""


_ROWS = (
    ("0", Era()),
    ("6.0", Era(readahead=True)),
    ("6.2", Era(readahead=True, advances=True, ondemand=False)),
    (
        "6.13",
        Era(
            readahead=True, advances=True, ondemand=False, aligned=True, executable=True, forgiving=False, data_entries=False,
        ),
    ),
    (
        "7.3",
        Era(
            readahead=True, advances=True, ondemand=False, aligned=True, executable=True, forgiving=False, data_entries=False,
            keyed=True,
        ),
    ),
)  # fmt: skip
METADATA_ENTRIES = 8
"""SQUASHFS_CACHED_BLKS."""
OLDEST = "5.8"
"""Before, page cache and readahead were other code, which was not read for this."""


def era_of(release: str) -> Era:
    """The era of a kernel release such as 6.1 or 6.1.192."""
    return [era for since, era in _ROWS if within(release, since, None)][-1]


def kernel_of(
    release: str, file: str, decompressors: str, cpus: int, entries: int, readahead_kib: int, fragments: int
) -> Mount:
    """How a kernel of a release, configured so, mounts an image of so many fragments."""
    if not within(release, OLDEST, None):
        raise UserError(f"--era {release}: what is replayed here is {OLDEST} or later")
    era = era_of(release)
    at_once = {"single": 1, "multi": 2 * cpus, "percpu": cpus}[decompressors]  # max_decompressors()
    few = min(entries, fragments) if not era.data_entries else entries
    return Mount(
        release=release,
        file=file,
        decompressors=decompressors,
        cpus=cpus,
        metadata_entries=METADATA_ENTRIES,
        fragment_entries=few if fragments else 0,
        data_entries=at_once if file == "cache" or era.data_entries else 0,
        streams=at_once,
        readahead_pages=readahead_kib * 1024 // PAGE,
    )

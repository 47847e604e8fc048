"""What is typed in: the tables agree with each other, and say nothing that the catalogues say."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import pytest

from unkillable.versions import within
from unkillable.waits import catalogue, states
from unkillable.waits.bundled import bundled
from unkillable.waits.catalogue import Catalogue, Frames, Internal, Site, load
from unkillable.waits.contexts import CONTEXTS
from unkillable.waits.known import Known

GENERAL = {"network-server", "cluster-lock", "futex", "stopped", "event"}
"""These stand for many unlike waits, and cite none."""


def test_keys() -> None:
    tables = load()
    keys = {row.key for row in tables.resources}
    assert {row.resource for row in tables.sites} <= keys
    assert {need for row in tables.resources for need in row.needs} <= keys
    rows: list[Site | Internal | Frames] = [*tables.sites, *tables.internals, *tables.frames]
    assert {row.state for row in rows} <= {
        *states.WAKES_ON_SIGKILL, "caller", None,
    }  # fmt: skip
    layers: list[Internal | Frames] = [*tables.frames, *tables.internals]
    assert {row.layer for row in layers} == {
        "dump", "interrupt", "tracing", "preempted", "helper", "scheduler", "wait",
    }  # fmt: skip
    assert {row.key for row in tables.resources if not row.cite} <= GENERAL
    assert all(context.cite for context in CONTEXTS)


def test_every_kind_of_primitive_has_a_word() -> None:
    tables = load()
    for kind in ("lock", "queue", "completion", "page", "io", "time", "other"):
        assert tables.resource(tables.by_kind.first(kind)) is not None


OLD = {"mm_struct.mmap_sem", "mm_struct.mmap_lock", "inode.i_mutex"}
"""What catalogues of vendors' older trees have, where these locks are taken without a function of their own."""


def test_every_member_that_is_named_occurs() -> None:
    """A word for a structure that no kernel has is a word for nothing."""
    several, tables = bundled(), load()
    there = {
        sleep.resource
        for number in (1, len(several.kernels) - 1)
        for _, function in several.functions(number)
        for one in function.definitions
        for sleep in one.sleeps
        if sleep.resource
    }
    named = {member for row in tables.resources for member in row.members}
    used = catalogue.Names((member, member) for member in named)
    assert named - {member for each in there for member in used.get(each)} == OLD


def alone(tables: Catalogue) -> list[Known]:
    """What each bundled kernel says by itself, with the words and nothing else that is typed in."""
    words = Catalogue((), (), (), tables.resources, tables.entries)
    several = bundled()
    return [Known(words, ((several, number),), version) for number, version in enumerate(several.kernels)]


def needless(tables: Catalogue) -> Iterator[str]:
    """Rows of which every catalogue of their kernels says the same; one row of a kernel that has no catalogue is none of them."""
    kernels = alone(tables)
    for row in (*tables.internals, *(one for _, ones in tables.by_frame.exact.items() for one in ones)):
        here = [one for one in kernels if within(one.version, row.since, row.until)]
        said = [one.internal(row.name) for one in here]
        if here and all(
            one is not None and _asleep(one) == _asleep(row) and one.state == row.state for one in said
        ):
            yield row.name
    for site in tables.sites:
        here = [one for one in kernels if within(one.version, site.since, site.until)]
        if here and all(any(_same(site, one) for one in kernel.sites(site.function)) for kernel in here):
            yield site.function
        if not here and all(
            any(_same(site, one) for one in kernel.sites(site.function)) for kernel in kernels
        ):
            yield site.function


def _asleep(row: Internal) -> bool:
    return row.layer in ("scheduler", "wait")


def _same(typed: Site, made: Site) -> bool:
    return (typed.primitive, typed.state) == (made.primitive, made.state) and typed.resource in (
        None,
        made.resource,
    )


def test_nothing_is_typed_in_that_every_catalogue_says() -> None:
    assert sorted(set(needless(load()))) == []


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (Site("squashfs_cache_get", "squashfs-cache-entry", states.UNINTERRUPTIBLE), False),
        (Site("get_decomp_stream", "squashfs-decompressor", states.UNINTERRUPTIBLE, "wait_event"), True),
        (Site("get_decomp_stream", "squashfs-decompressor", states.KILLABLE, "wait_event"), False),
        (
            Site(
                "get_decomp_stream",
                "squashfs-decompressor",
                states.UNINTERRUPTIBLE,
                "wait_event",
                until="5.0",
            ),
            True,
        ),
        (Internal("__mutex_lock_slowpath", "wait", "mutex_lock", states.UNINTERRUPTIBLE), True),
        (Internal("__mutex_lock_slowpath", "wait", "mutex_lock", states.KILLABLE), False),
    ],
)
def test_what_is_needless(row: Site | Internal, expected: bool) -> None:
    tables = load()
    internals = (row,) if isinstance(row, Internal) else ()
    sites = (row,) if isinstance(row, Site) else ()
    only = Catalogue((), internals, sites, tables.resources, tables.entries)
    assert bool(list(needless(only))) is expected


def test_rows_name_what_they_change() -> None:
    """A row of history is of kernels before the oldest catalogue, and says until when."""
    oldest = bundled().kernels[0]
    rows: list[Site | Internal] = [*load().sites, *load().internals]
    for row in rows:
        assert row.until, msgspec.structs.asdict(row)
        assert not within(oldest, row.since, row.until) or row.until <= "5.16", row

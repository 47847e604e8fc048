"""Replays: what several tasks do to each other, what little memory does, and that nothing is left locked."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.model import sample
from tests.model.recorded import FOLDER
from unkillable.errors import UserError
from unkillable.model.image import replay as room
from unkillable.model.image.accesses import ADDED, DROPPED, FAULT, READ, Access, Trace
from unkillable.model.image.analysis import Options, examine
from unkillable.model.image.eras import kernel_of
from unkillable.model.image.image import Image
from unkillable.model.image.layout import layout_of
from unkillable.model.image.machine import Machine
from unkillable.model.image.pages import LOCKED
from unkillable.model.image.replay import Replay

RELEASES = ("5.10", "6.1", "6.12", "7.2", "7.3")


@pytest.fixture(scope="module")
def image() -> Iterator[Image]:
    with Image(sample.IMAGE) as opened:
        yield opened


def replayed(
    image: Image,
    accesses: list[Access],
    release: str = "6.12",
    file: str = "direct",
    decompressors: str = "percpu",
    cpus: int = 2,
    entries: int = 3,
    block_size: int | None = None,
    memory_kib: int | None = None,
) -> Replay:
    kernel = kernel_of(release, file, decompressors, cpus, entries, 128, len(image.fragments))
    made = Replay(image, layout_of(image, block_size), kernel, memory_kib)
    made.run(Trace("test", "list", accesses=accesses))
    return made


def settled(machine: Machine) -> None:
    """Every lock and every entry is given back."""
    for cache in (machine.metadata, machine.fragments, machine.data):
        if cache is not None:
            assert cache.unused == len(cache.entry)
            assert cache.num_waiters == 0
            assert not any(one.refcount or one.pending or one.waiters for one in cache.entry)
    assert not any(flags & LOCKED for flags in machine.pages._flags.values())
    assert machine.streams == machine.kernel.streams


def touch(path: str, page: int, task: str = "") -> Access:
    return Access(task, FAULT, path, 0, page * 4096, 1)


def test_a_fault_in_the_middle_reads_two_blocks_and_the_next_none(image: Image) -> None:
    """16 pages before and 16 behind, widened to whole blocks of 32 pages."""
    one = replayed(image, [touch("/usr/lib/libbig.so", 70)])
    assert (one.machine.data_bytes, one.cost.misses) == (2 * 131072, 1)
    two = replayed(image, [touch("/usr/lib/libbig.so", page) for page in (70, 71, 40, 90)])
    assert (two.machine.data_bytes, two.cost.misses) == (2 * 131072, 1)


def test_before_6_0_all_but_the_first_page_go_through_the_data_cache(image: Image) -> None:
    old = replayed(image, [touch("/usr/lib/libbig.so", 70)], "5.10", "cache", "single")
    assert old.machine.data is not None
    counts = old.machine.data.counts
    assert (counts.lookups, counts.fills, counts.hits) == (32, 2, 30), "32 pages of readahead, two blocks"


def test_tasks_with_one_entry_wait_for_each_other(image: Image) -> None:
    """CONFIG_SQUASHFS_DECOMP_SINGLE and FILE_CACHE: everybody needs the one entry of the data cache."""
    accesses = [touch("/usr/lib/libbig.so", 96 * n + 16, f"task{n}") for n in range(3)]
    few = replayed(image, accesses, "5.10", "cache", "single").machine
    many = replayed(image, accesses, "5.10", "cache", "percpu", cpus=8).machine
    assert few.data is not None
    assert many.data is not None
    assert few.data.counts.entry_waits == 2
    assert many.data.counts.entry_waits == 0
    settled(few)


def test_two_tasks_on_one_block_share_its_fill(image: Image) -> None:
    names = ["/etc/conf.d/000", "/etc/conf.d/001", "/etc/conf.d/002"]
    accesses = [touch(name, 0, name) for name in names]
    machine = replayed(image, accesses).machine
    assert (machine.fragments.counts.fills, machine.fragments.counts.shared) == (1, 2)


def test_two_tasks_on_one_page_wait_for_its_lock(image: Image) -> None:
    machine = replayed(image, [touch("/usr/lib/libc.so", 3, task) for task in ("a", "b", "c")]).machine
    assert machine.page_waits == 2
    assert machine.direct.fills == 2


def test_one_decompressor_is_waited_for(image: Image) -> None:
    accesses = [touch(f"/usr/share/data{n}", 0, f"task{n}") for n in range(4)]
    assert replayed(image, accesses, decompressors="single").machine.stream_waits > 0
    assert replayed(image, accesses, decompressors="percpu", cpus=8).machine.stream_waits == 0


def test_little_memory_makes_blocks_be_read_again(image: Image) -> None:
    pages = [touch("/usr/lib/libbig.so", page) for page in (0, 100, 200, 300)] * 5
    rich, poor = replayed(image, pages), replayed(image, pages, memory_kib=256)
    assert rich.machine.direct.refills == 0
    assert poor.machine.direct.refills > 20
    assert poor.machine.data_bytes > 4 * rich.machine.data_bytes
    assert poor.machine.pages.evicted > 0
    settled(poor.machine)


def test_the_fragment_cache_may_be_too_small(image: Image) -> None:
    # Six fragments in turn; what was read of a file stays in memory, so that each file is another.
    accesses = [
        Access("", READ, f"/etc/conf.d/{n:03}", 0, 0, 4096) for k in range(3) for n in range(k, 60, 8)
    ]
    small, large = replayed(image, accesses, entries=3), replayed(image, accesses, entries=8)
    assert small.machine.fragments.counts.refills > 0
    assert large.machine.fragments.counts.refills == 0


def test_smaller_blocks_cost_less_per_fault(image: Image) -> None:
    cost = {
        size: replayed(image, [touch("/usr/lib/libbig.so", 200)], block_size=size).cost.decompressed_mean
        for size in (4096, 65536, 131072, 1 << 20)
    }
    assert list(cost.values()) == sorted(cost.values())
    assert cost[4096] <= 33 * 4096, "as far as readahead goes"
    assert cost[1 << 20] == 1 << 20


def test_pages_that_a_kernel_added_and_dropped(image: Image) -> None:
    libc = image.find("/usr/lib/libc.so").file
    assert libc is not None
    number = libc.inode.number
    block = [Access("a", ADDED, None, number, page * 4096) for page in range(32)]
    gone = [Access("kswapd", DROPPED, None, number, page * 4096) for page in range(32)]
    once = replayed(image, block)
    assert (once.machine.direct.fills, once.done) == (1, 32)
    again = replayed(image, [*block, *gone, *block]).machine
    assert (again.direct.fills, again.direct.refills) == (2, 1)


def test_what_is_not_on_the_image_is_left_out(image: Image) -> None:
    made = replayed(
        image, [touch("/nowhere", 0), Access("", FAULT, None, 99_999, 0, 1), touch("/usr/bin/tool", 99_999)]
    )
    assert (made.elsewhere, made.done, made.failed) == (2, 1, 0)


def test_the_same_twice_is_the_same() -> None:
    trace = str(FOLDER / "list.txt")
    reports = [examine(str(sample.IMAGE), trace, Options(), "test") for _ in range(2)]
    assert msgspec.json.encode(reports[0]) == msgspec.json.encode(reports[1])


def test_a_replay_ends(image: Image, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "MOST_PAGES", 100)
    made = replayed(image, [Access("", READ, "/usr/share/sparse", length=None), touch("/usr/bin/tool", 0)])
    assert not made.whole
    assert made.machine.pages.added < 1000
    settled(made.machine)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (Options(block_size=5000), "powers of two from 4 KiB to 1 MiB"),
        (Options(block_size=2 << 20), "powers of two from 4 KiB to 1 MiB"),
        (Options(memory_kib=1), "at least 64 KiB"),
        (Options(release="4.19"), r"--era 4\.19: what is replayed here is 5\.8 or later"),
        (Options(mounted_at="usr"), "begins with /"),
    ],
)
def test_what_no_kernel_has_is_refused(options: Options, says: str) -> None:
    with pytest.raises(UserError, match=says):
        examine(str(sample.IMAGE), "every", options, "test")


FILES = ["/usr/lib/libbig.so", "/usr/lib/libc.so", "/usr/share/tail", "/usr/share/sparse", "/etc/conf.d/001", "/etc/conf.d/059",
         "/usr/share/zoneinfo/zone-with-a-long-name-0100"]  # fmt: skip
ACCESSES = st.builds(
    Access,
    task=st.sampled_from("abcde"),
    kind=st.sampled_from([READ, FAULT]),
    path=st.sampled_from(FILES),
    offset=st.integers(0, 500_000),
    length=st.integers(1, 300_000),
    executable=st.booleans(),
)


@settings(max_examples=40, deadline=None)
@given(
    accesses=st.lists(ACCESSES, max_size=25),
    release=st.sampled_from(RELEASES),
    file=st.sampled_from(["direct", "cache"]),
    decompressors=st.sampled_from(["single", "percpu"]),
    entries=st.integers(1, 3),
    block_size=st.sampled_from([None, None, 4096, 1 << 20]),
    memory_kib=st.sampled_from([None, 64, 300, 2000]),
)
def test_whatever_is_asked_for_it_ends_with_everything_given_back(
    image: Image, accesses: list[Access], release: str, file: str, decompressors: str, entries: int,
    block_size: int | None, memory_kib: int | None,
) -> None:  # fmt: skip
    made = replayed(image, accesses, release, file, decompressors, 2, entries, block_size, memory_kib)
    settled(made.machine)
    assert (made.failed, made.elsewhere) == (0, 0)
    assert made.done == len(accesses)
    wanted = {(one.path, page) for one in accesses for page in _pages(image, one)}
    if memory_kib is None:
        assert len([1 for flags in made.machine.pages._flags.values() if flags & 8]) == len(wanted)


def _pages(image: Image, one: Access) -> range:
    file = image.find(one.path or "").file
    assert file is not None
    end = min(one.offset + (one.length or 0), file.inode.size)
    return range(one.offset // 4096, -(-end // 4096)) if end > one.offset else range(0)

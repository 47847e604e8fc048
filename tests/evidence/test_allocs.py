"""Failed and stalled allocations."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.evidence.driving import kept, read
from unkillable.evidence.types import AllocProblem

# constructed from formats of 4.9-family mm/page_alloc.c (warn_alloc with 4.11's nodemask) and arm64's arch/.../traps.c
STALL = """\
[  120.5] logd: page allocation stalls for 10004ms, order:0, mode:0x2420848(GFP_NOFS|__GFP_MOVABLE|__GFP_HARDWALL|__GFP_NOFAIL), nodemask=(null)
[  120.5] logd cpuset=/ mems_allowed=0
[  120.5] CPU: 0 PID: 774 Comm: logd Not tainted 4.11.12 #0
[  120.5] Call trace:
[  120.5] [<ffffff9fa19e1688>] warn_alloc+0xe8/0x168
[  120.5] [<ffffff9fa19e1690>] __alloc_pages_nodemask+0xe8/0x168
[  120.5] [<ffffff9fa19e1700>] squashfs_readpages+0x20/0x168
[  120.5] Mem-Info:
[  120.5] active_anon:9 inactive_anon:15570 isolated_anon:0
[  120.5] 16384 pages RAM
"""


def one(text: str) -> AllocProblem:
    found = kept(read(text), "allocs")
    assert len(found) == 1
    fact = found[0]
    assert isinstance(fact, AllocProblem)
    return fact


def test_a_stall_names_its_holder() -> None:
    fact = one(STALL)
    assert (fact.kind, fact.seconds, fact.comm, fact.pid, fact.order) == ("stall", 10.004, "logd", 774, 0)
    assert fact.gfp_flags[0] == "GFP_NOFS"
    assert fact.stack is not None
    assert fact.stack.frames[-1].function == "squashfs_readpages"
    assert fact.meminfo is not None
    assert fact.meminfo.pages_ram == 16384
    assert kept(read(STALL), "meminfos") == [fact.meminfo]


@pytest.mark.parametrize(
    ("line", "comm", "order", "mode", "flags", "kind"),
    [
        # constructed from format of 2.6.35 mm/page_alloc.c
        ("swapper: page allocation failure. order:1, mode:0x20", "swapper", 1, 0x20, ("__GFP_HIGH",), "failure"),
        # constructed from format of 3.10.30 mm/page_alloc.c (warn_alloc_failed)
        ("kworker/u4:1: page allocation failure: order:4, mode:0x10c0d0", "kworker/u4:1", 4, 0x10C0D0, None, "failure"),
        # constructed from format of 6.12 mm/page_alloc.c (warn_alloc)
        ("Web Content: page allocation failure: order:0, mode:0x800(GFP_NOWAIT), nodemask=(null),cpuset=/,mems_allowed=0",
         "Web Content", 0, 0x800, ("GFP_NOWAIT",), "failure"),
        ("cat: page allocation failure: order:0, mode:0x800(GFP_NOW", "cat", 0, 0x800, ("__GFP_KSWAPD_RECLAIM",), "failure"),
        ("cat: page alloction stalls for 20000ms, order:0, mode:0x2400040(GFP_NOFS)", "cat", 0, 0x2400040, ("GFP_NOFS",),
         "stall"),
        # constructed from format of 7.3 mm/vmalloc.c:3935
        ("modprobe: vmalloc error: size 4096, failed to allocate pages, mode:0xcc0(GFP_KERNEL), nodemask=(null)",
         "modprobe", None, 0xCC0, ("GFP_KERNEL",), "failure"),
        ("x: page allocation failure: order:0", "x", 0, None, (), "failure"),
    ],
)  # fmt: skip
def test_heads_of_every_era(
    line: str, comm: str, order: int | None, mode: int | None, flags: tuple[str, ...] | None, kind: str
) -> None:
    fact = one(line)
    assert (fact.comm, fact.order, fact.mode, fact.kind) == (comm, order, mode, kind)
    if flags is not None:
        assert fact.gfp_flags == flags


def test_slabs() -> None:
    # constructed from formats of 7.3 mm/slub.c and 5.10 mm/slab.c:1339
    fact = one(
        "SLUB: Unable to allocate memory on CPU 1 (of node 0) on node -1, gfp=0x820(GFP_ATOMIC)\n"
        "  cache: kmalloc-64, object size: 64, buffer size: 64, default order: 0, min order: 0\n"
        "  node 0: slabs: 10, objs: 640, free: 0\n"
    )
    assert (fact.kind, fact.comm, fact.gfp_flags) == ("slab", "kmalloc-64", ("GFP_ATOMIC",))
    fact = one(
        "SLAB: Unable to allocate memory on node 0 (gfp=0xd0)\n  cache: dentry, object size: 192, order: 0\n"
    )
    assert (fact.comm, fact.gfp_flags) == ("dentry", ("GFP_KERNEL",))


def test_a_fault_that_ran_out_of_memory() -> None:
    # constructed from format of 6.12 mm/oom_kill.c:1202
    assert one("Huh VM_FAULT_OOM leaked out to the #PF handler. Retrying PF").kind == "fault-oom"


@pytest.mark.parametrize(
    "line",
    [
        "page allocation is done",
        "see page allocator docs: page alloc",
        "Unable to allocate memory on the heap",
    ],
)
def test_other_words(line: str) -> None:
    assert kept(read(line), "allocs") == []


@given(
    st.lists(st.one_of(st.sampled_from(STALL.splitlines()), st.text(max_size=80)), max_size=30),
    st.integers(0, 60),
)
def test_mutated_lines_raise_nothing(lines: list[str], cut: int) -> None:
    read(
        [
            line[: len(line) - cut] if index % 3 == 0 else line
            for index, line in enumerate([STALL.splitlines()[0], *lines])
        ]
    )


def test_the_stall_of_7_2_is_in_seconds():
    # constructed from 7.2 mm/page_alloc.c:4771
    (alloc,) = (
        read("e1: page allocation stall for 21 secs: order:0, mode:0x140cca(GFP_HIGHUSER_MOVABLE|__GFP_COMP)")
        .finish()
        .allocs
    )
    assert (alloc.comm, alloc.kind, alloc.seconds, alloc.order) == ("e1", "stall", 21.0, 0)

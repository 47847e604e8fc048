"""Mem-Info blocks of several eras, whole and damaged, and /proc/meminfo."""

from hypothesis import given
from hypothesis import strategies as st

from tests.evidence.driving import kept, read
from unkillable.evidence.meminfo import parse_proc_meminfo
from unkillable.evidence.types import MemInfo

# A Debian 6.1.192 kernel in a virtual machine with 128 MiB, sysrq-m.
DEBIAN_6_1 = """\
[   28.819887] sysrq: Show Memory
[   28.819887] Mem-Info:
[   28.819887] active_anon:9 inactive_anon:15570 isolated_anon:0
[   28.819887]  active_file:292 inactive_file:648 isolated_file:0
[   28.819887]  unevictable:0 dirty:0 writeback:0
[   28.819887]  slab_reclaimable:2310 slab_unreclaimable:1821
[   28.819887]  mapped:341 shmem:0 pagetables:152
[   28.819887]  sec_pagetables:0 bounce:0
[   28.819887]  kernel_misc_reclaimable:0
[   28.819887]  free:406 free_pcp:1 free_cma:0
[   28.819887] Node 0 active_anon:36kB inactive_anon:62280kB active_file:1388kB inactive_file:1772kB unevictable:0kB \
isolated(anon):0kB isolated(file):0kB mapped:1364kB dirty:0kB writeback:0kB shmem:0kB shmem_thp: 0kB \
shmem_pmdmapped: 0kB anon_thp: 0kB writeback_tmp:0kB kernel_stack:1136kB pagetables:608kB sec_pagetables:0kB \
all_unreclaimable? no
[   28.819887] Node 0 DMA free:472kB boost:0kB min:208kB low:260kB high:312kB reserved_highatomic:0KB active_anon:0kB \
inactive_anon:14720kB active_file:0kB inactive_file:0kB unevictable:0kB writepending:0kB present:15992kB \
managed:15360kB mlocked:0kB bounce:0kB free_pcp:0kB local_pcp:0kB free_cma:0kB
[   28.819887] lowmem_reserve[]: 0 67 67 67 67
[   28.819887] Node 0 DMA32 free:1752kB boost:0kB min:952kB low:1188kB high:1424kB reserved_highatomic:0KB \
active_anon:36kB inactive_anon:47480kB active_file:1332kB inactive_file:1628kB unevictable:0kB writepending:0kB \
present:114548kB managed:79184kB mlocked:0kB bounce:0kB free_pcp:32kB local_pcp:0kB free_cma:0kB
[   28.819887] lowmem_reserve[]: 0 0 0 0 0
[   28.819887] Node 0 DMA: 2*4kB (U) 4*8kB (UM) 3*16kB (U) 2*32kB (U) 1*64kB (U) 0*128kB 1*256kB (U) 0*512kB \
0*1024kB 0*2048kB 0*4096kB = 472kB
[   28.819887] Node 0 DMA32: 160*4kB (UME) 93*8kB (ME) 27*16kB (M) 1*32kB (E) 0*64kB 0*128kB 0*256kB 0*512kB 0*1024kB \
0*2048kB 0*4096kB = 1848kB
[   28.819887] Node 0 hugepages_total=0 hugepages_free=0 hugepages_surp=0 hugepages_size=2048kB
[   28.819887] 786 total pagecache pages
[   28.819887] 0 pages in swap cache
[   28.819887] Free swap  = 0kB
[   28.819887] Total swap = 0kB
[   28.819887] 32635 pages RAM
[   28.819887] 0 pages HighMem/MovableOnly
[   28.819887] 8999 pages reserved
"""

# constructed from format of 3.10.30 mm/page_alloc.c (show_free_areas) and arch/arm/mm/init.c (show_mem), 64 KiB pages
ARM_3_10 = """\
[   90.2] Mem-info:
[   90.2] Normal per-cpu:
[   90.2] CPU    0: hi:   18, btch:   3 usd:  16
[   90.2] active_anon:5000 inactive_anon:20 isolated_anon:0
[   90.2]  active_file:10 inactive_file:12 isolated_file:0
[   90.2]  unevictable:0 dirty:0 writeback:0 unstable:0
[   90.2]  free:250 slab_reclaimable:200 slab_unreclaimable:600
[   90.2]  mapped:4 shmem:20 pagetables:100 bounce:0
[   90.2]  free_cma:0
[   90.2] Normal free:1000kB min:996kB low:1244kB high:1492kB active_anon:20000kB inactive_anon:80kB active_file:40kB \
inactive_file:48kB unevictable:0kB isolated(anon):0kB isolated(file):0kB present:65536kB managed:28000kB mlocked:0kB \
dirty:0kB writeback:0kB mapped:16kB shmem:80kB slab_reclaimable:800kB slab_unreclaimable:2400kB kernel_stack:400kB \
pagetables:400kB unstable:0kB bounce:0kB free_cma:0kB writeback_tmp:0kB pages_scanned:300 all_unreclaimable? yes
[   90.2] lowmem_reserve[]: 0 0
[   90.2] Normal: 10*64kB (UE) 1*128kB (U) = 1000kB
[   90.2] 42 total pagecache pages
[   90.2] 0 pages in swap cache
[   90.2] Swap cache stats: add 0, delete 0, find 0/0
[   90.2] Free swap  = 0kB
[   90.2] Total swap = 0kB
[   90.2] 16384 pages of RAM
[   90.2] 312 free pages
[   90.2] 1800 reserved pages
[   90.2] 700 slab pages
[   90.2] 300 pages shared
[   90.2] 0 pages swap cached
"""

# constructed from format of 2.6.18 mm/page_alloc.c (show_free_areas)
OLD_2_6_18 = """\
Mem-info:
DMA per-cpu:
cpu 0 hot: high 186, batch 31 used:29
cpu 0 cold: high 62, batch 15 used:50
Free pages:        6624kB (0kB HighMem)
Active:1234 inactive:334 dirty:0 writeback:0 unstable:0 free:1656 slab:2000 mapped:1200 pagetables:90
DMA free:2612kB min:68kB low:84kB high:100kB active:0kB inactive:0kB present:16384kB pages_scanned:0 all_unreclaimable? yes
lowmem_reserve[]: 0 0 240
Free swap:            0kB
"""


def one(text: str) -> MemInfo:
    found = kept(read(text), "meminfos")
    assert len(found) == 1
    fact = found[0]
    assert isinstance(fact, MemInfo)
    return fact


def test_a_block_of_today() -> None:
    fact = one(DEBIAN_6_1)
    assert fact.lines == (2, 25)
    assert fact.time == 28.819887
    assert fact.pages["inactive_anon"] == 15570
    assert fact.pages["free"] == 406
    assert (fact.swap_total, fact.swap_free) == (0, 0)
    assert (fact.pages_ram, fact.pages_reserved, fact.page_cache_pages) == (32635, 8999, 786)
    dma, dma32 = fact.zones
    assert (dma.name, dma.node, dma.free, dma.min, dma.low, dma.high) == ("DMA", 0, 472, 208, 260, 312)
    assert dma32.fields["managed"] == 79184
    assert fact.page_size == 4
    assert fact.node_kib["kernel_stack"] == 1136
    assert fact.all_unreclaimable is False


def test_a_block_of_an_arm_3_10() -> None:
    fact = one(ARM_3_10)
    assert (fact.zones[0].name, fact.zones[0].node, fact.zones[0].free) == ("Normal", None, 1000)
    assert fact.all_unreclaimable is True
    assert fact.page_size == 64
    assert (fact.pages_ram, fact.pages_reserved, fact.pages["free"]) == (16384, 1800, 250)
    assert fact.lines[1] == 23


def test_a_block_of_2_6_18() -> None:
    fact = one(OLD_2_6_18)
    assert fact.pages["active"] == 1234
    assert (fact.zones[0].name, fact.zones[0].free, fact.zones[0].fields["present"]) == ("DMA", 2612, 16384)
    assert fact.swap_free == 0


def test_7_3_has_more_fields_and_no_spaces() -> None:
    # constructed from format of 7.3 mm/show_mem.c:235-289 and :304-328
    fact = one(
        "Mem-Info:\n"
        "Node 0 active_anon:32kB inactive_anon:64048kB shmem_thp:0kB kernel_stack:1120kB pagetables:584kB "
        "sec_pagetables:0kB all_unreclaimable? yes Balloon:8kB gpu_active:0kB gpu_reclaim:0kB\n"
        "Node 0 DMA32 free:2368kB boost:2048kB min:3000kB low:3236kB high:3472kB reserved_highatomic:0kB "
        "free_highatomic:0kB zspages:12kB local_pcp:0kB free_cma:0kB\n"
    )
    assert fact.all_unreclaimable is True
    assert fact.node_kib["Balloon"] == 8
    assert fact.zones[0].fields["zspages"] == 12


def test_lost_characters_cost_only_their_field() -> None:
    fact = one("Mem-Info:\nactive_anon:9 inactive_an\n active_file:292 nactive_file:648 isolated_file:0\n")
    assert fact.pages == {"active_anon": 9, "active_file": 292, "isolated_file": 0}


def test_a_head_alone_is_no_fact() -> None:
    assert kept(read("[ 1.0] Mem-Info:\n[ 1.1] something else\n"), "meminfos") == []


def test_user_output_between_the_lines() -> None:
    lines = DEBIAN_6_1.splitlines()
    mixed = "\n".join(part for line in lines for part in (line, "LAB: beat 2 16.32 3664 8460"))
    assert one(mixed).pages_reserved == 8999


def test_two_blocks_in_a_row() -> None:
    assert len(kept(read(DEBIAN_6_1 + DEBIAN_6_1), "meminfos")) == 2


def test_absurd_numbers_are_ignored() -> None:
    fact = one("Mem-Info:\nactive_anon:9 inactive_anon:" + "9" * 300 + " isolated_anon:0\n")
    assert fact.pages == {"active_anon": 9, "isolated_anon": 0}


def test_proc_meminfo_in_a_log() -> None:
    text = "MemTotal:          94544 kB\nMemFree:            3664 kB\nSwapTotal:             0 kB\nHugePages_Total:       0\n"
    fact = one("watchdog says\n" + text + "done\n")
    assert fact.kib == {"MemTotal": 94544, "MemFree": 3664, "SwapTotal": 0, "HugePages_Total": 0}
    assert fact.swap_total == 0
    assert parse_proc_meminfo(text) == fact.kib


LINES = DEBIAN_6_1.splitlines() + ARM_3_10.splitlines()


@given(st.lists(st.one_of(st.sampled_from(LINES), st.text(max_size=120)), max_size=40), st.data())
def test_mutated_blocks_raise_nothing(lines: list[str], data: st.DataObject) -> None:
    cut = [line[: data.draw(st.integers(0, len(line)))] if line else line for line in lines[:8]]
    read(["Mem-Info:", *cut, *lines])

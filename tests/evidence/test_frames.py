"""One line of a backtrace in every architecture's form.

Lines are from the reports and captures under tests/samples unless a comment says that they were constructed
from the format string of a kernel source (file:line)."""

import pytest

from unkillable.evidence.frames import parse_decoded, parse_frames, salvage, strip_suffix

FORMS = [
    # x86 since 4.10: examples/frozen-5.10.log.xz
    (" squashfs_cache_get+0x2d6/0x340 [squashfs]", [("squashfs_cache_get", 0x2D6, 0x340, "squashfs", True)]),
    (" ? xa_get_order+0x93/0xd0", [("xa_get_order", 0x93, 0xD0, None, False)]),
    (" slab_pre_alloc_hook.constprop.0+0x84/0xe0", [("slab_pre_alloc_hook", 0x84, 0xE0, None, True)]),
    # x86 to 4.9: reports/2010-09
    (" [<c058b16a>] io_schedule+0x3a/0x60", [("io_schedule", 0x3A, 0x60, None, True)]),
    (
        " [<f829fb2e>] ? squashfs_cache_get+0x1ee/0x2f0 [squashfs]",
        [("squashfs_cache_get", 0x1EE, 0x2F0, "squashfs", False)],
    ),
    # arm, frame pointers: reports/2011-12-23
    (
        "[<c03bd7ac>] (schedule+0x0/0x5fc) from [<c0194db8>] (squashfs_cache_get+0x120/0x38c)",
        [("schedule", 0, None, None, True), ("squashfs_cache_get", 0x120, 0x38C, None, True)],
    ),
    # the same, blanks lost by a mail client: reports/article-traces.txt
    (
        "[<c0194c98>] (squashfs_cache_get+0x0/0x38c) from[<c0195050>] (squashfs_get_datablock+0x2c/0x34)",
        [("squashfs_cache_get", 0, None, None, True), ("squashfs_get_datablock", 0x2C, 0x34, None, True)],
    ),
    (
        "[<c00c94e0>] (__do_fault+0xc0/0x570) from [<c00cbdc4>](handle_pte_fault+0x47c/0x1048)",
        [("__do_fault", 0xC0, None, None, True), ("handle_pte_fault", 0x47C, 0x1048, None, True)],
    ),
    # arm 4.4-5.10: KERNEL.md's sample of a 5.10 guest
    (
        "[<c02a5068>] (submit_bio_wait) from [<c01b22f4>] (squashfs_bio_read+0x154/0x20c)",
        [("submit_bio_wait", None, None, None, True), ("squashfs_bio_read", 0x154, 0x20C, None, True)],
    ),
    # arm 5.10, in a module: captures/armhf-5.10-io-stall-squashfs
    (
        "[<bf01e9c8>] (squashfs_cache_get [squashfs]) from [<bf01f2a8>] (squashfs_get_datablock+0x2c/0x34 [squashfs])",
        [
            ("squashfs_cache_get", None, None, "squashfs", True),
            ("squashfs_get_datablock", 0x2C, 0x34, "squashfs", True),
        ],
    ),
    # arm 6.1+: constructed from 6.1 arch/arm/kernel/traps.c `%s%ps from %pS`
    (
        " submit_bio_wait from squashfs_bio_read+0x154/0x20c",
        [("submit_bio_wait", None, None, None, True), ("squashfs_bio_read", 0x154, 0x20C, None, True)],
    ),
    # arm64 since 6.13: ` (C)`
    (" show_stack+0x14/0x1c (C)", [("show_stack", 0x14, 0x1C, None, True)]),
    # MIPS: reports/mips_3.10.90
    ("[<800f6124>] squashfs_read_data+0x1f4/0x710", [("squashfs_read_data", 0x1F4, 0x710, None, True)]),
    # RISC-V
    ("[<ffffffff80fe0612>] __schedule+0x32e/0xa88", [("__schedule", 0x32E, 0xA88, None, True)]),
    # s390; its older kernels put the first line in parentheses
    (" [<0000000117b4fd52>] dump_stack_lvl+0x62/0x80", [("dump_stack_lvl", 0x62, 0x80, None, True)]),
    ("([<0000000117b4fd52>] dump_stack_lvl+0x62/0x80)", [("dump_stack_lvl", 0x62, 0x80, None, True)]),
    # powerpc: constructed from 6.1 arch/powerpc/kernel/process.c:2216
    (
        "[c000000007a4f9a0] [c000000000a1b2c3] schedule+0x74/0x140 (unreliable)",
        [("schedule", 0x74, 0x140, None, False)],
    ),
    # sizes stripped: reports/spinics
    ("[<c018df88>] squashfs_cache_get+0x108", [("squashfs_cache_get", 0x108, None, None, True)]),
    # /proc/PID/stack
    ("[<0>] do_wait+0x1c1/0x220", [("do_wait", 0x1C1, 0x220, None, True)]),
]


@pytest.mark.parametrize(("text", "expected"), FORMS)
def test_form(text, expected):
    frames = parse_frames(text)
    assert [(f.function, f.offset, f.size, f.module, f.reliable) for f in frames] == expected


@pytest.mark.parametrize(
    "text",
    [
        "RIP: 0010:vp_notify+0x12/0x20 [virtio_pci]",
        "PC is at squashfs_cache_get+0x120/0x38c",
        "pc : el1_abort+0x10/0x20",
        "LR [c000000000a1b2c3] schedule+0x74/0x140",
        "epc : schedule+0x10/0x20",
        "BIOS-e820: [mem 0x0000000000000000-0x000000000009fbff] usable",
        "mapped at 0x1000+0x200",
    ],
)
def test_registers_and_other_lines_are_no_frames(text):
    assert parse_frames(text) == ()


@pytest.mark.parametrize(
    ("symbol", "function"),
    [
        ("__alloc_pages_slowpath.constprop.0", "__alloc_pages_slowpath"),
        ("oom_kill_process.cold", "oom_kill_process"),
        ("do_page_fault.part.7", "do_page_fault"),
        ("foo.isra.5.constprop.12", "foo"),
        ("bar.llvm.1234567890", "bar"),
        ("T.357", "T"),
        ("schedule", "schedule"),
    ],
)
def test_compiler_suffixes(symbol, function):
    assert strip_suffix(symbol) == function


def test_decoded_frames_have_a_source():
    (frame,) = parse_frames(" schedule+0xe7/0x350 kernel/sched/core.c:6772")
    assert (frame.function, frame.source) == ("schedule", "kernel/sched/core.c:6772")
    (frame,) = parse_decoded(" context_switch kernel/sched/core.c:5382 [inline]")
    assert (frame.function, frame.source) == ("context_switch", "kernel/sched/core.c:5382")
    (frame,) = parse_decoded("schedule (kernel/sched/core.c:6602)")
    assert frame.source == "kernel/sched/core.c:6602"
    (frame,) = parse_decoded(" #1 [ffffb07980527ca0] schedule at ffffffff8e2b1234")
    assert frame.function == "schedule"
    assert parse_decoded("this is prose (see fs/a.c) about nothing") == ()


def test_a_cut_line_still_names_its_function():
    # examples/frozen-5.10.log.xz: characters lost on the serial line
    (frame,) = salvage(" squashfs_cache_get+0xit_queue_exclusive+0x70/0x70")
    assert frame.function == "squashfs_cache_get"
    assert frame.offset is None

"""Each verdict, and the near misses that must not get it.

The logs are written for the case, in the formats of the kernels named; real captures are in test_captures.py.
"""

import pytest

from tests.evidence.driving import read
from unkillable.diagnosis import KINDS, diagnose
from unkillable.diagnosis.advice import rows as advice_rows
from unkillable.waits.catalogue import load

FAULT = """ filemap_fault+0x67c/0x900
 __do_fault+0x37/0xa0
 handle_mm_fault+0x124f/0x1ba0
 exc_page_fault+0x78/0x160
 asm_exc_page_fault+0x1e/0x30"""
SHORT = """Mem-Info:
active_anon:10 inactive_anon:17575 isolated_anon:0
 active_file:218 inactive_file:588 isolated_file:0
 free:510 free_pcp:2 free_cma:0
Node 0 DMA32 free:1464kB min:996kB low:1244kB high:1492kB active_anon:40kB
Total swap = 0kB
32635 pages RAM
7542 pages reserved
"""
PLENTY = SHORT.replace("free:1464kB", "free:61464kB").replace("active_file:218", "active_file:9218")


def task(name, pid, stack, state="D"):
    head = f"task:{name:<15} state:{state} stack:0     pid:{pid}     ppid:1      flags:0x00000000"
    frames = "\n".join(f" {function}+0x10/0x20" for function in stack.split())
    return f"{head}\nCall Trace:\n{frames}\n{FAULT}\n"


WAITING = "__schedule schedule squashfs_cache_get squashfs_readpage_block squashfs_readpage read_pages"
FILLING = (
    "__schedule schedule schedule_timeout io_schedule_timeout __wait_for_common submit_bio_wait squashfs_bio_read squashfs_read_data "
    "squashfs_cache_get squashfs_readpage_block squashfs_readpage"
)
KILL = "[   50.000000] Out of memory: Killed process 40 (hog) total-vm:1kB, anon-rss:900kB, file-rss:0kB, shmem-rss:0kB, UID:0 pgtables:76kB oom_score_adj:0\n"


def hung(name, pid, stack, at=200.0):
    return (
        f"[{at:12.6f}] INFO: task {name}:{pid} blocked for more than 120 seconds.\n[{at:12.6f}]       Not tainted 5.10.0-9-amd64 #1\n"
        + task(name, pid, stack)
    )


def verdict(text):
    return diagnose(read(text).finish()).verdict


def test_a_victim_asleep_for_good_is_unkillable():
    log = (
        KILL
        + "[   80.000000] sysrq: Show Blocked State\n"
        + task("hog", 40, WAITING).replace("task:", "[   80.100000] task:")
    )
    found = diagnose(read(log).finish())
    assert found.verdict.kind == "unkillable-victim"
    (victim,) = found.victims
    assert (victim.fate, victim.waits_in) == ("stuck", "squashfs_cache_get")
    assert (
        any(edge.kind == "held-by" and edge.target == "task:40" for edge in found.graph.edges)
        or found.waiters[0].victim
    )


def test_a_victim_that_the_reaper_cannot_free_is_stuck():
    found = diagnose(read(KILL + "[   61.000000] oom_reaper: unable to reap pid:40 (hog)\n").finish())
    assert found.victims[0].fate == "stuck"
    assert found.verdict.kind == "unkillable-victim"


def test_a_victim_asleep_killably_is_not_stuck():
    stack = "__schedule schedule io_schedule folio_wait_bit_common __folio_lock_killable"
    log = (
        KILL
        + "[   80.000000] sysrq: Show Blocked State\n"
        + task("hog", 40, stack).replace("task:", "[   80.100000] task:")
    )
    found = diagnose(read(log).finish())
    assert found.victims[0].fate == "unknown"
    assert found.verdict.kind != "unkillable-victim"


def test_a_reaped_victim_is_reaped():
    found = diagnose(
        read(
            KILL
            + "[   50.100000] oom_reaper: reaped process 40 (hog), now anon-rss:0kB, file-rss:0kB, shmem-rss:0kB\n"
        ).finish()
    )
    assert found.victims[0].fate == "reaped"
    assert found.verdict.kind == "no-hang"


def test_the_same_stacks_with_and_without_memory():
    tasks = hung("a", 10, WAITING) + hung("b", 11, WAITING) + hung("c", 12, FILLING)
    assert verdict(tasks + SHORT).kind == "reclaim-livelock"
    assert verdict(tasks + PLENTY).kind == "io-stall"
    assert verdict(tasks).kind == "io-stall"  # nothing shows a shortage: not the flagship case


def test_waiters_alone_are_contention():
    found = verdict(hung("a", 10, WAITING) + hung("b", 11, WAITING) + PLENTY)
    assert found.kind == "lock-contention"
    assert "does not show who holds it" in found.summary


def test_a_mutex_cycle_named_by_the_kernel_is_a_deadlock():
    stack = "__schedule schedule schedule_preempt_disabled __mutex_lock_slowpath mutex_lock lab_write"
    log = hung("a", 10, stack) + "INFO: task a:10 is blocked on a mutex likely owned by task b:11.\n"
    log += hung("b", 11, stack) + "INFO: task b:11 is blocked on a mutex likely owned by task a:10.\n"
    found = diagnose(read(log).finish())
    assert (found.verdict.kind, found.verdict.confidence) == ("deadlock", "high")
    assert len(found.cycle) == 4
    one_way = hung("a", 10, stack) + "INFO: task a:10 is blocked on a mutex likely owned by task b:11.\n"
    assert verdict(one_way).kind == "lock-contention"


def test_the_locks_of_a_cycle_by_address():
    stack = "__schedule schedule schedule_preempt_disabled __mutex_lock_slowpath mutex_lock lab_write"
    log = hung("a", 10, stack) + hung("b", 11, stack)
    log += "2 locks held by a/10:\n #0: ffff888000000001 (lab_a){+.+.}-{3:3}, at: lab_write+0x1/0x2\n"
    log += " #1: ffff888000000002 (lab_b){+.+.}-{3:3}, at: lab_write+0x1/0x2\n"
    log += "2 locks held by b/11:\n #0: ffff888000000002 (lab_b){+.+.}-{3:3}, at: lab_write+0x1/0x2\n"
    log += " #1: ffff888000000001 (lab_a){+.+.}-{3:3}, at: lab_write+0x1/0x2\n"
    assert verdict(log).kind == "deadlock"
    assert (
        verdict(
            log.replace(
                "0002 (lab_b){+.+.}-{3:3}, at: lab_write+0x1/0x2\n #1",
                "0003 (lab_c){+.+.}-{3:3}, at: lab_write+0x1/0x2\n #1",
            )
        ).kind
        != "deadlock"
    )


def test_a_cycle_of_guesses_is_no_deadlock():
    one = "__schedule schedule io_schedule folio_wait_bit_common __folio_lock squashfs_readahead squashfs_bio_read read_pages"
    assert verdict(hung("a", 10, one) + hung("b", 11, one) + PLENTY).kind != "deadlock"


def test_one_busy_moment_is_no_hang():
    found = verdict("[   80.000000] sysrq: Show Blocked State\n" + task("cat", 10, FILLING) + PLENTY)
    assert found.kind == "no-hang"
    assert "for a moment" in found.summary


def test_zombies():
    log = "[   80.000000] sysrq: Show State\n" + task("init", 1, "__schedule schedule do_wait", "S")
    log += task("dead", 77, "__schedule do_exit", "Z")
    found = verdict(log)
    assert found.kind == "zombie"
    assert "dead/77" in found.summary
    stuck = hung("a", 10, WAITING)
    assert verdict(log + stuck).kind != "zombie"


@pytest.mark.parametrize(
    ("log", "kind"),
    [
        ("SQUASHFS error: Unable to read fragment cache entry [59daf0]\n" * 3, "cached-error"),
        ("SQUASHFS error: Failed to read block 0x59daf0: -5\n", "insufficient-evidence"),
        (
            "SQUASHFS error: Failed to read block 0x1: -5\nSQUASHFS error: Unable to read fragment cache entry [1]\n",
            "insufficient-evidence",
        ),
        ("Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)\n", "no-hang"),
        ("watchdog: BUG: soft lockup - CPU#1 stuck for 22s! [hog:123]\n", "insufficient-evidence"),
        ("Linux version 6.1.0 (x) #1 SMP\n", "no-hang"),
    ],
)
def test_small_logs(log, kind):
    assert verdict(log).kind == kind


def test_a_cpu_that_reclaims_for_ever_is_a_livelock():
    log = "watchdog: BUG: soft lockup - CPU#1 stuck for 22s! [hog:123]\nCPU: 1 PID: 123 Comm: hog Not tainted 6.1.0 #1\nCall Trace:\n"
    log += " shrink_node+0x1/0x2\n do_try_to_free_pages+0x1/0x2\n try_to_free_pages+0x1/0x2\n __alloc_pages+0x1/0x2\n"
    assert verdict(log).kind == "reclaim-livelock"


def test_advice_and_catalogue_speak_of_known_things():
    resources = {row.key for row in load().resources} | {"squashfs-error"}
    for row in advice_rows():
        assert set(row.kinds) <= set(KINDS), row.title
        assert set(row.resources) <= resources, row.title
    assert {kind for row in advice_rows() for kind in row.kinds} >= set(KINDS) - {
        "no-hang",
        "insufficient-evidence",
    }


def test_advice_fits_the_kernel():
    def titles(release):
        log = f"Linux version {release} (x) #1\n" + hung("a", 10, WAITING) + hung("b", 11, FILLING) + SHORT
        return [one.title for one in diagnose(read(log).finish()).advice]

    assert any("min_ttl_ms" in title for title in titles("6.1.0"))
    assert not any("min_ttl_ms" in title for title in titles("5.10.0"))


def test_every_quoted_line_exists():
    log = hung("a", 10, WAITING) + hung("b", 11, FILLING) + SHORT
    lines = log.splitlines()
    found = diagnose(read(log).finish())
    quotes = [quote for statement in found.verdict.because for quote in statement.lines]
    assert quotes
    for quote in quotes:
        assert quote.text.split("+0x")[0].split(" ...")[0].strip() in lines[quote.line - 1]


def test_a_stack_from_proc_has_no_scheduler_frames():
    text = "[<0>] rq_qos_wait+0xbb/0x130\n[<0>] wbt_wait+0x9b/0x100\n[<0>] __rq_qos_throttle+0x24/0x40\n"
    for log in (text, "# cat /proc/77/stack\n" + text):
        (waiter,) = diagnose(read(log).finish()).waiters
        assert (waiter.function, waiter.killable) == ("rq_qos_wait", False)

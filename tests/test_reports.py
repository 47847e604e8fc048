"""The reports and captures that the project began with: what they are known to show."""

import pytest

from tests.samples_file import SAMPLES
from unkillable.pipeline import inspect

EXAMPLES = SAMPLES.parent.parent / "examples"
REPORTS = SAMPLES / "reports"


def test_frozen_5_10():
    found = inspect([str(EXAMPLES / "frozen-5.10.log.xz")])
    assert found.verdict.kind == "reclaim-livelock"
    sleepers = [one for one in found.waiters if one.function == "squashfs_cache_get"]
    assert {one.comm for one in sleepers} >= {"e1", "e4", "e5", "e7", "e8", "busybox"}
    assert all(
        (one.task_state, one.killable, one.entered_by) == ("TASK_UNINTERRUPTIBLE", False, "page-fault")
        for one in sleepers
    )
    (holder,) = [one for one in found.waiters if "squashfs-cache-entry" in one.holds]
    assert (holder.comm, holder.pid, holder.function) == ("e2", 105, "submit_bio_wait")
    assert ("resource:squashfs-cache-entry", "task:105", "held-by") in {
        (e.source, e.target, e.kind) for e in found.graph.edges
    }
    assert any("no OOM victim was stuck" in statement.text for statement in found.verdict.because)
    assert found.kernel.version == "5.10.251"
    assert found.kernel.arch == "x86_64"
    assert found.memory.short


def test_frozen_6_1():
    found = inspect([str(EXAMPLES / "frozen-6.1.log.xz")])
    assert found.verdict.kind == "reclaim-livelock"
    assert any("squashfs_bio_read" in one.stack and "__alloc_pages" in one.stack for one in found.waiters)
    assert "squashfs_bio_read" in found.verdict.summary
    assert [(one.pid, one.fate) for one in found.victims] == [
        (112, "exited"),
        (117, "exited"),
        (116, "unknown"),
    ]
    assert any("no OOM victim was seen stuck" in statement.text for statement in found.verdict.because)


def test_2011_linux_mm():
    found = inspect([str(REPORTS / "2011-12-23_linux-mm_ajeet-yadav_2.6.35.14_arm.txt")])
    (victim,) = found.victims
    assert (victim.comm, victim.pid, victim.child_of, victim.fate) == ("malloc", 192, 176, "unknown")
    stuck = {(one.comm, one.pid): one for one in found.waiters}
    assert set(stuck) == {("ramswap.sh", 175), ("malloc", 191)}
    assert stuck["ramswap.sh", 175].locks == ("&mm->mmap_sem",)
    assert all(one.function == "squashfs_cache_get" and one.killable is False for one in stuck.values())
    assert found.kernel.arch == "arm"
    assert found.kernel.era == "before 2.6.36"
    assert found.verdict.kind == "deadlock"
    assert found.verdict.confidence == "medium"


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("article-traces.txt", 3),
        ("2015-01_lkml-1501.2-03899_arm.txt", 1),
        ("spinics-newbies-msg59591_arm.txt", 1),
    ],
)
def test_the_articles_traces(name, number):
    found = inspect([str(REPORTS / name)])
    assert [(one.function, one.killable, one.entered_by) for one in found.waiters] == [
        ("squashfs_cache_get", False, "page-fault")
    ] * number
    assert found.verdict.kind == "insufficient-evidence"
    assert found.missing_evidence


def test_the_ltsp_client_is_no_oom_hang():
    found = inspect([str(REPORTS / "2010-09_ubuntuforums_ltsp_i386_2.6.32_NOT-OOM.txt")])
    assert found.verdict.kind == "io-stall"
    assert found.victims == ()
    (waiter,) = found.waiters
    assert (waiter.comm, waiter.pid, waiter.function) == ("apt-get", 1493, "__wait_on_buffer")
    assert "squashfs-cache-entry" in waiter.holds
    assert found.kernel.arch == "i386"


@pytest.mark.parametrize(
    ("name", "block"),
    [
        ("2016-04_openbmc-issue236_arm_cached-error-buserror.txt", "0x59daf0"),
        ("2023-07_openwrt-98d325aaf8be_arm-ipq40xx_cached-io-error.txt", "0x2bb912"),
        ("mips_3.10.90_cached-error-repeats.txt", "0x7c612"),
    ],
)
def test_cached_errors(name, block):
    found = inspect([str(REPORTS / name)])
    assert found.verdict.kind == "cached-error"
    assert block in found.verdict.summary


def test_dates_stand_in_where_printk_has_no_times(tmp_path):
    log = tmp_path / "kern.log"
    log.write_text(
        "Jun 12 08:11:05 box kernel: Killed process 40 (hog) total-vm:100kB, anon-rss:90kB, file-rss:0kB\n"
        "Jun 12 08:13:25 box kernel: INFO: task sh:41 blocked for more than 120 seconds.\n"
    )
    found = inspect([str(log)])
    assert found.clock == "log"
    assert [(event.kind, event.time) for event in found.timeline] == [("kill", 0.0), ("hung", 20.0)]

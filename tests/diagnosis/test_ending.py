"""How a shortage ended: only what the log shows, and an end only where it shows one."""

from __future__ import annotations

from tests.diagnosis.test_rules import FILLING, PLENTY, SHORT, WAITING, hung, task
from tests.evidence.driving import read_console
from unkillable.diagnosis import Diagnosis, diagnose

RECLAIM = (
    "__schedule schedule preempt_schedule_common __cond_resched shrink_lruvec shrink_node do_try_to_free_pages "
    "try_to_free_pages __alloc_pages_slowpath __alloc_pages squashfs_bio_read squashfs_read_data"
)


def at(time: float, text: str) -> str:
    return "".join(f"[{time:12.6f}] {line}\n" for line in text.splitlines())


def dump(time: float, *tasks: str, memory: str = SHORT) -> str:
    return at(time, "sysrq: Show Memory\n" + memory) + at(
        time, "sysrq: Show Blocked State\n" + "".join(tasks)
    )


def kill(time: float, pid: int = 40, name: str = "hog") -> str:
    return at(
        time,
        f"Out of memory: Killed process {pid} ({name}) total-vm:1kB, anon-rss:900kB, file-rss:0kB, shmem-rss:0kB, UID:0 "
        "pgtables:76kB oom_score_adj:0",
    )


def reaped(time: float, pid: int = 40, name: str = "hog") -> str:
    return at(
        time, f"oom_reaper: reaped process {pid} ({name}), now anon-rss:0kB, file-rss:0kB, shmem-rss:0kB"
    )


STUCK = dump(20.0, task("a", 11, RECLAIM, "R"), task("b", 12, WAITING), task("c", 13, FILLING))
AGAIN = dump(40.0, task("a", 11, RECLAIM, "R"), task("b", 12, WAITING), task("c", 13, FILLING))


def verdict(*parts: str) -> Diagnosis:
    found = diagnose(read_console("".join(parts).splitlines()))
    assert found.verdict.kind == "reclaim-livelock", found.verdict.summary
    return found


def words(found: Diagnosis) -> str:
    return " | ".join(one.text for one in found.verdict.because)


def test_a_kill_that_freed_it_is_the_end() -> None:
    found = verdict(STUCK, AGAIN, kill(50.0), reaped(50.1), at(80.0, "usb 1-1: new device"))
    assert (
        "memory was exhausted for 30 s or more, then an OOM kill freed it (hog/40 at 50 s)"
        in found.verdict.summary
    )
    end = next(one for one in found.verdict.because if "nothing shows a shortage any more" in one.text)
    assert any("Killed process 40" in quote.text for quote in end.lines)
    assert any("reaped process 40" in quote.text for quote in end.lines)


def test_a_kill_that_did_not_free_it_is_no_end() -> None:
    found = verdict(STUCK, kill(30.0), reaped(30.1), AGAIN)
    assert "is freed too late" in found.verdict.summary
    assert "freed it" not in found.verdict.summary
    assert "had not ended when the log did" in words(found)


def test_a_kill_long_before_a_shortage_that_lasts_is_told_as_long_ago() -> None:
    found = verdict(STUCK, kill(30.0), reaped(30.1), AGAIN, at(95.0, "sysrq: Show Blocked State"))
    assert (
        "nothing is seen to free it after the last OOM kill (hog/40 at 30 s) until the log ends at 95 s"
        in found.verdict.summary
    )


def test_a_kill_of_which_nothing_more_is_seen() -> None:
    found = verdict(STUCK, AGAIN, kill(50.0))
    assert "until an OOM kill (hog/40 at 50 s) whose effect the log does not show" in found.verdict.summary
    assert "no victim seen stuck" in found.verdict.summary


def test_what_programs_print_after_the_kill_is_shown() -> None:
    console = "".join((at(1.0, "Linux version 6.1.0"), STUCK, AGAIN, kill(50.0), "canary: beat 17\n"))
    found = diagnose(read_console(console.splitlines()))
    end = next(one for one in found.verdict.because if "a program printed again" in one.text)
    assert end.lines[-1].text == "canary: beat 17"


def test_the_last_of_several_kills() -> None:
    found = verdict(
        STUCK,
        kill(30.0, 41),
        reaped(30.1, 41),
        AGAIN,
        kill(50.0),
        reaped(50.1),
        at(80.0, "usb 1-1: new device"),
    )
    assert (
        "memory was exhausted for 10 s or more, until the last of 2 OOM kills freed it"
        in found.verdict.summary
    )


def test_memory_that_is_ample_later_was_freed() -> None:
    found = verdict(STUCK, AGAIN, dump(90.0, memory=PLENTY))
    assert "memory was exhausted for 70 s or more, and not any more at 90 s" in found.verdict.summary
    assert "memory was not short any more at 90.0 s" in words(found)


def test_one_short_look_before_ample_memory_is_no_hang() -> None:
    """A single dump does not show that anybody was stuck."""
    found = diagnose(read_console((STUCK + dump(90.0, memory=PLENTY)).splitlines()))
    assert found.verdict.kind != "reclaim-livelock"


def test_no_end_is_claimed_or_denied_beyond_the_log() -> None:
    found = verdict(STUCK, AGAIN)
    assert "nothing is seen to free it until the log ends at 40 s" in found.verdict.summary
    assert "though tasks crawl on" not in found.verdict.summary
    assert "the shortage had not ended when the log did at 40.0 s" in words(found)


def test_a_hung_task_after_the_kill_is_no_end() -> None:
    found = verdict(STUCK, kill(30.0), reaped(30.1), hung("b", 12, WAITING, 200.0))
    assert "freed it" not in found.verdict.summary

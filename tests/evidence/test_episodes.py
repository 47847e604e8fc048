"""A boot with two incidents hours apart is two stories."""

from tests.samples_file import SAMPLES
from unkillable.pipeline import inspect

FROZEN = SAMPLES.parent.parent / "examples" / "frozen-5.10.log.xz"


def hung(name, pid, at):
    return (
        f"[{at:12.6f}] INFO: task {name}:{pid} blocked for more than 120 seconds.\n"
        f"[{at:12.6f}]       Not tainted 5.10.0-9-amd64 #1\n"
        f"[{at:12.6f}] task:{name}               state:D stack:0     pid:{pid}     ppid:1      flags:0x00000000\n"
        f"[{at:12.6f}] Call Trace:\n"
        f"[{at:12.6f}]  __schedule+0x282/0x870\n[{at:12.6f}]  schedule+0x46/0xb0\n"
        f"[{at:12.6f}]  squashfs_cache_get+0x2d6/0x340\n[{at:12.6f}]  squashfs_readpage_block+0x1ac/0x5a0\n"
    )


def kill(at):
    return f"[{at:12.6f}] Out of memory: Killed process 40 (hog) total-vm:1kB, anon-rss:900kB, file-rss:0kB, shmem-rss:0kB\n"


def test_a_calm_end_does_not_hide_an_earlier_hang(tmp_path):
    log = tmp_path / "console.log"
    log.write_text(hung("a", 10, 5000.0) + kill(90_000.0))
    found = inspect([str(log)])
    assert found.verdict.kind == "lock-contention"
    assert found.victims == ()
    (other,) = found.others
    assert other.kind == "no-hang"
    assert (other.first_line, other.last_line) == (9, 9)


def test_a_kill_and_the_hang_minutes_later_belong_together(tmp_path):
    log = tmp_path / "console.log"
    log.write_text(kill(90.0) + hung("a", 10, 1500.0))
    found = inspect([str(log)])
    assert len(found.victims) == 1
    assert len(found.hung) == 1
    assert found.others == ()

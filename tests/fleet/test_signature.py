"""Signatures of real logs: equal for one bug, whatever the kernel, the machine or the order; different for different bugs."""

import random
import re
from functools import cache

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.corpus import make as corpus
from benchmarks.corpus.labels import captures, reports
from benchmarks.corpus.text import FRAMINGS
from unkillable.diagnosis import KINDS, Diagnosis, judge
from unkillable.diagnosis.types import Verdict
from unkillable.errors import UserError
from unkillable.fleet.signature import SCHEME, signature
from unkillable.fleet.types import Signature
from unkillable.pipeline import inspect

LOGS = {one.name: one for one in (*captures(), *reports())}
HANGS = sorted(
    name
    for name, one in LOGS.items()
    if one.label.kind == "hang" and one.label.cause != "squashfs-cache-wait"
)
ORDINARY = sorted(name for name, one in LOGS.items() if one.label.kind in ("ordinary", "oom", "lockup"))


@pytest.fixture(scope="module")
def read(tmp_path_factory):
    file = tmp_path_factory.mktemp("signatures") / "console.log"

    def diagnosed(log: bytes) -> Diagnosis:
        file.write_bytes(log)
        return inspect([str(file)], judge=judge)

    known: dict[bytes, Diagnosis] = {}

    def remembered(log: bytes) -> Diagnosis:
        if log not in known:
            known[log] = diagnosed(log)
        return known[log]

    return remembered


def sign(read, name: str, *changes: tuple[str, str]) -> Signature | None:
    log = LOGS[name].log
    for pattern, text in changes:
        log, count = re.subn(pattern.encode(), text.encode(), log)
        assert count, f"{pattern} is not in {name}"
    return signature(read(log))


@cache
def of_cause(cause: str) -> tuple[str, ...]:
    return tuple(name for name in HANGS if LOGS[name].label.cause == cause)


CAUSES = sorted({LOGS[name].label.cause for name in HANGS})


@pytest.mark.parametrize("cause", CAUSES)
def test_one_cause_of_all_kernels_and_architectures(read, cause):
    found = {name: signature(read(LOGS[name].log)) for name in of_cause(cause)}
    assert None not in found.values()
    assert len({one.cause for one in found.values()}) == 1, {name: one.title for name, one in found.items()}
    assert len({one.title for one in found.values()}) == 1


def test_different_causes_are_apart(read):
    firsts = {cause: signature(read(LOGS[of_cause(cause)[0]].log)) for cause in CAUSES}
    assert len({one.cause for one in firsts.values()}) == len(CAUSES)
    assert len({one.title for one in firsts.values()}) == len(CAUSES)


@pytest.mark.parametrize("name", ORDINARY)
def test_no_hang_has_no_signature(read, name):
    assert signature(read(LOGS[name].log)) is None


@pytest.mark.parametrize("kind", KINDS)
def test_every_verdict_is_provided_for(read, kind):
    """With a verdict whose waits the log does not show: never an error."""
    bare = read(LOGS["amd64-6.1-healthy"].log)
    found = signature(msgspec.structs.replace(bare, verdict=Verdict(kind, "", "low")))
    assert (found is None) == (kind in ("no-hang", "insufficient-evidence"))
    if found is not None:
        assert found.kind == kind
        assert found.title.startswith(f"{kind}: ")


@pytest.mark.parametrize("name", HANGS)
def test_words(read, name):
    found = signature(read(LOGS[name].log))
    for text in (found.title, found.variant_title):
        assert text.isascii()
        assert not re.search(r"\b\d|None|  |; ;|\ba [aeiou]", text), text
        assert "/" not in text.replace("I/O", ""), text
    assert re.fullmatch("[0-9a-f]{12}", found.cause)
    assert re.fullmatch("[0-9a-f]{12}", found.variant)
    assert found.cause != found.variant


def test_the_store_keeps_its_meaning(read):
    """These identifiers are in stores.  Who changes them must count SCHEME up."""
    assert SCHEME == 1
    assert sign(read, "amd64-6.1-squashfs-freeze").cause == "ebd35128a7b2"
    assert sign(read, "amd64-6.1-mutex-held").cause == "f12184a0a8bf"
    assert sign(read, "amd64-6.1-io-stall-ext4").cause == "34671a427a3f"


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("amd64-6.1-io-stall-squashfs", [("submit_bio_wait", "bio_await")]),
        ("amd64-6.1-io-stall-squashfs", [(r"squashfs_read_folio|squashfs_readahead\b", "squashfs_readpage")]),
        ("amd64-6.1-io-stall-squashfs", [(r"squashfs_bio_read\+", "squashfs_bio_read.isra.0+")]),
        ("amd64-6.1-io-stall-squashfs", [(r"submit_bio_wait\+", "submit_bio_wait.llvm.4711+")]),
        ("amd64-6.1-io-stall-squashfs", [("__x64_sys_", "__se_sys_")]),
        ("amd64-6.1-mutex-held", [(r"lab_do\+", "lab_do.constprop.0+")]),
        ("amd64-6.1-mutex-held", [(r"lab_hold\+", "lab_hold.part.1+"), ("ksys_write", "__arm64_sys_write")]),
        ("amd64-6.1-ext4-frozen", [(r"mnt_want_write\+", "mnt_want_write_file+")]),
        ("amd64-6.1-squashfs-freeze", [(r"__alloc_pages\+", "__alloc_pages_noprof+")]),
        ("amd64-6.1-squashfs-freeze", [("squashfs_readahead", "squashfs_readpage"), ("__filemap_get_folio", "pagecache_get_page")]),
        ("amd64-6.1-io-stall-ext4", [("__ext4_get_inode_loc", "ext4_get_inode_loc.constprop.0")]),
        ("amd64-6.1-victim-in-wait-event", [(r"lab_do\+", "lab_do.cold+")]),
    ],
)  # fmt: skip
def test_renamed_and_inlined(read, name, changes):
    assert sign(read, name, *changes).cause == sign(read, name).cause


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        # another driver has the same mistake
        ("amd64-6.1-mutex-held", [(r"\blab_", "npu_")]),
        ("amd64-6.1-victim-in-wait-event", [(r"\blab_", "npu_")]),
        ("own-7.3-lockdep-abba-deadlock", [(r"\blab_", "npu_")]),
        ("amd64-6.1-pstore-dmesg-ramoops-0", [(r"\blab_", "npu_")]),
        # another function of the driver keeps the lock
        ("own-7.3-lockdep-mutex-held", [(r"\blab_hold\b", "lab_reset")]),
        ("amd64-6.1-mutex-held", [(r"\blab_hold\b", "lab_reset")]),
        # another file system on the disk that does not answer
        ("amd64-6.1-io-stall-squashfs", [(r"\bsquashfs_", "erofs_")]),
        ("amd64-6.1-io-stall-ext4", [(r"\b(__)?(ext4|jbd2)_", "f2fs_")]),
        ("amd64-6.1-squashfs-freeze", [(r"\bsquashfs_", "erofs_")]),
    ],
)  # fmt: skip
def test_another_bug(read, name, changes):
    found, other = sign(read, name), sign(read, name, *changes)
    assert other is not None
    assert other.cause != found.cause
    assert other.title != found.title


NEEDS_ITS_END = {"lab-riscv64-6.12-squashfs-stalled"}
"""Its last lines are the ones that show that memory is short."""


@pytest.mark.parametrize(
    "name", sorted({*HANGS} - NEEDS_ITS_END - {*of_cause("squashfs-cached-error"), *of_cause("zombie")})
)
def test_a_few_lines_less(read, name):
    """A log whose last lines did not make it has the same cause."""
    lines = LOGS[name].log.rstrip().split(b"\n")
    found = signature(read(LOGS[name].log))
    fewer = signature(read(b"\n".join(lines[:-4]) + b"\n"))
    assert fewer is not None
    assert fewer.cause == found.cause


PARTS = [
    (key, group, 0)
    for key, groups in corpus._parts().items()
    if key[0] == "hang"
    for group in range(len(groups))
]


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(PARTS),
    st.integers(0, 2**32),
    st.integers(100, 10**6),
    st.sampled_from([row.name for row in FRAMINGS]),
)
def test_another_machine(read, part, seed, uptime, framing):
    """Other pids, names, addresses, times and another framing."""
    row = next(row for row in FRAMINGS if row.name == framing)

    def log(frame, seed, uptime):
        text = corpus.filled(*part, frame.name, False)
        rng = random.Random(seed)  # noqa: S311
        return text.print(rng, b"box", uptime * 10**6, corpus.wall(1_770_000_000, frame))

    plain = signature(read(log(FRAMINGS[0], 1, 777)))
    other = signature(read(log(row, seed, uptime)))
    assert plain is not None
    assert other is not None
    assert other.cause == plain.cause


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(HANGS), st.randoms(use_true_random=False), st.integers(1, 30_000), st.floats(0, 1e6))
def test_order_numbers_and_times_do_not_count(read, name, rng, pids, later):
    diagnosis = read(LOGS[name].log)
    assert signature(changed(diagnosis, rng, pids, later)) == signature(diagnosis)


def changed(diagnosis: Diagnosis, rng: random.Random, pids: int, later: float) -> Diagnosis:
    """The same diagnosis of another machine: tasks in another order, other pids and names of programs, later."""

    def node(ident: str) -> str:
        return f"task:{int(ident[5:]) + pids}" if ident.startswith("task:") else ident

    def moved(time: float | None) -> float | None:
        return None if time is None else time + later

    replace = msgspec.structs.replace
    waiters = [
        replace(one, pid=None if one.pid is None else one.pid + pids, comm="app", since=moved(one.since))
        for one in diagnosis.waiters
    ]
    edges = [replace(one, source=node(one.source), target=node(one.target)) for one in diagnosis.graph.edges]
    nodes = [replace(one, id=node(one.id)) for one in diagnosis.graph.nodes]
    for items in (waiters, edges, nodes):
        rng.shuffle(items)
    return replace(
        diagnosis,
        waiters=tuple(waiters),
        graph=replace(diagnosis.graph, nodes=tuple(nodes), edges=tuple(edges)),
        cycle=tuple(map(node, diagnosis.cycle)),
        victims=tuple(
            replace(one, pid=one.pid + pids, comm="app", killed_at=moved(one.killed_at))
            for one in diagnosis.victims
        ),
        first_line=diagnosis.first_line + 100,
    )


def test_a_function_that_takes_a_lock_names_it(read):
    """rtnl_lock(), inlined into one waiter and called by another."""

    def task(pid, *frames):
        lines = [
            f"INFO: task app:{pid} blocked for more than 120 seconds.",
            f"task:app state:D stack:0 pid:{pid} ppid:2 flags:0x4000",
        ]
        lines += ["Call Trace:", " <TASK>", *(f" {frame}+0x10/0x20" for frame in frames), " </TASK>"]
        return [f"[  123.00000{number % 10}] {line}" for number, line in enumerate(lines)]

    sleep = ("__schedule", "schedule", "schedule_preempt_disabled", "__mutex_lock.constprop.0")
    work = task(
        55,
        *sleep,
        "rtnl_lock",
        "linkwatch_event",
        "process_one_work",
        "worker_thread",
        "kthread",
        "ret_from_fork",
    )
    call = task(
        77,
        *sleep,
        "rtnetlink_rcv_msg",
        "netlink_rcv_skb",
        "netlink_sendmsg",
        "__x64_sys_sendmsg",
        "do_syscall_64",
    )
    more = [line.replace("77", "78") for line in call]
    found = [
        signature(read("\n".join(log).encode() + b"\n"))
        for log in (work, work + call, call + work, work + call + more)
    ]
    assert {one.title for one in found} == {"lock-contention: tasks wait for a mutex in rtnl_lock"}
    assert len({one.cause for one in found}) == 1


def test_a_holder_in_reclaim_is_one_place(read):
    """Which function of reclaim a dump catches is chance."""
    diagnosis = read(LOGS["own-7.3-lockdep-mutex-held"].log)
    found = set()
    for stack in (("shrink_lruvec", "try_to_free_pages"), ("reclaim_throttle", "shrink_node"), ()):
        waiters = [
            msgspec.structs.replace(one, role="reclaims", stack=stack) if one.function == "lab_hold" else one
            for one in diagnosis.waiters
        ]
        found.add(signature(msgspec.structs.replace(diagnosis, waiters=tuple(waiters))).cause)
    assert len(found) == 1
    assert found != {signature(diagnosis).cause}


@settings(max_examples=80, deadline=None)
@given(st.sampled_from(PARTS), st.randoms(use_true_random=False), st.floats(0.02, 0.9))
def test_whatever_is_left_of_a_log(read, part, rng, lost):
    """Lines missing anywhere: a signature or none, never an error, and always words for a table."""
    text = corpus.filled(*part, "console", True).print(
        rng, b"box", 10**9, corpus.wall(1_770_000_000, FRAMINGS[0])
    )
    lines = [line for line in text.splitlines(keepends=True) if rng.random() > lost]
    try:
        found = signature(read(b"".join(lines)))
    except UserError:
        return  # nothing is left that could be read
    if found is not None:
        assert len(found.title) < 200
        assert found.title.isascii()
        assert "None" not in found.title + found.variant_title

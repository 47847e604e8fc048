"""Diagnoses for the tests of this room: made by hand, hostile ones, and those of the bundled logs."""

from __future__ import annotations

import tempfile
import xml.etree.ElementTree as ET
from functools import cache
from pathlib import Path
from typing import Any

from tests.samples_file import SAMPLES, find, load
from unkillable.diagnosis.types import (
    Advice,
    BootSummary,
    Diagnosis,
    Edge,
    Event,
    Graph,
    Memory,
    Missing,
    Node,
    Problem,
    Quote,
    Statement,
    Verdict,
    Victim,
    Waiter,
)  # fmt: skip
from unkillable.evidence.types import Coverage, KernelInfo, OomKill, OomReport, OomTask
from unkillable.pipeline import inspect

EXAMPLES = SAMPLES.parent.parent / "examples"
LOGS = [*sorted([*EXAMPLES.glob("*.log.xz"), *(SAMPLES / "reports").glob("*.txt")]), *find("captures")]
"""Every bundled log: the examples, the reports of others, the captures."""

HOSTILE = "<script>alert('x')</script>]]>--><!--\"'&{{7*7}}{%raw%}\x00\x1b[31m\x9b\u202e\u2066\u2028\ufffe\ud800\r\n%%{init:{}}%%`#quot;\\"
"""What a process can call itself, or a corrupted line can hold, and worse."""


@cache
def of_log(path: Path) -> Diagnosis:
    """The diagnosis of a bundled log."""
    if ".sample" not in path.suffixes:
        return inspect([str(path)])
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "console.log"
        file.write_bytes(load(path)[1])
        return inspect([str(file)])


def parsed(svg: str) -> ET.Element:
    """An SVG picture as XML; fails if it is none."""
    return ET.fromstring(svg)  # noqa: S314  our own output, without a DTD


def deadlock() -> Diagnosis:
    """Two tasks in a cycle, five more behind them, a stuck victim."""
    behind = [waiter(pid, f"e{pid}") for pid in range(10, 15)]
    nodes = [
        Node(f"task:{one.pid}", "task", f"{one.comm}/{one.pid}", "D in squashfs_cache_get") for one in behind
    ]
    edges = [Edge(node.id, "resource:entry", "waits-for") for node in nodes]
    nodes += [
        Node("task:1", "task", "init/1", "D in mutex_lock", critical=True),
        Node("task:2", "task", "hog/2", "D in squashfs_cache_get", critical=True),
        Node("resource:entry", "resource", "squashfs block-cache entry", critical=True),
        Node("resource:mutex", "resource", "mutex of hog", critical=True),
    ]
    edges += [
        Edge("task:1", "resource:mutex", "waits-for"),
        Edge("resource:mutex", "task:2", "held-by"),
        Edge("task:2", "resource:entry", "waits-for"),
        Edge("resource:entry", "task:1", "held-by", inferred=True),
    ]
    return Diagnosis(
        tool="unkillable 0.1.0",
        source="logs/serial console.log",
        verdict=Verdict(
            "deadlock",
            "init/1 and hog/2 wait for each other",
            "high",
            (
                Statement("init/1 waits for a mutex", lines=(Quote(7, "task:init state:D"), Quote(8, "mutex_lock+0x1/0x2"))),
                Statement("init/1 fills the entry", inferred=True, cite="6.1.192 fs/squashfs/cache.c:77"),
            ),
        ),
        kernel=KernelInfo(release="6.1.0-56", version="6.1.192", arch="arm64"),
        victims=(Victim(2, "hog", 12.5, "stuck", fate_at=130.0, anon_rss_kib=65536, waits_in="squashfs_cache_get"),),
        waiters=(waiter(1, "init"), waiter(2, "hog", victim=True), *behind),
        graph=Graph(tuple(nodes), tuple(edges)),
        cycle=("task:1", "resource:mutex", "task:2", "resource:entry"),
        memory=Memory(True, 2048, 1024, 4096, 65536, 98304, 0, 0, 40, "Mem-Info:"),
        timeline=(
            Event(0.0, "boot", "Linux 6.1.0-56", 1),
            Event(12.0, "oom", "hog invoked the OOM killer", 20, pid=2),
            Event(12.5, "kill", "hog/2 was sent SIGKILL", 30, 130.0, 2),
            Event(10.0, "hung", "init/1 blocked for more than 120 s", 50, 130.0, 1),
        ),
        ooms=(
            OomReport(
                line=20, text="hog invoked oom-killer", time=12.0, comm="hog", pid=2, order=0, gfp_flags=("GFP_KERNEL",),
                constraint="CONSTRAINT_NONE", lines=(20, 30), tasks=(OomTask(1, "init", rss=10), OomTask(2, "hog", rss=16384)),
                kills=(OomKill(pid=2, comm="hog", anon_rss=65536),),
            ),
        ),
        missing_evidence=(Missing("the lock's owner", "lockdep would say", ("echo d > /proc/sysrq-trigger",)),),
        advice=(Advice("Reboot", "It does not end by itself.", ("echo b > /proc/sysrq-trigger",), "any", "this test"),),
        coverage=Coverage(lines=60, kernel_lines=60, unknown=3, dropped={"tasks": 2}),
        others=(BootSummary("logs/serial console.log", 1, "no-hang", "no hang", "high", "6.1.0-56", 61, 99),),
        problems=(Problem("core.bin", "not a log"),),
    )  # fmt: skip


def waiter(pid: int | None, comm: str | None, **more: object) -> Waiter:
    """A task asleep in the flagship's place."""
    values: dict[str, Any] = {
        "state": "D",
        "function": "squashfs_cache_get",
        "primitive": "wait_event",
        "task_state": "TASK_UNINTERRUPTIBLE",
        "killable": False,
        "resource": "squashfs-cache-entry",
        "entered_by": "page-fault",
        "stack": ("squashfs_cache_get", "squashfs_readahead"),
        "lines": (Quote(100 + (pid or 0), f"task:{comm} state:D"),),
    }
    return Waiter(pid=pid, comm=comm, **(values | more))


def hostile(text: str = HOSTILE, count: int = 3) -> Diagnosis:
    """Every string that comes from a log is `text`; lists have `count` entries."""
    quotes = (Quote(1, text),) * count
    nodes = [Node(f"task:{number}", "task", text, text, critical=number == 0) for number in range(count)]
    nodes += [Node(f"resource:{number}{text}", "resource", text) for number in range(count)]
    edges = [
        Edge(f"task:{number}", f"resource:{number}{text}", "waits-for", False, quotes)
        for number in range(count)
    ]
    edges += [
        Edge(f"resource:{number}{text}", f"task:{(number + 1) % count}", "held-by", True)
        for number in range(count)
    ]
    return Diagnosis(
        tool=text,
        source=text,
        verdict=Verdict("lock-contention", text, text, (Statement(text, True, quotes, text),) * count),
        kernel=KernelInfo(release=text, version=text, arch=text, machine=text, command_line=text, root_fs=text, filesystems=(text,)),
        victims=(Victim(1, text, 1.0, "stuck", text, 3.0, 2, text, 5, text, quotes),) * count,
        waiters=(waiter(1, text, function=text, primitive=text, task_state=text, state=text, resource=text, entered_by=text,
                        holds=(text,), locks=(text,), stack=(text,) * count, lines=quotes),) * count,
        graph=Graph(tuple(nodes), tuple(edges)),
        cycle=tuple(ident for number in range(count) for ident in (f"task:{number}", f"resource:{number}{text}")),
        memory=Memory(True, 1, 1, 1, 1, 1, 1, 1, 1, text),
        timeline=tuple(Event(float(number), kind, text, 1, number + 5.0, number) for number in range(count)
                       for kind in ("oom", "kill", "hung", "error", text)),
        ooms=(OomReport(line=1, text=text, time=1.0, comm=text, pid=1, gfp_flags=(text,), constraint=text, memcg=text, trigger=text,
                        tasks=(OomTask(1, text, rss=5),) * count, kills=(OomKill(pid=1, comm=text),)),) * count,
        missing_evidence=(Missing(text, text, (text,)),) * count,
        advice=(Advice(text, text, (text,), text, text),) * count,
        coverage=Coverage(dropped={text: 1}),
        others=(BootSummary(text, 0, text, text, text, text),) * count,
        problems=(Problem(text, text),) * count,
    )  # fmt: skip

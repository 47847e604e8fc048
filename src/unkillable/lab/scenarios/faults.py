"""A task whose allocations fail one by one, and another one, which needs the same block and to which nothing is done.

/proc/PID/fail-nth makes the nth allocation of a task fail that can fail: each is tried in turn, on a block of its own, until
the read has no more.  That is what happens to a task that the OOM killer has chosen, at a place that can be named.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import msgspec

from unkillable.errors import UserError
from unkillable.lab.scenarios import content
from unkillable.lab.scenarios.play import Finding, Play
from unkillable.lab.scenarios.types import TaskSeen

HANG_S = 20.0
"""Seconds after which a bystander that has not ended is taken to wait for ever, if others can still read: it takes some
hundredths else."""
MOST = 44
"""Allocations that are tried; a read of a block of 128 KiB makes about 25."""
_SHOWN = 4
"""Pairs of tasks that are kept of each kind of end."""
_DEBUGFS = "/sys/kernel/debug"
_SETTINGS = (
    # What may wait for memory is not made to fail by default, nor is a single page.
    ("failslab/ignore-gfp-wait", "N"),
    ("fail_page_alloc/ignore-gfp-wait", "N"),
    ("fail_page_alloc/min-order", "0"),
)
_FUNCTION = re.compile(r"^ *(?:\? )?(\w+)\+0x")

_INJECTED = "FAULT_INJECTION: forcing a failure"

Pair = tuple[tuple[str, int], tuple[str, int]]
"""What the one and what the other reads: a file and a page of it."""


def blocks(number: int) -> Pair:
    """Two pages of a block."""
    first = (number + 1) * content.PAGES
    return (content.blocks(), first), (content.blocks(), first + 7)


def fragments(number: int) -> Pair:
    """Two files whose ends share a block."""
    return (content.tail(number), 0), (content.tail(number, 1), 0)


class Fault(msgspec.Struct, frozen=True):
    """One allocation that failed, and what became of the two."""

    function: str
    """Of squashfs, in which it was; empty where it was elsewhere."""
    reader: TaskSeen
    bystander: TaskSeen


async def sweep(play: Play, pairs: Callable[[int], Pair]) -> Finding:
    """Each allocation of a read in turn."""
    await play.agent.ask("mount", "debugfs", _DEBUGFS)
    for name, value in _SETTINGS:
        await play.agent.ask("write", f"{_DEBUGFS}/{name}", value)
    await play.read("first", "reads what describes the file", content.blocks(), 0)
    found: list[Fault] = []
    for nth in range(1, MOST + 1):
        fault = await _one(play, nth, pairs(nth))
        if fault is None:
            break
        found.append(fault)
    ours = [one for one in found if one.function]
    if not ours:
        return Finding(None, "no allocation of squashfs could be made to fail")
    return _finding(ours)


async def _one(play: Play, nth: int, pair: Pair) -> Fault | None:
    """None where the read has no such allocation."""
    a, b = f"A{nth}", f"B{nth}"
    messages = len(play.agent.messages)
    reader = await play.read(a, f"reads a block, and its allocation {nth} fails", *pair[0], nth=nth)
    await play.agent.ask("kmsg")
    told = any(_INJECTED in text for text in play.agent.messages[messages:])
    # A reader that was ended could not say how many allocations were left, and nothing else is there to end it.
    if not (told or reader.end == "signal" or play.left(a) == 0):
        return None
    function = _function(play.agent.messages[messages:])
    await play.start(b, f"reads another page of the block of {a}", *pair[1])
    if not await play.ended(b, seconds=HANG_S):
        other = await play.read(
            f"C{nth}", "shows that the guest works", content.tail(content.FRAGMENTS - 1), 0
        )
        if other.end != "data":
            raise UserError("the guest of a scenario does not read any more")
    bystander = play.seen(b)
    if bystander.end == "stuck":
        await play.kill(b)
        await play.ended(b)
    return Fault(function, reader, bystander)


def _function(messages: list[str]) -> str:
    """Where an allocation was made to fail: the first function of squashfs in the backtrace that the kernel prints."""
    names = (match[1] for text in messages if (match := _FUNCTION.match(text)))
    return next(
        (name for name in names if name.startswith(("squashfs_", "lz4_")) or name == "read_indexes"), ""
    )


def _finding(faults: list[Fault]) -> Finding:
    kinds: dict[str, list[Fault]] = {}
    for one in faults:
        kinds.setdefault(_kind(one.bystander), []).append(one)
    told = [f"each of {len(faults)} allocations of a read failed once, and of the bystanders"]
    parts = []
    for kind, group in kinds.items():
        places = " and ".join(dict.fromkeys(one.function for one in group))
        parts.append(
            f"{len(group)} {kind}" + ("" if kind == "got their data" else f" (it failed in {places})")
        )
    readers = sum(one.reader.end != "data" for one in faults)
    told.append(", ".join(parts) + f"; {readers} of the readers themselves did not get their data")
    shown = [
        task for group in kinds.values() for one in group[:_SHOWN] for task in (one.reader, one.bystander)
    ]
    return Finding(set(kinds) != {"got their data"}, " ".join(told), tuple(shown))


def _kind(task: TaskSeen) -> str:
    return {
        "data": "got their data",
        "signal": f"were ended by signal {task.signal}",
        "stuck": f"had not ended after {HANG_S:.0f} s",
    }.get(task.end, "got " + task.end)

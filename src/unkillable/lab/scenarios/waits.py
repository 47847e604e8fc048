"""Tasks that wait in squashfs for another one, whose read of the disk is held back."""

from __future__ import annotations

import asyncio

from unkillable.lab.scenarios import content
from unkillable.lab.scenarios.play import Finding, Play
from unkillable.lab.scenarios.types import TaskSeen

HOLD_S = 6.0
"""Seconds for which a waiter is watched after its signal."""
ALARM_MS = 10
BUSY = 0.5
"""Share of its wait from which on a waiter that computes spins."""
_READS = ("submit_bio_wait", "squashfs_bio_read", "squashfs_read_data")
_WAITS = ("squashfs_cache_get",)

Place = tuple[str, int]
"""A file and a page of it."""


def _block(number: int, page: int = 0) -> Place:
    return content.blocks(), number * content.PAGES + page


class Cast:
    """Who reads what."""

    def __init__(self, readers: tuple[Place, ...], same: Place, other: Place, queued: Place) -> None:
        self.readers = readers
        """They take all entries of the cache, and their reads are held."""
        self.same = same
        """Of a block that the first of them is reading."""
        self.other = other
        """Of a block that nobody reads: whoever wants it waits for a free entry."""
        self.queued = queued
        """Of another one, for somebody who waits behind and to whom nothing is done."""


BLOCKS = Cast((_block(2),), _block(2, 5), _block(3), _block(4))
"""FILE_CACHE and a single decompressor: the cache of blocks has one entry."""
FRAGMENTS = Cast(
    tuple((content.tail(n), 0) for n in (0, 1, 2)),
    (content.tail(0, 1), 0),
    (content.tail(3), 0),
    (content.tail(4), 0),
)
"""The cache of fragments has three entries (CONFIG_SQUASHFS_FRAGMENT_CACHE_SIZE)."""


async def _set_up(play: Play, cast: Cast, alarm_ms: int = 0) -> str | None:
    """Everybody waits; what went wrong where somebody does not."""
    readers = [f"A{n}" if n else "A" for n in range(len(cast.readers))]
    places = (*cast.readers, cast.same, cast.other, cast.queued)
    await play.open(content.blocks(), *(path for path, _ in places))
    await play.read("first", "reads what describes the file", *_block(0))
    await play.hold(spare=1)
    for who, place in zip(readers, cast.readers, strict=True):
        await play.start(who, "reads a block", *place)
        if not await play.waits(who, *_READS):
            return f"{who} did not come to wait for the disk"
    for who, does, place in (
        ("B", "waits for the block that A reads", cast.same),
        ("C", "waits for a free entry of the cache", cast.other),
    ):
        await play.start(who, does, *place, alarm_ms=alarm_ms)
        if not await play.waits(who, *_WAITS) and not alarm_ms:
            return f"{who} did not come to wait in squashfs_cache_get()"
    await play.start("D", "waits behind C, and nothing is done to it", *cast.queued)
    await play.waits("D", *_WAITS)
    return None


async def _finish(play: Play, cast: Cast) -> list[TaskSeen]:
    """Lets the disk answer, and reads what the killed tasks wanted: entries and wake-ups may have been lost with them."""
    await play.release()
    everybody = [*(f"A{n}" if n else "A" for n in range(len(cast.readers))), "B", "C", "D"]
    await play.ended(*everybody)
    await play.read("E", "reads afterwards what B wanted", *cast.same)
    await play.read("F", "reads afterwards what C wanted", *cast.other)
    return [play.seen(who) for who in (*everybody, "E", "F")]


async def killed(play: Play, cast: Cast) -> Finding:
    """SIGKILL for a task that waits for the block and for one that waits for an entry."""
    if wrong := await _set_up(play, cast):
        await play.release()
        return Finding(None, wrong)
    for who in ("B", "C"):
        await play.kill(who)
    await play.ended("B", "C", seconds=HOLD_S)
    early = [who for who in ("B", "C") if who in play.agent.ends]
    tasks = await _finish(play, cast)
    by = {task.who: task for task in tasks}
    lost = [task.who for task in tasks if task.who not in ("B", "C") and task.end != "data"]
    told = ", ".join(f"{who} ended {_after(by[who])}" for who in ("B", "C"))
    if lost:
        return Finding(
            True, f"{told}; {', '.join(lost)} did not get the data afterwards", tuple(tasks), play.held_s
        )
    if len(early) == 2:
        return Finding(False, f"{told}, while the disk was held", tuple(tasks), play.held_s)
    stuck = " and ".join(who for who in ("B", "C") if who not in early)
    return Finding(
        True, f"{told}; SIGKILL did not end {stuck} before the disk answered", tuple(tasks), play.held_s
    )


def _after(task: TaskSeen) -> str:
    return "never" if task.kill_latency_s is None else f"{1000 * task.kill_latency_s:.0f} ms after SIGKILL"


async def signalled(play: Play, cast: Cast) -> Finding:
    """A signal with a handler every few milliseconds for the same two."""
    if wrong := await _set_up(play, cast, ALARM_MS):
        await play.release()
        return Finding(None, wrong)
    before = {who: await play.look(who) for who in ("B", "C")}
    await asyncio.sleep(HOLD_S)
    after = {who: await play.look(who) for who in ("B", "C")}
    tasks = await _finish(play, cast)
    shares = {}
    for who in ("B", "C"):
        first, last = before[who], after[who]
        if first is None or last is None or last.t <= first.t:
            return Finding(True, f"{who} did not wait for its block", tuple(tasks), play.held_s)
        shares[who] = (last.cpu - first.cpu) / (last.t - first.t)
    told = ", ".join(
        f"{who} computed {100 * share:.0f} % of the time that it waited" for who, share in shares.items()
    )
    lost = [task.who for task in tasks if task.end != "data"]
    if lost:
        told += f"; {', '.join(lost)} did not get the data afterwards"
    return Finding(
        bool(lost) or any(share > BUSY for share in shares.values()), told, tuple(tasks), play.held_s
    )

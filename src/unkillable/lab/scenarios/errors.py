"""The disk answers for one block with an error: that must stay an error, for everybody, and be told."""

from __future__ import annotations

from unkillable.lab.scenarios import content
from unkillable.lab.scenarios.play import Finding, Play
from unkillable.lab.scenarios.types import TaskSeen

BAD = 64
"""Sector of the disk that cannot be read.  mksquashfs begins with the data, behind a superblock of 96 bytes: this one is of
the first block of the file of blocks (32 KiB of at least 64)."""


async def damaged(play: Play) -> Finding:
    """Two tasks that need the block, one after the other, and one that needs the next block."""
    good = await play.read("first", "reads what describes the file", content.blocks(), 5 * content.PAGES)
    tasks = (
        good,
        await play.read("A", "needs the block that cannot be read", content.blocks(), 0),
        await play.read("B", "needs another page of it", content.blocks(), 7),
        await play.read("C", "needs the next block", content.blocks(), content.PAGES),
    )
    lines = len(await play.agent.errors())
    ends = [_end(task) for task in tasks]
    told = f"A and B ended by {ends[1]} and {ends[2]}, C got {ends[3]}, {lines} error lines"
    right = ends == ["data", "signal 7", "signal 7", "data"] and lines > 0
    return Finding(not right, told, tasks)


def _end(task: TaskSeen) -> str:
    return f"signal {task.signal}" if task.signal else task.end

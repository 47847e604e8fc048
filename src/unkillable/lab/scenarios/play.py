"""A guest in which a scenario is played: tasks that touch a page, and a root disk whose answers can be held back."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import msgspec

from unkillable.errors import UserError
from unkillable.lab.machine import Machine
from unkillable.lab.scenarios import content
from unkillable.lab.scenarios.agent import Agent, Line
from unkillable.lab.scenarios.types import TaskSeen
from unkillable.lab.setup import Module
from unkillable.lab.squashfssource import Edit

SETTLE_S = 20.0
"""Seconds in which a task comes to where it waits, or to its end when nothing is in its way any more."""
_STEP = 0.2
"""Seconds between two looks at a task.  Time is counted in looks: each needs an answer of the guest, so that a guest which a
busy host lets run but now and then has as long as another one."""


class Finding(msgspec.Struct, frozen=True):
    """What a scenario found: see Result."""

    defect: bool | None
    seen: str
    tasks: tuple[TaskSeen, ...] = ()
    held_s: float = 0.0


class Scenario(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    question: str
    module: Module
    """How squashfs must be configured for it."""
    play: Callable[[Play], Awaitable[Finding]]
    since: str | None = None
    """The first version that has the code."""
    until: str | None = None
    faults: bool = False
    """It needs a kernel that can make allocations fail, which only a source:TREE is."""
    edits: tuple[Edit, ...] = ()
    """What it adds to the source of squashfs, to all variants alike."""
    damaged: bool = False
    """The disk answers for one block with an I/O error."""


class Play:
    """What scenarios are written in."""

    def __init__(self, agent: Agent, machine: Machine) -> None:
        self.agent = agent
        self.machine = machine
        self.held_at: float | None = None
        self.held_s = 0.0
        self._opened: set[str] = set()
        self._pages: dict[str, tuple[str, int]] = {}
        self._does: dict[str, str] = {}
        self._stacks: dict[str, tuple[str, ...]] = {}
        self._killed: dict[str, float] = {}
        self._cpu: dict[str, float] = {}

    async def open(self, *paths: str) -> None:
        """Before the disk is held: to open is to read inodes and directories."""
        for path in paths:
            if path not in self._opened:
                await self.agent.ask("open", path, path)
                self._opened.add(path)

    async def start(
        self, who: str, does: str, path: str, page: int, *, nth: int = 0, alarm_ms: int = 0
    ) -> None:
        """A task that touches a page of a file.  Its allocation number `nth` fails, a signal with a handler comes every
        `alarm_ms`; 0 for neither."""
        await self.open(path)
        self._pages[who], self._does[who] = (path, page), does
        await self.agent.ask("task", who, path, page, nth, alarm_ms)

    async def read(self, who: str, does: str, path: str, page: int, *, nth: int = 0) -> TaskSeen:
        """A task that is waited for."""
        await self.start(who, does, path, page, nth=nth)
        await self.ended(who)
        return self.seen(who)

    async def ended(self, *names: str, seconds: float = SETTLE_S) -> bool:
        """Whether all of these tasks end."""
        for _ in range(int(seconds / _STEP)):
            if await self.agent.until(lambda: all(who in self.agent.ends for who in names), _STEP):
                return True
            for who in names:
                await self.look(who)
        return all(who in self.agent.ends for who in names)

    def ended_at(self, who: str) -> float | None:
        """Guest time; None for a task that has not ended."""
        end = self.agent.ends.get(who)
        return None if end is None else end.at

    def left(self, who: str) -> int | None:
        """How many allocations were still to come before the one that was to fail; None for a task that did not tell."""
        end = self.agent.ends.get(who)
        return None if end is None else end.left

    async def look(self, who: str) -> Line | None:
        """What the task does; None for one that has ended."""
        if who in self.agent.ends:
            return None
        try:
            line = await self.agent.ask("look", who)
        except UserError:  # it ended meanwhile
            return None
        self._cpu[who] = line.cpu
        if line.stack:
            self._stacks.setdefault(who, tuple(line.stack.split()))
        return line

    async def waits(self, who: str, *functions: str) -> bool:
        """Whether the task comes to wait below one of these functions.  Without stacks (CONFIG_STACKTRACE) any sleep that
        cannot be interrupted counts; with them also one that can, as in a patch of somebody else's."""
        for _ in range(int(SETTLE_S / _STEP)):
            line = await self.look(who)
            if line is None:
                return False
            stack = tuple(line.stack.split())
            asleep = any(name in functions for name in stack) if line.stacks else line.state == "D"
            if asleep and line.state in "DS":
                self._stacks[who] = stack
                return True
            await asyncio.sleep(_STEP)
        return False

    async def kill(self, who: str, signal: int = 9) -> None:
        line = await self.agent.ask("kill", who, signal)
        self._killed[who] = line.at

    async def hold(self, spare: int) -> None:
        """From now on the disk answers nothing.  `spare` is a block that nobody needs."""
        # A limit of a byte a second: the first request is let through, and the next would have to wait for a day.
        await self._limit(1)
        await self.read("spare", "is let through", content.blocks(), spare * content.PAGES)
        self.held_at = self.agent.now

    async def release(self) -> None:
        if self.held_at is not None:
            await self._limit(0)
            await self.agent.ask("kmsg")  # moves our idea of the guest's clock
            self.held_s = self.agent.now - self.held_at
            self.held_at = None

    async def _limit(self, rate: int) -> None:
        none = dict.fromkeys(("bps", "bps_wr", "iops", "iops_rd", "iops_wr"), 0)
        if await self.machine.qmp("block_set_io_throttle", device="root", bps_rd=rate, **none) is None:
            raise UserError("QEMU cannot hold the root disk back: block_set_io_throttle failed")

    def seen(self, who: str) -> TaskSeen:
        """A task as it is now."""
        end = self.agent.ends.get(who)
        killed = self._killed.get(who)
        if end is None:
            return TaskSeen(
                who=who, does=self._does[who], end="stuck", cpu_s=self._cpu.get(who, 0.0), stack=self._stacks.get(who, ())
            )  # fmt: skip
        return TaskSeen(
            who=who,
            does=self._does[who],
            end=self._end(who, end),
            signal=end.signal,
            seconds=end.took,
            kill_latency_s=None if killed is None else end.at - killed,
            cpu_s=end.cpu,
            stack=self._stacks.get(who, ()),
        )

    def _end(self, who: str, end: Line) -> str:
        if end.signal:
            return "signal"
        if end.status or not end.whole:
            return "error"
        return "data" if end.sum == content.page_sum(*self._pages[who]) else "wrong-data"

"""The host's side of the agent in the guest: commands, their answers, and the tasks that ended.  The guest is not trusted."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import msgspec

from unkillable.errors import UserError
from unkillable.lab import labconf
from unkillable.lab.consoles import ERROR
from unkillable.lab.machine import Machine

ANSWER_S = 300.0
"""Wall seconds for the answer to a command: a busy host runs an emulated guest slowly."""
_MOST = 10_000
"""Lines of the ring buffer that are kept."""
_TEXT = 500


class Line(msgspec.Struct, frozen=True):
    """A line of the agent; which fields it has depends on `ev`."""

    t: float
    ev: str
    what: str = ""
    why: str = ""
    who: str = ""
    at: float = 0.0
    took: float = 0.0
    cpu: float = 0.0
    signal: int = 0
    status: int = 0
    whole: bool = False
    sum: str = ""
    left: int = -1
    state: str = "?"
    stack: str = ""
    stacks: bool = False
    """Whether the kernel shows stacks at all (CONFIG_STACKTRACE)."""
    text: str = ""


class NotStartedError(UserError):
    """The guest did not come as far as its agent, which has nothing to do with squashfs."""


class Agent:
    """Tells the guest what to do.  `listen` must run meanwhile."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.ready = False
        self.now = 0.0
        """Guest time of the last line."""
        self.ends: dict[str, Line] = {}
        """Tasks that ended, by name."""
        self.messages: list[str] = []
        """What the kernel logged, as far as it was fetched."""
        self._answer: asyncio.Queue[Line] = asyncio.Queue()
        self._told: list[Line] = []
        """What came since the last command: `look`, `kill`."""

    async def listen(self) -> None:
        decoder = msgspec.json.Decoder(Line)
        async for raw in self.machine.lines():
            try:
                line = decoder.decode(raw)
            except msgspec.DecodeError:
                continue
            self.now = max(self.now, line.t)
            if line.ev == "ready":
                self.ready = True
            elif line.ev == "end" and len(self.ends) < _MOST:
                self.ends[line.who] = line
            elif line.ev == "kmsg" and len(self.messages) < _MOST:
                self.messages.append(line.text[:_TEXT])
            elif line.ev in ("done", "fail") and self._answer.qsize() < _MOST:
                self._answer.put_nowait(line)
            elif line.ev in ("look", "kill"):
                self._told = [line]

    async def boot(self, seconds: float) -> None:
        """Waits for the end of /lab.conf, whose lines must all have been carried out."""
        if not await self.until(lambda: self.ready, seconds):
            raise NotStartedError(
                f"the guest did not start its agent within {seconds:.0f} s; the console log shows how far it came"
            )
        while not self._answer.empty():
            line = self._answer.get_nowait()
            if line.ev == "fail":
                raise UserError(f"the guest could not do `{line.what[:100]}`: {line.why[:100]}")

    async def ask(self, *words: object) -> Line:
        """Carries a command out; what it told, or its answer."""
        self._told = []
        await self.machine.command(" ".join(labconf.quote(str(word)) for word in words))
        try:
            line = await asyncio.wait_for(self._answer.get(), ANSWER_S)
        except TimeoutError:
            raise UserError(f"the guest did not answer `{words[0]}` within {ANSWER_S:.0f} s") from None
        if line.ev == "fail":
            raise UserError(f"the guest could not do `{line.what[:100]}`: {line.why[:100]}")
        return self._told[0] if self._told else line

    async def errors(self) -> tuple[str, ...]:
        """All error lines of squashfs so far."""
        await self.ask("kmsg")
        return tuple(text for text in self.messages if ERROR.decode() in text)

    async def until(self, true: Callable[[], bool], seconds: float) -> bool:
        """Whether it became true in that many seconds of the wall's clock."""
        deadline = time.monotonic() + seconds
        while not true():
            if time.monotonic() > deadline or not self.machine.running:
                return False
            await asyncio.sleep(0.02)
        return True

"""Worker processes: few at a time, each stopped when its time is over or nobody wants its answer any more."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import msgspec
from starlette.requests import Request

from unkillable.web.limits import Limits
from unkillable.web.refusal import Refusal
from unkillable.web.worker import Answer, Job

__all__ = ["Workers"]

_PIECE = 1 << 16
_BUSY = "Several logs are being read already: try again in a minute."
_UNWANTED = "The visitor has gone away."
_LATE = "Reading it took more than {} s: use `unkillable diagnose`, which has no such limit."
_GONE = "Reading it ended without an answer: too much time or memory was needed. Try a smaller part of it."


class Workers:
    """Who reads what visitors send."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._free = asyncio.Semaphore(limits.workers)
        self._inside = 0

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """Room for one more upload, from its first byte to its answer.  Raises Refusal where there is none."""
        if self._inside >= self.limits.waiting:
            raise Refusal(503, _BUSY)
        self._inside += 1
        try:
            yield
        finally:
            self._inside -= 1

    async def run(self, job: Job, request: Request) -> Answer:
        """The job, done by a process of its own once it is its turn, unless the visitor goes away meanwhile.

        Raises Refusal where it ends without an answer.
        """
        work, gone = asyncio.ensure_future(self._run(job)), asyncio.ensure_future(_gone(request))
        try:
            await asyncio.wait((work, gone), return_when=asyncio.FIRST_COMPLETED)
            if work.done():
                return work.result()
            raise Refusal(400, _UNWANTED)
        finally:
            work.cancel()
            gone.cancel()
            await asyncio.wait((work, gone))

    async def _run(self, job: Job) -> Answer:
        async with self._free:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-P", "-B", "-m", "unkillable.web.worker",
                stdin=PIPE, stdout=PIPE, stderr=DEVNULL, start_new_session=True,
            )  # fmt: skip
            try:
                async with asyncio.timeout(job.seconds):
                    answer = await self._talk(process, job)
            except TimeoutError:
                raise Refusal(504, _LATE.format(job.seconds)) from None
            finally:
                await _stop(process)
        if answer is None:
            raise Refusal(422, _GONE)
        if answer.fault is not None:
            raise RuntimeError(answer.fault)
        return answer

    async def _talk(self, process: Process, job: Job) -> Answer | None:
        assert process.stdin is not None  # noqa: S101  as asked for above
        assert process.stdout is not None  # noqa: S101
        with suppress(BrokenPipeError, ConnectionResetError):
            process.stdin.write(msgspec.json.encode(job))
            await process.stdin.drain()
        process.stdin.close()
        data = bytearray()
        while piece := await process.stdout.read(_PIECE):
            data += piece
            if len(data) > self.limits.answer:
                return None
        if await process.wait():
            return None
        return msgspec.msgpack.decode(data, type=Answer)


async def _gone(request: Request) -> None:
    """Waits until the visitor has closed the connection; the request's body has been read."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _stop(process: Process) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    await asyncio.shield(process.wait())

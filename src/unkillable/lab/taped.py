"""Machines whose run is recorded, or run again: the same QEMU process with other ports."""

from __future__ import annotations

import asyncio
import fcntl
import os

from unkillable.lab.machine import LINE, Machine

_ROOM = 1 << 20
"""Bytes of a pipe: what the watcher writes while the host is busy with something else."""


class Recorder(Machine):
    """The watcher's port is a pair of pipes; QEMU writes the console to a file, and nobody can type there."""

    patience = 60.0
    # The tape's header is written last: one whose QEMU was killed cannot be replayed.

    async def _start(self) -> None:
        for end in ("in", "out"):
            os.mkfifo(f"{self.files.watch}.{end}")
        await super()._start()

    async def _ports(self) -> None:
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(limit=LINE)
        # QEMU has both ends open by now, so that neither open waits, and ours ends with it.
        out = os.fdopen(os.open(f"{self.files.watch}.out", os.O_RDONLY | os.O_NONBLOCK), "rb", buffering=0)
        fcntl.fcntl(out, fcntl.F_SETPIPE_SZ, _ROOM)
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), out)
        into = os.fdopen(os.open(f"{self.files.watch}.in", os.O_WRONLY | os.O_NONBLOCK), "wb", buffering=0)
        transport, protocol = await loop.connect_write_pipe(asyncio.streams.FlowControlMixin, into)
        self._watch = reader, asyncio.StreamWriter(transport, protocol, None, loop)


class Player(Machine):
    """What the guest was told comes from the tape."""

    async def _ports(self) -> None:
        """Nothing to connect: QEMU writes both ports to files."""

"""One running QEMU: its process, its QMP connection and the guest's two serial ports."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from unkillable.errors import UserError
from unkillable.lab.qemu import Files

if TYPE_CHECKING:
    from qemu.qmp import ConnectError, QMPClient

LINE = 65536
"""Bytes of a line on the watcher's port; a longer one is not the watcher's."""
LOG = 64 << 20
"""Bytes of a log that are kept: a guest in a loop of messages must not fill the disk."""
_STARTS = 20.0
"""Seconds that QEMU may take to open its sockets on a busy host."""


class Machine:
    """Use as an asynchronous context: whatever happens inside, the process is gone afterwards."""

    patience = 5.0
    """Seconds that QEMU may take to end after `quit`."""

    def __init__(self, argv: tuple[str, ...], files: Files) -> None:
        self.argv = argv
        self.files = files
        self.process: asyncio.subprocess.Process | None = None
        self.ended: str | None = None
        """Why the guest ended, as QMP said: `guest-reset`, `guest-shutdown`, `guest-panic`, `host-qmp-quit` ..."""
        self.started = time.monotonic()
        self._qmp: QMPClient | None = None
        self._watch: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._console: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Machine:
        try:
            await self._start()
        except BaseException:
            await self._end()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._end()

    async def _start(self) -> None:
        try:
            from qemu.qmp import ConnectError, QMPClient
        except ImportError:
            raise UserError("the QEMU library is not installed: pip install 'unkillable[lab]'") from None
        self.files.logs.mkdir(parents=True, exist_ok=True)
        # Killed with us, even by SIGKILL: no emulator is left behind.
        guard = ("setpriv", "--pdeathsig", "KILL", "--") if shutil.which("setpriv") else ()
        with self.files.errors.open("wb") as errors:
            self.process = await asyncio.create_subprocess_exec(
                *guard, *self.argv,
                stdin=asyncio.subprocess.DEVNULL, stdout=errors, stderr=errors, start_new_session=True,
            )  # fmt: skip
        try:
            await self._opened(self.files.qmp)
            client = await self._connected(QMPClient, ConnectError)
            self._qmp = client
            self._tasks.append(asyncio.create_task(self._events(client)))
            await self._ports()
            await client.execute("cont")
        except (
            ConnectError,
            OSError,
        ) as error:  # it opens its sockets before it looks at all of its arguments
            with suppress(TimeoutError):
                await asyncio.wait_for(self.process.wait(), _STARTS)
            raise UserError(f"QEMU did not start: {self.complaint() or error}") from error

    async def _ports(self) -> None:
        """Connects the watcher's port and the console."""
        for path in (self.files.watch, self.files.console):
            await self._opened(path)
        self._watch = await asyncio.open_unix_connection(str(self.files.watch), limit=LINE)
        self._console = await asyncio.open_unix_connection(str(self.files.console))
        self._tasks.append(asyncio.create_task(self._record(self._console[0])))

    async def _connected(self, make: type[QMPClient], refused: type[ConnectError]) -> QMPClient:
        """A connection to QMP.  The socket's file is there before QEMU listens (bind, then listen), on a busy host long
        before; the other ports listen once this one answers."""
        deadline = time.monotonic() + _STARTS
        while True:
            client = make("unkillable")
            try:
                await client.connect(str(self.files.qmp))
            except refused as error:
                early = isinstance(error.exc, ConnectionRefusedError) and self.running
                if not early or time.monotonic() > deadline:
                    raise
                await asyncio.sleep(0.1)
            else:
                return client

    async def _opened(self, path: Path) -> None:
        deadline = time.monotonic() + _STARTS
        while not path.exists():
            if not self.running:
                raise UserError(f"QEMU did not start: {self.complaint() or 'it gave no reason'}")
            if time.monotonic() > deadline:
                raise UserError(f"QEMU did not open {path.name} within {_STARTS:.0f} s")
            await asyncio.sleep(0.02)

    async def _events(self, client: QMPClient) -> None:
        with suppress(Exception):  # the connection ends with the process
            async for event in client.events:
                data: dict[str, Any] = event.get("data", {})  # type: ignore[assignment]
                if event["event"] == "SHUTDOWN":
                    self.ended = str(data.get("reason", "unknown"))
                elif event["event"] == "GUEST_PANICKED":
                    self.ended = "guest-panic"

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.returncode is None

    async def ends(self) -> None:
        """Waits until QEMU has ended by itself."""
        if self.process is not None:
            await self.process.wait()

    def complaint(self) -> str:
        """What QEMU wrote to its standard error: its last line."""
        with suppress(OSError):
            lines = self.files.errors.read_bytes()[-4096:].decode(errors="replace").strip().splitlines()
            return lines[-1] if lines else ""
        return ""

    async def lines(self) -> AsyncIterator[bytes]:
        """The watcher's lines as they come, until the port closes."""
        assert self._watch is not None  # noqa: S101
        reader = self._watch[0]
        with self.files.watch_log.open("wb", buffering=0) as log:
            while True:
                try:
                    line = await reader.readline()
                except (ValueError, ConnectionError):  # a line beyond LINE is dropped, as asyncio has done
                    continue
                if not line:
                    return
                if log.tell() < LOG:
                    log.write(line)
                yield line

    async def command(self, text: str) -> None:
        """A command for the watcher."""
        assert self._watch is not None  # noqa: S101
        writer = self._watch[1]
        with suppress(ConnectionError):
            writer.write(text.encode() + b"\n")
            await writer.drain()

    async def qmp(self, name: str, **arguments: object) -> Any:
        """A QMP command's answer; None where the machine is gone or refuses."""
        if self._qmp is None:
            return None
        try:
            return await asyncio.wait_for(self._qmp.execute(name, arguments or None), 30)
        except (TimeoutError, Exception):  # noqa: BLE001  many errors, one meaning
            return None

    async def sysrq(self, letters: str, pause: float = 0.5) -> None:
        """Sends BREAK and a letter over the console: works while the guest is frozen, and disturbs it."""
        assert self._console is not None  # noqa: S101
        for letter in letters:
            await self.qmp("chardev-send-break", id="con")
            await asyncio.sleep(0.2)
            with suppress(ConnectionError):
                self._console[1].write(letter.encode())
                await self._console[1].drain()
            await asyncio.sleep(pause)

    async def _record(self, reader: asyncio.StreamReader) -> None:
        """Keeps the console's log; what comes after LOG bytes is read and dropped, as a full pipe would stop the guest."""
        with suppress(ConnectionError), self.files.console_log.open("wb", buffering=0) as log:
            while data := await reader.read(1 << 16):
                if log.tell() < LOG:
                    log.write(data)

    async def dump(self, path: Path) -> bool:
        """Writes the guest's memory as an ELF core, the guest stopped meanwhile; whether that worked."""
        # Compressed dumps (kdump-zlib) of QEMU 7.2 lack the name of the architecture, and drgn refuses them.
        await self.qmp("dump-guest-memory", paging=False, protocol=f"file:{path}")
        return path.exists() and path.stat().st_size > 0

    async def disk(self) -> tuple[int, int]:
        """Requests and bytes read from the root disk so far; costs the guest nothing."""
        for row in await self.qmp("query-blockstats") or ():
            if row.get("device") == "root":
                return row["stats"]["rd_operations"], row["stats"]["rd_bytes"]
        return 0, 0

    def cpu(self) -> float:
        """Processor seconds that QEMU has used."""
        if self.process is None:
            return 0.0
        with suppress(OSError, IndexError, ValueError):
            fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
            return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        return 0.0

    def worked(self) -> float:
        """Processor seconds of QEMU's threads, to the nanosecond; those of a thread that ended are missing."""
        return self._schedstat(0)

    def waited(self) -> float:
        """Seconds that QEMU's threads were ready to run and the host's processors were busy with something else."""
        return self._schedstat(1)

    def _schedstat(self, field: int) -> float:
        if self.process is None:
            return 0.0
        total = 0.0
        for path in Path(f"/proc/{self.process.pid}/task").glob("*/schedstat"):
            with suppress(OSError, IndexError, ValueError):  # a thread may end meanwhile
                total += int(path.read_text().split()[field]) / 1e9
        return total

    async def _end(self) -> None:
        if self.running and self._qmp is not None:
            with suppress(Exception):  # it may be what hangs, and SIGKILL below does not depend on it
                await asyncio.wait_for(self._qmp.execute("quit"), 3)
        if self.process is not None:
            try:
                await asyncio.wait_for(self.process.wait(), self.patience)
            except TimeoutError:
                with suppress(ProcessLookupError):
                    self.process.send_signal(signal.SIGKILL)
                await self.process.wait()
        if self._qmp is not None:
            with suppress(Exception):
                await asyncio.wait_for(self._qmp.disconnect(), 5)
        for port in (self._watch, self._console):
            if port is not None:
                port[1].close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

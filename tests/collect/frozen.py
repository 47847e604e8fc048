"""A guest of the lab that freezes while collect.sh waits in its RAM for a line on a serial port of its own.

Three ports: the console, the watcher's, and the one that the bundle comes by.  Nobody looks by other means before the bundle is
whole; then the kernel prints dumps on the console, as `unkillable reproduce` lets it.
"""

from __future__ import annotations

import asyncio
import io
import shutil
import tarfile
import tempfile
import time
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from pathlib import Path

import msgspec
import pytest

from unkillable.collect import script
from unkillable.errors import UserError
from unkillable.lab import accel, debs, images, programs
from unkillable.lab.arch import find
from unkillable.lab.machine import Machine
from unkillable.lab.observe import Observed, stalls
from unkillable.lab.prepare import prepare
from unkillable.lab.qemu import QUIET, Files, arguments
from unkillable.lab.setup import Prepared, Root, Setup, Workload
from unkillable.lab.types import Sample

_ARMED = b"armed\n"
_SERVE = """#!/bin/sh
export PATH=/bin:/usr/bin
busybox mount -t tmpfs -o size=16m run /run
busybox stty -F /dev/ttyS2 raw -echo
exec <>/dev/ttyS2 >&0 2>/run/said
sh /collect.sh arm --dir /run/unkillable >/run/armed
echo armed
read -r _
{then}
exec /run/unkillable/busybox sh /run/unkillable/collect.sh now --wait -o - --dir /run/unkillable
"""
_READERS = """for n in 1 2 3 4; do /run/unkillable/busybox cat /data/$n >/dev/null & done"""
_STORM = """#!/bin/sh
export PATH=/bin:/usr/bin
until busybox grep -q ready /run/said 2>/dev/null; do busybox sleep 0.1; done
for n in 1 2 3 4 5 6 7 8; do
	(while :; do churn$n 4 1 $((n * 2018)); busybox sleep 5; done) >/dev/null 2>&1 &
done
wait
"""
_CALM = "#!/bin/sh\nexec busybox sleep 100000\n"
_NO_LIMITS = dict.fromkeys(("bps", "bps_wr", "iops", "iops_rd", "iops_wr"), 0)


class Taken(msgspec.Struct, frozen=True):
    """What came of one guest.  Times are seconds of the wall's clock."""

    release: str
    bundle: Path
    console: Path
    took: float
    """From the line that asked for the bundle to its last byte."""
    stalled: float
    """How long nobody had been answered when it was asked for, by the guest's clock."""
    asked: float
    """The guest's clock when it was asked for."""
    samples: tuple[Sample, ...]
    records: tuple[str, ...]
    """The kernel's ring buffer, afterwards."""

    def uptimes(self) -> tuple[float, ...]:
        """The guest's clock at each look of the bundle."""
        with tarfile.open(self.bundle) as archive:
            names = [name for name in archive.getnames() if name.endswith("proc/uptime")]
            return tuple(float(archive.extractfile(name).read().split()[0]) for name in names)


def prepared(kernel: str, work: Path, *, storm: bool) -> Prepared:
    """A device: busybox, collect.sh, a program that serves it, and what is to be read or to run."""
    if shutil.which("qemu-system-x86_64") is None:
        pytest.skip("needs apt-get install qemu-system-x86")
    arch = find("x86_64")
    files = {
        "/collect.sh": script(),
        "/serve.sh": _SERVE.format(then="" if storm else _READERS),
        "/work.sh": _STORM if storm else _CALM,
    }
    try:
        tree = {"/": debs.tree(("busybox-static",), arch)}
        built = programs.build(arch, Workload())
        (work / "sh").symlink_to("busybox")
        tree["/bin/sh"] = work / "sh"
        for name, text in files.items():
            tree[name] = work / name[1:]
            tree[name].write_text(text)
        for n in range(1, 5):
            tree[f"/data/{n}"] = work / f"data{n}"
            tree[f"/data/{n}"].write_bytes(programs.noise(1 << 20, n))
        tree |= {f"/bin/{name}": path for name, path in built.workload}
        image = images.build(Root(), tree)
        return prepare(
            Setup(
                kernel=kernel,
                root=Root(image=str(image)),
                workload=Workload(kind="command", command=("/bin/sh", "/work.sh")),
                daemons=("/bin/sh /serve.sh",),
            )
        )
    except UserError as error:
        pytest.skip(str(error))


class Session:
    """A running guest and its three ports."""

    def __init__(self, made: Prepared, place: Path, sockets: Path) -> None:
        self.made = made
        self.files = Files(sockets, place)
        self.port = sockets / "bundle"
        self.seen = Observed()
        self.got = bytearray()
        self.last = 0.0
        """When something came by the third port."""

    async def run(self, storm: bool, stall: float) -> Taken:
        accelerator, _ = await accel.choose(self.made)
        argv = arguments(self.made, self.files, accelerator)
        at = argv.index("-qmp")  # behind the watcher's port, so it is the third
        more = (
            "-chardev",
            f"socket,id=bundle,path={self.port},server=on,wait=off",
            "-serial",
            "chardev:bundle",
        )
        async with AsyncExitStack() as stack:
            self.machine = await stack.enter_async_context(
                Machine((*argv[:at], *more, *argv[at:]), self.files)
            )
            reader, self.writer = await asyncio.open_unix_connection(str(self.port))
            tasks = [asyncio.create_task(self._listen()), asyncio.create_task(self._receive(reader))]
            try:
                return await self._course(storm, stall)
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
                self.writer.close()

    async def _listen(self) -> None:
        async for line in self.machine.lines():
            self.seen.feed(line)

    async def _receive(self, reader: asyncio.StreamReader) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(1 << 16):
                self.got += data
                self.last = time.monotonic()

    async def _until(self, true: Callable[[], object], seconds: float, what: str) -> None:
        deadline = time.monotonic() + seconds
        while not true():
            assert self.machine.running, f"the guest ended before {what}"
            assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {what}"
            await asyncio.sleep(0.1)

    async def _send(self) -> None:
        self.writer.write(b"\n")
        await self.writer.drain()

    def _stall(self) -> float:
        return stalls(self.seen.beats[-1:], self.seen.ready or 0.0, self.seen.now, 1.0)[-1].seconds

    async def _course(self, storm: bool, stall: float) -> Taken:
        await self._until(lambda: self.seen.ready is not None, 180, "the workload could start")
        await self.machine.sysrq(str(QUIET))
        await self._until(lambda: self.got.startswith(_ARMED), 60, "collect.sh was armed")
        if not storm:  # the first request is let through, the next would have to wait for a day
            held = await self.machine.qmp("block_set_io_throttle", device="root", bps_rd=1, **_NO_LIMITS)
            assert held is not None
        await self._send()
        begun = self.seen.now
        if storm:
            await self._until(lambda: self._stall() > stall, 300, "it froze")
        else:
            await self._until(lambda: self.seen.now > begun + stall, 60, "the readers were stuck")
        asked, stalled, sent = self.seen.now, self._stall(), time.monotonic()
        await self._send()
        await self._until(self._whole, 170, "the bundle was whole")
        took = self.last - sent
        (self.files.logs / "bundle.tar").write_bytes(self.got[len(_ARMED) :])
        await self._look()
        await self.machine.command("kmsg")
        with suppress(AssertionError):  # a guest that is frozen still cannot
            await self._until(lambda: "kmsg" in self.seen.done, 10, "the ring buffer")
        return Taken(
            self.made.release, self.files.logs / "bundle.tar", self.files.console_log,
            took, stalled, asked, tuple(self.seen.samples), tuple(self.seen.kmsg),
        )  # fmt: skip

    def _whole(self) -> bool:
        body = self.got[len(_ARMED) :]
        return (
            len(body) > 1024
            and len(body) % 512 == 0
            and body.endswith(bytes(1024))
            and time.monotonic() - self.last > 2
        )

    async def _look(self) -> None:
        """All tasks, memory, and ten seconds later the blocked ones: who is in the same place twice."""
        await self.machine.sysrq("9")
        begun = self.seen.now
        for letter in "tmw":
            if letter == "w":
                await self._until(lambda: self.seen.now > begun + 11, 60, "ten seconds had passed")
            await self.machine.sysrq(letter)
            size, since = -1, time.monotonic()
            while time.monotonic() - since < 3:
                if (now := self.files.console_log.stat().st_size) != size:
                    size, since = now, time.monotonic()
                await asyncio.sleep(0.2)


def freeze(kernel: str, work: Path, *, storm: bool, stall: float) -> Taken:
    """Boots a guest, freezes it, and takes a bundle out of it once nobody was answered for `stall` seconds."""
    made = prepared(kernel, work, storm=storm)
    with tempfile.TemporaryDirectory(prefix="unkillable-") as sockets:
        return asyncio.run(Session(made, work / "logs", Path(sockets)).run(storm, stall))


def names(bundle: Path) -> list[str]:
    return tarfile.open(fileobj=io.BytesIO(bundle.read_bytes())).getnames()

"""Servers for the tests of this room: the application without one, and the command itself in a process."""

from __future__ import annotations

import asyncio
import io
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import msgspec

from tests.samples_file import SAMPLES
from unkillable.web.access import Access
from unkillable.web.app import build
from unkillable.web.limits import Limits

EXAMPLES = SAMPLES.parent.parent / "examples"
FROZEN = EXAMPLES / "frozen-6.1.log.xz"
TOKEN = "a-token-of-some-length"  # noqa: S105
HOME = "http://127.0.0.1"


class _Inside(httpx.BaseTransport):
    """Requests that an application answers without a connection; each is over before the next."""

    def __init__(self, app: Any) -> None:
        self.runner = asyncio.Runner()
        self.inner = httpx.ASGITransport(app, client=("127.0.0.1", 9))

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.read()
        return self.runner.run(self._answer(request))

    async def _answer(self, request: httpx.Request) -> httpx.Response:
        response = await self.inner.handle_async_request(request)
        content = await response.aread()
        return httpx.Response(response.status_code, headers=response.headers, content=content)

    def close(self) -> None:
        self.runner.close()


def client(
    limits: Limits | None = None, access: Access | None = None, store: str | None = None
) -> httpx.Client:
    """A visitor of an application that no socket is before."""
    app = build(access or Access(), limits or Limits(), store)
    return httpx.Client(transport=_Inside(app), base_url=HOME)


def form(visitor: httpx.Client) -> str:
    """The address that the start page's form is sent to."""
    page = visitor.get("/").text
    return page.partition('action="')[2].partition('"')[0]


def uploads(folder: Path | None = None) -> list[str]:
    """Folders of uploads that are there."""
    return [one.name for one in Path(folder or tempfile.gettempdir()).glob("unkillable-serve-*")]


class Serving(msgspec.Struct):
    """A running `unkillable serve`."""

    process: subprocess.Popen[str]
    line: str
    """What it printed first."""
    address: str
    """Without the slash at the end."""
    folder: Path
    """Where its temporary files are."""

    @property
    def port(self) -> int:
        return int(self.address.rpartition(":")[2])

    def children(self) -> list[int]:
        text = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return [int(one) for one in text.split()]

    def stop(self, number: int = signal.SIGINT) -> int:
        self.process.send_signal(number)
        return self.process.wait(20)


@contextmanager
def serving(folder: Path, *args: str) -> Iterator[Serving]:
    """The command, on a free port."""
    temporary = folder / "tmp"
    temporary.mkdir(exist_ok=True)
    process = subprocess.Popen(
        [sys.executable, "-m", "unkillable", "serve", "--port", "0", *args],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ | {"TMPDIR": str(temporary)},
    )  # fmt: skip
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, process.communicate()
        yield Serving(process, line, line.split("  ")[0].partition("?")[0].rstrip("/"), temporary)
    finally:
        process.kill()
        process.communicate()


def zip_bomb(size: int = 256 << 20) -> bytes:
    """A small archive whose member is a quarter of a GiB of zeros."""
    import zipfile

    out = io.BytesIO()
    with (
        zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("console.log", "w") as member,
    ):
        piece = bytes(1 << 20)
        for _ in range(size >> 20):
            member.write(piece)
    return out.getvalue()

"""The connection to a QEMU that a busy host lets run but now and then; a few lines of Python stand for it."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path

import pytest

from unkillable.errors import UserError
from unkillable.lab import machine
from unkillable.lab.machine import Machine
from unkillable.lab.qemu import Files

SLOW = """
import json, socket, sys, time
folder, pause = sys.argv[1], float(sys.argv[2])
ports = {name: socket.socket(socket.AF_UNIX) for name in ("qmp", "con", "watch")}
for name, port in ports.items():
    port.bind(folder + "/" + name)
time.sleep(pause)
for port in ports.values():
    port.listen()
client = ports["qmp"].accept()[0]
def send(**row):
    client.sendall(json.dumps(row).encode() + b"\\n")
version = {"qemu": {"major": 7, "minor": 2, "micro": 0}, "package": ""}
send(QMP={"version": version, "capabilities": []})
while text := client.recv(4096):  # a command at a time, each is answered before the next; they end without a line end
    asked = json.loads(text)
    send(**{"return": {}, "id": asked.get("id")})
    if asked["execute"] == "quit":
        break
"""


async def start(pause: float, logs: Path) -> list[str]:
    with tempfile.TemporaryDirectory() as sockets:
        files = Files(Path(sockets), logs)
        async with Machine((sys.executable, "-c", SLOW, sockets, str(pause)), files) as one:
            return [str(await one.qmp("query-status"))]


def test_sockets_that_are_there_but_not_listened_to_are_waited_for(tmp_path: Path) -> None:
    assert asyncio.run(start(0.7, tmp_path)) == ["{}"]


def test_one_that_never_listens_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "_STARTS", 0.3)
    with pytest.raises(UserError, match="QEMU did not start: "):
        asyncio.run(start(30, tmp_path))

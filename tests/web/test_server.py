"""The command itself: where it listens, what it prints, how slow visitors and signals end it."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from tests.fleet.made import log, sign
from tests.fleet.test_store import filled
from tests.web.given import FROZEN, TOKEN, serving
from unkillable.web.limits import Limits
from unkillable.web.server import is_loopback, listen

ANY = "0.0.0.0"  # noqa: S104  with a token


def refused(*args: str, env: dict[str, str] | None = None) -> str:
    """What the command says that does not start."""
    done = subprocess.run(
        [sys.executable, "-m", "unkillable", "serve", *args],
        capture_output=True, text=True, timeout=60, env=os.environ | (env or {}),
    )  # fmt: skip
    assert done.returncode == 2, (done.stdout, done.stderr)
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    return done.stderr


def test_a_log_is_diagnosed(tmp_path: Path) -> None:
    with serving(tmp_path) as one:
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/  \(Ctrl-C ends it\)\n", one.line)
        answer = httpx.post(f"{one.address}/api/diagnose", content=FROZEN.read_bytes(), timeout=60)
        assert answer.json()["verdict"]["kind"] == "reclaim-livelock"
        assert one.children() == []
        assert list(one.folder.iterdir()) == []
        assert one.stop() == 130
        assert one.process.stderr.read().strip() == "unkillable: interrupted"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_at_once_with_what_it_started(tmp_path: Path, number: int) -> None:
    """While a log is being read, and while another is being sent."""
    with serving(tmp_path) as one, socket.create_connection(("127.0.0.1", one.port)) as sending:
        sending.sendall(
            b"POST /api/diagnose HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999\r\n\r\nhello"
        )
        with socket.create_connection(("127.0.0.1", one.port)) as reading:
            data = FROZEN.read_bytes()
            head = f"POST /api/diagnose HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(data)}\r\n\r\n"
            reading.sendall(head.encode() + data)
            deadline = time.monotonic() + 20
            while not (children := one.children()):
                assert time.monotonic() < deadline
                time.sleep(0.01)
            assert len(list(one.folder.iterdir())) == 2
            begin = time.monotonic()
            assert one.stop(number) == 130
            assert time.monotonic() - begin < 5
        assert [pid for pid in children if Path(f"/proc/{pid}").exists()] == []
        assert list(one.folder.iterdir()) == []
        assert one.process.stderr.read().strip() == "unkillable: interrupted"


def test_a_visitor_who_goes_away_is_not_worked_for(tmp_path: Path) -> None:
    with serving(tmp_path) as one:
        with socket.create_connection(("127.0.0.1", one.port)) as reading:
            data = FROZEN.read_bytes()
            head = f"POST /api/diagnose HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(data)}\r\n\r\n"
            reading.sendall(head.encode() + data)
            deadline = time.monotonic() + 20
            while not (children := one.children()):
                assert time.monotonic() < deadline
                time.sleep(0.01)
            while b"unkillable.web.worker" not in Path(f"/proc/{children[0]}/cmdline").read_bytes():
                time.sleep(0.01)
            os.kill(children[0], signal.SIGSTOP)  # it would never be ready
        while one.children() or any(one.folder.iterdir()):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert not Path(f"/proc/{children[0]}").exists()
        assert httpx.get(one.address).status_code == 200
        one.stop()
        assert one.process.stderr.read().strip() == "unkillable: interrupted", "no fault is told of it"


def slow(port: int, *pieces: bytes, pause: float = 0.2) -> tuple[bytes, float]:
    """Sends pieces one after the other until the server has enough of it; its answer and how long it took."""
    begin = time.monotonic()
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        try:
            for piece in pieces:
                connection.sendall(piece)
                time.sleep(pause)
            answer = b""
            while part := connection.recv(1 << 16):
                answer += part
        except ConnectionError:
            answer = b""
    return answer, time.monotonic() - begin


@pytest.fixture
def hasty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A server in this process whose patience is short, in a thread."""
    import asyncio
    import threading

    import uvicorn

    from tests.web import given
    from unkillable.web import server
    from unkillable.web.access import Access
    from unkillable.web.app import build

    limits = Limits(head=0.5, pause=0.5, whole=2.0, upload=1 << 20, connections=8)
    bound = listen("127.0.0.1", 0)
    config = server.configuration(build(Access(), limits), limits)
    running = uvicorn.Server(config)
    thread = threading.Thread(target=lambda: asyncio.run(running.serve(sockets=[bound])))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    thread.start()
    yield bound.getsockname()[1]
    running.should_exit = True
    thread.join(20)
    assert not thread.is_alive()
    assert given.uploads(tmp_path) == []


def test_headers_that_do_not_end(hasty: int) -> None:
    answer, took = slow(hasty, b"GET / HTTP/1.1\r\nHost: localhost\r\n", *[b"A: b\r\n"] * 20, pause=0.1)
    assert answer == b""
    assert took < 4


def test_a_connection_that_says_nothing(hasty: int) -> None:
    answer, took = slow(hasty)
    assert answer == b""
    assert took < 3


def test_an_upload_that_stops(hasty: int) -> None:
    head = b"POST /api/diagnose HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5000\r\n\r\nhello"
    answer, took = slow(hasty, head)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert took < 4


def test_an_upload_that_drips(hasty: int) -> None:
    """No pause is too long, but all of it is; sending takes 6 s, unless it is cut."""
    head = b"POST /api/diagnose HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5000\r\n\r\n"
    answer, took = slow(hasty, head, *[b"x"] * 60, pause=0.1)
    assert answer[:13] in (b"HTTP/1.1 408 ", b"")
    assert took < 5


def test_an_upload_without_an_end_is_cut(hasty: int) -> None:
    piece = b"10000\r\n" + bytes(1 << 16) + b"\r\n"
    head = b"POST /api/diagnose HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    answer, _ = slow(hasty, head, *[piece] * 20, pause=0)
    assert answer.startswith(b"HTTP/1.1 413 ")


def test_headers_without_an_end_are_cut(hasty: int) -> None:
    answer, _ = slow(hasty, b"GET / HTTP/1.1\r\nHost: localhost\r\nA: " + b"x" * (1 << 16), pause=0)
    assert answer == b"" or answer.startswith(b"HTTP/1.1 4")


def test_a_request_that_is_none(hasty: int) -> None:
    answer, _ = slow(hasty, b"\x16\x03\x01\x00\xa5 hello\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 400 ")
    two, _ = slow(hasty, b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n")
    assert two.startswith(b"HTTP/1.1 400 ")
    none, _ = slow(hasty, b"GET / HTTP/1.0\r\n\r\n")
    assert none.startswith(b"HTTP/1.1 421 ")


def test_a_request_inside_a_request(hasty: int) -> None:
    """Two lengths: what one reader takes for a body another takes for a request."""
    answer, _ = slow(
        hasty,
        b"POST /api/diagnose HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    )
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.count(b"HTTP/1.1 ") == 1


def test_more_connections_than_there_is_room_for(hasty: int) -> None:
    held = [socket.create_connection(("127.0.0.1", hasty)) for _ in range(8)]
    try:
        time.sleep(0.1)
        answer, _ = slow(hasty, b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", pause=0)
        assert answer.startswith(b"HTTP/1.1 503 ")
    finally:
        for one in held:
            one.close()
    time.sleep(0.3)
    assert httpx.get(f"http://127.0.0.1:{hasty}/").status_code == 200


def test_beyond_loopback_there_is_a_token(tmp_path: Path) -> None:
    with serving(tmp_path, "--host", ANY) as one:
        found = re.fullmatch(r"http://\S+:(\d+)/\?token=(\S{32,})  \(Ctrl-C ends it\)\n", one.line)
        assert found
        here = f"http://127.0.0.1:{found[1]}"
        assert httpx.get(here).status_code == 401
        assert httpx.get(here, headers={"authorization": f"Bearer {found[2]}"}).status_code == 200
        assert (
            httpx.get(
                here, headers={"authorization": f"Bearer {found[2]}", "host": "evil.example"}
            ).status_code
            == 421
        )
        assert one.stop() == 130
        assert "HTTP is not encrypted" in one.process.stderr.read()


def test_a_token_of_ones_own_is_not_printed(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(f"{TOKEN}\n")
    with serving(tmp_path, "--token-file", str(file)) as one:
        assert TOKEN not in one.line
        assert httpx.get(one.address).status_code == 401
        with httpx.Client(follow_redirects=True) as visitor:
            page = visitor.get(f"{one.address}/?token={TOKEN}")
        assert page.status_code == 200
        assert "token" not in str(page.url)


def test_what_it_does_not_start_with(tmp_path: Path) -> None:
    short = tmp_path / "short"
    short.write_text("abc")
    with listen("127.0.0.1", 0) as taken:
        port = str(taken.getsockname()[1])
        assert refused("--port", port) == (
            f"unkillable: 127.0.0.1, port {port}: Address already in use; choose another with --port or --host\n"
        )
    assert "no such address" in refused("--host", "no.such.host.invalid")
    assert "cannot" in refused("--host", "192.0.2.1").lower()
    assert "a token is 16 to 256" in refused("--token", "short")
    assert "a token is 16 to 256" in refused("--token-file", str(short))
    assert "No such file" in refused("--token-file", str(tmp_path / "nothing"))
    assert "do not go together" in refused("--token", TOKEN, "--token-file", str(short))
    assert "nothing" in refused("--store", str(tmp_path / "nothing"), "--port", "0")
    assert "is not in the range" in refused("--port", "70000")


def test_without_the_extra(tmp_path: Path) -> None:
    """Where it is not installed, as far as an import can tell."""
    (tmp_path / "sitecustomize.py").write_text(
        "import importlib.util as u\nfind = u.find_spec\n"
        "u.find_spec = lambda name, package=None: None if name == 'starlette' else find(name, package)\n"
    )
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    said = refused(env={"PYTHONPATH": path})
    assert said == "unkillable: serve needs starlette: pip install 'unkillable[web]'\n"


def test_a_damaged_store_is_said_at_the_start(tmp_path: Path) -> None:
    filled(tmp_path / "s", [log(i, sign(1)) for i in range(3)])
    (file,) = (tmp_path / "s").glob("commits/*/findings.parquet")
    file.write_bytes(b"PAR1 and nothing")
    assert "damaged" in refused("--store", str(tmp_path / "s"), "--port", "0")


def test_what_is_loopback() -> None:
    for host, here in (("127.0.0.1", True), ("localhost", True), ("127.8.8.8", True), (ANY, False)):
        with listen(host, 0) as bound:
            assert is_loopback(bound) is here

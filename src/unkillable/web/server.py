"""The server: one socket, bounded connections, and an end without leftovers."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import socket
from typing import Any

import h11
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from unkillable.errors import UserError
from unkillable.web.guard import Guard
from unkillable.web.limits import Limits

__all__ = ["configuration", "is_loopback", "listen", "run"]

_KEEP_ALIVE = 5
"""Seconds that a connection may be silent between two requests."""


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 is any that is free.  Raises UserError where there is none."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]  # fmt: skip
    except (OSError, UnicodeError) as error:
        raise UserError(f"--host {host}: no such address: {getattr(error, 'strerror', error)}") from None
    found = socket.socket(family, kind, protocol)
    try:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind(address)
        found.listen()
    except OSError as error:
        found.close()
        raise UserError(
            f"{host}, port {port}: {error.strerror}; choose another with --port or --host"
        ) from None
    return found


def is_loopback(bound: socket.socket) -> bool:
    """Whether only this machine can reach it."""
    return ipaddress.ip_address(bound.getsockname()[0].partition("%")[0]).is_loopback


def run(app: Guard, bound: socket.socket, limits: Limits) -> None:
    """Serves until a signal ends it; requests that are under way are broken off.

    Raises KeyboardInterrupt after SIGINT and SIGTERM.
    """
    # A visitor's mistakes are the visitor's to read; what fails here is told by the guard, in a line.
    logging.getLogger("uvicorn").setLevel(logging.CRITICAL)
    try:
        uvicorn.Server(configuration(app, limits)).run(sockets=[bound])
    finally:
        app.stop()  # the interpreter waits for threads, and these for the store's answers


def configuration(app: ASGIApp, limits: Limits) -> uvicorn.Config:
    """How it serves: without a log, as addresses may hold tokens, and without trust in what a proxy's headers say."""
    return uvicorn.Config(
        app,
        loop="asyncio",
        http=type("Bounded", (_Impatient,), {"head": limits.head}),
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        limit_concurrency=limits.connections,
        timeout_keep_alive=_KEEP_ALIVE,
        timeout_graceful_shutdown=0,
        h11_max_incomplete_event_size=limits.header,
    )


class _Impatient(H11Protocol):
    """Closes a connection on which a request's headers take too long: a byte now and then must not hold it for ever."""

    head: float
    """Seconds."""
    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._wait()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        super().connection_lost(exc)

    def _wait(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self.loop.call_later(self.head, self._check)

    def _check(self) -> None:
        if self.conn.their_state is h11.IDLE and not self.transport.is_closing():
            self.transport.abort()

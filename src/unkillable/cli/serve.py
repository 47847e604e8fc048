"""`unkillable serve`: a local page for one log, and for a fleet's."""

from __future__ import annotations

import importlib.util
import secrets
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from unkillable.errors import UserError

if TYPE_CHECKING:
    from unkillable.web.access import Access

EPILOG = """\b
Examples:
  unkillable serve
  unkillable serve --store fleet.store
  unkillable serve --host 0.0.0.0 --token-file /run/secrets/unkillable
  curl --data-binary @console.log http://127.0.0.1:8399/api/diagnose
"""

_NEEDED = ("starlette", "uvicorn", "python_multipart")
_ANY = ("0.0.0.0", "::")  # noqa: S104  compared with, not bound to
_LONGEST = 4096
"""Bytes of a file with a token."""
_OPEN = "unkillable: HTTP is not encrypted: in a network that is not yours use `ssh -L`, or a proxy with TLS"


@click.command(name="serve", epilog=EPILOG)
@click.option("--store", metavar="DIR", help="Also show this store of `unkillable triage`.")
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="Address to listen at; other than this machine's own needs a token.",
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8399,
    show_default=True,
    help="Port to listen at; 0: any that is free.",
)
@click.option(
    "--token",
    metavar="TOKEN",
    help="What visitors must know, at least 16 characters.  [default: none on 127.0.0.1, else a new one]",
)
@click.option(
    "--token-file",
    metavar="FILE",
    help="The same from a file: arguments can be seen by others on this machine.",
)
@click.option(
    "--allow-host",
    "names",
    metavar="NAME",
    multiple=True,
    help="Another name that this server goes by, such as a proxy's.",
)
@click.option(
    "--max-size",
    type=click.IntRange(1, 4096),
    default=64,
    show_default=True,
    metavar="MIB",
    help="Largest upload.",
)
@click.option(
    "--max-time",
    type=click.IntRange(1, 3600),
    default=60,
    show_default=True,
    metavar="SECONDS",
    help="Longest reading of one upload.",
)
@click.option(
    "--max-memory",
    type=click.IntRange(256, 65536),
    default=1024,
    show_default=True,
    metavar="MIB",
    help="Most memory for reading one upload.",
)
@click.option(
    "--workers", type=click.IntRange(1, 64), default=2, show_default=True, help="Uploads read at a time."
)
def command(**given: Any) -> None:
    """Serve pages for a browser on this machine: drop a log and read its diagnosis, or look through a fleet's store.

    Only this machine can reach it unless --host says otherwise.  Uploads are read by processes of their own, bounded in time and
    memory, and nothing of them is kept.  Ctrl-C ends it.
    """
    _need(given["store"])
    from unkillable.web.app import build
    from unkillable.web.limits import Limits
    from unkillable.web.server import is_loopback, listen, run

    token = _token(given)
    limits = Limits(
        upload=given["max_size"] << 20,
        seconds=given["max_time"],
        memory=given["max_memory"] << 20,
        workers=given["workers"],
    )
    with listen(given["host"], given["port"]) as bound:
        loopback = is_loopback(bound)
        made = None if loopback or token else secrets.token_urlsafe(24)
        access = _access(given, bound, loopback, token or made)
        app = build(access, limits, given["store"])
        click.echo(f"{_address(given['host'], bound)}{f'?token={made}' if made else ''}  (Ctrl-C ends it)")
        if not loopback:
            click.echo(_OPEN, err=True)
        run(app, bound, limits)


def _need(store: str | None) -> None:
    names = (*_NEEDED, "duckdb") if store else _NEEDED
    missing = [name for name in names if importlib.util.find_spec(name) is None]
    if missing:
        raise UserError(f"serve needs {', '.join(missing)}: pip install 'unkillable[web]'")


def _token(given: dict[str, Any]) -> str | None:
    from unkillable.web.access import SHORTEST, is_token

    token: str | None = given["token"]
    file: str | None = given["token_file"]
    if token is not None and file is not None:
        raise UserError("--token and --token-file do not go together: give one")
    if file is not None:
        try:
            with Path(file).open("rb") as stream:
                token = stream.read(_LONGEST).decode(errors="replace").strip()
        except OSError as error:
            raise UserError(f"--token-file {file}: {error.strerror}") from None
    if token is not None and not is_token(token):
        where = f"--token-file {file}" if file is not None else "--token"
        raise UserError(f"{where}: a token is {SHORTEST} to 256 letters, digits, and - . _ ~")
    return token


def _access(given: dict[str, Any], bound: socket.socket, loopback: bool, token: str | None) -> Access:
    from unkillable.web.access import Access

    names = {name.lower() for name in given["names"]}
    if given["host"] not in _ANY:
        names.add(given["host"].lower())
    if not loopback:
        names.add(socket.gethostname().lower())
    return Access(loopback, frozenset(names), token, f"unkillable-{bound.getsockname()[1]}")


def _address(host: str, bound: socket.socket) -> str:
    name = socket.gethostname() if host in _ANY else f"[{host}]" if ":" in host else host
    return f"http://{name}:{bound.getsockname()[1]}/"

"""Who may ask: by the name they call this server, by a token, and by the page that a form was in."""

from __future__ import annotations

import hashlib
import ipaddress
import re
from hmac import compare_digest
from urllib.parse import parse_qsl, urlencode

import msgspec
from starlette.requests import Request

from unkillable.web.refusal import Refusal
from unkillable.web.site import is_api

__all__ = ["SHORTEST", "Access", "is_token"]

SHORTEST = 16
"""Characters of a token."""
_TOKEN = re.compile(rf"[A-Za-z0-9._~-]{{{SHORTEST},256}}")
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::[0-9]{1,5})?")
_LOOPBACK = frozenset(("localhost", "127.0.0.1", "::1"))

_WRONG_NAME = "This server is not known by that name: open the address that `unkillable serve` printed, or start it with --allow-host."
_UNKNOWN = "Open the address that `unkillable serve` printed, with its ?token=, or send the token in the header Authorization: Bearer."
_FOREIGN = "Another site's page sent this: open this server's own page and try again."
_STALE = "The page is from before this server was started: load it again."


def is_token(text: str) -> bool:
    """Whether it is long enough, and of characters that an address can hold as they are."""
    return bool(_TOKEN.fullmatch(text))


class Access(msgspec.Struct, frozen=True):
    """The rules of one server."""

    loopback: bool = True
    """Bound to this machine alone."""
    names: frozenset[str] = frozenset()
    """What else it may be called, in lower case."""
    token: str | None = None
    cookie: str = "unkillable"
    """The cookie's name: cookies do not know ports, so the port is in it."""

    @property
    def ticket(self) -> str:
        """The cookie's value, from which the token cannot be told."""
        return hashlib.blake2b(f"cookie {self.token}".encode(), digest_size=24).hexdigest()

    def check_name(self, host: str | None) -> None:
        """Raises Refusal for a name that is not ours.

        A page of elsewhere whose name is made to lead here (DNS rebinding) would be one site with ours; but it must be
        asked for by its name.
        """
        found = _HOST.fullmatch(host or "")
        if found is None:
            raise Refusal(421, _WRONG_NAME)
        name = found[1].strip("[]").lower()
        if name in _LOOPBACK or name in self.names or (not self.loopback and _is_address(name)):
            return
        raise Refusal(421, _WRONG_NAME)

    def check_token(self, request: Request) -> str | None:
        """Raises Refusal without the token.  After its first use in an address: the same address without it."""
        if self.token is None:
            return None
        scheme, _, value = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and _same(value.strip(), self.token):
            return None
        if _same(request.cookies.get(self.cookie, ""), self.ticket) and "token" not in request.query_params:
            return None
        if request.method in ("GET", "HEAD") and _same(request.query_params.get("token", ""), self.token):
            return _without_token(request)
        raise Refusal(401, _UNKNOWN)

    def check_origin(self, request: Request, form_token: str) -> None:
        """Raises Refusal for a request that another site's page made in a visitor's name."""
        if request.method in ("GET", "HEAD", "OPTIONS"):
            return
        origin = request.headers.get("origin")
        own = request.headers.get("host", "").lower()
        if origin not in (None, "null") and origin.lower().partition("://")[2] != own:
            raise Refusal(403, _FOREIGN)
        if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
            raise Refusal(403, _FOREIGN)
        if is_api(request.url.path):
            # A page cannot hide its origin without saying so; a program has none.
            if origin == "null":
                raise Refusal(403, _FOREIGN)
        elif not _same(request.query_params.get("form", ""), form_token):
            raise Refusal(403, _STALE)


def _same(given: str, wanted: str) -> bool:
    return compare_digest(given.encode(errors="replace"), wanted.encode())


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _without_token(request: Request) -> str:
    # One slash: two would lead to another server.
    path = "/" + request.scope["path"].lstrip("/\\")
    kept = [(key, value) for key, value in parse_qsl(request.url.query) if key != "token"]
    safe = path if re.fullmatch(r"[A-Za-z0-9/._-]*", path) else "/"
    return safe + (f"?{urlencode(kept)}" if kept else "")

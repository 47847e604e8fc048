"""What every request passes first, and every answer last."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from unkillable.report.plain import clean
from unkillable.web.access import Access
from unkillable.web.limits import Limits
from unkillable.web.refusal import FAULT, Refusal
from unkillable.web.site import Site

__all__ = ["HEADERS", "Guard"]

_TWO_LENGTHS = "The request says in two ways where it ends: send either Content-Length or Transfer-Encoding."

HEADERS = {
    "content-security-policy": (
        "default-src 'none'; style-src 'self'; img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "cache-control": "no-store",
}
"""Of every answer that does not set its own: no script at all, nothing from elsewhere, in nobody's frame, in no cache."""


class Guard:
    """The application, behind the rules of access."""

    def __init__(
        self, app: ASGIApp, site: Site, access: Access, limits: Limits, stop: Callable[[], None]
    ) -> None:
        self.app, self.site, self.access, self.limits = app, site, access, limits
        self.stop = stop
        """Ends what answers of the application wait for."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = False

        async def answer(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                present = {name.lower() for name, _ in message["headers"]}
                message["headers"] = [
                    *message["headers"],
                    *((key.encode(), value.encode()) for key, value in HEADERS.items() if key.encode() not in present),
                ]  # fmt: skip
            async with asyncio.timeout(self.limits.pause):  # of a client that does not take it
                await send(message)

        request = Request(scope, receive)
        try:
            response = self._stopped(request)
            if response is None:
                await self.app(scope, receive, answer)
                return
        except Refusal as refusal:
            response = self.site.refuse(request, refusal)
        except TimeoutError:
            return
        except Exception as error:  # noqa: BLE001  a fault of ours must not end the server
            # The token of an address is in its query, which is not printed.
            print(clean(f"unkillable: {scope['path']}: {type(error).__name__}: {error}"), file=sys.stderr)
            if started:
                return
            response = self.site.refuse(request, Refusal(500, FAULT))
        await response(scope, receive, answer)

    def _stopped(self, request: Request) -> Response | None:
        """An answer that ends it here; None where the request may pass."""
        # A proxy may go by the other one, and take for a body what is a second request here (RFC 9112, 6.3).
        if "content-length" in request.headers and "transfer-encoding" in request.headers:
            raise Refusal(400, _TWO_LENGTHS)
        self.access.check_name(request.headers.get("host"))
        if request.url.path == self.site.style_path:
            return None  # nothing of anybody's is in it, and the page that asks for the token has it too
        target = self.access.check_token(request)
        if target is not None:
            response = RedirectResponse(target, 303)
            response.set_cookie(self.access.cookie, self.access.ticket, httponly=True, samesite="strict")
            return response
        self.access.check_origin(request, self.site.form_token)
        return None

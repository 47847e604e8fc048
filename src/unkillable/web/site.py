"""Pages from templates, with what surrounds them all: the way to the other pages, the one style sheet, the form's token."""

from __future__ import annotations

import hashlib
import secrets
from datetime import UTC, datetime
from functools import cache, cached_property

import jinja2
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from unkillable import __version__
from unkillable.report.html import style_sheet
from unkillable.report.html.templates import environment, kib, style
from unkillable.report.schema import to_json
from unkillable.web.refusal import Refusal

__all__ = ["Site", "is_api"]

_ROOM = "unkillable.web"
_FOLDER = "templates"

_START = ("/", "Diagnose a log")
_STORE = (("/signatures", "Signatures"), ("/compare", "Compare releases"), ("/broken", "Broken logs"))

_REASONS = {
    400: "That cannot be read",
    401: "A token is needed",
    403: "Not allowed",
    404: "Not found",
    405: "Not allowed",
    408: "That took too long",
    413: "Too large",
    421: "Another address",
    422: "No diagnosis",
    500: "An error in unkillable",
    503: "Busy",
    504: "That took too long",
}
"""Headline of each refusal."""


def is_api(path: str) -> bool:
    """Whether a program asks: it is answered in JSON, errors too."""
    return path.startswith("/api/")


def _day(seconds: float) -> str:
    return _date(seconds, "%Y-%m-%d")


def _moment(seconds: float) -> str:
    return _date(seconds, "%Y-%m-%d %H:%M")


def _date(seconds: float, form: str) -> str:
    """In UTC; a dash for a log without a date, and for a date that is none."""
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime(form) if seconds else "-"
    except (OverflowError, ValueError, OSError):
        return "-"


def _percent(share: float) -> str:
    """`0.12 %`, `12.3 %`: as many digits as tell small shares apart."""
    return f"{100 * share:.{2 if share < 0.01 else 1}f} %"


def _bytes(size: int) -> str:
    return kib(round(size / 1024)) if size >= 1024 else f"{size} bytes"


@cache
def _templates() -> jinja2.Environment:
    made = environment(_FOLDER, _ROOM)
    made.filters.update(day=_day, moment=_moment, percent=_percent, bytes=_bytes)
    return made


class Site:
    """One server's pages."""

    def __init__(self, store: str | None = None) -> None:
        self.store = store
        """Path of the store that can be looked through."""
        self.form_token = secrets.token_urlsafe(16)
        """Part of the address that the page's form is sent to: only who was shown the page knows it."""

    @property
    def pages(self) -> tuple[tuple[str, str], ...]:
        """Addresses and names of the pages that every page leads to."""
        return (_START, *_STORE) if self.store else (_START,)

    @cached_property
    def style_sheet(self) -> bytes:
        sheets = Markup("\n").join([style_sheet(), style("serve.css", folder=_FOLDER, room=_ROOM)])
        return sheets.encode()

    @cached_property
    def style_path(self) -> str:
        """Changes with the contents, so that a browser may keep it."""
        return f"/static/{hashlib.sha256(self.style_sheet).hexdigest()[:16]}.css"

    def page(self, name: str, request: Request, status: int = 200, **values: object) -> Response:
        """A template of this room as an answer."""
        text = _templates().get_template(name).render(
            site=self, here=request.url.path, version=__version__, **values
        )  # fmt: skip
        return HTMLResponse(text, status)

    def refuse(self, request: Request, refusal: Refusal) -> Response:
        """The answer to a request that is not done."""
        if is_api(request.url.path):
            response = json_answer({"error": refusal.sentence}, refusal.status)
        else:
            headline = _REASONS.get(refusal.status, "That did not work")
            response = self.page(
                "problem.html", request, refusal.status, headline=headline, sentence=refusal.sentence
            )
        if refusal.status == 401:
            response.headers["www-authenticate"] = "Bearer"
        if refusal.status in (400, 408, 413):  # what is still sent is not waited for
            response.headers["connection"] = "close"
        return response


def json_answer(value: object, status: int = 200) -> Response:
    """A document for a program."""
    return Response(to_json(value), status, media_type="application/json")  # type: ignore[arg-type]

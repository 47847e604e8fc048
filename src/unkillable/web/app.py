"""The application: every page, behind the rules of access."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from unkillable.errors import UserError
from unkillable.fleet.questions import Questions
from unkillable.fleet.store import Store
from unkillable.web.access import Access
from unkillable.web.browsing import Browsing
from unkillable.web.diagnosing import Diagnosing, sentence
from unkillable.web.guard import Guard
from unkillable.web.limits import Limits
from unkillable.web.refusal import FAULT, Refusal
from unkillable.web.site import Site
from unkillable.web.workers import Workers

__all__ = ["build"]

_SENTENCES = {
    404: "There is no such page.",
    405: "This address does not do that.",
}
_KEPT = {"cache-control": "max-age=31536000, immutable"}


def build(access: Access, limits: Limits, store: str | None = None) -> Guard:
    """What a server runs.  Raises UserError for a store that cannot be opened."""
    site = Site(store)
    workers = Workers(limits)

    async def style(_request: Request) -> Response:
        return Response(site.style_sheet, media_type="text/css", headers=_KEPT)

    async def refused(request: Request, error: Exception) -> Response:
        if isinstance(error, UserError):  # the store, which others write to
            error = Refusal(500, sentence(str(error)))
        elif isinstance(error, HTTPException):
            error = Refusal(error.status_code, _SENTENCES.get(error.status_code, error.detail))
        elif not isinstance(error, Refusal):
            error = Refusal(500, FAULT)
        return site.refuse(request, error)

    routes = [Route(site.style_path, style), *Diagnosing(site, workers, limits).routes()]
    questions = None if store is None else _questions(store)
    if questions is not None:
        routes += Browsing(site, workers, limits, questions).routes()
    app = Starlette(
        routes=routes,
        exception_handlers={HTTPException: refused, Refusal: refused, UserError: refused, Exception: refused},
    )
    app.router.redirect_slashes = False
    return Guard(app, site, access, limits, questions.stop if questions else lambda: None)


def _questions(path: str) -> Questions:
    """What the store is asked, once it has answered: what is wrong with it is said at the start."""
    questions = Store.open(path).questions()
    questions.totals()
    return questions

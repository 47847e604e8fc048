"""The first page: a log is dropped or pasted and its diagnosis read.  Nothing of it is kept."""

from __future__ import annotations

import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path

from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from unkillable.web.limits import Limits
from unkillable.web.receiving import Upload, receive_body, receive_form
from unkillable.web.refusal import Refusal
from unkillable.web.site import Site
from unkillable.web.worker import Answer
from unkillable.web.workers import Workers

__all__ = ["Diagnosing"]

Receiver = Callable[[Request, Limits, Path], Awaitable[Upload]]


class Diagnosing:
    """Answers of this part."""

    def __init__(self, site: Site, workers: Workers, limits: Limits) -> None:
        self.site, self.workers, self.limits = site, workers, limits

    def routes(self) -> list[Route]:
        return [
            Route("/", self.start),
            Route("/diagnose", self.diagnose, methods=["POST"]),
            Route("/api/diagnose", self.api, methods=["POST"]),
        ]

    async def start(self, request: Request) -> Response:
        return self.site.page("start.html", request, limits=self.limits)

    async def diagnose(self, request: Request) -> Response:
        """The page's form."""
        upload, answer = await self._done(request, receive_form)
        if upload.answer == "json":
            return _json(answer)
        if upload.answer == "file":
            return _attached(answer)
        return self.site.page("diagnosis.html", request, title=answer.title, body=Markup(answer.body))  # noqa: S704  made by our own templates

    async def api(self, request: Request) -> Response:
        """A program's log."""
        _, answer = await self._done(request, receive_body)
        return _json(answer)

    async def _done(self, request: Request, receive: Receiver) -> tuple[Upload, Answer]:
        async with self.workers.place():
            with tempfile.TemporaryDirectory(prefix="unkillable-serve-") as folder:
                upload = await receive(request, self.limits, Path(folder))
                job = self.limits.job(folder=folder, names=upload.names, answer=upload.answer)
                answer = await self.workers.run(job, request)
        if answer.problem is not None:
            raise Refusal(422, sentence(answer.problem))
        return upload, answer


def sentence(problem: str) -> str:
    """A line of the command line as a sentence of a page."""
    return problem.rstrip(".") + "."


def _json(answer: Answer) -> Response:
    return Response(answer.body, media_type="application/json")


def _attached(answer: Answer) -> Response:
    """The report, for the visitor to keep."""
    headers = {"content-disposition": 'attachment; filename="diagnosis.html"'}
    return Response(answer.body, media_type="text/html", headers=headers)

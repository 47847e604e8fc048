"""A fleet's store, looked through: signatures, one signature, one log, two releases, what could not be read."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import msgspec
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from unkillable.fleet.answers import Share
from unkillable.fleet.questions import Questions
from unkillable.web.asking import ROWS, Asked, asked, ordered
from unkillable.web.limits import Limits
from unkillable.web.refusal import Refusal
from unkillable.web.site import Site, json_answer
from unkillable.web.worker import Answer, Stored
from unkillable.web.workers import Workers

__all__ = ["Browsing"]

_SIGNATURES = 1000
"""Causes that are looked through; the order asked for is that of the most frequent ones."""
_HASH = re.compile("[0-9a-f]{32}")
_BINS = 24
_SHARES = 12
_EXAMPLES = 20
"""Names of one content."""


class Browsing:
    """Answers of this part."""

    def __init__(self, site: Site, workers: Workers, limits: Limits, store: Questions) -> None:
        self.site, self.workers, self.limits, self.store = site, workers, limits, store

    def routes(self) -> list[Route]:
        return [
            Route("/signatures", self.signatures),
            Route("/signature/{cause}", self.signature),
            Route("/log/{content}", self.log),
            Route("/compare", self.compare),
            Route("/broken", self.broken),
            Route("/api/signatures", self.api),
        ]

    def signatures(self, request: Request) -> Response:
        asks = asked(request)
        rows = self._buckets(asks)
        shown = rows[asks.offset : asks.offset + ROWS]
        return self.site.page(
            "signatures.html",
            request,
            asks=asks,
            totals=self.store.totals(),
            rows=shown,
            found=len(rows),
            full=len(rows) == _SIGNATURES,
            more=len(rows) > asks.offset + ROWS,
            trends=self.store.trends([one.cause for one in shown], _BINS, asks.release or None),
            trend=self.store.trend(None, 2 * _BINS, asks.release or None),
            releases=self.store.releases(),
        )

    def signature(self, request: Request) -> Response:
        asks, cause = asked(request), request.path_params["cause"]
        bucket = self.store.signature(cause)
        if bucket is None:
            raise Refusal(
                404, "The store has no such signature; another version of the program may have made it."
            )
        rows, more = _paged(
            self.store.logs(cause, asks.variant or None, asks.release or None, None, ROWS + 1, asks.offset)
        )
        return self.site.page(
            "signature.html",
            request,
            asks=asks,
            one=bucket,
            trend=self.store.trend(cause, 2 * _BINS, asks.release or None),
            shares=[
                (name, sorted(rows[:_SHARES], key=_natural, reverse=True), len(rows) - _SHARES)
                for name, rows in (("Release", bucket.per_release), ("Kernel", bucket.per_kernel), ("Architecture", bucket.per_arch))
            ],
            rows=rows,
            more=more,
        )  # fmt: skip

    async def log(self, request: Request) -> Response:
        from starlette.concurrency import run_in_threadpool

        content = request.path_params["content"]
        rows = await run_in_threadpool(self.store.log, content) if _HASH.fullmatch(content) else []
        if not rows:
            raise Refusal(404, "The store has no such log; it may have been removed as too old.")
        names = list(dict.fromkeys(row.name for row in rows))
        answer = await self._read_again(names, rows[0].content)
        return self.site.page(
            "log.html",
            request,
            one=rows[0],
            findings=[row for row in rows if row.name == names[0] and row.kind],
            names=names[:_EXAMPLES],
            more_names=max(len(names) - _EXAMPLES, 0),
            problem=answer.problem,
            body=Markup(answer.body) if answer.body else None,  # noqa: S704  made by our own templates
        )

    async def _read_again(self, names: Sequence[str], content: str) -> Answer:
        """The log as it lies there now; what is read is what the store names, and only if it is what the store knows."""
        async with self.workers.place():
            stored = Stored(tuple(names[:_EXAMPLES]), content)
            return await self.workers.run(self.limits.job(stored=stored))

    def compare(self, request: Request) -> Response:
        asks = asked(request)
        releases = self.store.releases()
        if not asks.before and not asks.after and len(releases) > 1:
            asks = msgspec.structs.replace(asks, before=releases[1].name, after=releases[0].name)
        both = asks.before and asks.after
        changes = self.store.compare(asks.before, asks.after) if both else []
        return self.site.page("compare.html", request, asks=asks, releases=releases, changes=changes)

    def broken(self, request: Request) -> Response:
        asks = asked(request)
        rows, more = _paged(self.store.problems(ROWS + 1, asks.offset))
        return self.site.page(
            "broken.html", request, asks=asks, totals=self.store.totals(), rows=rows, more=more
        )

    def api(self, request: Request) -> Response:
        asks = asked(request)
        rows = self._buckets(asks)
        return json_answer(
            {
                "schema": "unkillable.signatures/1",
                "totals": self.store.totals(),
                "signatures": rows[asks.offset : asks.offset + ROWS],
                "more": len(rows) > asks.offset + ROWS,
            }
        )

    def _buckets(self, asks: Asked) -> Any:
        found = self.store.signatures(
            asks.begin, asks.end, asks.release or None, asks.device or None, _SIGNATURES, 0
        )
        return ordered(found, asks.sort)


def _natural(one: Share) -> list[tuple[int, str]]:
    """Of releases, fw-1.10 comes after fw-1.9."""
    return [
        (int(part[:18]), "") if part.isdecimal() else (-1, part) for part in re.split(r"([0-9]+)", one.name)
    ]


def _paged(rows: list[Any]) -> tuple[list[Any], bool]:
    """One page, and whether there is another."""
    return rows[:ROWS], len(rows) > ROWS

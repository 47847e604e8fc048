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

from unkillable.fleet.answers import Bucket, Share
from unkillable.fleet.questions import Questions
from unkillable.web.asking import ROWS, Asked, asked, ordered
from unkillable.web.limits import Limits
from unkillable.web.refusal import Refusal
from unkillable.web.remembering import Remembering
from unkillable.web.site import Site, json_answer
from unkillable.web.worker import Answer, Stored
from unkillable.web.workers import Workers

__all__ = ["Browsing"]

_SORTED = 1000
"""Signatures that are put in another order than that of how frequent they are: the most frequent ones."""
_NOTHING = "there is nothing in it that could be read"
_HASH = re.compile("[0-9a-f]{32}")
_BINS = 24
_SHARES = 12
_EXAMPLES = 20
"""Names of one content."""


class Browsing:
    """Answers of this part."""

    def __init__(self, site: Site, workers: Workers, limits: Limits, store: Questions) -> None:
        self.site, self.workers, self.limits, self.store = site, workers, limits, store
        self.ask = Remembering(store.version)

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
        rows, more = self._buckets(asks)
        return self.site.page(
            "signatures.html",
            request,
            asks=asks,
            totals=self.ask(self.store.totals),
            rows=rows,
            more=more,
            most=_SORTED,
            trends=self.ask(self.store.trends, tuple(one.cause for one in rows), _BINS, asks.release or None),
            trend=self.ask(self.store.trend, None, 2 * _BINS, asks.release or None),
            releases=self.ask(self.store.releases),
        )

    def signature(self, request: Request) -> Response:
        asks, cause = asked(request), request.path_params["cause"]
        bucket = self.ask(self.store.signature, cause)
        if bucket is None:
            raise Refusal(
                404, "The store has no such signature; another version of the program may have made it."
            )
        rows, more = _paged(
            self.ask(
                self.store.logs,
                cause,
                asks.variant or None,
                asks.release or None,
                None,
                ROWS + 1,
                asks.offset,
            )
        )
        return self.site.page(
            "signature.html",
            request,
            asks=asks,
            one=bucket,
            trend=self.ask(self.store.trend, cause, 2 * _BINS, asks.release or None),
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
        known = any(row.kind for row in rows)
        answer = (
            await self._read_again(names, rows[0].content, request) if known else Answer(problem=_NOTHING)
        )
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

    async def _read_again(self, names: Sequence[str], content: str, request: Request) -> Answer:
        """The log as it lies there now; what is read is what the store names, and only if it is what the store knows."""
        async with self.workers.place():
            stored = Stored(tuple(names[:_EXAMPLES]), content)
            return await self.workers.run(self.limits.job(stored=stored), request)

    def compare(self, request: Request) -> Response:
        asks = asked(request)
        releases = self.ask(self.store.releases)
        if not asks.before and not asks.after and len(releases) > 1:
            asks = msgspec.structs.replace(asks, before=releases[1].name, after=releases[0].name)
        both = asks.before and asks.after
        changes = self.ask(self.store.compare, asks.before, asks.after) if both else []
        cautions = self.ask(self.store.cautions, asks.before, asks.after) if changes else ()
        return self.site.page(
            "compare.html", request, asks=asks, releases=releases, changes=changes, cautions=cautions
        )

    def broken(self, request: Request) -> Response:
        asks = asked(request)
        rows, more = _paged(self.ask(self.store.problems, ROWS + 1, asks.offset))
        return self.site.page(
            "broken.html", request, asks=asks, totals=self.ask(self.store.totals), rows=rows, more=more
        )

    def api(self, request: Request) -> Response:
        asks = asked(request)
        rows, more = self._buckets(asks)
        return json_answer(
            {
                "schema": "unkillable.signatures/1",
                "totals": self.ask(self.store.totals),
                "signatures": rows,
                "more": more,
            }
        )

    def _buckets(self, asks: Asked) -> tuple[list[Bucket], bool]:
        """One page of signatures, and whether there is another."""
        given = asks.begin, asks.end, asks.release or None, asks.device or None
        if asks.sort == "count":  # as the store has them
            return _paged(self.ask(self.store.signatures, *given, ROWS + 1, asks.offset))
        found = ordered(self.ask(self.store.signatures, *given, _SORTED, 0), asks.sort)
        return _paged(found[asks.offset :])


def _natural(one: Share) -> list[tuple[int, str]]:
    """Of releases, fw-1.10 comes after fw-1.9."""
    return [
        (int(part[:18]), "") if part.isdecimal() else (-1, part) for part in re.split(r"([0-9]+)", one.name)
    ]


def _paged(rows: list[Any]) -> tuple[list[Any], bool]:
    """One page, and whether there is another."""
    return rows[:ROWS], len(rows) > ROWS

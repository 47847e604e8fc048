"""What a page of the store is asked for: the query of its address, checked, and the addresses that differ from it."""

from __future__ import annotations

from datetime import UTC, datetime
from urllib.parse import urlencode

import msgspec
from starlette.requests import Request

from unkillable.fleet.answers import Bucket
from unkillable.web.refusal import Refusal

__all__ = ["ROWS", "SORTS", "Asked", "asked", "ordered"]

ROWS = 50
"""Of one page."""
_LAST_PAGE = 100_000
_LONGEST = 300
"""Characters of a filter."""
_DAY = 86_400.0

SORTS = {
    "count": (lambda one: one.count, True),
    "devices": (lambda one: one.devices, True),
    "releases": (lambda one: one.releases, True),
    "first": (lambda one: one.first_seen, True),
    "last": (lambda one: one.last_seen, True),
    "title": (lambda one: one.title, False),
}
"""What signatures are ordered by, and whether the greatest comes first."""


class Asked(msgspec.Struct, frozen=True, omit_defaults=True):
    """The query of an address; what is empty is not asked for."""

    release: str = ""
    device: str = ""
    since: str = ""
    """A day, such as 2026-11-26, in UTC as all times."""
    until: str = ""
    """The last day that counts."""
    sort: str = "count"
    variant: str = ""
    before: str = ""
    after: str = ""
    page: int = 1

    @property
    def offset(self) -> int:
        return (self.page - 1) * ROWS

    @property
    def begin(self) -> float | None:
        return _time(self.since) if self.since else None

    @property
    def end(self) -> float | None:
        return _time(self.until) + _DAY if self.until else None

    @property
    def narrowed(self) -> bool:
        """Whether not all is asked for."""
        return bool(self.release or self.device or self.since or self.until)

    def but(self, **changes: str | int) -> str:
        """The query with changes, from the first page unless that is what changes."""
        changed = msgspec.structs.replace(self, **({"page": 1} | changes))
        return "?" + urlencode(msgspec.to_builtins(changed))


def asked(request: Request) -> Asked:
    """What the address asks for.  Raises Refusal."""
    given = {
        key: value.strip() for key, value in request.query_params.items() if key in Asked.__struct_fields__
    }
    if any(len(value) > _LONGEST for value in given.values()):
        raise Refusal(400, f"A filter has more than {_LONGEST} characters.")
    page = given.pop("page", "1") or "1"
    if not (page.isascii() and page.isdigit() and 1 <= int(page[:9]) <= _LAST_PAGE):
        raise Refusal(404, "There is no such page.")
    found = Asked(**given, page=int(page))
    if found.sort not in SORTS:
        found = msgspec.structs.replace(found, sort="count")
    _ = found.begin, found.end  # which raise it for what is no day
    return found


def ordered(rows: list[Bucket], sort: str) -> list[Bucket]:
    """The rows in an order of SORTS; those that are equal stay as they were, the most frequent first."""
    key, down = SORTS[sort]
    return sorted(rows, key=key, reverse=down)


def _time(day: str) -> float:
    try:
        return datetime.strptime(day, "%Y-%m-%d").replace(tzinfo=UTC).timestamp()
    except ValueError:
        raise Refusal(400, f"{day} is no day: write it as 2026-11-26.") from None

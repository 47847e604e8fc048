"""What `unkillable triage` answers.  Schema `unkillable.triage/1`."""

from __future__ import annotations

import msgspec

from unkillable.fleet.answers import Bin, Bucket, Change, Totals


class Hint(msgspec.Struct, frozen=True):
    """Something to do about a cause."""

    text: str
    commands: tuple[str, ...] = ()


class Cause(msgspec.Struct, frozen=True):
    """One cause of hangs."""

    bucket: Bucket
    """How often, where, since when; with its variants and an example."""
    since_release: str | None = None
    """The first release, in their order, that it was seen in."""
    trend: tuple[int, ...] = ()
    """Its logs in each bin of the whole trend."""
    hint: Hint | None = None


class Reason(msgspec.Struct, frozen=True):
    """Why logs could not be read, or not all of them."""

    reason: str
    """Numbers in it are written N, so that equal reasons are one."""
    count: int
    example: str
    """Name of one of them."""


class Reading(msgspec.Struct, frozen=True):
    """What this run read."""

    inputs: int
    """Files that were looked at."""
    unchanged: int
    """Of them those that the store knew as they are: not read."""
    logs: int
    copies: int
    """Of the logs those whose content the store knew: not diagnosed again."""
    broken: int
    """Of the logs those that could not be read, or not all of them."""
    bytes: int
    seconds: float
    engine: str
    """Where it was done."""
    again: tuple[Reason, ...] = ()
    """What could not be opened, or a server did not give: not in the store, and tried again by the next run."""


class Compared(msgspec.Struct, frozen=True):
    """What changed between two releases."""

    before: str
    after: str
    changes: tuple[Change, ...] = ()
    cautions: tuple[str, ...] = ()
    """What to keep in mind with them: sentences."""


class Triage(msgspec.Struct, frozen=True, kw_only=True):
    """What many logs die of."""

    schema: str = "unkillable.triage/1"
    tool: str = ""
    store: str | None = None
    """Where it is kept; None: nowhere."""
    sentence: str
    """The answer."""
    totals: Totals
    """Of the store, all its runs, in the window of `since` and `until`."""
    reading: Reading | None = None
    """None where nothing was to be read."""
    pruned: int = 0
    """Logs that --retain forgot."""
    since: float | None = None
    """All that follows is of logs that were seen from then on, in seconds since 1970; None: of all."""
    until: float | None = None
    """And before then."""
    causes: tuple[Cause, ...] = ()
    """The most frequent first."""
    more: int = 0
    """Causes beyond --limit."""
    trend: tuple[Bin, ...] = ()
    """All logs over time, in stretches of the same length."""
    broken: tuple[Reason, ...] = ()
    """Of the store and of `reading.again`, the most frequent first."""
    compared: Compared | None = None

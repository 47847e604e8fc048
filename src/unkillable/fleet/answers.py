"""What a store answers: the types that reports and pages show.

Counts are of logs by their content: the same bytes under another name are a copy and are not counted again.
Times are seconds since 1970.
"""

from __future__ import annotations

import msgspec


class Totals(msgspec.Struct, frozen=True):
    """What is in the store."""

    logs: int
    copies: int
    """Names more than there are logs: the same content again."""
    devices: int
    releases: int
    hung: int
    failing: int
    """Logs in which nothing hung and an error was served again and again."""
    broken: int
    """Logs that could not be read, or not all of them."""
    first_seen: float | None
    last_seen: float | None
    scheme: int = 0
    """The scheme of the signatures that the questions are answered from: the newest in the store."""
    older: int = 0
    """Logs that are known only by signatures of an older scheme.  They count as logs but are in no bucket."""


class Variant(msgspec.Struct, frozen=True):
    """One way into a cause."""

    id: str
    title: str
    count: int


class Example(msgspec.Struct, frozen=True):
    """The last log that shows a cause."""

    name: str
    content: str
    line: int
    quote: str


class Share(msgspec.Struct, frozen=True):
    """How often something is among others: a cause in a release, say."""

    name: str
    count: int
    logs: int
    """All logs of that name, hung or not."""


class Bucket(msgspec.Struct, frozen=True):
    """All logs of one cause."""

    cause: str
    title: str
    kind: str
    count: int
    devices: int
    releases: int
    first_seen: float
    last_seen: float
    variants: tuple[Variant, ...] = ()
    """The most frequent first, at most ten."""
    example: Example | None = None
    per_release: tuple[Share, ...] = ()
    """Only of a bucket that was asked for alone, as are those below."""
    per_arch: tuple[Share, ...] = ()
    per_kernel: tuple[Share, ...] = ()
    wait: str | None = None
    site: str | None = None
    entered_by: str | None = None
    holders: tuple[str, ...] = ()


class Bin(msgspec.Struct, frozen=True):
    """A stretch of time."""

    start: float
    end: float
    logs: int
    hung: int
    """Logs with the cause that was asked for, or with any."""


class LogRow(msgspec.Struct, frozen=True):
    """One log and what it dies of; of several episodes the one that was asked for, otherwise the first that hung."""

    name: str
    content: str
    size: int
    device: str
    release: str
    seen: float
    copies: int = 0
    """Other names of the same content."""
    problem: str | None = None
    episode: int = 0
    kind: str = ""
    """Empty: nothing was found in it, see `problem`."""
    cause: str | None = None
    variant: str | None = None
    title: str | None = None
    variant_title: str | None = None
    confidence: str = ""
    summary: str = ""
    kernel: str | None = None
    arch: str | None = None
    line: int = 0
    quote: str = ""


class ProblemRow(msgspec.Struct, frozen=True):
    """A log that could not be read, or not all of it."""

    name: str
    content: str
    size: int
    problem: str


class Rate(msgspec.Struct, frozen=True):
    """How many of those that could have hung did, with its 95 % interval."""

    count: int
    of: int
    rate: float
    low: float
    high: float


class Change(msgspec.Struct, frozen=True):
    """A cause in two releases."""

    cause: str
    title: str
    unit: str
    """What was counted: device or log."""
    before: Rate
    after: Rate
    ratio: float | None
    """Rate after to rate before; None where it was 0 before."""
    ratio_low: float
    ratio_high: float | None
    """The 95 % interval of the ratio; None: no upper bound."""
    p: float
    """Fisher's exact test, two-sided."""
    p_adjusted: float
    """The same, corrected for the number of causes compared."""
    verdict: str
    """new, gone, more, fewer, no difference shown."""


class Table(msgspec.Struct, frozen=True):
    """The answer to a question in SQL."""

    columns: tuple[str, ...]
    rows: tuple[tuple[object, ...], ...]
    cut: bool = False
    """There were more rows."""

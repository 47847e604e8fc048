"""What each log of a corpus is: a function of the seed and its number alone, so that any part can be made anywhere.

Ten releases follow one another, a month each.  One brings a new cause of hangs, another ends one: what `triage --compare` and trends are
to find.
"""

from __future__ import annotations

import random
from bisect import bisect_right
from datetime import UTC, datetime, timedelta

import msgspec

START = datetime(2026, 1, 1, tzinfo=UTC)
DAYS = 300
LOGS_PER_DEVICE = 200
RELEASES = ("1.8.0", "1.8.1", "1.9.0", "1.9.2", "2.0.0", "2.0.1", "2.1.0", "2.1.1", "2.2.0", "2.3.0")
KINDS = {"hang": 0.080, "oom": 0.12, "lockup": 0.002, "broken": 0.001}
"""Shares; the rest is ordinary."""
ZIPF = 1.0
"""The share of the n-th cause is as n to the power of minus this."""
_LAB = (
    "mutex-held",
    "victim-in-wait-event",
    "semaphore-held",
    "completion-never",
    "abba-deadlock",
    "rwsem-held",
    "victim-holds-mmap-lock",
)
DRIVERS = ("npu", "wlan9", "vpu")
"""Drivers that do not exist: the lab's driver under another name has the same bug in another place, which is another bug."""
CAUSES = (
    "squashfs-freeze", "io-stall-squashfs", "victim-in-wait-event", "squashfs-cached-error", "frozen-filesystem", "io-stall-ext4",
    "mutex-held", "completion-never", "zombie", "rwsem-held", "victim-holds-mmap-lock", "abba-deadlock", "semaphore-held",
    "completion-never-kthread", "squashfs-oom-deadlock", *(f"{cause}@{driver}" for driver in DRIVERS for cause in _LAB),
)  # fmt: skip
"""The most frequent first; behind `@` the driver that has it, where that is not the lab's."""
INTRODUCED = ("victim-in-wait-event", "2.0.0")
"""Not seen before this release."""
FIXED = ("io-stall-squashfs", "2.2.0")
"""Not seen from this release on."""


class Planned(msgspec.Struct, frozen=True):
    """One log to be made."""

    number: int
    kind: str
    cause: str
    device: str
    release: str
    seen: datetime
    duplicate_of: int | None = None
    """Number of the log that this one has the bytes of."""


def active(cause: str, release: str) -> bool:
    """Whether a release has this bug."""
    number = RELEASES.index(release)
    if cause == INTRODUCED[0] and number < RELEASES.index(INTRODUCED[1]):
        return False
    return not (cause == FIXED[0] and number >= RELEASES.index(FIXED[1]))


def shares(release: str) -> dict[tuple[str, str], float]:
    """Class and cause of a log of this release, with their probabilities; what is missing to 1 is ordinary."""
    weights = [1 / (rank + 1) ** ZIPF for rank in range(len(CAUSES))]
    whole = sum(weights)
    found = {
        ("hang", cause): KINDS["hang"] * weight / whole
        for cause, weight in zip(CAUSES, weights, strict=True)
        if active(cause, release)
    }
    return found | {(kind, ""): share for kind, share in KINDS.items() if kind != "hang"}


class Plan:
    """All logs of a corpus."""

    def __init__(self, logs: int, seed: int, duplicates: float) -> None:
        self.logs = logs
        self.seed = seed
        self.duplicates = duplicates
        self.devices = max(logs // LOGS_PER_DEVICE, 1)
        self.tables = []
        for release in RELEASES:
            rows, limits, total = [], [], 0.0
            for row, share in shares(release).items():
                total += share
                rows.append(row)
                limits.append(total)
            self.tables.append((rows, limits))

    def rng(self, number: int) -> random.Random:
        return random.Random(self.seed << 40 | number)  # noqa: S311  a corpus is to be the same every time

    def log(self, number: int) -> Planned:
        rng = self.rng(number)
        device, turn = number % self.devices, number // self.devices
        turns = -(-self.logs // self.devices)
        if turn > 0 and rng.random() < self.duplicates:
            same = self.log(number - self.devices)
            if same.kind != "broken":
                original = same.number if same.duplicate_of is None else same.duplicate_of
                return msgspec.structs.replace(same, number=number, duplicate_of=original)
        day = (turn + rng.random()) * DAYS / turns
        seen = START + timedelta(seconds=int(day * 86400))
        lag = random.Random(self.seed << 20 | device).random() * 12  # noqa: S311
        release = min(max(int((day - lag) * len(RELEASES) / DAYS), 0), len(RELEASES) - 1)
        rows, limits = self.tables[release]
        place = bisect_right(limits, rng.random())
        kind, cause = rows[place] if place < len(rows) else ("ordinary", "")
        return Planned(number, kind, cause, f"box-{device:05}", RELEASES[release], seen)

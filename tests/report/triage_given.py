"""Triages for the reports, made up."""

from __future__ import annotations

from unkillable.fleet.answers import Bin, Bucket, Change, Example, Rate, Share, Totals, Variant
from unkillable.fleet.triage_types import Cause, Compared, Hint, Reading, Reason, Triage

DAY = 86400.0
START = 1_790_000_000.0
HOSTILE = "<script>alert(1)</script>\x1b[31m\u202eabc"


def cause(number: int, words: str = "", count: int = 10) -> Cause:
    bucket = Bucket(
        f"{number:012x}", f"reclaim-livelock: readers of squashfs wait for memory{words}", "reclaim-livelock", count,
        count // 2, 2, START, START + 9 * DAY,
        variants=(Variant(f"{number:012x}", f"page fault{words}", count),),
        example=Example(f"logs/{number}{words}.log", "0" * 32, 17, f"Node 0 DMA free:576kB{words}"),
        per_release=(Share(f"2026.10{words}", count - 1, 40), Share("2026.9", 1, 50)),
        per_kernel=(Share("5.10.0-46", count, 90),), per_arch=(Share("arm", count, 90),), site="squashfs_cache_get",
    )  # fmt: skip
    return Cause(
        bucket, "2026.9", tuple(range(10)), Hint(f"A known hang{words}.", (f"unkillable fix TREE{words}",))
    )


def change(verdict: str, ratio: float | None = 2.0) -> Change:
    return Change(
        "0" * 12, f"cause that is {verdict}", "device", Rate(3, 100, 0.03, 0.006, 0.085), Rate(6, 100, 0.06, 0.022, 0.126),
        ratio, 0.5, None if ratio is None else 8.0, 0.01, 0.02, verdict,
    )  # fmt: skip


def triage(words: str = "", causes: int = 3) -> Triage:
    """With all that a triage can have; `words` go wherever a log's own can."""
    return Triage(
        tool="unkillable 1",
        store="fleet.store",
        sentence=f"30 of 90 logs hang, 3 causes; the most frequent: x{words}",
        totals=Totals(90, 2, 20, 2, 30, 0, 3, START, START + 10 * DAY),
        reading=Reading(95, 5, 90, 2, 3, 900_000, 4.5, "2 processes"),
        pruned=1,
        causes=tuple(cause(number, words, 10) for number in range(causes)),
        more=4,
        trend=tuple(
            Bin(START + at * DAY, START + (at + 1) * DAY, 9, 3) for at in range(10)
        ),
        broken=(Reason(f"gzip data ends early{words}", 2, f"logs/cut{words}.gz"), Reason("an empty file", 1, "logs/e")),
        compared=Compared("2026.9", "2026.10", (change("new", None), change("fewer"), change("no difference shown"))),
    )  # fmt: skip


def nothing() -> Triage:
    return Triage(sentence="no logs", totals=Totals(0, 0, 0, 0, 0, 0, 0, None, None))

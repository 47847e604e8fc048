"""The rule for cached read errors: one failed fill of a squashfs cache entry, served again and again.

squashfs keeps `entry->error` with the block's number (fs/squashfs/cache.c: set in squashfs_cache_get() after a
failed fill, read on every hit), so later readers of the block get the error without a new read: innocent tasks die
of SIGBUS.
"""

from __future__ import annotations

from collections import Counter

from unkillable.diagnosis.case import Case
from unkillable.diagnosis.statements import quoted
from unkillable.diagnosis.types import Statement, Verdict
from unkillable.evidence.types import FsError


def cached_error(case: Case) -> Verdict | None:
    """More `Unable to read ... cache entry` lines for one block than fresh read failures of it."""
    served: Counter[int | None] = Counter()
    fresh: Counter[int | None] = Counter()
    first: dict[int | None, FsError] = {}
    for fact in case.evidence.fs_errors:
        if fact.fs != "squashfs":
            continue
        if fact.kind == "cache-entry":
            served[fact.block] += 1
            first.setdefault(fact.block, fact)
        elif fact.kind in ("read", "decompress"):
            fresh[fact.block] += 1
    repeated = {
        block: count
        for block, count in served.items()
        if count > max(fresh[block], 0) and (count > 1 or not fresh[block])
    }
    if not repeated or (case.hung and case.stuck):
        return None
    block, count = max(repeated.items(), key=lambda item: item[1])
    fact = first[block]
    times = f"{count} times" if count > 1 else "once"
    source = (
        f"after {fresh[block]} failed read{'s' if fresh[block] > 1 else ''} of it"
        if fresh[block]
        else "without a new read of it"
    )
    where = f"block 0x{block:x}" if block is not None else "a block"
    bus = [exit_ for exit_ in case.evidence.exits if exit_.signal == 7]
    summary = (
        f"squashfs serves a cached read error: {where} of the {fact.cache or 'block'} cache failed {times} {source}; tasks that "
        f"fault on it die of SIGBUS though a new read might succeed" + (f" ({len(bus)} did)" if bus else "")
    )
    because = [
        Statement(
            f"the error of {where} was given out {times} from the cache",
            False,
            tuple(quoted(one) for one in case.evidence.fs_errors if one.block == block)[:6],
        ),
        Statement(
            "a failed fill leaves its error in the cache entry together with the block's number, so later look-ups get the error "
            "until the entry is recycled",
            True,
            (),
            "6.1.192 fs/squashfs/cache.c:115",
        ),
    ]
    because += [Statement(one.text.strip(), False, (quoted(one),)) for one in case.evidence.io[:3]]
    because += [Statement(one.text.strip(), False, (quoted(one),)) for one in bus[:3]]
    return Verdict("cached-error", summary, "high" if count > 1 else "medium", tuple(because))

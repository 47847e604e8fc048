"""What to do about a cause, where something is known: rows of the diagnosis' advice, and the commands that make patches."""

from __future__ import annotations

import re

from unkillable.diagnosis.advice import rows
from unkillable.fleet.answers import Bucket
from unkillable.fleet.triage_types import Hint
from unkillable.versions import within

_SQUASHFS = "squashfs"
_PATCHED = ("reclaim-livelock", "deadlock", "unkillable-victim", "lock-contention")
"""Verdicts that the series of `fix` and the measured mitigations are for, where squashfs is waited for."""
_SERIES = re.compile(r"\d{1,3}\.\d{1,3}")


def hint(bucket: Bucket) -> Hint | None:
    """The one for this cause; None where nothing better is known than to look at the example."""
    words = " ".join((bucket.site or "", *bucket.holders, bucket.title))
    # Of several kernels the most frequent, which comes first.
    series = next((found[0] for one in bucket.per_kernel if (found := _SERIES.match(one.name))), None)
    if _SQUASHFS in words and bucket.kind in _PATCHED:
        return Hint(
            "A known hang: there are patches for it, and measured means without a patch.",
            ("unkillable fix TREE", f"unkillable fix --mitigations {series or 'RELEASE'}"),
        )
    for row in rows():
        own = row.resources and not any(_SQUASHFS in one and _SQUASHFS in words for one in row.resources)
        if row.kinds[0] == bucket.kind and not own and within(series, row.since, row.until):
            return Hint(f"{row.title}. {row.text}", row.commands)
    return None

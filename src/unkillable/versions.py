"""Kernel releases: how two of them compare, and whether one lies in a range."""

from __future__ import annotations

import re


def version_key(version: str) -> tuple[int, ...]:
    """`6.1.192` as (6, 1, 192), so that versions compare; `7.3-rc7` as (7, 3, 7)."""
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])


def within(version: str | None, since: str | None, until: str | None) -> bool:
    """Whether a release is `since` or later and before `until`; one that is not known lies in any range."""
    if version is None:
        return True
    key = version_key(version)
    return not ((since and key < version_key(since)) or (until and key >= version_key(until)))

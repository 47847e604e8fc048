"""What differs between two audits, and what of one has been accepted before.

A sleep is known by its fingerprint, which says in which function it waits for what, and not on which line: moved code is
no change.  Several of one fingerprint are told apart by their order in the file.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence

import msgspec

from unkillable.ksource.audit_types import FINDINGS, RANKS, Audit, Change, Site

__all__ = ["changes", "compared", "findings", "is_bad_news", "without", "worse"]

_DIFFER: tuple[tuple[str, Callable[[Site], str | bool | None]], ...] = (
    ("primitive", lambda site: site.primitive),
    ("task_state", lambda site: site.task_state),
    ("killable", lambda site: site.killable),
    ("rank", lambda site: site.rank),
    ("resource", lambda site: site.resource),
    ("open_coded", lambda site: site.open_coded),
)
"""What makes a sleep another one, in the order in which it is told."""

_WORDS = {None: "unknown", True: "yes", False: "no"}


def findings(audit: Audit) -> tuple[Site, ...]:
    """Sleeps that somebody has to look at."""
    return tuple(site for site in audit.sites if site.rank in FINDINGS)


def compared(before: Audit, after: Audit) -> Audit:
    """The later audit with what has changed since the one before."""
    return msgspec.structs.replace(
        after, against=before.kernel or "another tree", changes=changes(before, after)
    )


def changes(before: Audit, after: Audit) -> tuple[Change, ...]:
    """What appeared, vanished and changed, the worst first."""
    pairs, old, new = _matched(before.sites, after.sites, lambda site: (site.fingerprint,))
    # A wait without a name for what is waited for has its primitive in the fingerprint; made killable it has another one.
    more, old, new = _matched(old, new, lambda site: (site.file, site.function))
    found = [
        Change("changed", now, was, what) for was, now in (*pairs, *more) if (what := _differences(was, now))
    ]
    found += [Change("appeared", site) for site in new]
    found += [Change("vanished", site) for site in old]
    return tuple(sorted(found, key=_order))


def without(audit: Audit, accepted: Iterable[str]) -> Audit:
    """An audit without the findings of these fingerprints: of one that is there twice, as many as are accepted."""
    left = Counter(accepted)
    sites, gone = [], set()
    for site in sorted(audit.sites, key=lambda site: (site.file, site.line)):
        if site.rank in FINDINGS and left[site.fingerprint] > 0:
            left[site.fingerprint] -= 1
            gone.add(_place(site))
        else:
            sites.append(site)
    there = {_place(site) for site in sites}
    return msgspec.structs.replace(
        audit,
        sites=tuple(site for site in audit.sites if _place(site) in there),
        changes=tuple(one for one in audit.changes if one.kind == "vanished" or _place(one.site) not in gone),
        accepted=audit.accepted + len(gone),
    )


def worse(change: Change) -> bool:
    """Whether a change is bad news: a finding that was none, or was a lesser one."""
    if change.kind == "vanished" or change.site.rank not in FINDINGS:
        return False
    return change.before is None or RANKS.index(change.site.rank) < RANKS.index(change.before.rank)


def is_bad_news(audit: Audit) -> bool:
    """Whether there is something to look at: compared with another tree, only what has become worse since."""
    if audit.against is not None:
        return any(worse(one) for one in audit.changes)
    return bool(findings(audit))


def _place(site: Site) -> tuple[str, int, str, str]:
    return site.file, site.line, site.fingerprint, site.primitive


def _matched(
    before: Sequence[Site], after: Sequence[Site], key: Callable[[Site], tuple[str, ...]]
) -> tuple[list[tuple[Site, Site]], list[Site], list[Site]]:
    """Pairs of one key, in their order; then what is left of both."""
    groups: defaultdict[tuple[str, ...], tuple[list[Site], list[Site]]] = defaultdict(lambda: ([], []))
    for number, sites in enumerate((before, after)):
        for site in sorted(sites, key=lambda site: (site.file, site.line)):
            groups[key(site)][number].append(site)
    pairs: list[tuple[Site, Site]] = []
    old: list[Site] = []
    new: list[Site] = []
    for was, now in groups.values():
        count = min(len(was), len(now))
        pairs += zip(was[:count], now[:count], strict=True)
        old += was[count:]
        new += now[count:]
    return pairs, old, new


def _differences(was: Site, now: Site) -> tuple[str, ...]:
    return tuple(
        f"{name} {_word(get(was))} -> {_word(get(now))}" for name, get in _DIFFER if get(was) != get(now)
    )


def _word(value: str | bool | None) -> str:
    return value if isinstance(value, str) else _WORDS[value]


def _order(change: Change) -> tuple[bool, int, str, int]:
    return (not worse(change), RANKS.index(change.site.rank), change.site.file, change.site.line)

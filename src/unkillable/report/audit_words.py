"""What an audit's findings are called, the same in text, SARIF and on the page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from unkillable.ksource.audit_types import RANKS, Allocation, Audit, Change, EntryPoint, Holder, Site, Step
from unkillable.ksource.compare_audits import findings, worse
from unkillable.report.plain import count, cut

TITLE = {
    "red": "Unkillable, and a holder may wait for memory",
    "amber": "Unkillable",
    "green": "SIGKILL wakes it",
    "grey": "Not reached, or not known",
}
MEANING = {
    "red": "SIGKILL does not wake the task, a page fault leads there, and code that holds what it waits for may wait for "
    "memory: the memory that the killed task would free.",
    "amber": "SIGKILL does not wake the task; something else is missing, as each says.",
    "green": "SIGKILL wakes the task.",
    "grey": "No entry leads there, or the state in which the task sleeps could not be read.",
}
"""Of each of audit_types.RANKS."""

MISSING = {
    "alone": "the holders found share it with whom waits, unless a third waits to have it alone",
    "flags": "whether a holder waits for memory, its caller says",
    "fault": "no page fault leads there",
    "holder": "no holder was found that may wait for memory",
}
"""Of each of audit_types.MISSING."""

KIND = {
    "lock": "a lock",
    "queue": "a wait queue",
    "completion": "a completion",
    "page": "a page",
    "io": "I/O",
    "time": "a time",
    "other": "something else",
}
"""Of each of audit_types.KINDS."""

SCOPES = {"nofs": "memalloc_nofs_save", "noio": "memalloc_noio_save"}

_FROM = {
    "fault": "a page fault",
    "lookup": "open(2) or stat(2)",
    "reclaim": "direct reclaim",
    "write": "write(2) or fsync(2)",
}
"""Entries whose title is too long for a sentence, or needs an article there."""
_MOST_NAMED = 3
_NAME = 200
"""Characters of a name: whatever a file holds, a line of the report is one that can be read."""


def where(audit: Audit) -> str:
    """Kernel and directories: 6.1.192 fs/squashfs."""
    within = list(audit.within[:_MOST_NAMED]) + (["..."] if len(audit.within) > _MOST_NAMED else [])
    return " ".join(cut(one, _NAME) for one in [audit.kernel or "kernel of an unknown version", *within])


def headline(audit: Audit) -> str:
    """The answer in one line."""
    found = findings(audit)
    entries = audit.entries
    accepted = f"; {count(audit.accepted, 'other is', 'others are')} accepted" if audit.accepted else ""
    if not found:
        names = _joined([_from(one) for one in entries[:_MOST_NAMED]])
        more = " or elsewhere" if len(entries) > _MOST_NAMED else ""
        new = "no other sleep" if audit.accepted else "no sleep"
        tail = f"{new} was found that SIGKILL does not wake and that can be reached from {names or 'an entry'}{more}"
        return f"{where(audit)}: {tail}{accepted}"
    first = next((one for one in entries if any(one.key in site.entries for site in found)), None)
    reached = [site for site in found if first and first.key in site.entries] or list(found)
    red = sum(site.rank == "red" for site in reached)
    does = "sleep that SIGKILL does not wake" if len(reached) == 1 else "sleeps that SIGKILL does not wake"
    text = (
        f"{where(audit)}: {len(reached):,} {does} can be reached from {_from(first) if first else 'an entry'}"
    )
    if red:
        text += f"; {'there' if len(reached) == 1 else f'at {red:,}'} a holder may wait for memory"
    if len(reached) < len(found):
        text += f"; {len(found) - len(reached):,} more from elsewhere"
    return text + accepted


def _from(entry: EntryPoint) -> str:
    return cut(_FROM.get(entry.key, entry.title), _NAME)


def _joined(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else " or ".join([", ".join(names[:-1]), names[-1]]) if names else ""


def tone(audit: Audit) -> str:
    """good, unsure or bad."""
    ranks = {site.rank for site in audit.sites}
    if audit.against is not None:
        ranks = {one.site.rank for one in audit.changes if worse(one)}
    return "bad" if "red" in ranks else "unsure" if "amber" in ranks else "good"


def against(audit: Audit) -> str:
    """What has changed, in one line."""
    kinds = Counter(one.kind for one in audit.changes)
    told = [f"{kinds[kind]:,} {kind}" for kind in ("appeared", "changed", "vanished") if kinds[kind]]
    bad = sum(worse(one) for one in audit.changes)
    text = f"{where(audit)} against {cut(audit.against or '', _NAME)}: {', '.join(told) or 'no sleep is another one'}"
    if told:
        text += f"; {bad:,} for the worse" if bad else "; none for the worse"
    return text


def waits(site: Site) -> str:
    """How it sleeps: wait_event in TASK_UNINTERRUPTIBLE, for squashfs_cache.wait_queue."""
    how = f"a loop around {site.primitive}()" if site.open_coded else site.primitive
    text = f"{how}, {site.task_state or 'state not known'}"
    what = site.resource or site.queue
    return f"{text}, for {what}" if what else text


def step(one: Step, first: bool = False) -> str:
    """A call of a path, with the member that it goes through."""
    name = cut(one.function, _NAME)
    if one.through:
        name = f"({cut(one.through, _NAME)}) {name}"
    return name if first else f"-> {name}"


def others(site: Site, entries: Sequence[EntryPoint]) -> str:
    """Entries besides the one whose path is shown."""
    names = {one.key: _from(one) for one in entries}
    return ", ".join(names.get(key, key) for key in site.entries[1:])


def first_entry(site: Site, entries: Sequence[EntryPoint]) -> str:
    """The entry whose path is shown."""
    names = {one.key: _from(one) for one in entries}
    return names.get(site.entries[0], site.entries[0]) if site.entries else ""


def missing(site: Site) -> str:
    """Why it is not red: no page fault leads there."""
    return "; ".join(MISSING[one] for one in site.missing)


def held(holder: Holder) -> str:
    beside = ", beside other readers" if holder.shared else ""
    return f"{holder.function} ({holder.file}:{holder.acquired}-{holder.released}){beside}"


_WAITS = {
    True: "waits for memory",
    False: "does not wait for memory",
    None: "waits for memory or not, as its caller says",
}
_KILLS = {True: "may call the OOM killer", False: "may not call the OOM killer", None: ""}


def allocation(one: Allocation) -> str:
    """What asking for memory means."""
    kills = _KILLS[one.kills] if one.waits is not False else ""
    if one.scope:
        kills += f" in the scope of {', '.join(SCOPES.get(name, name) for name in one.scope)}"
    return ", ".join(filter(None, (_WAITS[one.waits], kills)))


def rest(audit: Audit) -> dict[str, int]:
    """How many there are of each rank, the worst first."""
    ranks = Counter(site.rank for site in audit.sites)
    return {rank: ranks[rank] for rank in RANKS}


def coverage(audit: Audit) -> str:
    read = audit.coverage
    text = f"{read.files:,} files, {read.functions:,} functions and {read.calls:,} calls read in {read.seconds:.1f} s"
    if audit.configuration:
        text += f"; without what {cut(audit.configuration, _NAME)} leaves out"
    else:
        text += "; without a configuration, as if CONFIG_MMU were set"
    if read.unknown_pointers:
        text += f". {count(read.unknown_pointers, 'call')} through pointers with unknown targets: what only they reach is missing"
    return f"{text}."


def change(one: Change) -> str:
    """A line of the comparison."""
    text = f"{one.kind}: {one.site.file}:{one.site.line} {one.site.function}: {waits(one.site)}"
    return f"{text} ({'; '.join(one.what)})" if one.what else f"{text} ({one.site.rank})"

"""From a diagnosis to the signature of its hang: what tells one bug from another, and nothing that tells one machine from another.

What the developer would mend decides the cause.  Of a livelock or a stalled disk that is the file system whose reads wait: which of its
functions a dump caught is chance, and a matter of the variant.  Of a lock it is where its holder sleeps, or, as long as nobody
shows that, where it is waited for.  All choices are by number and name, so that the order of tasks in a log changes nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from hashlib import blake2b

import msgspec

from unkillable.diagnosis.types import Diagnosis, Waiter
from unkillable.fleet import chains, words
from unkillable.fleet.names import canonical, family, family_of, site
from unkillable.fleet.types import Signature
from unkillable.waits.catalogue import load

SCHEME = 1
"""Number of the rules by which signatures are made: identifiers of two schemes mean different things."""

_READS = frozenset(
    {"memory", "squashfs-cache-entry", "squashfs-decompressor", "folio-lock", "block-io", "swap-io"}
)
_DISK = frozenset({"block-io", "request-tag", "writeback"})
"""Ways to wait for one disk."""
_PLACES = 6
"""Of a deadlock; the first by the alphabet."""
FREEZE = "sb_start_write"
"""What waits for a frozen file system, inlined into whatever wants to write."""
_KERNEL = frozenset({"kthread", "reclaim", "interrupt"})
_CGROUP = ("mem_cgroup", "try_charge_memcg", "try_to_free_mem_cgroup")


class Cause(msgspec.Struct, frozen=True):
    """What makes a cause; every field counts."""

    kind: str
    wait: str = ""
    """Key of the resource, with `killable` where SIGKILL ends the wait."""
    site: str = ""
    by: str = ""
    """`kernel` where no program waits; `` otherwise."""
    holders: tuple[str, ...] = ()
    memory: str = ""
    """`cgroup` where it is a cgroup's memory that is short."""


class Found(msgspec.Struct, frozen=True):
    """A cause, how it reads, and the waits that stand for it."""

    cause: Cause
    title: str
    waits: tuple[Waiter, ...] = ()
    place: str | None = None
    """Of the variant: where most of them are caught, if that is not where they sleep."""
    detail: tuple[str, ...] = ()
    """Of the variant."""


def signature(diagnosis: Diagnosis) -> Signature | None:
    """The signature of what hangs; None where nothing does, and where the log does not tell.

    Zombies and cached errors are no hangs but have one too: they are what is wrong with those logs.
    """
    rule = _RULES.get(diagnosis.verdict.kind)
    if rule is None:
        return None
    found = rule(diagnosis)
    cause = found.cause
    entered = most(_entry(one) for one in found.waits)
    place = found.place or most(map(chains.place, found.waits))
    memory = (
        {True: "short", False: "enough"}.get(diagnosis.memory.short)
        if diagnosis.memory.short is not None
        else None
    )
    kills = _kills(diagnosis)
    details = (
        entered and words.way(entered),
        place and f"in {place}",
        memory and f"memory {memory}",
        kills,
        *found.detail,
    )
    shown = tuple(one for one in details if one)
    key = _digest(str(SCHEME), *_flat(cause))
    return Signature(
        cause=key,
        variant=_digest(key, *shown),
        title=f"{cause.kind}: {found.title}",
        variant_title="; ".join(shown),
        kind=cause.kind,
        wait=cause.wait or None,
        site=cause.site or None,
        entered_by=entered,
        holders=cause.holders,
        memory=memory,
    )


def _flat(cause: Cause) -> tuple[str, ...]:
    return (cause.kind, cause.wait, cause.site, cause.by, "<-".join(cause.holders), cause.memory)


def _digest(*parts: str) -> str:
    return blake2b("\0".join(parts).encode(), digest_size=6).hexdigest()


def most(names: Iterable[str | None]) -> str | None:
    """The most frequent name; of several, the first by the alphabet."""
    counts = Counter(name for name in names if name)
    return min(counts, key=lambda name: (-counts[name], name), default=None)


def _entry(waiter: Waiter) -> str | None:
    """How it came into the kernel; system calls are one kind, as what a compiler inlines decides which one shows."""
    entry = waiter.entered_by
    if entry in (None, "page-fault", "exit", "exec") or entry in _KERNEL:
        return entry
    return "syscall"


def _kills(diagnosis: Diagnosis) -> str | None:
    if not diagnosis.victims:
        return None
    return "an OOM victim stuck" if any(one.fate == "stuck" for one in diagnosis.victims) else "OOM kills"


def _by(waiters: Sequence[Waiter]) -> str:
    """`kernel` where a thread of the kernel is what waits."""
    kernel = sum(one.entered_by in _KERNEL for one in waiters)
    return "kernel" if kernel * 2 > len(waiters) else ""


def _killable(waiters: Sequence[Waiter]) -> str:
    return "killable " if waiters and all(one.killable is True for one in waiters) else ""


def _kind_of(resource: str | None) -> str:
    row = load().resource(resource)
    return row.kind if row else "event"


def _owner(stacks: Iterable[Sequence[str]]) -> str | None:
    """The file system that most of them are in."""
    return most(map(family, stacks))


def _livelock(diagnosis: Diagnosis) -> Found:
    """Reads that need memory: whose they are."""
    reading = [
        one
        for one in diagnosis.waiters
        if one.role in ("reclaims", "holds", "holds-and-waits") or one.resource in _READS
    ]
    printed = [one.stack for one in diagnosis.allocs] + [one.stack for one in diagnosis.ooms]
    others = [[frame.function for frame in stack.frames] for stack in printed if stack is not None]
    owner = _owner(one.stack for one in reading) or _owner(others) or ""
    mine = tuple(one for one in reading if (family(one.stack) or "") == owner) or tuple(reading)
    stacks = [one.stack for one in mine] or others
    group = sum(any(name.startswith(_CGROUP) for name in stack) for stack in stacks) * 2 > len(stacks)
    cause = Cause("reclaim-livelock", "memory", owner, memory="cgroup" if group else "")
    who = f"readers of {owner}" if owner else "programs"
    step = most(next((canonical(name) for name in stack if family_of(name)), None) for stack in stacks)
    return Found(cause, f"{who} wait for memory{' of their cgroup' if group else ''}", mine, step)


def _stalled(diagnosis: Diagnosis) -> Found:
    """A device or a server that does not answer: whose it is."""
    waiting = [one for one in diagnosis.waiters if _kind_of(one.resource) in ("io", "server")]
    hung = [one for one in waiting if one.blocked_for is not None] or waiting
    resource = most("block-io" if one.resource in _DISK else one.resource for one in hung) or "block-io"
    same = [
        one for one in hung if one.resource == resource or (resource == "block-io" and one.resource in _DISK)
    ]
    behind = (one.stack for one in diagnosis.waiters)
    owner = _owner(one.stack for one in same) or _owner(behind) or most(map(chains.place, same)) or ""
    mine = tuple(one for one in same if owner in (family(one.stack), chains.place(one))) or tuple(same)
    return Found(
        Cause("io-stall", _killable(mine) + resource, owner),
        f"{owner or 'tasks'} {_wait(owner)} for {words.thing(resource)}",
        mine,
    )


def _wait(owner: str) -> str:
    return "waits" if owner else "wait"


def _locked(diagnosis: Diagnosis) -> Found:
    """A lock: where its holder sleeps, or where it is waited for."""
    chain = chains.lock(diagnosis)
    members, resource = chain.waiters, chain.resource
    places = [place for place in map(chains.place, members) if place]
    # `rtnl_lock` names the lock, whoever else has it inlined.
    place = most(place for place in places if place.endswith("_lock")) or most(places) or ""
    kind = "lock-contention"
    if resource == "percpu-rwsem" and any(canonical(one.primitive or "") == FREEZE for one in members):
        return Found(Cause(kind, resource, FREEZE), "writers wait for a frozen file system", members, FREEZE)
    wait = _killable(members) + (resource or "event")
    if chain.holders:
        text = f"tasks wait for {words.thing(resource)} held in {chain.holders[-1]}"
        return Found(
            Cause(kind, wait, chain.holders[-1], holders=chain.holders),
            text,
            members,
            detail=(f"waited for in {place}",),
        )
    text = f"for {words.thing(resource)} in {place or 'an unknown function'}"
    if chains.is_lock(resource):
        return Found(Cause(kind, wait, place), f"tasks wait {text}", members)
    by = _by(members)
    return Found(
        Cause(kind, wait, place, by), f"{'a kernel thread' if by else 'a program'} waits {text}", members
    )


def _deadlock(diagnosis: Diagnosis) -> Found:
    """The places that wait for one another."""
    members = chains.cycle(diagnosis)
    places = tuple(sorted({place for one in members if (place := chains.place(one))}))[:_PLACES]
    wait = most(one.resource for one in members)
    what = words.bare(words.thing(wait))
    title = f"{' and '.join(places) if len(places) > 1 else 'tasks'} wait for each other's {what}"
    if len(places) == 1:
        title += f" in {places[0]}"
    if not diagnosis.cycle and len(places) == 1:
        title = f"after an OOM kill tasks wait for ever for {words.thing(wait)} in {places[0]}"
    return Found(Cause("deadlock", wait or "event", ", ".join(places)), title, members)


def _victim(diagnosis: Diagnosis) -> Found:
    """Where the victim sleeps."""
    stuck = [one for one in diagnosis.victims if one.fate == "stuck"]
    last = stuck[-1] if stuck else None
    waiting = [one for one in diagnosis.waiters if last is not None and one.pid == last.pid]
    if not waiting and last is None:
        waiting = [one for one in diagnosis.waiters if one.killable is False]
    place = most(map(chains.place, waiting)) or site((last.waits_in or "",) if last else ()) or ""
    mine = tuple(one for one in waiting if chains.place(one) == place)
    resource = most(one.resource for one in mine)
    holders = chains.behind(diagnosis, mine)
    held = f", held in {holders[-1]}" if holders else ""
    title = (
        f"the OOM killer's victim sleeps in {place or 'an unknown function'}"
        if last
        else f"a killed task sleeps in {place}"
    )
    title += f", for {words.thing(resource)}{held}" if resource else ""
    return Found(Cause("unkillable-victim", resource or "event", place, _by(mine), holders), title, mine)


def _cached(diagnosis: Diagnosis) -> Found:
    caches = most(one.cache for one in diagnosis.fs_errors if one.kind == "cache-entry")
    owner = most(one.fs for one in diagnosis.fs_errors if one.kind == "cache-entry") or "a file system"
    detail = (f"{caches} cache",) if caches else ()
    return Found(
        Cause("cached-error", site=owner),
        f"{owner} serves the error of one read again and again",
        detail=detail,
    )


def _zombie(diagnosis: Diagnosis) -> Found:
    return Found(Cause(diagnosis.verdict.kind), "a dead process whose parent does not wait for it")


_RULES: dict[str, Callable[[Diagnosis], Found]] = {
    "deadlock": _deadlock,
    "unkillable-victim": _victim,
    "reclaim-livelock": _livelock,
    "lock-contention": _locked,
    "io-stall": _stalled,
    "cached-error": _cached,
    "zombie": _zombie,
}

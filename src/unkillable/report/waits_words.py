"""What is said of a list of ways to sleep, for text and page alike."""

from __future__ import annotations

from collections import Counter

from unkillable.ksource.waits_types import Traits, Wait, WaitChange, Waits
from unkillable.waits.traits import TRAITS

__all__ = [
    "PARTS",
    "TRAITS",
    "against",
    "change",
    "families",
    "headline",
    "internal",
    "place",
    "sigkill",
    "state",
    "traits",
]


PARTS = {"state": "stores the caller's", "schedule": "as stored before"}
"""The state of what only part of a sleep is written out with."""


def headline(found: Waits, families: tuple[str, ...] = ()) -> str:
    """The answer in one line."""
    public = [one for one in found.primitives if not internal(one) and one.role == "sleep"]
    told = Counter(one.wakes_on_sigkill for one in public)
    where = f" in {', '.join(f'{one}.h' for one in families)}" if families else ""
    kernel = f"Linux {found.kernel}" if found.kernel else "this tree"
    if not public:
        return f"{kernel}: nothing was found that sleeps"
    return (
        f"{kernel} offers {len(public)} ways to sleep{where}: SIGKILL does not end {told[False]} of them, ends {told[True]}, "
        f"and with {told[None]} the caller decides"
    )


def against(found: Waits) -> str:
    """What has changed, in one line."""
    kinds = Counter(one.kind for one in found.changes)
    if not kinds:
        return f"the same ways to sleep as in {found.against or 'the other tree'}"
    return f"against {found.against or 'the other tree'}: " + ", ".join(
        f"{number} {kind}" for kind, number in kinds.items()
    )


def internal(one: Wait) -> bool:
    """Whether it is what others are made of: a name with two underscores is not meant to be called from outside."""
    return one.name.startswith("__")


def families(found: Waits, chosen: tuple[str, ...] = (), everything: bool = False) -> dict[str, list[Wait]]:
    """By the header that offers them, those with most first."""
    rows: dict[str, list[Wait]] = {}
    for one in found.primitives:
        if (everything or not internal(one)) and (not chosen or one.family in chosen):
            rows.setdefault(one.family, []).append(one)
    return dict(sorted(rows.items(), key=lambda item: (-len(item[1]), item[0])))


def traits(one: Traits) -> tuple[str, ...]:
    """Names of the traits that it has."""
    return tuple(name for name in TRAITS if getattr(one, name))


def sigkill(one: Wait) -> str:
    """Whether SIGKILL ends the sleep."""
    if one.wakes_on_sigkill is None:
        return "the caller decides" if one.task_state == "caller" else "not known"
    return "ends it" if one.wakes_on_sigkill else "does not"


def state(one: Wait) -> str:
    """TASK_..., or who decides."""
    if one.role != "sleep":
        return PARTS[one.role]
    return {"caller": "the caller's", None: "not known"}.get(one.task_state, one.task_state or "")


def place(one: Wait) -> str:
    """file:line of the definition."""
    return f"{one.file}:{one.line}"


def change(one: WaitChange) -> str:
    """A change without its kind."""
    return "; ".join(one.what) if one.what else f"{state(one.wait)}, SIGKILL: {sigkill(one.wait)}"

"""The wait_event family at site A: what would happen if squashfs_cache_get() used another of them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files

import msgspec

from unkillable.errors import UserError
from unkillable.model.eras import Era, variant_of
from unkillable.model.state import OnKill, Sleep
from unkillable.model.types import Swap
from unkillable.model.verdicts import EVERYTHING, Limits, explain


class WaitEvent(msgspec.Struct, frozen=True):
    """One of the family, as `unkillable waits` reads it in kernel sources (scripts/bundle_wait_events.py)."""

    name: str
    task_state: str | None
    """TASK_..., perhaps with TASK_FREEZABLE; `caller` or None where its caller says."""
    traits: tuple[str, ...]
    kernels: tuple[str, ...]
    """Kernels that have it, of those that were read."""


@cache
def family() -> tuple[WaitEvent, ...]:
    """All, by name."""
    data = (files("unkillable.model") / "data" / "wait_events.json").read_bytes()
    return msgspec.json.decode(data, type=tuple[WaitEvent, ...])


def find(name: str) -> WaitEvent:
    found = next((one for one in family() if one.name == name.removesuffix("()")), None)
    if found is None:
        raise UserError(
            f"{name}: not of the wait_event family; it has {', '.join(one.name for one in family())}"
        )
    return found


def settings(wait: WaitEvent) -> dict[str, int]:
    """What of the family's traits matters to the mechanism, as parameters.

    A lock that is dropped while it sleeps, commands, and whether the freezer may stop it make no difference here.
    """
    state = _state(wait)
    timeout = "timeout" in wait.traits or "hrtimeout" in wait.traits
    return {
        "site_a": state,
        "exclusive": int("exclusive" in wait.traits),
        "keyed": 0,
        "timeout": int(timeout),
    }


def _state(wait: WaitEvent) -> int:
    words = set((wait.task_state or "").replace("|", " ").split())
    for sleep in (Sleep.KILLABLE, Sleep.IDLE, Sleep.INTERRUPTIBLE, Sleep.UNINTERRUPTIBLE):
        if f"TASK_{sleep.name}" in words:
            return sleep.value
    raise UserError(
        f"{wait.name}() sleeps in the state that its caller gives: name one that says its own, or use --set site_a="
    )


def swap(
    era: Era, name: str, limits: Limits = EVERYTHING, changes: Mapping[str, int] | None = None
) -> tuple[Swap, ...]:
    """The kernel with another wait at site A: with what it returns ignored, as squashfs_cache_get() does now, and, where a signal
    can end it, with the read failing then."""
    wait = find(name)
    own = settings(wait)
    ways = [("ignored", OnKill.AGAIN)]
    if own["site_a"] in (Sleep.KILLABLE, Sleep.INTERRUPTIBLE):
        ways.append(("an error", OnKill.FAIL))
    stock = variant_of("stock")
    return tuple(
        Swap(
            wait=wait.name,
            task_state=wait.task_state or "",
            traits=wait.traits,
            returned=returned,
            explanation=explain(
                era, stock, {**own, "on_kill": way, "on_signal": way, **(changes or {})}, limits=limits
            ),
        )
        for returned, way in ways
    )

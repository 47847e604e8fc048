"""What must not happen, said about a state.  That something must happen at last is said by the states in which it has not."""

from __future__ import annotations

from unkillable.model.language import helper
from unkillable.model.pagecache import partner
from unkillable.model.parameters import Parameters
from unkillable.model.state import At, End, Page, State


@helper
def sigbus(s: State, p: Parameters) -> bool:
    """A program that nobody has killed dies of SIGBUS."""
    return any(s.end[t] == End.SIGBUS for t in range(p.tasks))


@helper
def spins(s: State, p: Parameters) -> bool:
    """A task goes round and round because a signal is pending, and never sleeps."""
    return any(s.turns[t] == 2 for t in range(p.tasks))


@helper
def owned(s: State, p: Parameters, q: int) -> bool:
    """Somebody will unlock this page."""
    return any(
        s.at[t] >= At.GET
        and s.at[t] <= At.UNLOCK
        and (s.page[t] == q or (s.more[t] == 1 and partner(s.page[t]) == q))
        for t in range(p.tasks)
    )


@helper
def leaks(s: State, p: Parameters) -> bool:
    """A page is locked and nobody will ever unlock it."""
    return any(s.cached[q] == Page.LOCKED and not owned(s, p, q) for q in range(p.pages))


@helper
def panics(s: State, p: Parameters) -> bool:
    """The kernel panics."""
    return s.panicked == 1


@helper
def dying(s: State, p: Parameters, t: int) -> bool:
    """Killed, and has not ended yet."""
    return s.killed[t] > 0 and s.at[t] < At.ZOMBIE and s.panicked == 0


@helper
def starving(s: State, p: Parameters, t: int) -> bool:
    """Asks for memory, and there is none."""
    return (
        (
            s.at[t] == At.TOUCH
            or s.at[t] == At.ADD
            or s.at[t] == At.ACTOR
            or s.at[t] == At.FILL
            or s.at[t] == At.NEW_STREAM
            or s.at[t] == At.COPY
        )
        and s.free == 0
        and s.panicked == 0
    )


@helper
def waiting(s: State, p: Parameters, t: int) -> bool:
    """In a page fault that has not ended."""
    return s.at[t] >= At.TOUCH and s.at[t] <= At.WAIT_PAGE and s.panicked == 0

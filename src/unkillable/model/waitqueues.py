"""cache->wait_queue: how the wait_event family queues, wakes and gives up.

Two forms of site A: wait_event() and its family, which look at the condition and at signals before they sleep, and a woken task is off
the queue; and Linux 7.3's, written out, where a wake-up takes a waiter off the queue whatever it is doing.
"""

from __future__ import annotations

from unkillable.model.language import helper
from unkillable.model.parameters import Parameters
from unkillable.model.state import At, Sleep, State
from unkillable.model.tasks import ends_wait


@helper
def block_of(p: Parameters, q: int) -> int:
    """The block that a page of code is in, + 1."""
    return q // p.pages_per_block + 1


@helper
def leave_queue(s: State, p: Parameters, t: int) -> None:
    """finish_wait(): who stood behind it moves up."""
    if s.place[t] > 0:
        for v in range(p.tasks):
            if s.place[v] > s.place[t]:
                s.place[v] -= 1
        s.place[t] = 0


@helper
def join_queue(s: State, p: Parameters, t: int) -> None:
    """prepare_to_wait_event(), or 7.3's prepare_to_wait_exclusive(): at the end of the queue, and asleep, but for a signal."""
    if p.exclusive == 1 and s.place[t] == 0:
        last = 0
        for v in range(p.tasks):
            if s.place[v] > last:
                last = s.place[v]
        s.place[t] = last + 1
    s.state[t] = p.site_a
    if ends_wait(s, t, p.site_a):
        s.state[t] = Sleep.RUNNING
        if p.keyed == 0:
            leave_queue(s, p, t)


@helper
def wake_up(s: State, p: Parameters) -> None:
    """wake_up(&cache->wait_queue): everybody, or of exclusive waiters the first.  The family's wake function passes over a waiter
    that is awake already; 7.3's takes it for the one."""
    if p.exclusive == 0:
        for t in range(p.tasks):
            if s.at[t] == At.WAIT_ENTRY:
                s.state[t] = Sleep.RUNNING
    else:
        first = p.tasks
        for t in range(p.tasks):
            if (
                s.place[t] > 0
                and (p.keyed == 1 or s.state[t] != Sleep.RUNNING)
                and (first == p.tasks or s.place[t] < s.place[first])
            ):
                first = t
        if first < p.tasks:
            leave_queue(s, p, first)
            s.state[first] = Sleep.RUNNING
            s.given[first] = p.keyed


@helper
def wake_block(s: State, p: Parameters, b: int) -> None:
    """squashfs_cache_wake_block() of 7.3: who waits for an entry for this block can share the one that is being filled."""
    if p.keyed == 1:
        for v in range(p.tasks):
            if s.place[v] > 0 and s.at[v] == At.WAIT_ENTRY and block_of(p, s.page[v]) == b:
                leave_queue(s, p, v)
                s.state[v] = Sleep.RUNNING
                s.given[v] = 0

"""The page allocator: what an allocation does when there is no memory.

Memory is counted in pages.  A program's own pages cannot be written anywhere, as there is no swap.  Pages of code can be dropped,
and are read from squashfs again.  Watermarks and reserves are left out but for what they decide: a killed task is given nothing
more and told so, everybody else tries on.
"""

from __future__ import annotations

from unkillable.model.language import helper, require, step
from unkillable.model.parameters import Parameters
from unkillable.model.state import At, Gfp, Page, Sleep, State

ALLOCATING = (At.TOUCH, At.ADD, At.ACTOR, At.FILL, At.NEW_STREAM, At.COPY)
"""Where a task asks for a page."""


@helper
def gfp(s: State, p: Parameters, t: int) -> int:
    """What the allocation that a task is at may do (Gfp)."""
    return (
        p.gfp_touch
        if s.at[t] == At.TOUCH
        else (p.gfp_add_ahead if s.ahead[t] == 1 else p.gfp_add)
        if s.at[t] == At.ADD
        else (p.gfp_actor_ahead if s.ahead[t] == 1 else p.gfp_actor)
        if s.at[t] == At.ACTOR
        else (p.gfp_fill_ahead if s.ahead[t] == 1 else p.gfp_fill)
        if s.at[t] == At.FILL
        else (p.gfp_stream_ahead if s.ahead[t] == 1 else p.gfp_stream)
        if s.at[t] == At.NEW_STREAM
        else p.gfp_copy
    )


@helper
def reclaimable(s: State, p: Parameters) -> bool:
    """Whether a page of code could be dropped."""
    return any(s.cached[q] == Page.UPTODATE for q in range(p.pages))


@helper
def refused(s: State, p: Parameters, t: int) -> bool:
    """Whether an allocation fails now: it may, or its task has been killed, which the allocator does not let wait."""
    return s.free == 0 and (gfp(s, p, t) == Gfp.FAIL or (s.killed[t] > 0 and not reclaimable(s, p)))


@step(
    *ALLOCATING,
    over="page",
    kernel="try_to_free_pages",
    says="{task} needs memory; there is none, so page {choice} of code is dropped",
)
def reclaim(s: State, p: Parameters, t: int, q: int) -> None:
    require(s.free == 0 and gfp(s, p, t) != Gfp.FAIL)
    require(s.cached[q] == Page.UPTODATE)
    s.cached[q] = Page.ABSENT
    s.free += 1


@step(
    *ALLOCATING,
    kernel="__alloc_pages_slowpath, out_of_memory",
    says="{task} needs memory; there is none, it may neither call the OOM killer nor fail, and asks again",
)
def try_again(s: State, p: Parameters, t: int) -> None:
    require(s.free == 0 and gfp(s, p, t) == Gfp.LOOP and s.killed[t] == 0)
    require(not reclaimable(s, p))
    s.state[t] = Sleep.RUNNING


@step(At.USER, kernel="do_anonymous_page", says="{task} touches new memory of its own")
def touch(s: State, p: Parameters, t: int) -> None:
    require(s.killed[t] == 0 and s.anon[t] < p.want)
    require(p.commit == 0 or s.mapped < p.commit)
    s.at[t] = At.TOUCH


@step(At.TOUCH, kernel="do_anonymous_page", says="{task} gets a page of its own")
def touched(s: State, p: Parameters, t: int) -> None:
    require(s.free > 0)
    s.free -= 1
    s.mapped += 1
    s.anon[t] += 1
    s.at[t] = At.USER


@step(At.TOUCH, kernel="pagefault_out_of_memory", says="{task} is killed and gets no page")
def not_touched(s: State, p: Parameters, t: int) -> None:
    require(refused(s, p, t))
    s.at[t] = At.USER

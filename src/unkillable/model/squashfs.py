"""squashfs: its block cache (fs/squashfs/cache.c), and reading a block with or without it."""

from __future__ import annotations

from unkillable.model.language import helper, require, step
from unkillable.model.memory import refused
from unkillable.model.pagecache import partner, unlock_page
from unkillable.model.parameters import Parameters
from unkillable.model.state import At, Decompressors, Error, OnKill, Page, Sleep, State
from unkillable.model.tasks import ends_wait
from unkillable.model.waitqueues import block_of, join_queue, leave_queue, wake_block, wake_up


@helper
def in_cache(s: State, p: Parameters, t: int) -> bool:
    """Whether an entry has the block that the task wants."""
    return any(s.block[i] == block_of(p, s.page[t]) for i in range(p.entries))


@helper
def unused(s: State, p: Parameters) -> bool:
    """cache->unused: whether an entry is free."""
    return any(s.refs[i] == 0 for i in range(p.entries))


@helper
def put_entry(s: State, p: Parameters, t: int) -> None:
    """squashfs_cache_put()."""
    i = s.entry[t] - 1
    s.entry[t] = 0
    s.refs[i] -= 1
    if s.refs[i] == 0:
        wake_up(s, p)


@step(At.GET, kernel="squashfs_cache_get", says="{task} finds block {block} in the cache")
def get_hit(s: State, p: Parameters, t: int) -> None:
    require(in_cache(s, p, t))
    i = 0
    for n in range(p.entries):
        if s.block[n] == block_of(p, s.page[t]):
            i = n
    if s.refs[i] == 0:
        # It claims the entry for which it may have been woken.
        s.given[t] = 0
    s.refs[i] += 1
    s.entry[t] = i + 1
    s.turns[t] = 0
    if s.given[t] == 1 and unused(s, p):
        wake_up(s, p)
    s.given[t] = 0
    if s.pending[i] == 1:
        s.at[t] = At.WAIT_FILL
        if not ends_wait(s, t, p.site_b):
            s.state[t] = p.site_b
    else:
        s.error[t] = s.failed[i]
        s.at[t] = At.COPY if s.failed[i] == Error.NONE else At.RELEASE


@step(
    At.GET,
    kernel="squashfs_cache_get",
    says="{task} takes a free entry for block {block} and begins to read it",
)
def get_free(s: State, p: Parameters, t: int) -> None:
    require(not in_cache(s, p, t) and unused(s, p))
    i = p.entries
    for n in range(p.entries):
        if i == p.entries and s.refs[(s.next + n) % p.entries] == 0:
            i = (s.next + n) % p.entries
    s.next = (i + 1) % p.entries
    s.block[i] = block_of(p, s.page[t])
    s.refs[i] = 1
    s.pending[i] = 1
    s.failed[i] = Error.NONE
    s.entry[t] = i + 1
    s.turns[t] = 0
    s.given[t] = 0
    wake_block(s, p, s.block[i])
    s.at[t] = At.FILL


@step(
    At.GET,
    kernel="squashfs_cache_get",
    says="{task} finds all entries of the cache in use, and waits until one is free (site A)",
)
def get_wait(s: State, p: Parameters, t: int) -> None:
    require(not in_cache(s, p, t) and not unused(s, p))
    s.at[t] = At.WAIT_ENTRY
    s.given[t] = 0
    join_queue(s, p, t)


@step(At.WAIT_ENTRY, kernel="squashfs_cache_get", says="{task} was woken at site A and looks again")
def entry_woken(s: State, p: Parameters, t: int) -> None:
    require((p.keyed == 0 and unused(s, p)) or (p.keyed == 1 and not ends_wait(s, t, p.site_a)))
    leave_queue(s, p, t)
    s.turns[t] = 0
    s.at[t] = At.GET


@step(
    At.WAIT_ENTRY, kernel="wait_event", says="{task} finds no entry free after all, and sleeps again (site A)"
)
def entry_again(s: State, p: Parameters, t: int) -> None:
    require(p.keyed == 0 and not unused(s, p) and not ends_wait(s, t, p.site_a))
    s.turns[t] = 0
    join_queue(s, p, t)


@helper
def interrupted(s: State, p: Parameters, t: int) -> bool:
    """A signal ends the wait at site A.  The family looks at the condition first; 7.3, which writes the wait out, does not."""
    return ends_wait(s, t, p.site_a) and (p.keyed == 1 or not unused(s, p))


@step(
    At.WAIT_ENTRY,
    kernel="squashfs_cache_get",
    says="a signal ends the wait of {task} at site A, which does not look why, and begins again",
)
def entry_signal(s: State, p: Parameters, t: int) -> None:
    require(interrupted(s, p, t))
    require((p.on_kill if s.killed[t] > 0 else p.on_signal) == OnKill.AGAIN)
    leave_queue(s, p, t)
    if s.turns[t] < 2:
        s.turns[t] += 1
    s.at[t] = At.GET


@step(
    At.WAIT_ENTRY,
    kernel="squashfs_cache_get",
    says="a signal ends the wait of {task} at site A: its read fails",
)
def entry_failed(s: State, p: Parameters, t: int) -> None:
    require(interrupted(s, p, t))
    require((p.on_kill if s.killed[t] > 0 else p.on_signal) == OnKill.FAIL)
    leave_queue(s, p, t)
    if s.given[t] == 1 and p.hand_on == 1:
        wake_up(s, p)
    s.given[t] = 0
    s.turns[t] = 0
    s.error[t] = Error.EINTR
    s.at[t] = At.UNLOCK


@step(
    At.WAIT_ENTRY,
    asleep=True,
    kernel="schedule_timeout",
    says="the time of {task}'s wait at site A is over, and it looks again",
)
def entry_timeout(s: State, p: Parameters, t: int) -> None:
    require(p.timeout == 1 and s.state[t] != Sleep.RUNNING)
    leave_queue(s, p, t)
    s.state[t] = Sleep.RUNNING
    s.at[t] = At.GET


@step(At.WAIT_FILL, kernel="squashfs_cache_get", says="block {block} has been read, {task} can go on")
def fill_ended(s: State, p: Parameters, t: int) -> None:
    require(s.pending[s.entry[t] - 1] == 0)
    s.error[t] = s.failed[s.entry[t] - 1]
    s.at[t] = At.COPY if s.error[t] == Error.NONE else At.RELEASE
    if p.transient == 1 and s.error[t] != Error.NONE:
        s.error[t] = Error.NONE
        put_entry(s, p, t)
        s.at[t] = At.GET


@step(
    At.WAIT_FILL,
    kernel="squashfs_cache_get",
    says="{task} is killed at site B and gives its reference back: its read fails",
)
def fill_killed(s: State, p: Parameters, t: int) -> None:
    require(s.pending[s.entry[t] - 1] == 1 and ends_wait(s, t, p.site_b))
    put_entry(s, p, t)
    s.error[t] = Error.EINTR
    s.at[t] = At.UNLOCK


@step(
    At.MORE, kernel="squashfs_readpage_block", says="{task} locks what it can get of the block's other pages"
)
def lock_more(s: State, p: Parameters, t: int) -> None:
    if p.pages_per_block == 2:
        q = partner(s.page[t])
        if s.free > 0 and s.cached[q] == Page.ABSENT:
            s.free -= 1
            s.cached[q] = Page.LOCKED
            s.more[t] = 1
    s.at[t] = At.ACTOR


@helper
def end_more(s: State, p: Parameters, t: int, good: bool) -> None:
    """Unlocks the block's other page."""
    if s.more[t] == 1:
        q = partner(s.page[t])
        s.more[t] = 0
        if good:
            s.cached[q] = Page.UPTODATE
        else:
            s.cached[q] = Page.ABSENT
            s.free += 1
        unlock_page(s, p, q)


@step(At.ACTOR, kernel="squashfs_page_actor_init_special", says="{task} gets memory for the page actor")
def actor(s: State, p: Parameters, t: int) -> None:
    # A few bytes of a page that the kernel shares among many.
    require(s.free > 0)
    s.at[t] = At.FILL


@step(At.ACTOR, kernel="squashfs_readpage_block", says="{task} gets no memory for the page actor")
def no_actor(s: State, p: Parameters, t: int) -> None:
    require(refused(s, p, t))
    s.error[t] = Error.ENOMEM
    if p.leak == 1 and s.ahead[t] == 0:
        # goto out: the other pages stay locked, and nobody knows that they are.
        s.more[t] = 0
    end_more(s, p, t, False)
    s.at[t] = At.UNLOCK


@step(At.FILL, kernel="squashfs_bio_read", says="{task} gets a page for the compressed data of block {block}")
def fill(s: State, p: Parameters, t: int) -> None:
    require(s.free > 0)
    s.free -= 1
    s.buffer[t] = 1
    s.at[t] = At.DECOMPRESS if p.decompressors == Decompressors.PERCPU else At.STREAM


@step(
    At.FILL,
    kernel="squashfs_bio_read",
    says="{task} gets no page for the compressed data of block {block}: -ENOMEM",
)
def no_fill(s: State, p: Parameters, t: int) -> None:
    require(refused(s, p, t))
    s.error[t] = Error.ENOMEM
    s.at[t] = At.FILLED


@step(At.DECOMPRESS, kernel="squashfs_decompress", says="{task} decompresses block {block}")
def decompress(s: State, p: Parameters, t: int) -> None:
    s.free += s.buffer[t]
    s.buffer[t] = 0
    s.at[t] = At.FILLED if p.decompressors == Decompressors.PERCPU else At.PUT_STREAM


@helper
def wake_fill(s: State, p: Parameters, t: int) -> None:
    """wake_up_all(&entry->wait_queue)."""
    for v in range(p.tasks):
        if s.at[v] == At.WAIT_FILL and s.entry[v] == s.entry[t]:
            s.state[v] = Sleep.RUNNING


@step(
    At.FILLED,
    kernel="squashfs_cache_get",
    says="{task} marks block {block} as read and wakes who waits for it (site B)",
)
def filled(s: State, p: Parameters, t: int) -> None:
    require(p.direct == 0 and s.error[t] == Error.NONE)
    s.pending[s.entry[t] - 1] = 0
    wake_fill(s, p, t)
    s.at[t] = At.COPY


@step(
    At.FILLED,
    kernel="squashfs_cache_get",
    says="{task} could not read block {block}; the entry keeps its number and the error",
)
def filled_badly(s: State, p: Parameters, t: int) -> None:
    require(p.direct == 0 and s.error[t] != Error.NONE)
    i = s.entry[t] - 1
    s.pending[i] = 0
    s.failed[i] = s.error[t]
    if p.transient == 1:
        s.block[i] = 0
    wake_fill(s, p, t)
    s.at[t] = At.RELEASE


@step(At.FILLED, kernel="squashfs_readpage_block", says="{task} unlocks the block's other pages")
def filled_direct(s: State, p: Parameters, t: int) -> None:
    require(p.direct == 1)
    end_more(s, p, t, s.error[t] == Error.NONE)
    s.at[t] = At.UNLOCK


@step(
    At.COPY,
    kernel="squashfs_copy_cache",
    says="{task} copies the block, with its entry held, and needs no more pages for that",
)
def copied(s: State, p: Parameters, t: int) -> None:
    require(p.pages_per_block == 1 or s.cached[partner(s.page[t])] != Page.ABSENT)
    s.at[t] = At.RELEASE


@step(
    At.COPY,
    kernel="squashfs_copy_cache",
    says="{task} gets a page for another page of the block, with its entry held",
)
def copy(s: State, p: Parameters, t: int) -> None:
    require(p.pages_per_block == 2 and s.free > 0)
    require(s.cached[partner(s.page[t])] == Page.ABSENT)
    s.free -= 1
    s.cached[partner(s.page[t])] = Page.UPTODATE
    s.at[t] = At.RELEASE


@step(
    At.COPY,
    kernel="squashfs_copy_cache",
    says="{task} gets no page for the block's other pages, and leaves them",
)
def not_copied(s: State, p: Parameters, t: int) -> None:
    require(p.pages_per_block == 2 and refused(s, p, t))
    require(s.cached[partner(s.page[t])] == Page.ABSENT)
    s.at[t] = At.RELEASE


@step(
    At.RELEASE,
    kernel="squashfs_cache_put",
    says="{task} gives the entry back and wakes who waits for one (site A)",
)
def release(s: State, p: Parameters, t: int) -> None:
    put_entry(s, p, t)
    s.at[t] = At.UNLOCK

"""What differs between kernels, configurations and machines, as small numbers."""

from __future__ import annotations

import msgspec

from unkillable.model.state import Decompressors, Gfp, OnKill, Sleep


class Parameters(msgspec.Struct, frozen=True, kw_only=True):
    """Sizes, the kernel's ways, and its settings.  Every value is a small number, so that the rules can be compiled."""

    # The machine.
    tasks: int = 3
    memory: int = 5
    """Pages that there are, of memory and page cache together."""
    want: int = 3
    """Pages of its own that each program would like."""
    work: int = 2
    """Times that each program runs code that is not in memory.  Bounded, so that whoever goes on for ever does so in a hang."""
    entries: int = 1
    """Of squashfs's cache."""
    blocks: int = 2
    pages_per_block: int = 1
    """1 or 2."""
    kills: int = 0
    """SIGKILLs that somebody outside may send."""
    signals: int = 0
    """Signals with a handler that somebody may send."""

    # Where squashfs sleeps, and how.
    site_a: int = Sleep.UNINTERRUPTIBLE
    site_b: int = Sleep.UNINTERRUPTIBLE
    site_c: int = Sleep.UNINTERRUPTIBLE
    site_d: int = Sleep.UNINTERRUPTIBLE
    """The mutex of get_decomp_stream()."""
    site_e: int = Sleep.UNINTERRUPTIBLE
    """The mutex of DECOMP_SINGLE."""
    site_p: int = Sleep.KILLABLE
    """The page lock in a page fault: killable since 2.6.38."""
    exclusive: int = 0
    """Site A queues exclusively."""
    keyed: int = 0
    """Site A as 7.3 writes it out: wakes by block, and takes its waiters off the queue whatever they do."""
    hand_on: int = 0
    """A killed exclusive waiter hands on a wake-up that was meant for it."""
    timeout: int = 0
    """The wait at site A ends by itself after a while."""
    on_kill: int = OnKill.AGAIN
    on_signal: int = OnKill.AGAIN

    # What squashfs does about errors.
    transient: int = 0
    """An error of the reading task is not left in the entry, and who waited reads the block himself."""
    leak: int = 0
    """Pages stay locked where the page actor cannot be allocated (6.0 on, FILE_DIRECT)."""

    # How it reads.
    direct: int = 0
    """FILE_DIRECT of 6.0 and later: into the page cache, without squashfs's own."""
    decompressors: int = Decompressors.PERCPU
    streams: int = 2
    """Decompressors at most (MULTI)."""
    under_mutex: int = 1
    """They are allocated with the mutex held."""

    # Allocations.
    readahead: int = 1
    """A fault reads ahead first, and by itself only when that did not help."""
    gfp_touch: int = Gfp.KILL
    gfp_add_ahead: int = Gfp.FAIL
    gfp_add: int = Gfp.KILL
    gfp_actor_ahead: int = Gfp.LOOP
    gfp_actor: int = Gfp.KILL
    gfp_fill_ahead: int = Gfp.LOOP
    gfp_fill: int = Gfp.LOOP
    gfp_stream_ahead: int = Gfp.LOOP
    gfp_stream: int = Gfp.KILL
    gfp_copy: int = Gfp.LOOP

    # The OOM killer.
    reaper: int = 1
    mmap_writer: int = 0
    """Another thread of each program waits to change its memory map."""
    drops_mmap_lock: int = 1
    """A fault lets go of the lock before it sleeps (5.1 on)."""
    panic_on_oom: int = 0
    kill_allocating: int = 0
    commit: int = 0
    """vm.overcommit_memory=2: pages of their own that all programs together may have; 0: no limit."""
    protected: int = 0
    """oom_score_adj=-1000: a bit for each task."""
    kill_early: int = 0
    """Somebody kills as soon as memory is short: lru_gen's min_ttl_ms, earlyoom."""

    @property
    def pages(self) -> int:
        """Pages of code."""
        return self.blocks * self.pages_per_block

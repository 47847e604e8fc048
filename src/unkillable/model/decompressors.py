"""Decompressors (fs/squashfs/decompressor_multi.c, decompressor_single.c): sites C, D and E."""

from __future__ import annotations

from unkillable.model.language import helper, require, step
from unkillable.model.memory import refused
from unkillable.model.parameters import Parameters
from unkillable.model.state import At, Decompressors, Error, Sleep, State
from unkillable.model.tasks import ends_wait


@helper
def unlock_mutex(s: State, p: Parameters) -> None:
    """mutex_unlock(): who waits tries again."""
    s.mutex = 0
    for v in range(p.tasks):
        if s.at[v] == At.STREAM or s.at[v] == At.PUT_STREAM:
            s.state[v] = Sleep.RUNNING


@helper
def give_up_read(s: State, p: Parameters, t: int) -> None:
    """The read fails with -EINTR before anything is decompressed."""
    s.free += s.buffer[t]
    s.buffer[t] = 0
    s.error[t] = Error.EINTR
    s.at[t] = At.FILLED


@step(At.STREAM, kernel="squashfs_decompress", says="{task} takes the only decompressor")
def single(s: State, p: Parameters, t: int) -> None:
    require(p.decompressors == Decompressors.SINGLE and s.mutex == 0)
    s.mutex = t + 1
    s.at[t] = At.DECOMPRESS


@step(At.STREAM, kernel="squashfs_decompress", says="{task} waits for the only decompressor (site E)")
def single_wait(s: State, p: Parameters, t: int) -> None:
    require(p.decompressors == Decompressors.SINGLE and s.mutex != 0 and not ends_wait(s, t, p.site_e))
    s.state[t] = p.site_e


@step(At.STREAM, kernel="squashfs_decompress", says="{task} is killed at site E: its read fails")
def single_killed(s: State, p: Parameters, t: int) -> None:
    require(p.decompressors == Decompressors.SINGLE and s.mutex != 0 and ends_wait(s, t, p.site_e))
    give_up_read(s, p, t)


@step(At.PUT_STREAM, kernel="squashfs_decompress", says="{task} gives the only decompressor back")
def single_put(s: State, p: Parameters, t: int) -> None:
    require(p.decompressors == Decompressors.SINGLE)
    unlock_mutex(s, p)
    s.at[t] = At.FILLED


@step(At.STREAM, kernel="get_decomp_stream", says="{task} takes a decompressor from the list")
def multi(s: State, p: Parameters, t: int) -> None:
    require(p.decompressors == Decompressors.MULTI and s.mutex == 0 and s.idle_streams > 0)
    s.idle_streams -= 1
    s.at[t] = At.DECOMPRESS


@step(At.STREAM, kernel="get_decomp_stream", says="{task} finds no decompressor free, and will allocate one")
def multi_allocate(s: State, p: Parameters, t: int) -> None:
    require(p.decompressors == Decompressors.MULTI and s.mutex == 0)
    require(s.idle_streams == 0 and s.streams < p.streams)
    if p.under_mutex == 1:
        s.mutex = t + 1
    # Counted before it is there, so that no two allocate the last.
    s.streams += 1
    s.at[t] = At.NEW_STREAM


@step(At.STREAM, kernel="get_decomp_stream", says="{task} waits until a decompressor is given back (site C)")
def multi_wait(s: State, p: Parameters, t: int) -> None:
    require(p.decompressors == Decompressors.MULTI and s.mutex == 0)
    require(s.idle_streams == 0 and s.streams == p.streams)
    s.at[t] = At.WAIT_STREAM
    if not ends_wait(s, t, p.site_c):
        s.state[t] = p.site_c


@step(At.STREAM, kernel="get_decomp_stream", says="{task} waits for the mutex of the decompressors (site D)")
def multi_mutex(s: State, p: Parameters, t: int) -> None:
    require(p.decompressors == Decompressors.MULTI and s.mutex != 0 and not ends_wait(s, t, p.site_d))
    s.state[t] = p.site_d


@step(At.STREAM, kernel="get_decomp_stream", says="{task} is killed at site D: its read fails")
def multi_mutex_killed(s: State, p: Parameters, t: int) -> None:
    require(p.decompressors == Decompressors.MULTI and s.mutex != 0 and ends_wait(s, t, p.site_d))
    give_up_read(s, p, t)


@step(At.NEW_STREAM, kernel="get_decomp_stream", says="{task} has allocated a decompressor")
def allocated(s: State, p: Parameters, t: int) -> None:
    require(s.free > 0)
    s.free -= 1
    if p.under_mutex == 1:
        unlock_mutex(s, p)
    s.at[t] = At.DECOMPRESS


@step(
    At.NEW_STREAM,
    kernel="get_decomp_stream",
    says="{task} gets no memory for a decompressor, and waits for one (site C)",
)
def not_allocated(s: State, p: Parameters, t: int) -> None:
    require(refused(s, p, t))
    s.streams -= 1
    if p.under_mutex == 1:
        unlock_mutex(s, p)
    s.at[t] = At.WAIT_STREAM
    if not ends_wait(s, t, p.site_c):
        s.state[t] = p.site_c


@step(At.WAIT_STREAM, kernel="get_decomp_stream", says="{task} was woken at site C and looks again")
def stream_woken(s: State, p: Parameters, t: int) -> None:
    require(s.idle_streams > 0)
    s.at[t] = At.STREAM


@step(
    At.WAIT_STREAM,
    kernel="wait_event",
    says="{task} finds no decompressor after all, and sleeps again (site C)",
)
def stream_again(s: State, p: Parameters, t: int) -> None:
    require(s.idle_streams == 0 and not ends_wait(s, t, p.site_c))
    s.state[t] = p.site_c


@step(At.WAIT_STREAM, kernel="get_decomp_stream", says="{task} is killed at site C: its read fails")
def stream_killed(s: State, p: Parameters, t: int) -> None:
    require(s.idle_streams == 0 and ends_wait(s, t, p.site_c))
    give_up_read(s, p, t)


@step(
    At.PUT_STREAM,
    kernel="put_decomp_stream",
    says="{task} gives its decompressor back and wakes who waits for one (site C)",
)
def multi_put(s: State, p: Parameters, t: int) -> None:
    require(p.decompressors == Decompressors.MULTI and s.mutex == 0)
    s.idle_streams += 1
    for v in range(p.tasks):
        if s.at[v] == At.WAIT_STREAM:
            s.state[v] = Sleep.RUNNING
    s.at[t] = At.FILLED


@step(
    At.PUT_STREAM,
    kernel="put_decomp_stream",
    says="{task} waits for the mutex to give its decompressor back (site D)",
)
def multi_put_wait(s: State, p: Parameters, t: int) -> None:
    require(p.decompressors == Decompressors.MULTI and s.mutex != 0)
    s.state[t] = Sleep.UNINTERRUPTIBLE

"""A page fault on code: filemap_fault(), readahead, page locks."""

from __future__ import annotations

from unkillable.model.language import helper, require, step
from unkillable.model.memory import refused
from unkillable.model.parameters import Parameters
from unkillable.model.state import At, End, Error, Page, Sleep, State
from unkillable.model.tasks import ends_wait


@helper
def partner(q: int) -> int:
    """The other page of a block of two."""
    return q + 1 - 2 * (q % 2)


@helper
def unlock_page(s: State, p: Parameters, q: int) -> None:
    """folio_unlock(): wakes who waits for the page."""
    for v in range(p.tasks):
        if s.at[v] == At.WAIT_PAGE and s.page[v] == q:
            s.state[v] = Sleep.RUNNING


@helper
def end_fault(s: State, t: int) -> None:
    """Back to the program, which finds its page, or ends, or comes again."""
    s.at[t] = At.USER
    s.page[t] = 0
    s.ahead[t] = 0


@helper
def drop_page(s: State, p: Parameters, t: int) -> None:
    """The page that could not be read: unlocked and not up to date, so worth nothing."""
    s.cached[s.page[t]] = Page.ABSENT
    s.free += 1
    s.error[t] = Error.NONE
    unlock_page(s, p, s.page[t])


@step(
    At.USER,
    over="page",
    kernel="filemap_fault",
    says="{task} runs code on page {choice}, which is not in memory",
)
def run_code(s: State, p: Parameters, t: int, q: int) -> None:
    require(s.killed[t] == 0 and s.work[t] > 0 and s.cached[q] != Page.UPTODATE)
    s.work[t] -= 1
    s.page[t] = q
    s.ahead[t] = p.readahead
    s.at[t] = At.FAULT


@step(At.FAULT, kernel="filemap_fault", says="{task} finds the page in memory and runs on")
def found(s: State, p: Parameters, t: int) -> None:
    require(s.cached[s.page[t]] == Page.UPTODATE)
    end_fault(s, t)


@step(At.FAULT, kernel="folio_lock_killable", says="{task} waits for page {page}, which somebody has locked")
def wait_page(s: State, p: Parameters, t: int) -> None:
    require(s.cached[s.page[t]] == Page.LOCKED)
    s.at[t] = At.WAIT_PAGE
    if not ends_wait(s, t, p.site_p):
        s.state[t] = p.site_p


@step(At.WAIT_PAGE, kernel="folio_lock_killable", says="{task} looks at the page again")
def page_unlocked(s: State, p: Parameters, t: int) -> None:
    require(s.cached[s.page[t]] != Page.LOCKED)
    s.at[t] = At.FAULT


@step(At.WAIT_PAGE, kernel="folio_lock_killable", says="{task} is killed and waits no longer for page {page}")
def page_killed(s: State, p: Parameters, t: int) -> None:
    require(s.cached[s.page[t]] == Page.LOCKED and ends_wait(s, t, p.site_p))
    end_fault(s, t)


@step(At.WAIT_PAGE, kernel="folio_lock_killable", says="{task} goes on waiting for page {page}")
def wait_page_again(s: State, p: Parameters, t: int) -> None:
    require(s.cached[s.page[t]] == Page.LOCKED and not ends_wait(s, t, p.site_p))
    s.state[t] = p.site_p


@step(At.FAULT, kernel="page_cache_ra_unbounded", says="{task} wants page {page} in the page cache")
def absent(s: State, p: Parameters, t: int) -> None:
    require(s.cached[s.page[t]] == Page.ABSENT)
    s.at[t] = At.ADD


@step(At.ADD, kernel="filemap_add_folio", says="somebody else has added page {page} meanwhile")
def added_by_other(s: State, p: Parameters, t: int) -> None:
    require(s.cached[s.page[t]] != Page.ABSENT)
    s.at[t] = At.FAULT


@step(At.ADD, kernel="filemap_add_folio", says="{task} adds page {page} and has it locked until it is read")
def add(s: State, p: Parameters, t: int) -> None:
    require(s.cached[s.page[t]] == Page.ABSENT and s.free > 0)
    s.free -= 1
    s.cached[s.page[t]] = Page.LOCKED
    s.at[t] = At.MORE if p.direct == 1 else At.GET


@step(
    At.ADD,
    kernel="page_cache_ra_unbounded",
    says="{task} gets no page for readahead, and will ask for the one it needs",
)
def not_added_ahead(s: State, p: Parameters, t: int) -> None:
    require(s.cached[s.page[t]] == Page.ABSENT and refused(s, p, t))
    require(s.ahead[t] == 1 and s.killed[t] == 0)
    s.ahead[t] = 0


@step(At.ADD, kernel="filemap_fault", says="{task} gets no page, which is the end of the fault")
def not_added(s: State, p: Parameters, t: int) -> None:
    require(s.cached[s.page[t]] == Page.ABSENT and refused(s, p, t))
    require(s.ahead[t] == 0 or s.killed[t] > 0)
    end_fault(s, t)


@step(At.UNLOCK, kernel="filemap_fault", says="{task} has page {page}, unlocks it and runs on")
def finish(s: State, p: Parameters, t: int) -> None:
    require(s.error[t] == Error.NONE)
    s.cached[s.page[t]] = Page.UPTODATE
    unlock_page(s, p, s.page[t])
    end_fault(s, t)


@step(
    At.UNLOCK,
    kernel="read_pages",
    says="the readahead of {task} has failed; it will read page {page} by itself",
)
def finish_ahead(s: State, p: Parameters, t: int) -> None:
    require(s.error[t] != Error.NONE and s.ahead[t] == 1 and s.killed[t] == 0)
    drop_page(s, p, t)
    s.ahead[t] = 0
    s.at[t] = At.FAULT


@step(
    At.UNLOCK,
    kernel="filemap_fault",
    says="the read of {task} has failed; as it is killed, that is the end of the fault",
)
def finish_killed(s: State, p: Parameters, t: int) -> None:
    # From 5.1 on the fault has dropped mmap_lock and is tried again, which a killed task does not live to see.
    require(s.error[t] != Error.NONE and s.killed[t] > 0)
    drop_page(s, p, t)
    end_fault(s, t)


@step(
    At.UNLOCK,
    kernel="filemap_fault, do_sigbus",
    says="{task} cannot have page {page}: VM_FAULT_SIGBUS. Nobody has killed it, and it dies of SIGBUS",
)
def finish_sigbus(s: State, p: Parameters, t: int) -> None:
    require(s.error[t] != Error.NONE and s.ahead[t] == 0 and s.killed[t] == 0)
    drop_page(s, p, t)
    end_fault(s, t)
    s.at[t] = At.EXIT
    s.end[t] = End.SIGBUS

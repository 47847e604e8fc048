"""What `unkillable audit` says of a tree; `unkillable.audit/1` is the JSON of Audit."""

from __future__ import annotations

import msgspec

RANKS = ("red", "amber", "green", "grey")
"""red: SIGKILL does not wake it, a page fault leads there, and a holder may wait for memory meanwhile; amber: some of that is
missing, but an entry leads there; green: SIGKILL wakes it; grey: no entry leads there, or the state is not known."""
FINDINGS = ("red", "amber")
"""Ranks that somebody has to look at: SIGKILL does not wake, and an entry leads there."""
MISSING = ("alone", "flags", "fault", "holder")
"""What an amber one lacks to be red. alone: a reader waits for the readers found only behind a third that waits to have it alone;
flags: what a holder asks for may wait or not, as its caller says; fault: it is other entries that lead there; holder: none was
found that asks for memory."""
KINDS = ("lock", "queue", "completion", "page", "io", "time", "other")
CHANGES = ("appeared", "vanished", "changed")


class Step(msgspec.Struct, frozen=True):
    """One call on the way from an entry."""

    function: str
    file: str = ""
    line: int = 0
    """Where `function` is called by the step before; of the first step, where it is defined."""
    through: str | None = None
    """structure.member, where the call goes through a pointer in a structure."""


class Allocation(msgspec.Struct, frozen=True):
    """Memory asked for while something is held."""

    function: str
    """Where."""
    file: str
    line: int
    call: str
    """As it is written: alloc_page(GFP_NOIO)."""
    waits: bool | None = None
    """Whether the flags let it wait for memory (__GFP_DIRECT_RECLAIM, and not __GFP_NORETRY); None if they are not constant."""
    kills: bool | None = None
    """Whether it may call the OOM killer (__GFP_FS): one that waits and may not kill waits for somebody else's kill."""
    path: tuple[Step, ...] = ()
    """From the holder's function to it, with the lines of definitions; empty if it is there itself."""
    scope: tuple[str, ...] = ()
    """Why it may not, where its flags would let it: the scope (nofs, noio) in which an entry comes here."""


class Holder(msgspec.Struct, frozen=True):
    """Code that has what others wait for, and gives it back."""

    function: str
    file: str
    acquired: int
    """Line of the first acquiring call; of a function that only gives back, its first line."""
    released: int
    """Line of the last release."""
    allocations: tuple[Allocation, ...] = ()
    shared: bool = False
    """Others can have it at the same time (readers)."""


class Convention(msgspec.Struct, frozen=True):
    """How others in the tree do it."""

    primitive: str
    """The killable form of the primitive."""
    function: str = ""
    file: str = ""
    line: int = 0
    """A use of it that an entry leads to."""


class Site(msgspec.Struct, frozen=True):
    """A place where a task goes to sleep."""

    file: str
    line: int
    function: str
    primitive: str
    """The wait called; schedule... where the loop is written out."""
    task_state: str | None
    """TASK_...; None if it is not known."""
    killable: bool | None
    open_coded: bool
    """The loop around schedule() is written out here."""
    rank: str
    """One of RANKS."""
    kind: str = "other"
    """One of KINDS: what is waited for."""
    queue: str | None = None
    """What is waited for, as it is written."""
    resource: str | None = None
    """The same for all tasks: structure.member, or the name of a variable."""
    entries: tuple[str, ...] = ()
    """Names of the entries that lead here."""
    path: tuple[Step, ...] = ()
    """The shortest way from the first of them."""
    detour: bool = False
    """The only way found leads through another file system or driver."""
    scope: tuple[str, ...] = ()
    """Allocation scopes entered on the path: nofs, noio."""
    holders: tuple[Holder, ...] = ()
    """Code that holds it and may allocate meanwhile."""
    convention: Convention | None = None
    fingerprint: str = ""
    """The same as long as the function waits in the same way for the same thing, wherever it is in the file."""
    missing: tuple[str, ...] = ()
    """Of an amber one: of MISSING."""


class Change(msgspec.Struct, frozen=True):
    """What differs from the tree compared with."""

    kind: str
    """One of CHANGES."""
    site: Site
    """As it is; of what vanished, as it was."""
    before: Site | None = None
    what: tuple[str, ...] = ()
    """Of what changed: "task_state TASK_UNINTERRUPTIBLE -> TASK_KILLABLE"."""


class EntryPoint(msgspec.Struct, frozen=True):
    """Where tasks come from."""

    key: str
    title: str
    functions: tuple[str, ...]
    """Those that the tree has."""


class Coverage(msgspec.Struct, frozen=True):
    """What was read, and what was not."""

    files: int
    functions: int
    calls: int
    unknown_pointers: int
    """Calls through pointers whose target is not known: what they reach is missing."""
    skipped: tuple[str, ...] = ()
    """Files that could not be read, with the reason."""
    seconds: float = 0.0


class Audit(msgspec.Struct, frozen=True):
    """Every sleep that was asked for, the worst first."""

    kernel: str
    """x.y.z of the tree; "" if its Makefile does not say."""
    scope: tuple[str, ...]
    """Directories that were read."""
    within: tuple[str, ...]
    """Directories that are reported on; empty: all."""
    entries: tuple[EntryPoint, ...]
    sites: tuple[Site, ...]
    coverage: Coverage
    against: str | None = None
    """Version of the tree compared with."""
    changes: tuple[Change, ...] = ()
    accepted: int = 0
    """Findings that the baseline has, left out of `sites`."""
    configuration: str | None = None
    """Name of the .config that was applied."""
    tool: str = ""
    schema: str = "unkillable.audit/1"

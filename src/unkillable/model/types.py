"""What `explain` finds out, for reports: stories, verdicts, minimal sets of sites."""

from __future__ import annotations

import msgspec

KINDS = ("deadlock", "livelock", "starvation", "sigbus", "spin", "leak")
"""Of stories."""
RESULTS = ("holds", "violated", "undetermined")


class TaskView(msgspec.Struct, frozen=True, kw_only=True):
    """A task in a scene."""

    name: str
    pid: int | None = None
    """From a diagnosis; None in a story of the model's own."""
    where: str
    """In words."""
    kernel: str
    """The kernel function that it is in; "" in its own program."""
    task_state: str
    """As the kernel's constant: TASK_RUNNING, ..., EXIT_ZOMBIE, EXIT_DEAD."""
    killed: bool
    """SIGKILL is pending, or has ended it."""
    by_oom_killer: bool
    signal: bool
    """A signal with a handler is pending."""
    pages: int
    """Pages of its own memory."""
    holds: tuple[str, ...]
    """What others may need, in words."""
    ended_by: str
    """"", SIGKILL or SIGBUS."""


class EntryView(msgspec.Struct, frozen=True, kw_only=True):
    """An entry of squashfs's cache."""

    block: int
    """0: none."""
    references: int
    pending: bool
    error: str
    """"", -EINTR or -ENOMEM."""


class MemoryView(msgspec.Struct, frozen=True, kw_only=True):
    """Where the pages are."""

    total: int
    free: int
    own: int
    """Of programs: they cannot be written anywhere, as there is no swap."""
    code: int
    """Pages of code that can be dropped."""
    locked: int
    """Pages of code that are being read."""
    kernel: int
    """For compressed data, decompressors."""


class Arrow(msgspec.Struct, frozen=True):
    """Somebody waits for somebody, or for memory."""

    source: str
    """A task's name, or "memory"."""
    target: str
    why: str


class Scene(msgspec.Struct, frozen=True, kw_only=True):
    """A state of the model, for people."""

    tasks: tuple[TaskView, ...]
    entries: tuple[EntryView, ...]
    pages: tuple[str, ...]
    """Of each page of code: absent, locked or in memory."""
    memory: MemoryView
    arrows: tuple[Arrow, ...]


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """One step."""

    who: str
    """A task's name, or who else did it."""
    kernel: str
    """The kernel's function."""
    text: str
    """A sentence."""
    scene: Scene
    """Afterwards."""


class Story(msgspec.Struct, frozen=True, kw_only=True):
    """How something comes about, step by step."""

    title: str
    """One sentence: what happens."""
    kind: str
    """deadlock: a killed task sleeps for ever; livelock: who asks for memory asks for ever; starvation: somebody else waits for
    ever; sigbus, spin, leak."""
    begin: Scene
    events: tuple[Event, ...]
    cycle: tuple[Event, ...] = ()
    """What then goes on for ever; () where the story ends, or where nothing at all can happen any more."""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What was found out about one property."""

    property: str
    question: str
    """In words: what is to hold."""
    result: str
    """holds, violated or undetermined."""
    states: int
    """That were looked at."""
    steps: int
    """From the beginning to the farthest of them."""
    story: Story | None = None
    """Of a violation: the shortest that was found."""


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """The answer about one kernel."""

    schema: str = "unkillable.explanation/1"
    tool: str = ""
    era: str
    title: str
    """Which kernels these are."""
    variant: str
    """stock, article or series."""
    bound: tuple[str, ...]
    """In words: the systems of which every order of events was tried."""
    parameters: dict[str, int]
    engine: str
    seconds: float
    """Of searching."""
    verdicts: tuple[Answer, ...]


class Swap(msgspec.Struct, frozen=True, kw_only=True):
    """Another wait at site A."""

    wait: str
    task_state: str
    traits: tuple[str, ...]
    returned: str
    """What squashfs_cache_get() takes its return for: "ignored" or "an error"."""
    explanation: Explanation


class Swaps(msgspec.Struct, frozen=True, kw_only=True):
    """What another wait at site A does."""

    schema: str = "unkillable.swaps/1"
    tool: str = ""
    swaps: tuple[Swap, ...]


class SiteSets(msgspec.Struct, frozen=True, kw_only=True):
    """Which waits must be killable for a killed task to end."""

    era: str
    title: str
    decompressors: str
    """PERCPU, SINGLE or MULTI."""
    sites: dict[str, str]
    """Those that were tried, by letter, with what they are."""
    minimal: tuple[tuple[str, ...], ...]
    """The sets of which none can do without any of its sites; () in it: nothing need be done; none: nothing of this is enough."""
    tried: int
    """Systems that were searched."""
    states: int
    """In all of them."""
    undetermined: tuple[tuple[str, ...], ...]
    """Sets of which it could not be told within the limit."""
    seconds: float


class Sites(msgspec.Struct, frozen=True, kw_only=True):
    """The minimal sets, by how squashfs decompresses."""

    schema: str = "unkillable.sites/1"
    tool: str = ""
    sets: tuple[SiteSets, ...]

"""What passes between reading a fleet's logs, the store and whoever asks it."""

from __future__ import annotations

import msgspec

FAILING = "cached-error"
"""The kind that has a signature and is no hang: programs die of it."""
HARMLESS = "zombie"
"""The kind that has a signature and hangs nothing: `diagnose --exit-code` passes it, too."""


class Signature(msgspec.Struct, frozen=True):
    """What a hang is, without what differs from one kernel version, architecture or machine to the next.

    Two levels: the cause, and the variant of it.  Logs of one bug have one cause; their variants differ in how it was come
    into and in what the memory looked like.
    """

    cause: str
    """Identifier: twelve hexadecimal digits, the same for the same cause in every version of the program that has the
    same `fleet.signature.SCHEME`."""
    variant: str
    """Identifier of the variant, as above; never the same for variants of two causes."""
    title: str
    """The cause in a line, for people: `reclaim-livelock in squashfs_cache_get`."""
    variant_title: str
    """What the variant adds: `page fault, file pages gone, 6.1`-like text without releases or numbers."""
    kind: str
    """The verdict, one of `diagnosis.KINDS`."""
    wait: str | None = None
    """Class of the wait: its task state and what kind of thing is waited for."""
    site: str | None = None
    """What a developer looks at first: the function that sleeps, under the name that all kernels and compilers agree on; of a lock
    whose holder is known, where that sleeps; of stalled reads, their file system."""
    entered_by: str | None = None
    """page fault, system call, kernel thread ..."""
    holders: tuple[str, ...] = ()
    """From what is waited for to the last holder known: functions or resources, in order."""
    memory: str | None = None
    """short, enough, or None where the log does not tell."""


class Finding(msgspec.Struct, frozen=True):
    """What one episode of a log leads to: a row of the store."""

    episode: int
    """From 0, in the order of the log."""
    signature: Signature | None
    """None where nothing hung, and where the log does not tell."""
    kind: str
    """The verdict, one of `diagnosis.KINDS`."""
    confidence: str
    summary: str
    kernel: str | None = None
    """Release as the kernel prints it."""
    arch: str | None = None
    first_line: int = 0
    last_line: int = 0
    line: int = 0
    """The line of the log that the verdict rests on most; 0: none."""
    quote: str = ""
    """That line's text, at most 300 characters, control characters taken out."""


class Log(msgspec.Struct, frozen=True):
    """One log, read."""

    name: str
    """Path or URL, with `!member` for a member of an archive."""
    content: str
    """BLAKE2b of the bytes, decompressed: 16 bytes, hexadecimal; of a log that could not be read, of what could."""
    size: int
    """Bytes."""
    device: str = ""
    """Which device wrote it, where its name tells (`--name-fields`)."""
    release: str = ""
    """The firmware's release, where its name tells; otherwise the kernel's."""
    seen: float = 0.0
    """Seconds since 1970: the log's own date, or that of its name, or the file's."""
    findings: tuple[Finding, ...] = ()
    problem: str | None = None
    """Why nothing could be read, or what of it could not be."""
    again: bool = False
    """Its surroundings kept it from being read, or all of it: the next run tries it again, and the store has nothing of it."""
    outgrown: str | None = None
    """The content that was read under this name before, where this one begins with it, or where it could not be read: it no
    longer counts under this name."""


class Earlier(msgspec.Struct, frozen=True, gc=False):
    """What a name had when it was read last."""

    content: str
    size: int
    unread: bool
    """Nothing of it could be read: its content is no hash of its bytes."""


class Input(msgspec.Struct, frozen=True, gc=False):
    """A file as it lay there when it was read: one that has not changed is not read again."""

    name: str
    size: int
    changed: int
    """Nanoseconds since 1970, or of an object store a hash of its version."""


def hangs(kind: str) -> bool:
    """Whether a signature of this kind is that of a hang."""
    return kind not in (FAILING, HARMLESS)

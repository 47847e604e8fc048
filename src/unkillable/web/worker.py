"""The process that reads one visitor's logs: bounded in memory and time, and gone with its answer.

It is started with -P: what is uploaded lies in its working directory, and no module may come from there.
"""

from __future__ import annotations

import os
import resource
import signal
import sys

import msgspec

from unkillable.errors import UserError
from unkillable.pipeline import inspect
from unkillable.report import html

__all__ = ["Answer", "Job", "Stored"]


class Stored(msgspec.Struct, frozen=True):
    """A log of the store."""

    names: tuple[str, ...]
    """Where its content was found."""
    content: str
    """Its hash: what is read must still have it."""


class Job(msgspec.Struct, frozen=True):
    """What is to be read: uploads, or what a store knows."""

    memory: int
    """Bytes of address space."""
    seconds: int
    folder: str = ""
    names: tuple[str, ...] = ()
    answer: str = "page"
    """page, file or json."""
    stored: Stored | None = None


class Answer(msgspec.Struct, frozen=True):
    """What came of it."""

    problem: str | None = None
    """Why there is no diagnosis, in a sentence."""
    fault: str | None = None
    """What is wrong with this program, where it is that."""
    title: str = ""
    body: str = ""


def _bound(job: Job) -> None:
    # A backstop for the case that the server is gone: it stops its workers itself.
    signal.alarm(job.seconds + 5)
    for limit, value in (
        (resource.RLIMIT_AS, job.memory),
        (resource.RLIMIT_CPU, job.seconds),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        hard = resource.getrlimit(limit)[1]
        least = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(limit, (least, least))


def _read(job: Job) -> Answer:
    try:
        if job.stored is not None:
            from unkillable.web.again import read_again

            found = read_again(job.stored.names, job.stored.content)
        else:
            os.chdir(job.folder)  # so that a log is called what the visitor called it
            found = inspect(job.names)
    except UserError as error:
        return Answer(problem=str(error))
    title = f"{html.title(found.verdict.kind)}: {found.verdict.summary[:120]}"
    if job.answer == "json":
        from unkillable.report.schema import to_json  # with the types of every document

        return Answer(title=title, body=to_json(found).decode())
    return Answer(title=title, body=html.render(found) if job.answer == "file" else str(html.body(found)))


def main() -> None:
    # igraph would load it to draw, where it is installed; we only have it lay out, and a visitor waits.
    sys.modules["matplotlib"] = None  # type: ignore[assignment]
    import igraph  # noqa: F401  the report's, and too large to be loaded when memory is bounded

    job = msgspec.json.decode(sys.stdin.buffer.read(), type=Job)
    _bound(job)
    try:
        answer = _read(job)
    except MemoryError:
        answer = Answer(problem=f"reading it needs more than {job.memory >> 20} MiB of memory")
    except Exception as error:  # noqa: BLE001  told where the server was started
        answer = Answer(fault=f"{type(error).__name__}: {error}")
    sys.stdout.buffer.write(msgspec.msgpack.encode(answer))


if __name__ == "__main__":
    main()

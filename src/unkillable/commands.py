"""Other programs, run with a bound on their time, their output and (where it matters) their memory."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

from unkillable.errors import UserError

OUTPUT = 1 << 20
"""Bytes of output that are kept."""
_ERRORS = 64 << 10
"""Bytes of the error output that are looked at for a reason."""
_DROPPED = ("SOURCE_DATE_EPOCH", "E2FSPROGS_FAKE_TIME", "MKE2FS_CONFIG")
"""Variables of the environment that would change what is built (mksquashfs also refuses the first beside -mkfs-time)."""


def find(program: str, package: str) -> str:
    """Path of a program; an error that names its Debian package where it is missing."""
    # Debian keeps mkfs.* out of the PATH of ordinary users.
    path = shutil.which(program) or shutil.which(program, path="/usr/local/sbin:/usr/sbin:/sbin")
    if path is None:
        raise UserError(f"{program} is not installed: apt-get install {package}")
    return path


def run(
    argv: Sequence[str | Path],
    package: str,
    *,
    seconds: float = 300.0,
    memory_mib: int | None = None,
    head_only: bool = False,
    environment: dict[str, str] | None = None,
) -> str:
    """Standard output of a program that succeeded.

    A program that fails, takes longer than `seconds` or prints more than OUTPUT is an error; with `head_only` what comes
    after OUTPUT is not wanted, and the program is stopped there.  `memory_mib` limits its address space: for programs
    that read files of strangers.
    """
    path = find(str(argv[0]), package)
    guard = _guard(memory_mib)
    with tempfile.TemporaryFile() as errors:
        with subprocess.Popen(
            [*guard, path, *argv[1:]],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors,
            env=_environment() | (environment or {}),
        ) as process:  # fmt: skip
            late = threading.Event()

            def stop() -> None:
                late.set()
                process.kill()

            timer = threading.Timer(seconds, stop)
            timer.start()
            try:
                assert process.stdout is not None  # noqa: S101
                output = process.stdout.read(OUTPUT + 1)
                if over := len(output) > OUTPUT:
                    process.kill()
                process.wait()
            finally:
                timer.cancel()
                process.kill()
        if late.is_set():
            raise UserError(f"{argv[0]} did not finish within {seconds:.0f} s: {_named(argv)}")
        if over and not head_only:
            raise UserError(f"{argv[0]} printed more than {OUTPUT >> 20} MiB: {_named(argv)}")
        if process.returncode and not over:
            raise UserError(f"{argv[0]} failed: {_reason(errors.fileno(), output) or process.returncode}")
    return output[:OUTPUT].decode(errors="replace")


def stream(
    argv: Sequence[str],
    package: str,
    data: bytes | memoryview,
    *,
    piece: int,
    seconds: float,
    memory_mib: int,
) -> Iterator[bytes]:
    """What a program makes of `data`, in pieces of at most `piece` bytes; it ends when the caller wants no more.

    A program that says that it failed (status 1) or takes longer than `seconds` raises ValueError after its last piece.
    """
    path = find(argv[0], package)
    with tempfile.TemporaryFile() as source:
        source.write(data)
        source.seek(0)
        with subprocess.Popen(
            [*_guard(memory_mib), path, *argv[1:]],
            stdin=source, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=_environment(),
        ) as process:  # fmt: skip
            timer = threading.Timer(seconds, process.kill)
            timer.start()
            try:
                assert process.stdout is not None  # noqa: S101
                while part := process.stdout.read(piece):
                    yield part
                status = process.wait()
            finally:
                timer.cancel()
                process.kill()
    if status == 1 or status < 0:
        raise ValueError(f"{argv[0]} ended with status {status}")


def _guard(memory_mib: int | None) -> tuple[str, ...]:
    if memory_mib and shutil.which("prlimit"):
        return ("prlimit", f"--as={memory_mib << 20}", f"--fsize={OUTPUT}", "--")
    return ()


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name not in _DROPPED} | {"LC_ALL": "C"}


def _named(argv: Sequence[str | Path]) -> str:
    return " ".join(map(str, argv))[:200]


def _reason(errors: int, output: bytes) -> str:
    """The last line that a program wrote, printable and short."""
    size = os.fstat(errors).st_size
    text = os.pread(errors, _ERRORS, max(0, size - _ERRORS)) or output[-_ERRORS:]
    lines = [line.strip() for line in text.decode(errors="replace").splitlines() if line.strip()]
    return "".join(char if char.isprintable() else "?" for char in lines[-1])[:300] if lines else ""

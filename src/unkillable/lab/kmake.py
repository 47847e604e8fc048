"""make on kernel sources: its programs checked before, its time bounded, its output in a log, no child left behind."""

from __future__ import annotations

import os
import platform
import re
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import IO

import msgspec

from unkillable.errors import UserError
from unkillable.lab.arch import Arch
from unkillable.lab.toolchain import GNU

Progress = Callable[[int, str], None]
"""Called with the number of objects that make has begun to compile so far, and the name of the last."""

_LARGEST_LOG = 32 << 20
"""Bytes; a minimal kernel's log has 0.1 MiB."""
_OBJECT = re.compile(rb"^ +(?:CC|AS)(?: \[M\])? +(\S{1,200})$", re.MULTILINE)
"""As kbuild tells it; HOSTCC is the build's own."""
_PROBE = 60.0
_KEPT = ("PATH", "HOME", "TMPDIR")
"""Of the environment, which kbuild reads in dozens of places (ARCH, KCFLAGS, KBUILD_*, LOCALVERSION, MAKEFLAGS); what is
built must not depend on it, or the cache would be wrong."""
_WRONG = (
    re.compile(
        r"No space left on device|\berror:|undefined reference|: not found|No such file|No rule to make|ERROR:"
    ),
    re.compile(r"\*\*\*"),
)
"""What went wrong, as the compiler, the shell or make itself says it; else that make gave up."""


class Need(msgspec.Struct, frozen=True):
    """A program, or a header of a library, that a build on this machine uses."""

    name: str
    """A header's ends in `.h`."""
    package: str
    """Of Debian."""


class Compiler(msgspec.Struct, frozen=True):
    """gcc for a kernel, which needs no C library."""

    prefix: str
    """CROSS_COMPILE= of kbuild; empty for this machine's own architecture."""
    identity: str
    """First line of --version; part of what a build is cached under."""


def compiler(arch: Arch) -> Compiler:
    """The gcc that compiles for `arch`; an error that names its package where it is missing."""
    gnu = GNU[arch.name]
    native = platform.machine() == gnu.machine
    prefix = "" if native else gnu.program.removesuffix("gcc")
    require([Need(f"{prefix}gcc", "gcc" if native else gnu.package.split()[0])])
    shown = subprocess.run(
        [f"{prefix}gcc", "--version"],
        capture_output=True,
        text=True,
        timeout=_PROBE,
        check=False,
        env=_environment(),
    )
    return Compiler(prefix, shown.stdout.partition("\n")[0].strip())


def accepts(gcc: Compiler, flag: str) -> bool:
    """Whether the compiler knows a flag."""
    probe = [f"{gcc.prefix}gcc", flag, "-E", "-x", "c", os.devnull]
    return subprocess.run(probe, capture_output=True, timeout=_PROBE, check=False).returncode == 0


def require(needs: Iterable[Need]) -> None:
    """An error that names all packages that are missing at once."""
    missing = [need for need in needs if not _there(need.name)]
    if missing:
        names = ", ".join(need.name for need in missing)
        packages = " ".join(sorted({need.package for need in missing}))
        raise UserError(f"{names}: needed to build a kernel and not installed: apt-get install {packages}")


def _there(name: str) -> bool:
    if not name.endswith(".h"):
        return shutil.which(name) is not None
    probe = ["gcc", "-E", "-include", name, "-x", "c", os.devnull]
    return subprocess.run(probe, capture_output=True, timeout=_PROBE, check=False).returncode == 0


def run(arguments: Sequence[str], log: Path, *, seconds: float, progress: Progress | None = None) -> None:
    """Runs make with as many jobs as there are processors.

    What it prints goes to the end of `log`.  An error names the log, which the caller therefore keeps.
    """
    argv = ["make", f"--jobs={len(os.sched_getaffinity(0))}", *arguments]
    late = threading.Event()
    with log.open("ab") as out, subprocess.Popen(
        argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        env=_environment(), start_new_session=True,
    ) as process:  # fmt: skip

        def stop() -> None:
            late.set()
            _end(process)

        timer = threading.Timer(seconds, stop)
        timer.start()
        try:
            assert process.stdout is not None  # noqa: S101
            over = _copy(process.stdout, out, progress)
            if not over:
                process.wait()
        finally:
            timer.cancel()
            _end(process)
    if late.is_set():
        raise UserError(f"make did not finish within {seconds:.0f} s; its output is in {log}")
    if over:
        raise UserError(f"make printed more than {_LARGEST_LOG >> 20} MiB; the beginning is in {log}")
    if process.returncode:
        raise UserError(f"make failed: {reason(log)}; its output is in {log}")


def reason(log: Path) -> str:
    """The first line of a log that tells what went wrong, else the last one."""
    lines = log.read_text(errors="replace").splitlines() or ["it printed nothing"]
    found = (line for pattern in _WRONG for line in lines if pattern.search(line))
    return "".join(char if char.isprintable() else "?" for char in next(found, lines[-1]).strip())[:300]


def _copy(source: IO[bytes], out: IO[bytes], progress: Progress | None) -> bool:
    """Copies until the end; true where there was too much."""
    objects = size = 0
    line = b""
    while chunk := os.read(source.fileno(), 1 << 16):
        size += len(chunk)
        if size > _LARGEST_LOG:
            return True
        out.write(chunk)
        out.flush()
        whole, _, line = (line + chunk).rpartition(b"\n")
        if progress is not None and (names := _OBJECT.findall(whole)):
            objects += len(names)
            progress(objects, names[-1].decode(errors="replace"))
    return False


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kills make with its compilers, which are in its process group."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)


def _environment() -> dict[str, str]:
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    # The names and the time are compiled into a kernel: the same sources are to give the same one.
    fixed = {
        "KBUILD_BUILD_USER": "unkillable",
        "KBUILD_BUILD_HOST": "lab",
        "KBUILD_BUILD_TIMESTAMP": "Thu Jan  1 00:00:00 UTC 1970",
    }
    return {**kept, **fixed, "LC_ALL": "C", "TZ": "UTC"}

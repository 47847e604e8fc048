"""C compilers for the guest: the machine's own gcc, Debian's cross compilers, or the one in the `ziglang` wheel."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import msgspec

from unkillable.errors import UserError
from unkillable.lab.arch import Arch
from unkillable.lab.cache import root

FLAGS = ("-std=gnu11", "-O2", "-Wall", "-Wextra", "-Wno-unused-result", "-static", "-pthread", "-s")
_LIMIT = 600.0
"""Seconds for one program: zig compiles its C library at first, which took 70 s of two processors."""
_PROBE_LIMIT = 60.0


class Gnu(msgspec.Struct, frozen=True):
    """What Debian calls gcc for an architecture."""

    machine: str
    """uname -m where it is the native one."""
    program: str
    package: str


GNU = {
    "x86_64": Gnu("x86_64", "x86_64-linux-gnu-gcc", "gcc-x86-64-linux-gnu libc6-dev-amd64-cross"),
    "arm64": Gnu("aarch64", "aarch64-linux-gnu-gcc", "gcc-aarch64-linux-gnu libc6-dev-arm64-cross"),
    "arm": Gnu("armv7l", "arm-linux-gnueabihf-gcc", "gcc-arm-linux-gnueabihf libc6-dev-armhf-cross"),
    "mips": Gnu("mips", "mipsel-linux-gnu-gcc", "gcc-mipsel-linux-gnu libc6-dev-mipsel-cross"),
    "riscv": Gnu("riscv64", "riscv64-linux-gnu-gcc", "gcc-riscv64-linux-gnu libc6-dev-riscv64-cross"),
}
"""By Arch.name.  Without the libc6-dev package, which gcc's only recommends, there is no C library to link."""


class Compiler(msgspec.Struct, frozen=True):
    command: tuple[str, ...]
    identity: str
    """Name and version; part of what a program is cached under, and of a run's provenance."""
    zig: bool = False


def compiler(arch: Arch) -> Compiler:
    """The first compiler of this machine that can link a static program for `arch`."""
    for one in _candidates(arch):
        if _links(one):
            return one
    gnu = GNU[arch.name]
    package = "gcc libc6-dev" if platform.machine() == gnu.machine else gnu.package
    raise UserError(
        f"no C compiler for {arch.name}: apt-get install {package}, or pip install 'unkillable[zig]' (all architectures)"
    )


def _candidates(arch: Arch) -> Iterator[Compiler]:
    gnu = GNU[arch.name]
    native = ("gcc",) if platform.machine() == gnu.machine else ()
    for name in (*native, gnu.program):
        if path := shutil.which(name):
            yield Compiler((path,), _version(path))
    if importlib.util.find_spec("ziglang") is not None:
        command = (sys.executable, "-m", "ziglang", "cc", "-target", arch.target)
        yield Compiler(command, f"zig {importlib.metadata.version('ziglang')} {arch.target}", zig=True)


@cache
def _version(path: str) -> str:
    shown = subprocess.run(
        [path, "--version"], capture_output=True, text=True, timeout=_PROBE_LIMIT, check=False
    )
    return shown.stdout.partition("\n")[0].strip()


@cache
def _links(one: Compiler) -> bool:
    if one.zig:  # brings its C library along, and takes a minute to compile it
        return True
    with tempfile.TemporaryDirectory(prefix="unkillable-") as folder:
        source = Path(folder, "probe.c")
        source.write_text("#include <pthread.h>\nint main(void) { return 0; }\n")
        try:
            _run(one, [*FLAGS, str(source), "-o", str(source.with_suffix(""))], _PROBE_LIMIT)
        except UserError:
            return False
    return True


def compile_program(one: Compiler, sources: tuple[Path, ...], out: Path, flags: tuple[str, ...] = ()) -> None:
    """Links `sources` into the static program `out`.  What the compiler said of a failure is kept in the cache."""
    arguments = [*FLAGS, *flags, *map(str, sources), "-o", str(out)]
    _run(one, arguments, _LIMIT, log=root() / f"compile-{sources[0].stem}.log")


def _run(one: Compiler, arguments: list[str], limit: float, log: Path | None = None) -> None:
    command = [*one.command, *arguments]
    environment = {**os.environ, "LC_ALL": "C"}
    if one.zig:  # its intermediate files go where ours are, not elsewhere in the home directory
        kept = str(root() / "zig")
        environment |= {"ZIG_GLOBAL_CACHE_DIR": kept, "ZIG_LOCAL_CACHE_DIR": kept}
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            env=environment, timeout=limit, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise UserError(f"{one.identity}: no program within {limit:.0f} s; the machine is too busy") from None
    except OSError as error:
        raise UserError(f"{one.command[0]}: {error.strerror}") from None
    if done.returncode == 0:
        return
    said = done.stdout.decode(errors="replace")
    where = ""
    if log is not None:
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text(" ".join(command) + "\n" + said)
        where = f"; all of it is in {log}"
    wrong = next((line for line in said.splitlines() if "error:" in line), said.strip().partition("\n")[0])
    raise UserError(f"{one.identity} failed: {wrong[:300]}{where}")

"""The guest's programs, compiled for an architecture and kept in the cache."""

from __future__ import annotations

import random
import shutil
from functools import cache
from pathlib import Path

import msgspec

from unkillable.errors import UserError
from unkillable.lab import labconf, toolchain
from unkillable.lab.arch import Arch
from unkillable.lab.cache import digest, entry
from unkillable.lab.setup import Workload
from unkillable.lab.toolchain import Compiler

SOURCES = Path(__file__).parent / "guest"

_PAGE = 4096
_NOISE = _PAGE - 16
"""Bytes of a page that pages.S fills up with noise."""
_UNIT = 16
CANARY_PAGES = 64
"""256 KiB of text: between busybox's applets and a small daemon."""
MAX_TEXT_KIB = 64 << 10

_WATCHER = (
    "init.c", "port.c", "files.c", "conf.c", "mounts.c", "memory.c", "speed.c", "start.c", "threads.c", "sample.c", "trace.c",
    "event.c", "quote.c", "look.c", "kmsg.c", "readback.c", "records.c",
)  # fmt: skip


_AGENT = ("agent.c", "port.c", "files.c", "conf.c", "mounts.c", "quote.c", "kmsg.c", "records.c")


class Source(msgspec.Struct, frozen=True):
    """What a program is made of."""

    files: tuple[str, ...]
    pages: int = 0
    """Pages of text beyond its own, from pages.S."""
    seed: int = 0


class Programs(msgspec.Struct, frozen=True):
    """Static programs on the host's disk."""

    watcher: Path
    keep: Path
    canary: Path
    workload: tuple[tuple[str, Path], ...]
    """(name, file) of each that labconf.programs starts: a file each, that differ, so that the guest shares no page between
    them; nothing for a command, which is on the image."""
    compiler: str
    """Name and version."""


def build(arch: Arch, workload: Workload) -> Programs:
    """Compiles what is not in the cache yet."""
    compiler = toolchain.compiler(arch)
    return Programs(
        watcher=_program(compiler, Source(_WATCHER)),
        keep=_program(compiler, Source(("keep.c", "records.c", "text.c"))),
        canary=_program(compiler, Source(("canary.c", "records.c", "text.c", "pages.S"), pages=CANARY_PAGES)),
        workload=_workload(compiler, workload),
        compiler=compiler.identity,
    )


def agent(arch: Arch) -> Path:
    """The /init of a guest in which scenarios are played."""
    return _program(toolchain.compiler(arch), Source(_AGENT))


def _workload(compiler: Compiler, workload: Workload) -> tuple[tuple[str, Path], ...]:
    if not 0 < workload.text_kib <= MAX_TEXT_KIB:
        raise UserError(f"text_kib {workload.text_kib}: 1 to {MAX_TEXT_KIB}")
    sources = {
        "churn": Source(
            ("churn.c", "pages.S"), pages=-(-workload.text_kib * 1024 // _PAGE), seed=workload.seed
        ),
        "hog": Source(("hog.c",)),
    }
    found = []
    for name, _ in labconf.programs(workload) if workload.kind != "command" else ():
        kind = name.rstrip("0123456789")
        found.append((name, _copy(_program(compiler, sources[kind]), int(name[len(kind) :]))))
    return tuple(found)


def _program(compiler: Compiler, source: Source) -> Path:
    inputs = [*(SOURCES / name for name in source.files), *sorted(SOURCES.glob("*.h"))]
    key = digest(
        "program", compiler.identity, *toolchain.FLAGS, str(source.pages), str(source.seed),
        *source.files, *(path.read_bytes() for path in inputs),
    )  # fmt: skip
    return entry("program", key, lambda path: _compile(compiler, source, path))


def _compile(compiler: Compiler, source: Source, out: Path) -> None:
    flags: tuple[str, ...] = ()
    if source.pages:
        folder = out.with_suffix(".noise")
        folder.mkdir()
        (folder / "noise.bin").write_bytes(noise(source.pages * _NOISE, source.seed))
        flags = (f"-DPAGES={source.pages}", f"-I{folder}", f"-Wa,-I{folder}")
    try:
        toolchain.compile_program(compiler, tuple(SOURCES / name for name in source.files), out, flags)
    finally:
        if source.pages:
            shutil.rmtree(folder)


def _copy(program: Path, number: int) -> Path:
    """The same program as another file: a byte behind its end, which nobody reads, keeps mksquashfs from merging them."""

    def make(path: Path) -> None:
        path.write_bytes(program.read_bytes() + number.to_bytes(2, "little"))
        path.chmod(0o755)

    return entry("program", digest("copy", program.name, str(number)), make)


@cache
def noise(size: int, seed: int) -> bytes:
    """Bytes about as compressible as machine code: lz4 leaves 62 % of blocks of 128 KiB (of Debian's bash, git and libc 63 to
    70 %), deflate 59 % (45 to 49 %).  Half of the units of 16 bytes are new, half are repeated from the 512 before.
    """
    dice = random.Random(seed)  # noqa: S311  not for secrets
    units: list[bytes] = []
    for n in range(-(-size // _UNIT)):
        repeat = n and dice.random() < 0.5
        units.append(units[-dice.randint(1, min(n, 512))] if repeat else dice.randbytes(_UNIT))
    return b"".join(units)[:size]

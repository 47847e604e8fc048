"""The packages that a module of a Debian kernel is built with, laid out so that kbuild finds its parts without /usr/src."""

from __future__ import annotations

import os
import platform
import re
import shlex
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from unkillable.errors import UserError
from unkillable.lab import apt, debs
from unkillable.lab.apt import NotServed, Package
from unkillable.lab.arch import ARCHES
from unkillable.lab.kernels import Headers
from unkillable.lab.toolchain import GNU

_OWN = ("Makefile", ".kernelvariables", "scripts", "tools")
"""Of a headers directory, what leads elsewhere: a Makefile that includes an absolute path, links beside the package."""
_KEPT = re.compile(r"(override (ARCH|KERNELRELEASE) =|DEBIAN_KERNEL_NO_CC_VERSION_CHECK).*")
"""Of .kernelvariables.  The rest sets a compiler by its version and a cross compiler by variables of dpkg."""
_PROGRAMS = ("scripts/basic/*", "scripts/mod/*", "scripts/genksyms/*", "tools/objtool/*", "tools/bpf/*/*")
"""Of kbuild, what making a module runs."""
_BASES = {"experimental": "sid"}
_UNWANTED = re.compile(r"pahole|libssl.*")
"""Of what kbuild depends on: for signatures and BTF, which are not made here."""
_LIMIT = 60.0


def lay_out(found: Headers, folder: Path) -> Path:
    """Fills `folder`; the directory in it that make is to be started in."""
    kbuild = apt.unpacked(found.suite, _host(), found.kbuild.name, found.kbuild.version)
    tools = kbuild / "usr" / "lib" / found.kbuild.name
    programs = [path for pattern in _PROGRAMS for path in sorted(tools.glob(pattern)) if _is_program(path)]
    if not programs:
        raise UserError(f"{found.kbuild.name} {found.kbuild.version}: has no programs where Debian puts them")
    if not all(_loads(path) for path in programs):
        tools = _with_libraries(found, tools, programs, folder / "kbuild")
    sources = folder / "usr" / "src"
    for package in (found.common, found.own):
        unpacked = apt.unpacked(found.suite, found.arch, package.name, package.version)
        _directory(unpacked / "usr" / "src" / package.name, sources / package.name, tools)
    own = sources / found.own.name
    (sources / found.common.name / "Makefile").symlink_to(
        apt.unpacked(found.suite, found.arch, found.common.name, found.common.version)
        / "usr" / "src" / found.common.name / "Makefile"
    )  # fmt: skip
    return own


def _directory(source: Path, target: Path, tools: Path) -> None:
    target.mkdir(parents=True)
    for path in source.iterdir():
        if path.name not in _OWN:
            (target / path.name).symlink_to(path)
    for name in ("scripts", "tools"):
        (target / name).symlink_to(tools / name)
    variables = source / ".kernelvariables"
    if variables.is_file():
        text = (source / "Makefile").read_text()
        (target / "Makefile").write_text(text.replace("/usr/src/", f"{target.parent}/"))
        kept = [line for line in variables.read_text().splitlines() if _KEPT.fullmatch(line.strip())]
        (target / ".kernelvariables").write_text("\n".join(kept) + "\n")


def _host() -> str:
    """Debian's name of this machine's architecture."""
    machine = platform.machine()
    for arch in ARCHES:
        if GNU[arch.name].machine == machine:
            return arch.debian
    raise UserError(
        f"modules cannot be built on {machine}: Debian's kbuild is looked for on {', '.join(GNU)} only"
    )


def _is_program(path: Path) -> bool:
    if not path.is_file() or not os.access(path, os.X_OK):
        return False
    with path.open("rb") as file:
        return file.read(4) == b"\x7fELF"


def _loads(program: Path) -> bool:
    """Whether this machine has the libraries of a program, in versions that are new enough (as ldd finds out)."""
    environment = os.environ | {"LD_TRACE_LOADED_OBJECTS": "1", "LC_ALL": "C"}
    try:
        shown = subprocess.run(
            [program],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_LIMIT,
            check=False,
            env=environment,
        )
    except OSError:
        return False
    return b"not found" not in shown.stdout + shown.stderr


def _with_libraries(found: Headers, tools: Path, programs: Sequence[Path], target: Path) -> Path:
    """A copy of kbuild whose programs run with the C library of their own suite: it may be newer than this machine's."""
    libraries = [folder for package in _libraries(found) for folder in _library_folders(package)]
    loader = next((path for folder in libraries for path in sorted(folder.glob("ld-linux*.so.*"))), None)
    if loader is None:
        raise UserError(
            f"{found.kbuild.name}: needs a newer C library than this machine's, and {found.suite} has none"
        )
    shutil.copytree(tools, target, symlinks=True)
    start = shlex.join([str(loader), "--library-path", ":".join(map(str, libraries))])
    for program in programs:
        copy = target / program.relative_to(tools)
        moved = copy.with_name(f"{copy.name}.elf")
        copy.rename(moved)
        copy.write_text(f'#!/bin/sh\nexec {start} --argv0 "$0" {shlex.quote(str(moved))} "$@"\n')
        copy.chmod(0o755)
    return target


def _libraries(found: Headers) -> list[Path]:
    """The unpacked packages of all libraries that kbuild depends on."""
    suite = _BASES.get(found.suite, found.suite.removesuffix("-security"))
    source = apt.archive(suite, _host())

    def look(names: Sequence[str]) -> Mapping[str, Package]:
        pattern = "|".join(map(re.escape, names))
        return {one.name: one for one in source.find(pattern)} if names else {}

    wanted = [group[0] for group in found.kbuild.depends if not _UNWANTED.fullmatch(group[0])]
    try:
        return [source.fetch(one.name, one.version) for one in debs.closure(look, wanted)]
    except NotServed as error:
        raise UserError(
            f"{found.kbuild.name}: needs newer libraries than this machine's, which {suite} does not serve: {error}"
        ) from error


def _library_folders(package: Path) -> list[Path]:
    return sorted({path.parent for path in package.glob("**/lib/*-linux-gnu*/*.so.*")})

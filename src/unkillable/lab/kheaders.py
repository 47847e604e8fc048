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

_KEPT = re.compile(r"(override (ARCH|KERNELRELEASE) =|DEBIAN_KERNEL_NO_CC_VERSION_CHECK).*")
"""Of .kernelvariables.  The rest sets a compiler by its version and a cross compiler by variables of dpkg."""
_PROGRAMS = ("scripts/basic/*", "scripts/mod/*", "scripts/genksyms/*", "tools/objtool/*", "tools/bpf/*/*")
"""Of kbuild, what making a module runs."""
_ADDED = re.compile(r"-(security|backports|updates)$")
"""Of a suite that holds only what differs from the one that it is added to."""
_UNWANTED = re.compile(r"pahole|libssl.*")
"""Of what kbuild depends on: for signatures and BTF, which are not made here."""
_LIMIT = 60.0


def lay_out(found: Headers, folder: Path, options: Mapping[str, bool]) -> Path:
    """Fills `folder`; the directory in it that make is to be started in.

    The kernel's configuration is changed in `options` (names without CONFIG_), for make and for the sources.
    """
    kbuild = apt.unpacked(found.suite, host(), found.kbuild.name, found.kbuild.version)
    tools = kbuild / "usr" / "lib" / found.kbuild.name
    programs = [path for pattern in _PROGRAMS for path in sorted(tools.glob(pattern)) if _is_program(path)]
    if not programs:
        raise UserError(f"{found.kbuild.name} {found.kbuild.version}: has no programs where Debian puts them")
    if not all(_loads(path) for path in programs):
        tools = _with_libraries(found, tools, programs, folder / "kbuild")
    common, own = (_source(found, package) for package in (found.common, found.own))
    target = folder / "usr" / "src"
    for source in (common, own):
        _link(source, target / source.name, but=("scripts", "tools"))
        for name in ("scripts", "tools"):  # links to where the package would be installed
            (target / source.name / name).symlink_to(tools / name)
    return _configure(own, target / own.name, options)


def _source(found: Headers, package: Package) -> Path:
    return apt.unpacked(found.suite, found.arch, package.name, package.version) / "usr" / "src" / package.name


def _configure(source: Path, target: Path, options: Mapping[str, bool]) -> Path:
    """Replaces what is to differ: absolute paths, the compiler, the options."""
    changed = {
        "Makefile": _here(_text(source / "Makefile"), target.parent),
        ".kernelvariables": _kept(_text(source / ".kernelvariables")),
        "include/config/auto.conf": for_make(_text(source / "include/config/auto.conf"), options),
        "include/generated/autoconf.h": for_sources(_text(source / "include/generated/autoconf.h"), options),
    }
    for name in ("include", "include/config", "include/generated"):
        (target / name).unlink(missing_ok=True)
        _link(source / name, target / name, but=("config", "generated", "auto.conf", "autoconf.h"))
    for name, text in changed.items():
        (target / name).unlink(missing_ok=True)
        (target / name).write_text(text)
    return target


def _text(path: Path) -> str:
    if not path.is_file():
        raise UserError(f"{path}: missing in Debian's package of the kernel's headers")
    return path.read_text(errors="replace")


def _here(makefile: str, sources: Path) -> str:
    return makefile.replace("/usr/src/", f"{sources}/")


def _kept(variables: str) -> str:
    return "".join(f"{line}\n" for line in variables.splitlines() if _KEPT.fullmatch(line.strip()))


def for_make(text: str, options: Mapping[str, bool]) -> str:
    """include/config/auto.conf with other options."""
    kept = [line for line in text.splitlines() if _option(line.partition("=")[0]) not in options]
    return "\n".join([*kept, *(f"CONFIG_{name}=y" for name, on in options.items() if on)]) + "\n"


def for_sources(text: str, options: Mapping[str, bool]) -> str:
    """include/generated/autoconf.h with other options."""
    kept = [line for line in text.splitlines() if _defined(line) not in options]
    return "\n".join([*kept, *(f"#define CONFIG_{name} 1" for name, on in options.items() if on)]) + "\n"


def _defined(line: str) -> str:
    define, name, *_ = (*line.split(), "", "")
    return _option(name.removesuffix("_MODULE")) if define == "#define" else ""


def _option(word: str) -> str:
    return word.removeprefix("CONFIG_") if word.startswith("CONFIG_") else ""


def _link(source: Path, target: Path, *, but: Sequence[str]) -> None:
    """A directory whose entries are links to those of another."""
    target.mkdir(parents=True)
    for path in source.iterdir():
        if path.name not in but:
            (target / path.name).symlink_to(path)


def host() -> str:
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
    suite = "sid" if found.suite == "experimental" else _ADDED.sub("", found.suite)
    source = apt.archive(suite, host())

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

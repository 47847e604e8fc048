"""fs/squashfs of a kernel tree compiled with each choice that its Kconfig has: do patches compile, and without new warnings?"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path

import msgspec

from unkillable.errors import UserError
from unkillable.lab import kconfig, kmake, kmodule, ktree, sourcetree
from unkillable.lab.arch import Arch
from unkillable.lab.cache import digest, root
from unkillable.lab.kbuild import RECIPES, fragment
from unkillable.lab.kmake import Need
from unkillable.lab.progress import Progress, silent
from unkillable.lab.setup import Module
from unkillable.lab.squashfssource import FOLDER

_CONFIGURE = 600.0
_PREPARE = 1800.0
"""Seconds: headers and kbuild's own programs, 40 of one processor."""
_COMPILE = 600.0
_NEEDS = (Need("make", "make"), Need("gcc", "gcc"), Need("flex", "flex"), Need("bison", "bison"))
_WARNING = re.compile(
    rf"^(?:\S*/)?({FOLDER}/[\w.-]+):\d+:(?:\d+:)? (warning|error): (.{{1,300}})$", re.MULTILINE
)


class Version(msgspec.Struct, frozen=True):
    """fs/squashfs after some of the patches."""

    name: str
    files: Mapping[str, bytes]


class Compiled(msgspec.Struct, frozen=True):
    """One version in one configuration."""

    version: str
    configuration: str
    """Such as `direct, percpu`."""
    warnings: tuple[str, ...] = ()
    """file: text, which the version before it in the list had not."""
    error: str | None = None
    """The first line that tells why it does not compile."""


def compile_all(
    tree: Path, arch: Arch, versions: Sequence[Version], progress: Progress = silent
) -> tuple[Compiled, ...]:
    """Every version in every configuration, with W=1; the first version is what warnings are held against.

    Nothing is written to the tree: it is built through links, beside which fs/squashfs is a directory of its own.
    """
    sourcetree.version(tree)
    kmake.require(_NEEDS)
    gcc = kmake.compiler(arch)
    with tempfile.TemporaryDirectory(prefix="unkillable-") as place:
        build = _Build(Path(place), arch, gcc, root() / f"squashfs-{digest(str(tree))}.log", progress)
        build.lay_out(tree.resolve())
        found = tuple(build.each(versions))
        build.log.unlink(missing_ok=True)
        return found


def configurations(text: str) -> tuple[Module, ...]:
    """What the Kconfig of fs/squashfs lets one choose."""
    every = [Module(file, many) for file, many in product(("direct", "cache"), ("single", "multi", "percpu"))]
    return tuple(one for one in every if _known(text, one))


def _known(text: str, module: Module) -> bool:
    try:
        kmodule.options(text, module)
    except UserError:
        return False
    return True


class _Build(msgspec.Struct, frozen=True):
    place: Path
    arch: Arch
    gcc: kmake.Compiler
    log: Path
    progress: Progress

    @property
    def source(self) -> Path:
        return self.place / "source"

    @property
    def out(self) -> Path:
        return self.place / "build"

    def lay_out(self, tree: Path) -> None:
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self.log.unlink(missing_ok=True)
        self.out.mkdir()
        ktree.link(tree, self.source)

    def each(self, versions: Sequence[Version]) -> Iterator[Compiled]:
        self._put(versions[0])
        choices = configurations((self.source / FOLDER / "Kconfig").read_text(errors="replace"))
        total = len(choices) * len(versions)
        self.progress("preparing the tree", None)
        for number, module in enumerate(choices):
            self._put(versions[0])
            self._configure(module)
            before: set[str] = set()
            for index, version in enumerate(versions):
                name = f"{module.file}, {module.decompressors}"
                self.progress(f"compiling {name}: {version.name}", (number * len(versions) + index) / total)
                self._put(version)
                warnings, error = self._compile()
                yield Compiled(version.name, name, tuple(sorted(warnings - before)) if index else (), error)
                before |= warnings

    def _put(self, version: Version) -> None:
        ktree.put(version.files, self.source / FOLDER)

    def _configure(self, module: Module) -> None:
        kconfig_text = (self.source / FOLDER / "Kconfig").read_text(errors="replace")
        chosen = {name: "y" if on else "n" for name, on in kmodule.options(kconfig_text, module).items()}
        options = fragment("minimal.config") | fragment(RECIPES[self.arch.name].fragment) | chosen
        first = not (self.out / ".config").exists()
        if first:
            self._make("tinyconfig", seconds=_CONFIGURE)
        with (self.out / ".config").open("a") as file:
            file.write(kconfig.write(options))
        self._make("olddefconfig", seconds=_CONFIGURE)
        missed = kconfig.missed(chosen, kconfig.read(self.out / ".config"))
        if wrong := [one.told({}) for one in missed if one.wanted == "y"]:
            raise UserError(f"{FOLDER} cannot be configured: {wrong[0]}")
        self._make("prepare", seconds=_PREPARE)

    def _compile(self) -> tuple[set[str], str | None]:
        """Warnings, and what is wrong if it does not compile."""
        start = self.log.stat().st_size
        try:
            self._make("W=1", f"{FOLDER}/", seconds=_COMPILE)
            failed = False
        except UserError:
            failed = True
        with self.log.open("rb") as file:
            file.seek(start)
            text = file.read().decode(errors="replace")
        rows = [(kind, f"{name}: {told}") for name, kind, told in _WARNING.findall(text)]
        warnings = {told for kind, told in rows if kind == "warning"}
        if not failed:
            return warnings, None
        return warnings, next((told for kind, told in rows if kind == "error"), kmake.reason(self.log))

    def _make(self, *targets: str, seconds: float) -> None:
        arguments = (
            "-C", str(self.source), f"O={self.out}", f"ARCH={self.arch.make}", f"CROSS_COMPILE={self.gcc.prefix}",
            "LOCALVERSION=", *targets,
        )  # fmt: skip
        kmake.run(arguments, self.log, seconds=seconds)

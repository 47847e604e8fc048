"""squashfs.ko of a Debian kernel, built again with another configuration or with patches."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable
from pathlib import Path

from unkillable.errors import UserError
from unkillable.lab import arch, kernels, kheaders, kmake, modules, squashfssource
from unkillable.lab.cache import digest, entry, root
from unkillable.lab.elf import Elf
from unkillable.lab.kernels import Headers, Kernel
from unkillable.lab.kmake import Need
from unkillable.lab.setup import Module
from unkillable.lab.squashfssource import Change, Edit

_VERSION = 2
"""Of this recipe; a new number builds again what is in the cache."""
_LIMIT = 900.0
"""Seconds; it takes 13 on two processors."""
_NEEDS = (Need("make", "make"), Need("gcc", "gcc"))

_FILE = {"direct": "FILE_DIRECT", "cache": "FILE_CACHE"}
_DECOMPRESSORS = {"single": "DECOMP_SINGLE", "multi": "DECOMP_MULTI", "percpu": "DECOMP_MULTI_PERCPU"}
_CHOSEN = re.compile(r"^config (SQUASHFS_(?:FILE_|\w*DECOMP)\w*)$", re.MULTILINE)
"""The options of fs/squashfs/Kconfig that say how files are read and who decompresses.  From 6.6 on these are more: whether
the choice is made at compile time (COMPILE_DECOMP_*, each selects its DECOMP_*) or at mount time with `threads=`
(CHOICE_DECOMP_BY_MOUNT, MOUNT_DECOMP_THREADS, which no Debian kernel has)."""
_SOURCES = {
    "direct": "file_direct.c",
    "cache": "file_cache.c",
    "single": "decompressor_single.c",
    "multi": "decompressor_multi.c",
    "percpu": "decompressor_multi_percpu.c",
}
"""Which file of squashfs does it."""

_QUICK = ("CONFIG_DEBUG_INFO=", "CONFIG_DEBUG_INFO_BTF=", "CONFIG_DEBUG_INFO_BTF_MODULES=")
"""Left out of the build, not of what the sources see: debugging information, and BTF, which needs pahole."""

_CAPABILITIES = {"CC_HAS_MIN_FUNCTION_ALIGNMENT": "-fmin-function-alignment=16"}
"""What newer compilers than this machine's may have been found to do when the kernel was configured, and a flag to tell:
gcc 14."""


def rebuild(kernel: Kernel, module: Module, edits: tuple[Edit, ...] = ()) -> Path:
    """squashfs.ko for exactly this kernel; `edits` are made after the module's patches."""
    debian = kernel.debian
    if debian is None:
        raise UserError(
            f"{kernel.spec}: squashfs.ko is rebuilt for Debian's kernels only; choose CONFIG_SQUASHFS_* in a fragment"
        )
    shipped = _shipped(kernel)
    headers = kernels.headers(kernel)
    suite, source = kernels.linux_source(kernel)
    series: tuple[Change, ...] = (*squashfssource.patches(module.patches), *edits)
    kmake.require(_NEEDS)
    gcc = kmake.compiler(arch.find(kernel.arch))
    key = digest(
        _VERSION, headers.own.told, headers.common.told, source.told, module.file, module.decompressors,
        squashfssource.identity(series), gcc.identity,
    )  # fmt: skip

    def make(path: Path) -> None:
        tree = squashfssource.fetch(suite, debian.arch, source)
        folder = squashfssource.copy(tree, path.parent, series, kernel.version)
        log = root() / f"squashfs-{key}.log"
        log.unlink(missing_ok=True)
        try:
            built = _build(folder, headers, module, gcc, log)
        except UserError as error:
            raise UserError(f"{error}{mismatch(kernel, gcc.identity)}") from error
        check(built, shipped, module)
        shutil.move(built, path)
        log.unlink()

    name = f"squashfs-{kernel.release}-{module.file}-{module.decompressors}-{key}.ko"
    return entry("module", name, make)


def _shipped(kernel: Kernel) -> Path:
    if modules.config_value(kernel, "SQUASHFS") != "m":
        raise UserError(
            f"{kernel.release}: squashfs is no module of it and cannot be replaced; build a source:TREE"
        )
    return next(one.path for one in modules.plan(kernel, ["squashfs"]) if one.name == "squashfs")


def _build(folder: Path, headers: Headers, module: Module, gcc: kmake.Compiler, log: Path) -> Path:
    wanted = options((folder / "Kconfig").read_text(errors="replace"), module)
    missing = [name for name, flag in _CAPABILITIES.items() if not kmake.accepts(gcc, flag)]
    changes = {**wanted, **dict.fromkeys(missing, False)}
    start = kheaders.lay_out(headers, folder.parents[1] / "headers", changes)
    kmake.run(
        (
            "-C",
            str(start),
            f"M={folder}",
            f"CC={gcc.prefix}gcc",
            f"CROSS_COMPILE={gcc.prefix}",
            "CONFIG_SQUASHFS=m",
            *_QUICK,
            # Messages name the source file.  Without its path the module is the same wherever it is built, and whoever signed
            # the patches, so that a table can go on elsewhere (prepare.identity).
            f"KCFLAGS=-fmacro-prefix-map={folder}={squashfssource.FOLDER}",
            "modules",
        ),
        log,
        seconds=_LIMIT,
    )
    return folder / "squashfs.ko"


def mismatch(kernel: Kernel, identity: str) -> str:
    """What to say of another compiler than the kernel's, when a build has failed: mostly it does no harm."""
    theirs = modules.config_value(kernel, "CC_VERSION_TEXT") or ""
    same = theirs.partition(" ")[2] in ("", identity.partition(" ")[2])
    return "" if same else f"; the kernel was compiled by {theirs}, this machine has {identity}"


def options(kconfig: str, module: Module) -> dict[str, bool]:
    """What is on and what is off, of the options that this version's Kconfig has."""
    for value, table in ((module.file, _FILE), (module.decompressors, _DECOMPRESSORS)):
        if value not in table:
            raise UserError(f"{value}: not one of {', '.join(table)}")
    chosen = (_FILE[module.file], _DECOMPRESSORS[module.decompressors])
    on = {f"SQUASHFS_{name}" for name in chosen} | {f"SQUASHFS_COMPILE_{name}" for name in chosen}
    known = dict.fromkeys(_CHOSEN.findall(kconfig))
    for name in chosen:
        if f"SQUASHFS_{name}" not in known:
            raise UserError(f"CONFIG_SQUASHFS_{name}: this version of squashfs has no such option")
    return {name: name in on for name in known}


def check(built: Path, shipped: Path, module: Module) -> None:
    """An error unless a module is of the same kernel as the shipped one and of the wanted kind."""
    own, theirs = Elf.read(built), Elf.read(shipped)
    if (magic := modules.info(built).vermagic) != (wanted := modules.info(shipped).vermagic):
        raise UserError(f"the rebuilt squashfs.ko is for `{magic}`, the kernel is `{wanted}`")
    sums = theirs.symbol_sums()
    if wrong := sorted(name for name, value in own.symbol_sums().items() if sums.get(name, value) != value):
        raise UserError(f"the rebuilt squashfs.ko expects another {', '.join(wrong[:3])} than the kernel has")
    wanted_files = {_SOURCES[module.file], _SOURCES[module.decompressors]}
    found = own.source_files() & set(_SOURCES.values())
    if found != wanted_files:
        raise UserError(f"the rebuilt squashfs.ko is made of {_list(found)}, not of {_list(wanted_files)}")


def _list(names: Iterable[str]) -> str:
    return " and ".join(sorted(names)) or "neither reader nor decompressor"

"""Kernels: Debian's, of any series that the mirror serves, or one by its path."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

import msgspec

from unkillable.errors import UserError
from unkillable.lab import apt, debkernels
from unkillable.lab.apt import NotServed, Package
from unkillable.lab.arch import Arch
from unkillable.lab.cache import digest, entry
from unkillable.lab.debkernels import DebianKernel
from unkillable.lab.kernelfile import configuration, identify

_IMAGES = (
    "boot/vmlinuz-{}", "boot/vmlinux-{}", "usr/lib/modules/{}/vmlinuz", "usr/lib/modules/{}/vmlinux",
)  # fmt: skip
_MODULES = ("lib/modules/{}/kernel", "usr/lib/modules/{}/kernel")
_CONFIGS = ("boot/config-{}", "usr/lib/modules/{}/config")
"""The last of each: packages from 6.19 on."""


class Kernel(msgspec.Struct, frozen=True):
    """A kernel that can be booted."""

    spec: str
    release: str
    """uname -r."""
    version: str
    """x.y.z of the source."""
    arch: str
    image: Path
    modules: Path | None = None
    """The directory lib/modules/RELEASE; None for a kernel that has all it needs built in."""
    config: Path | None = None
    provenance: tuple[tuple[str, str], ...] = ()
    """(what, name version sha256)."""
    debian: DebianKernel | None = None
    """Its packages, where it is Debian's."""
    notes: tuple[str, ...] = ()
    """What the user should know of how it was found."""


class Headers(msgspec.Struct, frozen=True):
    """The packages that a module of a Debian kernel is built with."""

    suite: str
    arch: str
    """Debian's, of the kernel.  kbuild is wanted for the machine that builds: its programs run there."""
    own: Package
    """linux-headers-RELEASE."""
    common: Package
    kbuild: Package


def resolve(spec: str, arch: Arch, modules: str | None = None, *, latest: bool = False) -> Kernel:
    """The kernel that `debian:SERIES`, `debian:SERIES:FLAVOUR` or a path names.

    A series of Debian's stays at the version that was first fetched, unless `latest` asks for the newest.
    """
    if not spec.startswith("debian:"):
        return _file(spec, arch, modules)
    if modules is not None:
        raise UserError(f"{spec}: brings its own modules; --modules is for a kernel given by its path")
    found = debkernels.find(spec, arch, latest=latest)
    try:
        folders = _folders(found)
    except NotServed:
        # Neither in the cache nor on the mirror any more, whose index is new now: the newest of the series is the next best.
        found = debkernels.find(spec, arch, latest=True)
        folders = _folders(found)
    return _debian(spec, arch, found, folders)


def headers(kernel: Kernel) -> Headers:
    """What a module of a Debian kernel is built with."""
    found = _its(kernel)
    if not found.headers:
        raise UserError(
            f"{kernel.release}: {found.suite} has no linux-headers for {found.version}; build a source:TREE instead"
        )
    own, common, kbuild = found.headers
    return Headers(found.suite, found.arch, own, common, kbuild)


def linux_source(kernel: Kernel) -> tuple[str, Package]:
    """(suite, package) of the source of exactly this kernel."""
    found = _its(kernel)
    if found.source is None:
        raise UserError(
            f"{kernel.release}: {found.suite} has no linux-source of {found.version}; build a source:TREE instead"
        )
    return found.suite, found.source


def _its(kernel: Kernel) -> DebianKernel:
    if kernel.debian is None:
        raise UserError(
            f"{kernel.spec}: not a Debian kernel, so its headers and source are not known; build a source:TREE"
        )
    return kernel.debian


def _folders(found: DebianKernel) -> list[Path]:
    return [apt.unpacked(found.suite, found.arch, one.name, one.version) for one in found.packages]


def _debian(spec: str, arch: Arch, found: DebianKernel, folders: Iterable[Path]) -> Kernel:
    def one(places: Iterable[str]) -> Path | None:
        names = [place.format(found.release) for place in places]
        return next((path for folder in folders for name in names if (path := folder / name).exists()), None)

    image, modules = one(_IMAGES), one(_MODULES)
    if image is None or modules is None:
        missing = "kernel" if image is None else "modules"
        raise UserError(f"{found.packages[0].name} {found.version}: has no {missing} where Debian puts it")
    return Kernel(
        spec=spec,
        release=found.release,
        version=found.upstream,
        arch=arch.name,
        image=image,
        modules=modules.parent,
        config=one(_CONFIGS),
        provenance=tuple(("package", package.told) for package in found.packages),
        debian=found,
        notes=tuple(
            f"{spec}: {suite}, which may have a newer version, could not be read when this one was chosen"
            for suite in found.skipped
        ),
    )


def _file(spec: str, arch: Arch, modules: str | None) -> Kernel:
    image = Path(spec)
    if not image.is_file():
        raise UserError(
            f"{spec}: no such kernel; give debian:SERIES, source:TREE or the path of a bzImage, Image or vmlinux"
        )
    try:
        known = identify(image.resolve())
    except OSError as error:
        raise UserError(f"{spec}: cannot read it: {error.strerror}") from error
    except UserError as error:
        raise UserError(f"{spec}: its compressor is LZO, and {error}") from error
    if known is None:
        raise UserError(
            f"{spec}: not a kernel: nowhere in it is `Linux version`, as it is or gzip, xz, zstd, lz4, bzip2 or LZO"
        )
    folder = _modules(Path(modules), known.release) if modules else None
    sha256 = _sha256(image.resolve())
    return Kernel(
        spec=spec,
        release=known.release,
        version=known.version,
        arch=arch.name,
        image=image.resolve(),
        modules=folder,
        config=_config(image.resolve(), folder, known.release, sha256),
        provenance=(("kernel", f"{image.name} {known.release} {sha256}"),),
    )


def _modules(given: Path, release: str) -> Path:
    """The directory of a release's modules: itself, or as it is in a package or in INSTALL_MOD_PATH."""
    for folder in (
        given / release,
        *(given / name / "modules" / release for name in ("lib", "usr/lib")),
        given,
    ):
        if folder.is_dir() and next(folder.rglob("*.ko*"), None):
            return folder.resolve()
    raise UserError(
        f"{given}: has no modules (*.ko, *.ko.xz, *.ko.zst, *.ko.gz); give the directory lib/modules/{release}"
    )


def _config(image: Path, modules: Path | None, release: str, sha256: str) -> Path | None:
    """Where a kernel's configuration usually is: beside it as in /boot, with its modules, or in itself."""
    beside = [image.parent / f"config-{release}", image.parent / ".config"]
    if image.match("arch/*/boot/*"):
        beside.append(image.parents[3] / ".config")
    if modules:
        beside += [modules / "config", modules / "build" / ".config"]
    for path in beside:
        if path.is_file():
            return path
    try:
        path = entry("config", digest(sha256), lambda made: _write(made, configuration(image) or ""))
    except UserError:  # it may be in there, but lzop is missing: nothing that should be remembered
        return None
    return path if path.stat().st_size else None


def _write(path: Path, text: str) -> None:
    path.write_text(text)


def _sha256(image: Path) -> str:
    with image.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

"""Kernels: Debian's, of any series that the mirror serves, or one by its path."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import msgspec

from unkillable.errors import UserError
from unkillable.lab.apt import Archive, Package, archive
from unkillable.lab.apt import version_key as debian_key
from unkillable.lab.arch import Arch
from unkillable.lab.kernelfile import banner
from unkillable.versions import version_key

_SUITES = {
    "5.10": ("bullseye-security", "bullseye"),
    "6.1": ("bookworm-security", "bookworm"),
    "6.12": ("trixie-security", "trixie"),
}
"""Where a series is at home: its newest version is there."""
_NEWEST = ("sid", "experimental")
"""Where every other series is, while it is Debian's newest."""


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
    suite: str | None = None
    """Debian suite that it is from."""
    package: str | None = None
    """Version of the Debian package."""


def resolve(spec: str, arch: Arch, modules: str | None = None) -> Kernel:
    """The kernel that `debian:SERIES`, `debian:SERIES:FLAVOUR` or a path names."""
    if spec.startswith("debian:"):
        _, series, flavour = (*spec.split(":"), "")[:3]
        return _debian(spec, series, (flavour,) if flavour else arch.flavours, arch)
    return _file(spec, arch, modules)


def _debian(spec: str, series: str, flavours: tuple[str, ...], arch: Arch) -> Kernel:
    if not re.fullmatch(r"\d+\.\d+", series):
        raise UserError(f"{spec}: a series is two numbers, such as debian:6.1; served are {_served(arch)}")
    found = _image(series, flavours, arch)
    if found is None:
        raise UserError(f"{spec}: no such kernel for {arch.debian} on this machine's mirror; served are {_served(arch)}")
    source, image = found
    packages = [image, *_parts(source, image)]
    release = image.name.removeprefix("linux-image-").removesuffix("-unsigned")
    folders = [source.unpacked(package) for package in packages]
    boot = _one(folders, (f"boot/vmlinuz-{release}", f"boot/vmlinux-{release}", f"usr/lib/modules/{release}/vmlinuz", f"usr/lib/modules/{release}/vmlinux"))
    loadable = _one(folders, (f"lib/modules/{release}/kernel", f"usr/lib/modules/{release}/kernel"))
    if boot is None or loadable is None:
        raise UserError(f"{image.name} {image.version}: has no {'kernel' if boot is None else 'modules'} where Debian puts it")
    return Kernel(
        spec=spec,
        release=release,
        version=_upstream(image.version),
        arch=arch.name,
        image=boot,
        modules=loadable.parent,
        config=_one(folders, (f"boot/config-{release}", f"usr/lib/modules/{release}/config")),
        provenance=tuple(("package", one.told) for one in packages),
        suite=source.suite,
        package=image.version,
    )


def _image(series: str, flavours: tuple[str, ...], arch: Arch) -> tuple[Archive, Package] | None:
    """The newest image of the first flavour that has one, a signed one before the same unsigned."""
    sources, problems = _sources(_SUITES.get(series, _NEWEST), arch)
    for flavour in flavours:
        found: list[tuple[tuple[object, ...], int, Archive, Package]] = []
        for source in sources:
            # A whole release, 6.1.0-56 or 6.12.117+deb13, not the name that follows the newest (linux-image-6.12-cloud-amd64);
            # of a release candidate the two numbers are all there is.
            for package in source.find(rf"linux-image-{re.escape(series)}([.+][\w.+-]*)?-{re.escape(flavour)}(-unsigned)?"):
                whole = package.name.removeprefix(f"linux-image-{series}").startswith((".", "+")) or "~rc" in package.version
                if whole:
                    found.append((debian_key(package.version), -len(package.name), source, package))
        if found:
            return max(found, key=lambda row: row[:2])[2:]
    if problems:
        raise problems[0]
    return None


def _sources(suites: tuple[str, ...], arch: Arch) -> tuple[list[Archive], list[UserError]]:
    """The suites that are served: Debian drops an architecture's security updates before its suite (mipsel of bookworm), and
    a mirror may be in the middle of an update."""
    found, problems = [], []
    for suite in suites:
        try:
            found.append(archive(suite, arch.debian))
        except UserError as error:
            problems.append(error)
    return found, problems


def _parts(source: Archive, image: Package) -> list[Package]:
    """From 7.2 on Debian splits the image: what boots is in linux-binary-*, the modules in linux-modules-*."""
    names = [group[0] for group in image.depends if re.match(r"linux-(binary|modules|base)-(unsigned-)?\d", group[0])]
    return [package for name in names for package in source.find(re.escape(name))[-1:]]


def _served(arch: Arch) -> str:
    names = {
        match[1]
        for suite in {suite for suites in (*_SUITES.values(), _NEWEST) for suite in suites}
        for package in _packages(suite, arch)
        if (match := re.match(r"linux-image-(\d+\.\d+)", package.name))
    }
    return ", ".join(f"debian:{name}" for name in sorted(names, key=version_key)) or "none"


def _packages(suite: str, arch: Arch) -> list[Package]:
    try:
        return archive(suite, arch.debian).find(r"linux-image-\d.*")
    except UserError:  # a suite that is gone serves nothing
        return []


def _one(folders: list[Path], names: tuple[str, ...]) -> Path | None:
    return next((path for folder in folders for name in names if (path := folder / name).exists()), None)


def _upstream(version: str) -> str:
    """x.y.z of a package's version: `6.1.192-2`, `6.12.117-1~deb12u1`, `7.3~rc7-1~exp1` (as 7.3-rc7)."""
    return version.split("-")[0].replace("~rc", "-rc").split("~")[0]


def _file(spec: str, arch: Arch, modules: str | None) -> Kernel:
    image = Path(spec)
    if not image.is_file():
        raise UserError(f"{spec}: no such kernel; give debian:SERIES, source:TREE or the path of a bzImage, Image or vmlinux")
    release = banner(image)
    if release is None:
        raise UserError(f"{spec}: no kernel: it has no line `Linux version`")
    folder = Path(modules) if modules else None
    if folder is not None:
        nested = folder / "lib" / "modules" / release
        folder = nested if nested.is_dir() else folder
        if not (folder / "kernel").is_dir() and not any(folder.rglob("*.ko*")):
            raise UserError(f"{folder}: has no modules; give the directory lib/modules/{release}")
    version = re.match(r"\d+\.\d+(\.\d+)?(-rc\d+)?", release)
    with image.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    return Kernel(
        spec=spec,
        release=release,
        version=version[0] if version else release,
        arch=arch.name,
        image=image.resolve(),
        modules=folder.resolve() if folder else None,
        provenance=(("kernel", f"{image.name} {release} {sha256}"),),
    )


def headers(kernel: Kernel, arch: Arch) -> tuple[Path, ...]:
    """The unpacked packages that a module of a Debian kernel is built with: headers of the flavour, the common ones, kbuild."""
    source, release = _archive_of(kernel, arch), kernel.release
    own = source.find(re.escape(f"linux-headers-{release}"))[-1]
    names = [own.name, *(g[0] for g in own.depends if re.match(r"linux-(headers|kbuild|compiler)-\d", g[0]))]
    return tuple(source.fetch(name) for name in names if source.find(re.escape(name)))


def linux_source(kernel: Kernel, arch: Arch) -> Path:
    """The tar archive of the kernel's source, of exactly its version."""
    source = _archive_of(kernel, arch)
    series = ".".join(str(part) for part in version_key(kernel.version)[:2])
    package = source.find(re.escape(f"linux-source-{series}"))[-1]
    if package.version != kernel.package:
        raise UserError(f"{package.name} is {package.version} on the mirror, the kernel {kernel.package}")
    found = sorted((source.fetch(package.name) / "usr" / "src").glob("linux-source-*.tar.*"))
    if not found:
        raise UserError(f"{package.name} {package.version}: has no source archive where Debian puts it")
    return found[0]


def _archive_of(kernel: Kernel, arch: Arch) -> Archive:
    if kernel.suite is None:
        raise UserError(f"{kernel.spec}: only a Debian kernel's headers and source are known")
    return archive(kernel.suite, arch.debian)

"""Debian's kernels: which suite has a series, and which packages make it up."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from unkillable.errors import UserError
from unkillable.files import replacing
from unkillable.lab import cache
from unkillable.lab.apt import DAY, Archive, NotServed, Package, archive, version_key
from unkillable.lab.arch import Arch
from unkillable.versions import version_key as release_key

_HOMES = {"5.10": "bullseye", "6.1": "bookworm", "6.12": "trixie"}
"""Suites that were released with a series and keep it."""
_MOVING = ("trixie-backports", "sid", "experimental")
"""Suites whose series change; a version is newest in one or the other of them."""
_LAST = ("testing", "stable", "stable-security", "oldstable-security", "bookworm-backports")
"""Where a series may be that is nowhere else: releases that are younger than this table."""
_ABI = r"\d[^-]*(?:-(?:\d|rc)[\w.]*)?"
"""Of a release, what precedes the flavour: 6.1.0-56, 6.12.117+deb13, 6.1.0-0.deb11.25, 7.3."""
_HEADERS = (r"linux-headers-.*-common", r"linux-kbuild-.*")


class DebianKernel(msgspec.Struct, frozen=True):
    """A kernel of an archive, by the names and versions of its packages."""

    suite: str
    arch: str
    """Debian's."""
    release: str
    """uname -r."""
    packages: tuple[Package, ...]
    """Image, modules, configuration: one package, or from 6.16 on two, from 6.19 on three."""
    headers: tuple[Package, ...] = ()
    """What a module is built with: headers of the release, the common ones, and kbuild, whose programs run on the machine
    that builds.  Empty where the archive has not all of them."""
    source: Package | None = None
    """linux-source-SERIES of exactly this version."""
    skipped: tuple[str, ...] = ()
    """Suites that may have a newer version and could not be read, such as one that a mirror was just updating."""

    @property
    def version(self) -> str:
        """Debian's."""
        return self.packages[0].version

    @property
    def upstream(self) -> str:
        """x.y.z of the source; 7.3-rc7 of a release candidate."""
        return _upstream(self.version)


def find(spec: str, arch: Arch, *, latest: bool = False) -> DebianKernel:
    """The kernel of `debian:SERIES[:FLAVOUR]`, SERIES being x.y or x.y.z.

    Once found it stays the same, so that neither the rows of a table nor a run without network differ from those before;
    `latest` asks the mirror again.
    """
    match = re.fullmatch(r"debian:(\d+\.\d+(?:\.\d+)?(?:-rc\d+)?)?(?::([a-z0-9][a-z0-9-]*))?", spec)
    if match is None:
        raise UserError(
            f"{spec}: a Debian kernel is debian:SERIES or debian:SERIES:FLAVOUR, such as debian:6.1"
        )
    pin = cache.root() / "debian" / f"{spec.replace(':', '-')}-{arch.debian}.json"
    if not latest and (known := _known(pin)):
        return known
    found = _search(spec, match[1] or "", (match[2],) if match[2] else arch.flavours, arch)
    with cache.errors_told("noting a kernel"):
        pin.parent.mkdir(parents=True, exist_ok=True)
        with replacing(pin) as aside:
            aside.write_bytes(msgspec.json.encode(found))
    return found


def _known(pin: Path) -> DebianKernel | None:
    try:
        return msgspec.json.decode(pin.read_bytes(), type=DebianKernel)
    except (OSError, msgspec.DecodeError):  # the latter of another version of this program
        return None


def _search(spec: str, series: str, flavours: Sequence[str], arch: Arch) -> DebianKernel:
    home = _HOMES.get(_series(series))
    groups = ((home, f"{home}-security"),) if home else ()
    served: dict[str, str] = {}
    unread: dict[str, UserError] = {}
    for group in (*groups, _MOVING, (*_HOMES.values(), *_LAST)):
        found: list[DebianKernel] = []
        for suite in group:
            try:
                kernels = list(_kernels(archive(suite, arch.debian, age=DAY), flavours))
            except NotServed:
                continue
            except UserError as error:
                unread[suite] = error
                continue
            for kernel in kernels:
                served.setdefault(_series(kernel.upstream), suite)
            found += [kernel for kernel in kernels if _is_of(kernel.upstream, series)]
        for flavour in flavours:
            if own := [kernel for kernel in found if kernel.release.endswith(f"-{flavour}")]:
                return _complete(max(own, key=_rank), tuple(unread))
    listed = ", ".join(f"{name} ({served[name]})" for name in sorted(served, key=release_key)) or "none"
    why = f"; not read: {next(iter(unread.values()))}" if unread else ""
    raise UserError(
        f"{spec}: the mirror has no such kernel {' or '.join(flavours)} for {arch.debian}; served are {listed}{why}"
    )


def _kernels(source: Archive, flavours: Sequence[str]) -> Iterator[DebianKernel]:
    """The kernels of an archive that are there as a whole, in any of the flavours."""
    flavour = "|".join(map(re.escape, flavours))
    kinds = r"image|binary|binary-unsigned|modules|base"
    names = re.compile(rf"linux-({kinds})-({_ABI}-(?:{flavour}))(-unsigned)?")
    parts: dict[tuple[str, str], Package] = {}
    for package in source.find(names.pattern):
        kind, release, unsigned = names.fullmatch(package.name).groups()  # type: ignore[union-attr]
        parts[f"{kind}{unsigned or ''}", release] = package
    for kind, release in parts:
        if packages := _whole(parts, kind, release):
            yield DebianKernel(source.suite, source.arch, release, packages)


def _whole(parts: dict[tuple[str, str], Package], kind: str, release: str) -> tuple[Package, ...]:
    """The packages of a kernel, by the one that boots; () where they are not all there.

    Backports keep signed packages of versions whose others are gone.
    """
    first = parts[kind, release]
    others = [parts.get((other, release)) for other in ("modules", "base")]
    rest = tuple(other for other in others if other is not None and other.version == first.version)
    if kind.startswith("binary"):
        return (first, *rest) if len(rest) == len(others) else ()
    split = any(name.startswith("linux-binary-") for group in first.depends for name in group)
    return () if split or not kind.startswith("image") else (first, *rest)


def _rank(kernel: DebianKernel) -> tuple[tuple[object, ...], bool]:
    """The newest wins, and of the same version the signed, which is what machines boot."""
    return version_key(kernel.version), "unsigned" not in kernel.packages[0].name


def _complete(kernel: DebianKernel, skipped: tuple[str, ...]) -> DebianKernel:
    source = archive(kernel.suite, kernel.arch)
    own = _exactly(source, f"linux-headers-{kernel.release}", kernel.version)
    headers = [own]
    for pattern in _HEADERS:
        names = [
            name for group in (own.depends if own else ()) for name in group if re.fullmatch(pattern, name)
        ]
        headers.append(_exactly(source, names[0], None) if names else None)
    return msgspec.structs.replace(
        kernel,
        headers=tuple(one for one in headers if one) if all(headers) else (),
        source=_exactly(source, f"linux-source-{_series(kernel.upstream)}", kernel.version),
        skipped=skipped,
    )


def _exactly(source: Archive, name: str, version: str | None) -> Package | None:
    found = [one for one in source.find(re.escape(name)) if version in (None, one.version)]
    return found[-1] if found else None


def _upstream(version: str) -> str:
    """x.y.z of a package's version: `6.1.192-2`, `6.12.117-1~deb12u1`, `7.3~rc7-1~exp1` (as 7.3-rc7)."""
    return version.split("-")[0].replace("~rc", "-rc").split("~")[0]


def _series(upstream: str) -> str:
    return ".".join(re.findall(r"\d+", upstream)[:2])


def _is_of(upstream: str, series: str) -> bool:
    return upstream == series or upstream.startswith((f"{series}.", f"{series}-"))

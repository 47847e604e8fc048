"""Debian packages for the root image: unpacked with what they need at run time, nothing installed and no script run."""

from __future__ import annotations

import re
import shutil
import stat
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from unkillable.errors import UserError
from unkillable.lab.apt import Package, archive
from unkillable.lab.arch import Arch
from unkillable.lab.cache import digest, entry

_SUITES = {"riscv64": "trixie"}
"""Where an architecture is not in _SUITE: riscv64 became one with trixie, mipsel stopped being one with it."""
_SUITE = "bookworm"
MAX_PACKAGES = 200
"""A desktop is no package for a root image that is to be small."""
_VERSION = "1"
"""Part of the key in the cache: changes with what this module makes of the same packages."""

_FOR_SCRIPTS = frozenset(
    "adduser base-files base-passwd cdebconf debconf dpkg init-system-helpers libpam-runtime lsb-base passwd perl-base"
    " sysvinit-utils ucf".split()
)
"""Needed only by scripts that install, remove or start packages: here nobody runs them."""

_UNUSED = re.compile(
    r"usr/share/(?:bash-completion|bug|doc|doc-base|info|lintian|locale|man|zsh)(?:/|$)"
    r"|usr/lib/[^/]+/gconv(?:/|$)"  # character sets: 8 MB of libc6's 13
    r"|(?:usr/)?lib/(?:init|systemd)(?:/|$)|etc/(?:init|rc.)\.d(?:/|$)"
)
_MERGED = ("bin", "sbin", "lib", "lib32", "lib64", "libx32", "libo32")
"""Directories that are links to their like in /usr, in packages of trixie and in every system since bookworm."""


def tree(packages: Sequence[str], arch: Arch) -> Path:
    """A directory with the files of packages and of all that they depend on, kept in the cache."""
    source = archive(suite(arch), arch.debian)
    wanted = closure(source.packages, packages)
    key = digest(_VERSION, arch.debian, *(f"{one.name} {one.version} {one.sha256}" for one in wanted))
    return entry("packages", key, lambda path: _make(path, [source.fetch(one.name) for one in wanted]))


def provenance(packages: Sequence[str], arch: Arch) -> tuple[tuple[str, str], ...]:
    """(`package`, name version sha256) of all that `tree` unpacks."""
    wanted = closure(archive(suite(arch), arch.debian).packages, packages) if packages else ()
    return tuple(("package", f"{one.name} {one.version} {one.sha256}") for one in wanted)


def suite(arch: Arch) -> str:
    """The Debian suite that packages come from."""
    return _SUITES.get(arch.debian, _SUITE)


def closure(index: Mapping[str, Package], names: Sequence[str]) -> tuple[Package, ...]:
    """Packages and what they depend on, by name.

    Of alternatives the first that there is is taken.  A name that is no package is a role (such as `awk`), which the index
    does not say who plays: it is left out.
    """
    found: dict[str, Package] = {}
    left = list(names)
    for name in names:
        if name not in index:
            raise UserError(f"{name}: Debian has no such package for this architecture")
    while left:
        name = left.pop()
        if name in found:
            continue
        found[name] = index[name]
        if len(found) > MAX_PACKAGES:
            raise UserError(
                f"{', '.join(names)}: more than {MAX_PACKAGES} packages with all that they depend on"
            )
        left += _needs(index, found[name].depends)
    return tuple(sorted(found.values(), key=lambda one: one.name))


def _needs(index: Mapping[str, Package], depends: str) -> Iterator[str]:
    for choice in depends.split(","):
        # A version that is asked for is there: all packages are of one suite.
        names = (re.split(r"[\s(:\[]", name.strip(), maxsplit=1)[0] for name in choice.split("|"))
        chosen = next((name for name in names if name in index), None)
        if chosen is not None and chosen not in _FOR_SCRIPTS:
            yield chosen


def _make(target: Path, sources: Sequence[Path]) -> None:
    target.mkdir(exist_ok=True)
    for source in sources:
        for path in sorted(source.rglob("*")):
            name = str(path.relative_to(source))
            if not _UNUSED.match(name):
                _place(path, target / _merged(name))
    for name in _MERGED:
        if (target / "usr" / name).is_dir():
            (target / name).symlink_to(f"usr/{name}")


def _merged(name: str) -> str:
    return f"usr/{name}" if name.split("/", 1)[0] in _MERGED else name


def _place(path: Path, target: Path) -> None:
    mode = path.lstat().st_mode
    if stat.S_ISLNK(mode) and target.name in _MERGED and target.parent.name == "usr":
        return  # the link to /usr itself
    if stat.S_ISDIR(mode):
        target.mkdir(parents=True, exist_ok=True)
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    if stat.S_ISLNK(mode):
        target.symlink_to(path.readlink())
    elif stat.S_ISREG(mode):
        shutil.copy(path, target)

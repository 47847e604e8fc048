"""Debian packages for the root image: unpacked with what they need at run time, nothing installed and no script run."""

from __future__ import annotations

import re
import shutil
import stat
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from unkillable.errors import UserError
from unkillable.lab.apt import Archive, Package, archive
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


Look = Callable[[Sequence[str]], Mapping[str, Package]]
"""Names to the packages of that name; a role's name to the package that plays it, if that is only one."""


def tree(packages: Sequence[str], arch: Arch) -> Path:
    """A directory with the files of packages and of all that they depend on, kept in the cache."""
    source = _source(arch)
    wanted = closure(_look(source), packages)
    key = digest(_VERSION, arch.debian, *(one.told for one in wanted))
    return entry(
        "packages", key, lambda path: _make(path, [source.fetch(one.name, one.version) for one in wanted])
    )


def provenance(packages: Sequence[str], arch: Arch) -> tuple[tuple[str, str], ...]:
    """(`package`, name version sha256) of all that `tree` unpacks."""
    wanted = closure(_look(_source(arch)), packages) if packages else ()
    return tuple(("package", one.told) for one in wanted)


def closure(look: Look, names: Sequence[str]) -> tuple[Package, ...]:
    """Packages and what they depend on, by name.

    Of alternatives the first that there is is taken.  A role that several packages can play (such as `awk`) is left out: which
    one the user wants, the list of packages can say.
    """
    found: dict[str, Package] = {}
    known = dict(look(names))
    for name in names:
        if name not in known:
            raise UserError(f"{name}: Debian has no such package for this architecture")
    left = [known[name] for name in names]
    while left:
        found |= {one.name: one for one in left}
        if len(found) > MAX_PACKAGES:
            raise UserError(
                f"{', '.join(names)}: more than {MAX_PACKAGES} packages with all that they depend on"
            )
        groups = [group for one in left for group in one.depends]
        known |= look([name for group in groups for name in group if name not in known])
        # A version that is asked for is there: all packages are of one suite.
        chosen = (next((known[name] for name in group if name in known), None) for group in groups)
        left = [one for one in chosen if one and one.name not in found and one.name not in _FOR_SCRIPTS]
    return tuple(sorted(found.values(), key=lambda one: one.name))


def _source(arch: Arch) -> Archive:
    return archive(_SUITES.get(arch.debian, _SUITE), arch.debian)


def _look(source: Archive) -> Look:
    def look(names: Sequence[str]) -> Mapping[str, Package]:
        if not names:
            return {}
        # The newest of each is the last.
        found = {one.name: one for one in source.find("|".join(map(re.escape, sorted(set(names)))))}
        for name in set(names) - found.keys():
            players = {one.name: one for one in source.providers(name)}
            if len(players) == 1:
                found[name] = next(iter(players.values()))
        return found

    return look


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

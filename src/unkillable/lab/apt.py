"""Debian packages of any suite and architecture, through a private apt root on the mirror that the machine uses."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import NoReturn

import msgspec

from unkillable import commands
from unkillable.errors import UserError
from unkillable.lab import cache
from unkillable.lab.aptsources import Mirror, mirrors

DAY = 86_400.0
"""Seconds after which an index is fetched again, if it is needed for something that is not in the cache."""
_LARGEST = 1 << 29
"""Bytes of an unpacked index; sid has 60 MiB."""
_UPDATE = 600.0
_DOWNLOAD = 3600.0
"""Seconds; a linux-source of 160 MB over a slow line."""
_NAME = re.compile(r"[a-z0-9][a-z0-9.+-]*")
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+~:-]*")

_CONFIG = """\
#clear APT::Architectures;
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear DPkg::Post-Invoke;
APT::Architecture "{arch}";
APT::Architectures {{ "{arch}"; }};
APT::Default-Release "";
APT::Get::AllowUnauthenticated "false";
APT::Sandbox::User "root";
Acquire::AllowInsecureRepositories "false";
Acquire::AllowWeakRepositories "false";
Acquire::AllowDowngradeToInsecureRepositories "false";
Acquire::Languages "none";
Acquire::Retries "2";
Acquire::http::Timeout "30";
Acquire::https::Timeout "30";
Acquire::GzipIndexes "true";
Acquire::IndexTargets::deb::Packages::KeepCompressedAs "lz4";
Dir::State "{root}";
Dir::State::lists "{root}/lists";
Dir::State::status "{root}/status";
Dir::Cache "{root}/cache";
Dir::Cache::archives "{root}/cache/archives";
Dir::Cache::pkgcache "";
Dir::Cache::srcpkgcache "";
Dir::Etc::sourcelist "{root}/mirror.sources";
Dir::Etc::sourceparts "/dev/null";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
"""
"""Read after the machine's own configuration, which keeps its proxies, passwords and keys.  Architectures are named, so
that dpkg is not asked for the machine's.  The sandbox user cannot reach a cache in a home directory.  apt's own cache of a
suite would take more space than its index."""


class NotServed(UserError):
    """A suite or an architecture of it that the mirror does not have."""


class Package(msgspec.Struct, frozen=True):
    """A stanza of an index."""

    name: str
    version: str
    arch: str
    """Debian's, or `all`."""
    sha256: str
    depends: tuple[tuple[str, ...], ...] = ()
    """Names, without versions, of what it (pre-)depends on: of each group one is enough."""
    provides: tuple[str, ...] = ()

    @property
    def told(self) -> str:
        """For a provenance: name, version, SHA-256 of the .deb."""
        return f"{self.name} {self.version} {self.sha256}"


class Archive(msgspec.Struct, frozen=True):
    """One suite for one architecture.  What is in the cache is used without asking the mirror."""

    suite: str
    arch: str
    root: Path
    """Private apt root."""

    def find(self, pattern: str) -> list[Package]:
        """The packages whose whole name matches a regular expression, the oldest version first."""
        found = [_package(stanza) for stanza in _stanzas(_text(self._index()), pattern)]
        return sorted(found, key=lambda package: (package.name, version_key(package.version)))

    def providers(self, virtual: str) -> list[Package]:
        """The packages that provide a virtual one."""
        text = _text(self._index())
        heads = re.finditer(rb"\nProvides:[^\n]*[ ,]" + re.escape(virtual.encode()) + rb"[ ,(\n]", text)
        return [_package(_around(text, head.start())) for head in heads]

    def fetch(self, name: str, version: str | None = None) -> Path:
        """Directory of the unpacked package, of the newest version unless one is given."""
        if version is not None and (known := self.place(name, version)).exists():
            return known
        package = self._newest(name, version)
        if package is None or not self.place(name, package.version).exists():
            # What an old index has may be gone from the mirror.
            self.refresh()
            package = self._newest(name, version)
        try:
            return self._unpacked(package or self._missing(name, version))
        except NotServed:
            # Gone within a day: security updates replace each other.
            self.refresh(0)
            return self._unpacked(self._newest(name, version) or self._missing(name, version))

    def refresh(self, age: float = DAY) -> None:
        """Fetches the index again if it is older than `age` seconds and the mirror can be reached."""
        stamp = self.root / "updated"
        if stamp.exists() and time.time() - stamp.stat().st_mtime < age:
            return
        try:
            self._update()
        except NotServed:
            raise
        except UserError:
            if not stamp.exists():
                raise

    def _newest(self, name: str, version: str | None) -> Package | None:
        if not _NAME.fullmatch(name):
            raise UserError(f"{name}: not a name of a Debian package")
        found = [one for one in self.find(re.escape(name)) if version in (None, one.version)]
        return found[-1] if found else None

    def _missing(self, name: str, version: str | None) -> NoReturn:
        raise NotServed(
            f"{self.suite} has no package {name}{f' {version}' if version else ''} for {self.arch}"
        )

    def place(self, name: str, version: str) -> Path:
        """Where in the cache a package is, once it is unpacked."""
        return cache.root() / "deb" / f"{name}_{version}_{self.arch}"

    def _unpacked(self, package: Package) -> Path:
        def make(path: Path) -> None:
            wanted = f"{package.name}={package.version}"
            _apt(self.root, "download", wanted, folder=path.parent, seconds=_DOWNLOAD)
            (deb,) = path.parent.glob("*.deb")
            path.mkdir()
            commands.run(("dpkg-deb", "--extract", deb, path), "dpkg", seconds=_DOWNLOAD)

        return cache.entry("deb", self.place(package.name, package.version).name, make)

    def _index(self) -> Path:
        found = [*(self.root / "lists").glob("*_Packages*")]
        if not found:
            raise NotServed(f"the mirror has no {self.suite} for {self.arch}")
        return found[0]

    def _update(self) -> None:
        if shutil.which("apt-get") is None:
            raise UserError(
                "apt-get, which fetches Debian's packages, is not on this machine; name a kernel by its path"
            )
        with cache.errors_told("fetching an index"):
            self.root.parent.mkdir(parents=True, exist_ok=True)
            with cache.locked(self.root.with_name(f".{self.root.name}.lock")):
                for place in ("lists/partial", "cache/archives/partial"):
                    (self.root / place).mkdir(parents=True, exist_ok=True)
                (self.root / "status").touch()
                (self.root / "apt.conf").write_text(_CONFIG.format(arch=self.arch, root=self.root))
                self._from_mirrors()
                (self.root / "updated").touch()

    def _from_mirrors(self) -> None:
        security = self.suite.endswith("-security")
        places = [mirror for mirror in mirrors() if mirror.security == security]
        problem = NotServed(f"{self.suite}: apt has no mirror of Debian's security updates configured")
        for mirror in places:
            try:
                self._from(mirror)
            except NotServed as error:
                problem = error
            else:
                return
        raise problem

    def _from(self, mirror: Mirror) -> None:
        (self.root / "mirror.sources").write_text(mirror.source(self.suite))
        _apt(self.root, "update", seconds=_UPDATE)
        releases = (self.root / "lists").glob("*Release")
        if not any(
            re.search(rb"^Origin: Debian( Backports)?$", path.read_bytes(), re.MULTILINE) for path in releases
        ):
            raise NotServed(f"{self.suite}: {mirror.uri} is no mirror of Debian")
        self._index()


def archive(suite: str, debian_arch: str, *, age: float | None = None) -> Archive:
    """A suite for an architecture; NotServed if the mirror does not have it.

    Its index is fetched if there is none yet, and also if it is older than `age` seconds where that is given.
    """
    for word in (suite, debian_arch):
        if not _WORD.fullmatch(word):
            raise UserError(f"{word}: not a name of a suite or an architecture")
    opened = _archive(suite, debian_arch)
    if age is not None or not (opened.root / "updated").exists():
        opened.refresh(DAY if age is None else age)
    return opened


def unpacked(suite: str, debian_arch: str, name: str, version: str) -> Path:
    """Directory of an unpacked package of a known version: from the cache, or from a suite."""
    found = _archive(suite, debian_arch).place(name, version)
    return found if found.exists() else archive(suite, debian_arch).fetch(name, version)


def _archive(suite: str, debian_arch: str) -> Archive:
    return Archive(suite, debian_arch, cache.root() / "apt" / f"{suite}-{debian_arch}")


def version_key(version: str) -> tuple[object, ...]:
    """Orders Debian's versions as dpkg does: `~` before the end, the end before letters, letters before the rest."""
    epoch, colon, rest = version.partition(":")
    upstream, _, revision = (rest if colon else version).rpartition("-")
    parts = (upstream, revision) if upstream else (revision, "0")
    return (int(epoch) if colon and epoch.isdecimal() else 0, *(_ordered(part) for part in parts))


def _ordered(part: str) -> tuple[tuple[tuple[int, ...], int], ...]:
    pairs = re.findall(r"(\D*)(\d*)", part)
    return tuple(((*(_weight(char) for char in text), 0), int(number or 0)) for text, number in pairs)


def _weight(char: str) -> int:
    if char == "~":
        return -1
    return ord(char) if char.isalpha() else ord(char) + 256


def _apt(root: Path, *argv: str, seconds: float, folder: Path | None = None) -> None:
    """Runs apt-get; its errors, which may follow each other, tell what is not served."""
    program = commands.find("apt-get", "apt")
    try:
        done = subprocess.run(
            (program, "-q=2", "-c", str(root / "apt.conf"), *argv),
            cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, timeout=seconds, check=False,
            env=os.environ | {"LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"},
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise UserError(
            f"apt-get {' '.join(argv)} took longer than {seconds:.0f} s; is the mirror reachable?"
        ) from error
    if done.returncode == 0:
        return
    text = done.stderr.decode(errors="replace")
    told = [line[3:] for line in text.splitlines() if line.startswith("E: ")] or ["it failed"]
    reason = "".join(char if char.isprintable() else "?" for char in told[0])[:300]
    if "NO_PUBKEY" in text:
        reason += " with a key that this machine knows: apt-get install debian-archive-keyring"
    kind = NotServed if "does not have a Release file" in reason or " 404 " in reason else UserError
    raise kind(f"{root.name}: {reason}")


@lru_cache(maxsize=1)
def _unpacked(path: Path, _changed: int) -> bytes:
    """An index; the last one is kept, as several searches of the same follow each other."""
    import lz4.frame

    data = path.read_bytes()
    if path.suffix == ".lz4":
        data = lz4.frame.LZ4FrameDecompressor().decompress(data, max_length=_LARGEST)
    return b"\n" + data


def _text(path: Path) -> bytes:
    # Not the time of modification: apt takes that from the mirror.
    return _unpacked(path, path.stat().st_ctime_ns)


def _stanzas(text: bytes, pattern: str) -> Iterator[bytes]:
    for head in re.finditer(rb"\nPackage: (?:" + pattern.encode() + rb")\n", text):
        yield _around(text, head.start())


def _around(text: bytes, place: int) -> bytes:
    """The stanza that a place is in."""
    start, end = text.rfind(b"\n\n", 0, place + 1), text.find(b"\n\n", place + 1)
    return text[max(start, 0) : len(text) if end < 0 else end]


def _package(stanza: bytes) -> Package:
    lines = (line.partition(": ") for line in stanza.decode(errors="replace").splitlines())
    fields = {name: value for name, _, value in lines}
    depends = ", ".join(fields[name] for name in ("Pre-Depends", "Depends") if name in fields)
    return Package(
        name=fields.get("Package", ""),
        version=fields.get("Version", ""),
        arch=fields.get("Architecture", ""),
        sha256=fields.get("SHA256", ""),
        depends=tuple(_names(group, "|") for group in depends.split(",") if group.strip()),
        provides=_names(fields.get("Provides", ""), ","),
    )


def _names(text: str, separator: str) -> tuple[str, ...]:
    """Names without versions `(>= 1)` and architectures `:any`."""
    return tuple(
        re.split(r"[\s(:\[]", word.strip(), maxsplit=1)[0] for word in text.split(separator) if word.strip()
    )

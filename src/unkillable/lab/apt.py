"""Debian packages of any suite and architecture, by the apt of this machine with a private configuration.

The mirrors, proxies and keys are the machine's; only the suite is another.  Nothing is installed, and apt verifies what it
fetches as it always does.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

import msgspec

from unkillable.errors import UserError
from unkillable.lab.cache import digest, entry, lock, root

FRESH = 86_400.0
"""Seconds after which an index is fetched anew."""
_UPDATE_S, _FETCH_S, _UNPACK_S = 300.0, 1800.0, 600.0
_KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
_SECURITY = "-security"


class Package(msgspec.Struct, frozen=True, array_like=True):
    """A row of a suite's index."""

    name: str
    version: str
    sha256: str
    depends: str = ""
    size: int = 0
    """Bytes of the .deb."""

    @property
    def key(self) -> tuple[int, ...]:
        """Compares versions of kernels: all numbers before the `~` of a backport, then whether it is one."""
        upstream, _, rest = self.version.partition("~")
        return (*(int(part) for part in re.findall(r"\d+", upstream)), 0 if rest else 1)


class Archive:
    """The packages of one suite for one architecture."""

    def __init__(self, suite: str, debian_arch: str) -> None:
        self.suite = suite
        self.arch = debian_arch
        self.home = root() / "apt" / f"{suite}-{debian_arch}"

    @property
    def packages(self) -> Mapping[str, Package]:
        """Name to package, the newest version of each."""
        return _index(self.suite, self.arch)

    def find(self, pattern: str) -> list[Package]:
        """Packages whose whole name matches, the newest last."""
        wanted = re.compile(pattern)
        found = [package for name, package in self.packages.items() if wanted.fullmatch(name)]
        return sorted(found, key=lambda package: package.key)

    def get(self, name: str) -> Package:
        package = self.packages.get(name)
        if package is None:
            raise UserError(f"{name}: no such package for {self.arch} in Debian {self.suite}")
        return package

    def fetch(self, name: str) -> Path:
        """The package, unpacked, in the cache."""
        package = self.get(name)
        key = f"{name}_{digest(package.version, self.arch, package.sha256)}"
        return entry("deb", key, lambda path: self._fetch(package, path))

    def _fetch(self, package: Package, path: Path) -> None:
        with tempfile.TemporaryDirectory(dir=path.parent) as folder:
            wanted = f"{package.name}:{self.arch}={package.version}"
            self._apt(["download", wanted], _FETCH_S, Path(folder))
            debs = list(Path(folder).glob("*.deb"))
            if len(debs) != 1:
                raise UserError(f"{wanted}: apt-get download brought {len(debs)} files")
            _run([_need("dpkg-deb"), "-x", str(debs[0]), str(path)], _UNPACK_S)

    def update(self) -> None:
        """Fetches the index, unless it is fresh; an old one is good enough where the mirror is out of reach."""
        with lock(f"apt-{self.suite}-{self.arch}"):
            stamp = self.home / "index.msgpack"
            if stamp.exists() and time.time() - stamp.stat().st_mtime < FRESH:
                return
            try:
                self._configure()
                self._apt(["update"], _UPDATE_S, self.home)
                self._write_index(stamp)
            except UserError:
                if not stamp.exists():
                    raise

    def _configure(self) -> None:
        for part in ("etc/apt/preferences.d", "state/lists/partial", "cache/archives/partial"):
            (self.home / part).mkdir(parents=True, exist_ok=True)
        (self.home / "status").touch()
        keyring = f" signed-by={_KEYRING}" if Path(_KEYRING).exists() else ""
        site = _site(self.suite)
        (self.home / "sources.list").write_text(f"deb [arch={self.arch}{keyring}] {site} {self.suite} main\n")
        (self.home / "apt.conf").write_text(_CONF.format(home=self.home, arch=self.arch))

    def _apt(self, words: list[str], seconds: float, where: Path) -> str:
        config = {**os.environ, "APT_CONFIG": str(self.home / "apt.conf"), "LC_ALL": "C"}
        try:
            # The machine's own configuration is read last, and may want its lists compressed.
            return _run([_need("apt-get"), "-qq", "-oAcquire::GzipIndexes=false", *words], seconds, where, config)
        except UserError as error:
            text = str(error)
            if "does not have a Release file" in text or "404" in text:
                raise UserError(f"Debian {self.suite}: the mirror does not serve that suite any more, or not yet") from error
            raise

    def _write_index(self, target: Path) -> None:
        newest: dict[str, Package] = {}
        for package in _read_lists(self.home / "state" / "lists"):
            known = newest.get(package.name)
            if known is None or package.key > known.key:
                newest[package.name] = package
        if not newest:
            raise UserError(f"Debian {self.suite} has no packages for {self.arch}")
        aside = target.with_suffix(".new")
        aside.write_bytes(msgspec.msgpack.encode(list(newest.values())))
        aside.replace(target)
        shutil.rmtree(self.home / "state" / "lists", ignore_errors=True)


_CONF = """\
Dir "{home}";
Dir::Etc::Parts "/etc/apt/apt.conf.d";
Dir::Etc::sourcelist "{home}/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::Etc::preferencesparts "{home}/etc/apt/preferences.d";
Dir::State "{home}/state";
Dir::State::status "{home}/status";
Dir::Cache "{home}/cache";
Dir::Cache::pkgcache "";
Dir::Cache::srcpkgcache "";
APT::Architecture "{arch}";
APT::Architectures {{ "{arch}"; }};
APT::Sandbox::User "root";
APT::Get::AllowUnauthenticated "false";
Acquire::Languages "none";
Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled "false";
Acquire::Retries "2";
APT::Update::Pre-Invoke {{}};
APT::Update::Post-Invoke {{}};
APT::Update::Post-Invoke-Success {{}};
"""


@cache
def archive(suite: str, debian_arch: str) -> Archive:
    """A suite's packages; its index is fetched on first use."""
    return Archive(suite, debian_arch)


@cache
def _index(suite: str, debian_arch: str) -> dict[str, Package]:
    source = archive(suite, debian_arch)
    source.update()
    rows = msgspec.msgpack.decode((source.home / "index.msgpack").read_bytes(), type=list[Package])
    return {row.name: row for row in rows}


def _read_lists(folder: Path) -> Iterator[Package]:
    for path in sorted(folder.glob("*_Packages")):
        fields: dict[str, str] = {}
        with path.open(encoding="utf-8", errors="replace") as lines:
            for line in lines:
                if line == "\n":
                    if "Package" in fields:
                        yield _package(fields)
                    fields = {}
                elif line[0] != " ":
                    name, _, value = line.partition(": ")
                    fields[name] = value.rstrip("\n")
        if "Package" in fields:
            yield _package(fields)


def _package(fields: Mapping[str, str]) -> Package:
    depends = ", ".join(fields[name] for name in ("Pre-Depends", "Depends") if name in fields)
    size = fields.get("Size", "0")
    return Package(fields["Package"], fields["Version"], fields.get("SHA256", ""), depends, int(size) if size.isdigit() else 0)


@cache
def _sites() -> tuple[str, str]:
    """The addresses that this machine gets Debian and its security updates from."""
    shown = _run([_need("apt-get"), "indextargets", "--format", "$(ORIGIN)|$(LABEL)|$(RELEASE)|$(REPO_URI)"], 30)
    usual = security = ""
    for line in shown.splitlines():
        origin, label, release, site = (line.split("|") + [""] * 4)[:4]
        if origin != "Debian":
            continue
        if "Security" in label or release.endswith(_SECURITY):
            security = security or site
        elif "Backports" not in label:
            usual = usual or site
    if not usual:
        raise UserError("no Debian mirror is configured on this machine: apt-get update, or give a kernel by its path")
    # Mirrors of the whole archive have the security updates beside it.
    return usual, security or re.sub(r"debian/?$", "debian-security/", usual)


def _site(suite: str) -> str:
    return _sites()[1 if suite.endswith(_SECURITY) else 0]


def _need(program: str) -> str:
    path = shutil.which(program)
    if path is None:
        raise UserError(f"{program} is not installed: kernels come as Debian packages; give one by its path instead")
    return path


def _run(argv: list[str], seconds: float, where: Path | None = None, environment: Mapping[str, str] | None = None) -> str:
    try:
        done = subprocess.run(
            argv, capture_output=True, text=True, errors="replace", timeout=seconds, check=False, cwd=where,
            env=environment, stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise UserError(f"{Path(argv[0]).name} {' '.join(argv[2:4])}: no answer within {seconds:.0f} s") from error
    if done.returncode != 0:
        said = [line for line in done.stderr.splitlines() if line.startswith("E: ")] or done.stderr.splitlines()[-1:]
        raise UserError(f"{Path(argv[0]).name} {argv[-1]}: {said[0] if said else 'failed without a word'}")
    return done.stdout

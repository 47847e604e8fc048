"""A small Debian archive of this test's own: real packages, a signed index, served over HTTP, and a machine configured for it."""

from __future__ import annotations

import gzip
import hashlib
import http.server
import os
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

PROGRAMS = ("apt-get", "apt-config", "dpkg-deb", "gpg", "gpgconf")


class DebianArchive:
    """Serves `folder`; `requests` are the paths that were asked for."""

    def __init__(self, folder: Path, gnupg: Path) -> None:
        self.folder = folder
        self.gnupg = gnupg
        self.requests: list[str] = []
        self.uri = ""
        self._stanzas: dict[tuple[str, str], list[str]] = {}
        self._published = 1_700_000_000

    def add(
        self,
        suite: str,
        name: str,
        version: str,
        files: Mapping[str, bytes | str] | None = None,
        *,
        depends: str = "",
        arch: str = "amd64",
        extra: str = "",
    ) -> None:
        """A package with these files."""
        control = (
            f"Package: {name}\nVersion: {version}\nArchitecture: {arch}\nMaintainer: A <a@example.org>\n"
        )
        control += f"Depends: {depends}\n" * bool(depends) + extra
        place = f"pool/{name}_{version}_{arch}.deb"
        with tempfile.TemporaryDirectory() as work:
            tree = Path(work) / "tree"
            (tree / "DEBIAN").mkdir(parents=True)
            (tree / "DEBIAN/control").write_text(f"{control}Description: test\n")
            for path, content in (files or {"usr/share/doc/x": name}).items():
                (tree / path).parent.mkdir(parents=True, exist_ok=True)
                (tree / path).write_bytes(content if isinstance(content, bytes) else content.encode())
            (self.folder / "pool").mkdir(parents=True, exist_ok=True)
            deb = self.folder / place
            subprocess.run(
                ["dpkg-deb", "--root-owner-group", "-Znone", "--build", tree, deb],
                check=True,
                capture_output=True,
            )
        data = deb.read_bytes()
        control += f"Filename: {place}\nSize: {len(data)}\nSHA256: {hashlib.sha256(data).hexdigest()}\n"
        self._stanzas.setdefault((suite, arch), []).append(f"{control}Description: test\n")

    def remove(self, suite: str, name: str, arch: str = "amd64") -> None:
        """Takes a package out of a suite and off the mirror."""
        kept = [text for text in self._stanzas[suite, arch] if not text.startswith(f"Package: {name}\n")]
        self._stanzas[suite, arch] = kept
        for path in (self.folder / "pool").glob(f"{name}_*.deb"):
            path.unlink()

    def publish(self, suite: str, *, origin: str = "Debian", sign: bool = True) -> None:
        """Writes and signs the index of a suite, for every architecture that has packages there."""
        top = self.folder / "dists" / suite
        shutil.rmtree(top, ignore_errors=True)
        top.mkdir(parents=True)
        rows, arches = [], [arch for known, arch in self._stanzas if known == suite]
        for arch in arches:
            place = f"main/binary-{arch}/Packages.gz"
            plain = "\n".join(self._stanzas[suite, arch]).encode()
            (top / place).parent.mkdir(parents=True)
            (top / place).write_bytes(gzip.compress(plain, mtime=0))
            for name, data in ((place, gzip.compress(plain, mtime=0)), (place.removesuffix(".gz"), plain)):
                rows.append(f" {hashlib.sha256(data).hexdigest()} {len(data)} {name}\n")
        release = (
            f"Origin: {origin}\nSuite: {suite}\nCodename: {suite}\nDate: Sat, 21 Nov 2020 09:15:44 UTC\n"
            f"Architectures: {' '.join(arches)}\nComponents: main\nSHA256:\n{''.join(rows)}"
        )
        (top / "Release").write_text(release)
        if sign:
            argv: list[str | Path] = [
                "gpg",
                "--homedir",
                self.gnupg,
                "--batch",
                "--clearsign",
                "-o",
                top / "InRelease",
                top / "Release",
            ]
            subprocess.run(argv, check=True, capture_output=True)
        # apt asks only for what is newer, and HTTP tells times in seconds.
        self._published += 60
        for path in top.glob("*Release"):
            os.utime(path, (self._published, self._published))


@contextmanager
def served(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[DebianArchive]:
    """An archive in `folder`/debian, a machine whose apt uses it, and an empty cache."""
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    if missing:
        pytest.skip(f"needs {', '.join(missing)}")
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    # The socket of gpg's agent must have a short path.
    with tempfile.TemporaryDirectory(prefix="gpg") as home, _http(folder) as archive:
        gnupg = Path(home)
        made = DebianArchive(folder / "debian", gnupg)
        made.requests = archive[1]
        made.uri = f"http://localhost:{archive[0]}/debian"
        key = [
            "gpg",
            "--homedir",
            home,
            "--batch",
            "--passphrase",
            "",
            "--quick-gen-key",
            "test",
            "ed25519",
            "sign",
        ]
        try:
            subprocess.run(key, check=True, capture_output=True)
            shown = ["gpg", "--homedir", home, "--batch", "--armor", "--export"]
            (folder / "key.asc").write_bytes(subprocess.run(shown, check=True, capture_output=True).stdout)
            configure(folder, monkeypatch, made.uri)
            yield made
        finally:
            subprocess.run(
                ["gpgconf", "--homedir", home, "--kill", "gpg-agent"], check=False, capture_output=True
            )


def configure(folder: Path, monkeypatch: pytest.MonkeyPatch, uri: str) -> Path:
    """apt's configuration of the machine; returns the directory of its sources."""
    parts = folder / "etc/apt/sources.list.d"
    for path in (
        parts,
        folder / "etc/apt/apt.conf.d",
        folder / "etc/apt/preferences.d",
        folder / "etc/apt/trusted.gpg.d",
    ):
        path.mkdir(parents=True, exist_ok=True)
    (folder / "apt.conf").write_text(f'Dir::Etc "{folder}/etc/apt"; Acquire::Check-Valid-Until "false";\n')
    monkeypatch.setenv("XDG_CONFIG_HOME", str(folder / "config"))
    monkeypatch.setenv("APT_CONFIG", str(folder / "apt.conf"))
    if uri:
        (parts / "debian.sources").write_text(
            f"Types: deb\nURIs: {uri}\nSuites: bookworm\nComponents: main\nSigned-By: {folder / 'key.asc'}\n"
        )
    return parts


@contextmanager
def _http(folder: Path) -> Iterator[tuple[int, list[str]]]:
    requests: list[str] = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            requests.append(self.path)

    server = http.server.ThreadingHTTPServer(("localhost", 0), partial(Handler, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_address[1], requests
    finally:
        server.shutdown()
        thread.join()
        server.server_close()

"""fs/squashfs of a Debian kernel, with a user's patches."""

from __future__ import annotations

import re
import shutil
import subprocess
import tarfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import IO

import msgspec

from unkillable.commands import find
from unkillable.errors import UserError
from unkillable.lab import apt
from unkillable.lab.apt import Package
from unkillable.lab.cache import digest, entry

FOLDER = "fs/squashfs"

_MEMBER = re.compile(r"[^/]+/fs/squashfs/([A-Za-z][\w.-]*)")
_LARGEST = 1 << 20
"""Bytes of a source file or a patch; the largest of squashfs has 40 KiB."""
_MAX_FILES = 200
"""squashfs has 34."""
_ARCHIVE = 8 << 30
"""Bytes of an unpacked source archive; Linux 7.2 has 1.5 GiB."""
_LIMIT = 60.0
_TARGETS = re.compile(r"^--- (\S+).*\n\+\+\+ (\S+)", re.MULTILINE)
_HUNK = re.compile(
    r"(?:patching|checking) file '?(?P<file>[^'\n]+?)'?(?: \(.*\))?$|^Hunk #(?P<hunk>\d+) (?:FAILED|ignored) at (?P<line>\d+)",
    re.MULTILINE,
)


class Patch(msgspec.Struct, frozen=True):
    path: Path
    text: bytes


class Edit(msgspec.Struct, frozen=True):
    """What an experiment adds to the source, in every version: text behind the first match of a pattern."""

    file: str
    """Of fs/squashfs."""
    anchor: str
    """A regular expression."""
    added: str

    @property
    def text(self) -> bytes:
        """What tells it from others, as a patch's text does."""
        return repr((self.file, self.anchor, self.added)).encode()


Change = Patch | Edit


def fetch(suite: str, arch: str, package: Package) -> Path:
    """fs/squashfs of a linux-source package, from the cache or out of its archive, which takes half a minute."""

    def make(path: Path) -> None:
        folder = apt.unpacked(suite, arch, package.name, package.version) / "usr" / "src"
        archives = sorted(folder.glob("linux-source-*.tar.xz"))
        if not archives:
            raise UserError(f"{package.name} {package.version}: has no source archive where Debian puts it")
        path.mkdir()
        with subprocess.Popen(
            # The archive has some fifty blocks, which xz from 5.4 on decompresses side by side.
            [find("xz", "xz-utils"), "--decompress", "--stdout", "--threads=0", archives[0]],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        ) as process:  # fmt: skip
            assert process.stdout is not None  # noqa: S101
            try:
                unpack(process.stdout, path, archives[0].name)
            finally:
                process.kill()

    return entry("squashfs-source", f"{package.name}_{package.version}", make)


def unpack(stream: IO[bytes], target: Path, name: str) -> None:
    """Writes the files of fs/squashfs out of a tar archive, which is read no further than needed."""
    count = 0
    try:
        with tarfile.open(fileobj=stream, mode="r|") as archive:
            for member in archive:
                match = _MEMBER.fullmatch(member.name)
                if match is None:
                    # The files of a directory follow each other.
                    if count and not member.name.endswith(FOLDER):
                        break
                    if member.offset > _ARCHIVE:
                        raise UserError(f"{name}: larger than {_ARCHIVE >> 30} GiB, which no kernel is")
                    continue
                data = archive.extractfile(member) if member.isreg() else None
                if data is None or member.size > _LARGEST or count >= _MAX_FILES:
                    raise UserError(f"{name}: {member.name} is no source file of squashfs")
                (target / match[1]).write_bytes(data.read())
                count += 1
    except (tarfile.TarError, EOFError) as error:
        raise UserError(f"{name}: a damaged archive: {error}") from error
    if not (target / "Makefile").is_file() or not (target / "Kconfig").is_file():
        raise UserError(f"{name}: has no {FOLDER} with Makefile and Kconfig")


def patches(folder: str | None) -> tuple[Patch, ...]:
    """The .patch files of a directory in the order of their names."""
    if folder is None:
        return ()
    place = Path(folder)
    if not place.is_dir():
        raise UserError(f"{place}: no such directory of patches")
    paths = sorted(place.glob("*.patch"))
    if not paths:
        raise UserError(f"{place}: has no file *.patch")
    found = []
    for path in paths:
        with path.open("rb") as file:
            text = file.read(_LARGEST + 1)
        if len(text) > _LARGEST:
            raise UserError(f"{path}: larger than {_LARGEST >> 20} MiB, which no patch of squashfs is")
        _check(path, text.decode(errors="replace"))
        found.append(Patch(path, text))
    return tuple(found)


def _check(path: Path, text: str) -> None:
    targets = [name for pair in _TARGETS.findall(text) for name in pair if name != "/dev/null"]
    if not targets:
        raise UserError(f"{path}: no patch in the unified format (--- a/file, +++ b/file)")
    for name in targets:
        if not re.fullmatch(rf"[^/]+/{FOLDER}/[A-Za-z][\w.-]*", name):
            raise UserError(
                f"{path}: changes {name}; only {FOLDER} can be built as a module, for the rest build a source:TREE"
            )


def identity(series: Iterable[Change]) -> str:
    """Changes if the content or the order of the patches does; their names do not count."""
    return digest(*(patch.text for patch in series))


def copy(source: Path, target: Path, series: Sequence[Change], version: str) -> Path:
    """A copy of fs/squashfs below `target`, patched."""
    folder = target / FOLDER
    shutil.copytree(source, folder)
    for change in series:
        if isinstance(change, Edit):
            _edit(change, folder, version)
        else:
            _apply(change, target, version)
    return folder


def _edit(edit: Edit, folder: Path, version: str) -> None:
    path = folder / edit.file
    text = path.read_text(errors="surrogateescape") if path.is_file() else None
    found = re.search(edit.anchor, text, re.MULTILINE) if text is not None else None
    if text is None or found is None:
        raise UserError(
            f"{FOLDER}/{edit.file} of {version} has not the shape that the experiment knows: no {edit.anchor}"
        )
    path.write_text(text[: found.end()] + edit.added + text[found.end() :], errors="surrogateescape")


def _apply(patch: Patch, target: Path, version: str) -> None:
    program = find("patch", "patch")
    # A hunk must fit exactly: with fuzz, a patch for another version applies and does something else.  --unified keeps the
    # program from running a script for ed.
    argv = [
        program, "--strip=1", "--fuzz=0", "--unified", "--forward", "--batch", "--no-backup-if-mismatch",
        "--reject-file=-", f"--directory={target}",
    ]  # fmt: skip
    try:
        done = subprocess.run(
            argv, input=patch.text, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=_LIMIT, check=False,
            env={"PATH": "/usr/bin:/bin", "LC_ALL": "C"},
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise UserError(f"{patch.path}: patch did not finish within {_LIMIT:.0f} s") from error
    if done.returncode:
        raise UserError(
            f"{patch.path}: does not fit {FOLDER} of {version}: {failed(done.stdout.decode(errors='replace'))}"
        )


def failed(output: str) -> str:
    """What the program patch says of the first hunk that does not fit."""
    file = "?"
    for match in _HUNK.finditer(output):
        if match["file"]:
            file = match["file"]
        else:
            return f"hunk {match['hunk']} of {file}, at line {match['line']}"
    lines = [line for line in output.splitlines() if line.strip()]
    return "".join(char if char.isprintable() else "?" for char in (lines or ["it says nothing"])[-1])[:200]

"""The Debian mirrors that this machine is configured with, read from apt's sources in both of their forms."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import msgspec

from unkillable import commands
from unkillable.errors import UserError

CODENAMES = ("buster", "bullseye", "bookworm", "trixie", "forky", "duke", "sid")
_ALIASES = ("oldoldstable", "oldstable", "stable", "testing", "unstable", "experimental")
_SUITE = re.compile(rf"(?P<name>{'|'.join(CODENAMES + _ALIASES)})(?P<part>-\w[\w-]*|/updates)?/?")
_SECURITY = ("-security", "/updates")
_KEPT = ("signed-by", "check-valid-until", "check-date", "date-max-future", "by-hash")
"""Options of a source that hold for another suite of the same mirror.  `trusted` and `allow-insecure` do not: what comes
from here is run as a kernel."""
_LARGEST = 1 << 20
"""Bytes of a file of sources."""
_ONE_LINE = re.compile(
    r"deb\s+(?:\[(?P<options>[^\]]*)\]\s+)?(?P<uri>\S+)\s+(?P<suite>\S+)\s+(?P<components>.+)"
)


class Mirror(msgspec.Struct, frozen=True):
    """A place that serves suites of Debian."""

    uri: str
    security: bool
    """Serves SUITE-security, and only that."""
    options: tuple[tuple[str, str], ...] = ()
    """Fields of a deb822 source, such as Signed-By."""

    def source(self, suite: str) -> str:
        """A deb822 source of one suite."""
        fields = (
            ("Types", "deb"),
            ("URIs", self.uri),
            ("Suites", suite),
            ("Components", "main"),
            # Else apt-file and the like add their own, much larger indexes.
            ("Targets", "Packages"),
            *self.options,
        )
        return "".join(f"{name}: {value}\n" for name, value in fields)


def mirrors() -> tuple[Mirror, ...]:
    """Those of the machine, the likeliest Debian mirror first; others use Debian's suite names, too."""
    found: dict[Mirror, tuple[bool, ...]] = {}
    for path in _files():
        for fields in _deb822(path) if path.suffix == ".sources" else _one_line(path):
            for suite in fields.get("suites", "").split():
                match = _SUITE.fullmatch(suite)
                if match is None or "main" not in fields.get("components", "").split():
                    continue
                kept = tuple((name.title(), fields[name]) for name in _KEPT if name in fields)
                security = match["part"] in _SECURITY
                for uri in fields.get("uris", "").split():
                    mirror = Mirror(uri, security, kept)
                    found.setdefault(mirror, ("debian" not in uri, match["name"] not in CODENAMES))
    if not found:
        raise UserError(
            f"apt has no Debian mirror configured; describe one in {_own()} as in apt's *.sources (its keys are in the"
            " package debian-archive-keyring), or name a kernel by its path"
        )
    return tuple(sorted(found, key=found.__getitem__))


def _own() -> Path:
    """For machines whose own packages are not Debian's: apt itself does not read it."""
    base = Path(os.environ.get("XDG_CONFIG_HOME", ""))
    return (base if base.is_absolute() else Path.home() / ".config") / "unkillable" / "debian.sources"


def _files() -> Iterator[Path]:
    yield _own()
    asked = ("LIST", "Dir::Etc::sourcelist/f", "PARTS", "Dir::Etc::sourceparts/d")
    answer = commands.run(("apt-config", "shell", *asked), "apt", seconds=30)
    places = dict(line.partition("=")[::2] for line in answer.splitlines())
    for name in ("LIST", "PARTS"):
        path = Path("".join(shlex.split(places.get(name, ""))) or "/nonexistent")
        if path.is_dir():
            yield from sorted(part for part in path.iterdir() if part.suffix in (".list", ".sources"))
        elif path.is_file():
            yield path


def _text(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            return stream.read(_LARGEST).decode(errors="replace")
    except OSError:
        return ""


def _one_line(path: Path) -> Iterator[dict[str, str]]:
    for line in _text(path).splitlines():
        match = _ONE_LINE.fullmatch(line.partition("#")[0].strip())
        if match is None:
            continue
        options = dict(word.partition("=")[::2] for word in (match["options"] or "").split())
        # Several keys are separated by commas here, by blanks in the other form.
        yield {name.lower(): value.replace(",", " ") for name, value in options.items()} | {
            "uris": match["uri"], "suites": match["suite"], "components": match["components"],
        }  # fmt: skip


def _deb822(path: Path) -> Iterator[dict[str, str]]:
    lines = [line for line in _text(path).splitlines() if not line.startswith("#")]
    for block in re.split(r"\n(?:[ \t]*\n)+", "\n".join(lines)):
        # A value goes on in lines that start with a blank: Signed-By may hold a whole key.
        pairs = (field.partition(":") for field in re.split(r"\n(?![ \t])", block))
        fields = {name.strip().lower(): value.strip() for name, _, value in pairs}
        if "deb" in fields.get("types", "").split() and fields.get("enabled", "yes").lower() != "no":
            yield fields

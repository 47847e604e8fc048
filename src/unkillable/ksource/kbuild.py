"""Which C files of a tree a configuration builds, as its Makefiles say.

What is not known is built: a file that no Makefile names may be included by another (kernel/sched/build_policy.c does
so with six), a condition may be about a compiler.
"""

from __future__ import annotations

import posixpath
import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator
from functools import lru_cache

from unkillable.ksource.configuration import Configuration
from unkillable.ksource.makefiles import MAYBE, UNKNOWN, Makefile
from unkillable.ksource.tree import Tree

__all__ = ["built"]

LARGEST = 1 << 20
"""Bytes of a Makefile; the largest has 80 KiB, that of the tree itself."""

_ROOTS = frozenset("obj lib core drivers libs net init virt head extra always".split())
"""Lists of what is built, as obj-y; any other such name is a list of a module's parts."""
_LIST = re.compile(rf"(.+)-([ymn]*|objs|[^-]*{UNKNOWN}[^-]*)\Z", re.DOTALL)
_OFF = ("", "n")
_DEEPEST = 8

Mentions = dict[str, bool]
"""Objects (x.o) and directories (x/) by their path: whether they are built, as one Makefile says."""


def built(tree: Tree, configuration: Configuration, paths: Collection[str]) -> list[bool]:
    """Of each path whether it is built; headers are.  The Makefiles that count are those of these paths' directories."""
    kbuild = _Kbuild(tree, configuration)
    kbuild.look_beside({one for path in paths for one in _upwards(path.rpartition("/")[0])})
    return [not path.endswith(".c") or kbuild.file(path) for path in paths]


class _Kbuild:
    def __init__(self, tree: Tree, configuration: Configuration) -> None:
        self.tree = tree
        self.configuration = configuration
        self.mentions = lru_cache(maxsize=None)(self._mentions)
        self.folder = lru_cache(maxsize=None)(self._folder)
        self._beside: defaultdict[str, list[str]] = defaultdict(list)
        """Objects to directories whose Makefiles list them though they lie neither in nor below these."""

    def look_beside(self, folders: Iterable[str]) -> None:
        """Notes the objects that these directories take from others: usbcore-y += ../misc/onboard_usb_dev_pdevs.o."""
        for folder in sorted(folders):
            for what in self.mentions(folder):
                if not what.startswith(f"{folder}/") and folder and not what.endswith("/"):
                    self._beside[what].append(folder)

    def file(self, path: str) -> bool:
        folder = path.rpartition("/")[0]
        what = f"{path[: -len('.c')]}.o"
        beside = self._beside.get(what, ())
        if any(self.mentions(one)[what] and self.folder(one) for one in beside):
            return True
        return self.folder(folder) and self._said(folder, what, unsaid=not beside)

    def _folder(self, path: str) -> bool:
        """Whether a directory is entered."""
        if not path:
            return True
        above = path.rpartition("/")[0]
        return self.folder(above) and self._said(above, f"{path}/")

    def _said(self, folder: str, what: str, unsaid: bool = True) -> bool:
        """What the Makefiles of a directory and of those above it say; `unsaid` if they do not name it."""
        said = [found for one in _upwards(folder) if (found := self.mentions(one).get(what)) is not None]
        return any(said) if said else unsaid

    def _mentions(self, folder: str) -> Mentions:
        found: Mentions = {}
        for name, base in self._makefiles(folder):
            text = self._text(name)
            if text:
                for what, state in _stated(Makefile(text, self._known(folder), self._text), base):
                    found[what] = found.get(what, False) or state
        return found

    def _makefiles(self, folder: str) -> Iterator[tuple[str, str]]:
        """Files, and the directory that their paths begin in."""
        top = not folder or (folder.startswith("arch/") and folder.count("/") == 1)
        kbuild, makefile = posixpath.join(folder, "Kbuild"), posixpath.join(folder, "Makefile")
        has_kbuild = (self.tree.root / kbuild).is_file()
        if has_kbuild:
            yield kbuild, folder
        # An architecture's Makefile is part of the tree's, which names directories from the top.
        if top:
            yield makefile, ""
        elif not has_kbuild:
            yield makefile, folder

    def _text(self, name: str) -> str:
        path = posixpath.normpath(name)
        if path.startswith(("..", "/")):
            return ""
        file = self.tree.root / path
        try:
            if not file.is_file() or file.is_symlink():
                return ""
            with file.open("rb") as stream:
                data = stream.read(LARGEST + 1)
        except (OSError, ValueError):
            return ""
        return data.decode("latin-1") if len(data) <= LARGEST else ""

    def _known(self, folder: str) -> Callable[[str], str | None]:
        known = {
            "src": folder or ".",
            "obj": folder or ".",
            "srctree": ".",
            "objtree": ".",
            "BITS": "64" if self.configuration.enabled("64BIT") else "32",
        }

        def value(name: str) -> str | None:
            return self.configuration.value(name) if name.startswith("CONFIG_") else known.get(name)

        return value


def _upwards(folder: str) -> Iterator[str]:
    while folder:
        yield folder
        folder = folder.rpartition("/")[0]
    yield ""


def _stated(makefile: Makefile, base: str) -> Iterator[tuple[str, bool]]:
    """Every object and directory that a Makefile lists, and whether it is built."""
    listed: dict[str, list[tuple[str, bool]]] = {}
    """What: lists it stands in ("" for one of _ROOTS, else the object whose part it is), and whether they are on."""
    for name, value in makefile.variables.items():
        match = _LIST.match(name)
        if match is None:
            continue
        whole = "" if match[1] in _ROOTS else _path(base, f"{match[1]}.o")
        for word in value.split():
            what = word.rstrip(MAYBE)
            if UNKNOWN not in what and what.endswith((".o", "/")):
                listed.setdefault(_path(base, what), []).append((whole, match[2] not in _OFF))
    for what in listed:
        yield what, _on(what, listed, 0)


def _on(what: str, listed: dict[str, list[tuple[str, bool]]], deep: int) -> bool:
    if what not in listed or deep > _DEEPEST:
        return True
    return any(
        on and (not whole or whole == what or _on(whole, listed, deep + 1)) for whole, on in listed[what]
    )


def _path(base: str, name: str) -> str:
    path = posixpath.normpath(posixpath.join(base, name))
    return f"{path}/" if name.endswith("/") else path

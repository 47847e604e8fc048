"""Which names headers offer to everybody: declarations below include/ and arch/*/include."""

from __future__ import annotations

import re
from functools import cached_property

from unkillable.ksource.sources import Sources

_DECLARED = re.compile(r"^(?!asmlinkage\b)(?:[A-Za-z_][\w \t*/]*?[ \t*/])?(\w+)[ \t]*\(", re.MULTILINE)
"""A declaration begins at the beginning of its line, with its type (a comment may be in it) or behind it; calls are
indented.  A system call is offered to programs, not to the kernel's code."""


def is_public(path: str) -> bool:
    """Whether a file is a header for everybody."""
    return path.endswith(".h") and (
        path.startswith("include/") or (path.startswith("arch/") and "/include/" in path)
    )


class Offered:
    public = staticmethod(is_public)

    def __init__(self, sources: Sources) -> None:
        self.sources = sources

    @cached_property
    def _headers(self) -> dict[str, str]:
        """Name to the header that declares it, of several that in include/linux."""
        found: dict[str, str] = {}
        paths = [path for path in self.sources.index.paths if is_public(path) and "/uapi/" not in path]
        for path in sorted(paths, key=lambda path: (not path.startswith("include/linux/"), path)):
            try:
                raw = (self.sources.tree.root / path).read_bytes().decode("latin-1")
            except OSError:
                continue
            for name in _DECLARED.findall(raw):
                found.setdefault(name, path)
        return found

    def header(self, name: str) -> str | None:
        """The header that declares a name."""
        return self._headers.get(name)

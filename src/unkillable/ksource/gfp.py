"""Allocation flags of a tree: what an expression like GFP_NOIO | __GFP_NOWARN lets the allocator do."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from unkillable.ksource.sources import Sources

PASSED = re.compile(r"\b_*GFP_\w+|\bgfp\w*|\w+_gfp_mask\b|\bgfp_flags\b|\b\w+_gfp\s*\(")
"""An argument that hands allocation flags on."""

_HEADERS = ("include/linux/gfp_types.h", "include/linux/gfp.h")
"""The first since 6.0."""
_CALLED = re.compile(r"\s*(\w+)\(([^\n]*)")
_CALL = re.compile(r"\b(\w+)\s*\([^()]*\)")
_DEFINED = re.compile(r"\s*(\w+)\s(.*)", re.DOTALL)
_WORD = re.compile(r"(~?)\s*\(?\s*([A-Za-z_]\w*)")
_FLAGS = re.compile(r"\bGFP_\w+")
_FLAG = re.compile(r"_*GFP_\w+\Z")
_DEEPEST = 12
_CASTS = frozenset(("gfp_t", "__force"))


class Meaning(NamedTuple):
    """None: the flags are not constant."""

    waits: bool | None
    kills: bool | None


class Flags:
    """Follows the #defines of the tree: the bits have other names and numbers in every release."""

    def __init__(self, sources: Sources) -> None:
        self.defined: dict[str, str] = {}
        self.defaults: dict[str, str] = {}
        """Macros with arguments that stand for one set of flags: default_gfp(...), since 7.0 (kmalloc_obj and its like)."""
        for path in _HEADERS:
            for macro in sources.text(path).macros:
                match = _DEFINED.match(macro.rest)
                if match:
                    self.defined.setdefault(match[1], match[2])
                called = _CALLED.match(macro.rest)
                flags = _FLAGS.findall(called[2]) if called else []
                if called and len(flags) == 1:
                    self.defaults.setdefault(called[1], flags[0])
        self.leaves = lru_cache(maxsize=4096)(self._leaves)

    def meaning(self, expression: str) -> Meaning:
        """Of the flags as they are written at an allocation."""
        words = _WORD.findall(_CALL.sub(lambda call: self.defaults.get(call[1], call[0]), expression))
        flags = [one for one in words if _FLAG.match(one[1])]
        bits = self._combined(flags, 0)
        never = _has(bits, "NORETRY", "RETRY_MAYFAIL")
        unknown = any(not _FLAG.match(word) and word not in _CASTS for _, word in words)
        if not flags or unknown or any(not bit.startswith("___") for bit in bits):
            # mapping_gfp_mask(mapping) & ~__GFP_FS: what is taken away or forbidden is known, the rest is not.
            without = self._combined([("", word) for negated, word in flags if negated], 0)
            return Meaning(False if never else None, False if never or _has(without, "FS") else None)
        waits = _has(bits, "DIRECT_RECLAIM", "WAIT") and not never
        return Meaning(waits, waits and _has(bits, "FS"))

    def _leaves(self, name: str, depth: int = 0) -> frozenset[str]:
        """The ___GFP_ bits that a name stands for; the name itself if nobody defines it."""
        if name.startswith("___GFP_") or depth > _DEEPEST:
            return frozenset((name,))
        words = [
            one for one in _WORD.findall(self.defined.get(name, "")) if _FLAG.match(one[1]) and one[1] != name
        ]
        return frozenset(self._combined(words, depth + 1) or (name,))

    def _combined(self, words: Sequence[tuple[str, str]], depth: int) -> set[str]:
        """The bits of (A | B) & ~C."""
        bits: set[str] = set()
        for negated, word in sorted(words):  # what is not negated comes first
            leaves = self._leaves(word, depth)
            bits = bits - leaves if negated else bits | leaves
        return bits


def _has(bits: set[str], *names: str) -> bool:
    return any(bit.lstrip("_") == f"GFP_{name}" for bit in bits for name in names)

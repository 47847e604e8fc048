"""Functions handed to others as arguments: who hands what to whom, and who calls what it was handed.

read_cache_page(mapping, index, filler, file) calls its third parameter, or hands it on; who gives it ext2_get_page() calls that.
Written down here is only what one body says; the graph puts it together.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from unkillable.ksource.calls import split

_ARGUMENT = re.compile(r"[(,]\s*+([a-z_]\w*+)\s*+(?=[,)])")
"""What is an argument by itself.  A function needs no &, and what has one is a lock or a list nearly always."""
_NEVER = frozenset(
    "current true false void int long char short unsigned bool u8 u16 u32 u64 list node member entry".split()
)
"""What is an argument by itself nearly everywhere, and no function."""
_STEP = re.compile(r"[(),;{}]")
_NAME = re.compile(r"\s*+(\w++)")
_FARTHEST = 600
"""Characters between the parenthesis of a call and an argument of it that is looked at."""
_POINTED = re.compile(r"\(\s*\*\s*(\w+)\s*\)\s*\(")
_MAYBE = re.compile(r"\(\s*\*|(?:_t|_f|fn|_func|_cb)\b")
_POINTER = re.compile(r"\(\s*\*+\s*(?:const\s+)?(\w+)\s*(?:\[[^\]]*\])?\)\s*\(")
_TYPED = re.compile(r"(?:const\s+)?(\w+)[\s*]+(\w+)\s*\Z")
_FUNCTIONS = re.compile(r"\w+(?:_t|_f|_fn|_func|_cb|fn_t)\Z")
_NUMBERS = re.compile(
    r"(?:__)?(?:u?int\d*|s?size|loff|off|sector|pgoff|dev|u?mode|pid|k?[ug]id|gfp|dma_addr|phys_addr|resource_size|pgprot|p.?.d|pte|"
    r"spinlock|rwlock|atomic\w*|ktime|time64|cpumask|nodemask|fmode|vm_fault|bool|[bl]e\d+|u\d+|s\d+|\w+flags|slab_flags)_t\Z"
)
"""Types whose name looks like that of a function, and is none."""
_KEPT = re.compile(r"\bstruct\s+(\w+)\s+(\w+)\s*(?:;|=\s*\{([^{}]*)\})")
_MEMBER = re.compile(r"\.(\w+)\s*=\s*(\w+)\s*(?:,|\Z)")


class Handed(NamedTuple):
    """An argument that is, or may be, a function."""

    to: str
    """The function called, or structure.member where it is kept on the stack for a function that is handed the structure."""
    position: int
    name: str
    at: int
    """Offset in the body."""


def pointers(parameters: str) -> Mapping[str, int]:
    """Of a function's parameters those that are, or may be, pointers to functions: name to position."""
    found: dict[str, int] = {}
    if not _MAYBE.search(parameters):
        return found
    for position, one in enumerate(split(parameters)):
        pointer = _POINTER.search(one)
        typed = _TYPED.match(one.strip())
        if pointer:
            found[pointer[1]] = position
        elif typed and _FUNCTIONS.match(typed[1]) and not _NUMBERS.match(typed[1]):
            found[typed[2]] = position
    return found


def called(body: str, given: Mapping[str, int]) -> set[str]:
    """What of its parameters a body calls as (*name)(...)."""
    return {name for name in _POINTED.findall(body) if name in given}


def handed(body: str, backwards: str, given: Mapping[str, int]) -> Iterator[Handed]:
    """What a body hands on: names that are nothing but arguments in it, so are declared elsewhere, and its own pointers.
    `backwards` is the body from its end to its beginning."""
    names = _ARGUMENT.findall(body)
    elsewhere = {
        name for name in set(names) - _NEVER if name in given or body.count(name) == names.count(name)
    }
    if elsewhere:
        for match in _ARGUMENT.finditer(body):
            if match[1] in elsewhere and (callee := _callee(backwards, len(body) - match.start(1))):
                yield Handed(callee[0][::-1], callee[1], match[1], match.start(1))
    if given:
        yield from _kept(body, given)


def _callee(backwards: str, at: int) -> tuple[str, int] | None:
    """The call that an argument belongs to, its name from the end, and the argument's place in it."""
    depth = position = 0
    for match in _STEP.finditer(backwards, at, at + _FARTHEST):
        what = match[0]
        if what == ")":
            depth += 1
        elif what == "(" and depth:
            depth -= 1
        elif what == "(":
            name = _NAME.match(backwards, match.end())
            return (name[1], position) if name else None
        elif depth == 0:
            if what != ",":
                return None
            position += 1
    return None


def _kept(body: str, given: Mapping[str, int]) -> Iterator[Handed]:
    """Its own pointers in structures on its stack: struct mpage_readpage_args args = { .get_block = get_block }."""
    for match in _KEPT.finditer(body):
        kind, variable, values = match.groups()
        stored = (
            _MEMBER.findall(values) if values else re.findall(rf"\b{variable}\.(\w+)\s*=\s*(\w+)\s*;", body)
        )
        for member, name in stored:
            if name in given:
                yield Handed(f"{kind}.{member}", 0, name, match.start())

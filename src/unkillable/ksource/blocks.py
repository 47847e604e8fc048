"""The top level of a C file: function definitions, types, initialised variables, each a head and a body in braces."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from unkillable.ksource.text import Text

_BRACE = re.compile(r"[{}]")
_GROUP = re.compile(r"(\w+)\s*+\(|[()]")
_TYPE = re.compile(
    r"(?:(?:typedef|static|const|extern)\s+)*(?:struct|union)\b(?:\s*+__\w+(?:\s*+\([^{]*\))?)*+\s*+(\w*)[^=()]*\Z"
)
_VARIABLE = re.compile(
    r"\bstruct\s+(\w+)\s+(?:\w+\s+)*?(\w+)\s*+(?:\[[^=]*\]\s*+)*(?:__\w+[^=]*)?=\s*+(?:\([^)]*\)\s*+)?\Z"
)
_SYSCALL = re.compile(r"(COMPAT_|)SYSCALL_DEFINE\d?\Z")
_ADDRESSED = re.compile(r"[A-Z][A-Z0-9_]+\Z")


_Group = tuple[str, int, int, int]


class Block(NamedTuple):
    """Something with a body."""

    head: str
    """Everything before the brace, from the end of what was before and the blanks behind it."""
    at: int
    """Offset of the head."""
    open: int
    """Offset of the brace."""
    close: int
    """Offset of the closing brace, or the file's end where that is missing."""


class Head(NamedTuple):
    """What a function's head says."""

    name: str
    at: int
    """Offset of the name in the head."""
    parameters: str


def blocks(text: Text) -> Iterator[Block]:
    """Top-level blocks in their order.

    Both sides of an #if are code: at #else the depth is what it was at #if, so that an if (...) { with two heads and one
    end does not swallow the rest of the file.
    """
    code, depth, start, end = text.code, 0, 0, 0
    for at, what in _events(text):
        if what == "{":
            if depth == 0:
                start = at
            depth += 1
        elif what == "}":
            if depth > 1:
                depth -= 1
            elif depth == 1:
                depth = 0
                yield _block(code, end, start, at)
                end = at + 1
        else:
            depth = int(what)
    if depth:
        yield _block(code, end, start, len(code))


def _block(code: str, end: int, start: int, close: int) -> Block:
    # A brace lies in the head only where there are two heads for one body: the last counts.
    begin = max(end, code.rfind(";", end, start) + 1, code.rfind("{", end, start) + 1)
    head = code[begin:start].lstrip()
    return Block(head, start - len(head), start, close)


def _events(text: Text) -> Iterator[tuple[int, str]]:
    """Braces, and at every #else the depth to go back to."""
    braces = [(match.start(), match[0]) for match in _BRACE.finditer(text.code)]
    if not any(one.name.startswith("el") for one in text.conditions):
        yield from braces
        return
    stack: list[int] = []
    depth = 0
    events = sorted([*braces, *((one.at, one.name) for one in text.conditions)])
    for at, what in events:
        if what == "{":
            depth += 1
        elif what == "}":
            depth = max(depth - 1, 0)
        elif what.startswith("if"):
            stack.append(depth)
            continue
        elif what == "endif":
            if stack:
                stack.pop()
            continue
        elif stack and depth != stack[-1]:
            depth = stack[-1]
            what = str(depth)
        else:
            continue
        yield at, what


def function(head: str) -> Head | None:
    """A function's name and parameters; None for the head of something else."""
    if "(" not in head or "=" in head:
        return None
    groups = _groups(head)
    if not groups:
        return None
    # Attributes with arguments may stand before the result's type or after the parameters.  What stands directly behind
    # another group is one of the latter.
    chosen = len(groups) - 1
    while chosen and _follows(head, groups[chosen - 1], groups[chosen]):
        chosen -= 1
    name, at, opened, closed = groups[chosen]
    if chosen == len(groups) - 1 and not re.fullmatch(r"[\s\w]*", head[closed + 1 :]):
        return None
    parameters = head[opened + 1 : closed]
    if _ADDRESSED.match(name):
        # SYSCALL_DEFINE3(read, ...), BPF_CALL_2(name, ...), DEFINE_IDTENTRY(name): the name is the first argument.
        syscall = _SYSCALL.match(name)
        own, _, parameters = parameters.partition(",")
        if not re.fullmatch(r"\s*\w+\s*", own):
            return Head(name, at, own + "," + parameters if parameters else own)
        prefix = "" if not syscall else "compat_sys_" if syscall[1] else "sys_"
        return Head(prefix + own.strip(), at, parameters)
    return Head(name, at, parameters)


def _follows(head: str, group: _Group, other: _Group) -> bool:
    """Whether the other is an attribute behind the group, not a function behind an attribute."""
    attribute = group[0] == "__attribute__" or (group[0].startswith("__") and not other[0].startswith("__"))
    return not attribute and not head[group[3] + 1 : other[1]].strip()


def _groups(head: str) -> list[_Group]:
    """name(...) at the outermost level: name, its offset, the offsets of its parentheses."""
    found: list[_Group] = []
    depth, current = 0, ("", 0, 0)
    for match in _GROUP.finditer(head):
        if match[0] == ")":
            depth -= 1
            if depth == 0 and current[0]:
                found.append((*current, match.start()))
            if depth < 0:
                return []
        else:
            if depth == 0:
                current = (match[1] or "", match.start(), match.end() - 1)
            depth += 1
    return found if depth == 0 else []


def type_name(head: str) -> str | None:
    """The tag of a structure or union that is defined here; "" if it has none; None for the head of something else."""
    match = _TYPE.match(head.lstrip())
    return match[1] if match else None


def variable(head: str) -> tuple[str, str] | None:
    """(structure, name) of an initialised variable or array of structures."""
    match = _VARIABLE.search(head)
    return (match[1], match[2]) if match else None

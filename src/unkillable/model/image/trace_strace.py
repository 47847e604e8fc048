"""What `strace -f -e trace=openat,read,pread64,mmap,close` prints, with or without -y, -t and -o.

A page that a program touches in a mapping is no call: the whole of a mapping is taken as touched, page by page.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from unkillable.model.image.accesses import FAULT, READ, Access, Trace

_STRING = r'"(?:[^"\\]|\\.)*"(?:\.\.\.)?'
_FD = r"(?P<fd>\d+)(?:<(?P<name>(?:[^>\\]|\\.)*)>)?"
_RESULT = r"\)\s+= (?P<result>\d+|0x[0-9a-f]+)(?:<(?P<shown>(?:[^>\\]|\\.)*)>)?"
_HEAD = re.compile(
    r"^(?:\[pid\s+(?P<pid1>\d+)\]\s+|(?P<pid2>\d+)\s+)?(?:\d\d:\d\d:\d\d(?:\.\d+)?\s+|\d+\.\d+\s+)?(?=[a-z<])"
)
_RESUMED = re.compile(r"^<\.\.\. (?P<call>\w+) resumed>,?\s*")
_UNFINISHED = " <unfinished ...>"
_CALLS = {
    "openat": re.compile(rf'openat\((?:AT_FDCWD|\d+)(?:<(?P<folder>[^>]*)>)?, "(?P<path>(?:[^"\\]|\\.)*)".*{_RESULT}'),
    "open": re.compile(rf'open\("(?P<path>(?:[^"\\]|\\.)*)".*{_RESULT}'),
    "execve": re.compile(rf'execve\("(?P<path>(?:[^"\\]|\\.)*)".*{_RESULT}'),
    "close": re.compile(rf"close\({_FD}{_RESULT}"),
    "lseek": re.compile(rf"lseek\({_FD}, .*{_RESULT}"),
    "read": re.compile(rf"read\({_FD}, (?:{_STRING}|\S+), (?P<size>\d+){_RESULT}"),
    "pread64": re.compile(rf"pread64\({_FD}, (?:{_STRING}|\S+), (?P<size>\d+), (?P<at>\d+){_RESULT}"),
    "mmap": re.compile(
        rf"mmap2?\([^,]+, (?P<size>\d+), (?P<prot>[^,]+), [^,]+, {_FD}, (?P<at>0x[0-9a-f]+|\d+){_RESULT}"
    ),
}  # fmt: skip
_NAME = re.compile(r"^(\w+)\(")
_FAILED = re.compile(r"\)\s+= (?:-1 |\?)")
_ANONYMOUS = re.compile(r"mmap2?\(.*, -1, ")
_ESCAPE = re.compile(r"\\(x[0-9a-f]{2}|[0-7]{1,3}|.)")
_LETTERS = {"n": "\n", "t": "\t", "r": "\r", "v": "\v", "f": "\f"}
NOTE_MAPPED = (
    "strace does not see page faults: each mapping of a file counts as touched from its beginning to its end"
)


def looks_like(line: str) -> bool:
    head = _HEAD.match(line)
    name = _NAME.match(line[head.end() :]) if head else None
    return name is not None and name[1] in {*_CALLS, "mmap2"} and " = " in line


@dataclass(slots=True)
class _Open:
    path: str
    at: int = 0


class _Files:
    """Which path a descriptor has.  A child that inherited it is not followed: it gets the last that had this number."""

    def __init__(self) -> None:
        self._by_task: dict[tuple[str, int], _Open] = {}
        self._last: dict[int, _Open] = {}

    def opened(self, task: str, fd: int, path: str) -> None:
        self._by_task[task, fd] = self._last[fd] = _Open(path)

    def closed(self, task: str, fd: int) -> None:
        self._by_task.pop((task, fd), None)

    def get(self, task: str, fd: int, name: str | None) -> _Open | None:
        found = self._by_task.get((task, fd)) or self._last.get(fd)
        if name and name.startswith("/") and (found is None or found.path != _plain(name)):
            self.opened(task, fd, _plain(name))
            found = self._by_task[task, fd]
        return found


def parse(lines: Iterable[str], trace: Trace) -> Iterator[Access]:
    files, begun = _Files(), dict[str, str]()
    mapped = False
    for line in lines:
        head = _HEAD.match(line)
        if head is None:
            trace.skipped += bool(line.strip()) and not line.startswith(("---", "+++", "strace:"))
            continue
        task, call = head["pid1"] or head["pid2"] or "", line[head.end() :]
        if call.endswith(_UNFINISHED):
            begun[task] = call.removesuffix(_UNFINISHED)
            continue
        if resumed := _RESUMED.match(call):
            call = begun.pop(task, "") + call[resumed.end() :]
        name = _NAME.match(call)
        if name is None or _FAILED.search(call):
            continue
        kind = name[1].replace("mmap2", "mmap")
        if kind not in _CALLS or (kind == "mmap" and _ANONYMOUS.match(call)):
            continue
        match = _CALLS[kind].match(call)
        access = _access(kind, task, match, files) if match else None
        if access is not None and access.length:
            mapped |= access.kind == FAULT
            yield access
        elif match is None or (kind in ("read", "pread64", "mmap") and access is None):
            trace.skipped += 1
    if mapped:
        trace.notes.append(NOTE_MAPPED)


def _access(kind: str, task: str, call: re.Match[str], files: _Files) -> Access | None:
    result = int(call["result"], 0)
    if kind == "execve":  # the kernel reads its head; what is run of it comes with page faults
        return Access(task, READ, _plain(call["path"]), length=256)
    if kind in ("openat", "open"):
        path = _plain(call["shown"] or call["path"])
        folder = call.groupdict().get("folder")
        files.opened(task, result, path if path.startswith("/") or not folder else f"{_plain(folder)}/{path}")
        return None
    fd = int(call["fd"])
    if kind == "close":
        files.closed(task, fd)
        return None
    file = files.get(task, fd, call["name"])
    if file is None or not file.path.startswith("/"):
        return None
    if kind == "lseek":
        file.at = result
        return None
    if kind == "mmap":
        executable = "PROT_EXEC" in call["prot"]
        return Access(task, FAULT, file.path, 0, int(call["at"], 0), int(call["size"]), executable)
    if kind == "pread64":
        return Access(task, READ, file.path, 0, int(call["at"]), result)
    at, file.at = file.at, file.at + result
    return Access(task, READ, file.path, 0, at, result)


def _plain(text: str) -> str:
    """A string without strace's escapes."""
    return _ESCAPE.sub(_letter, text)


def _letter(match: re.Match[str]) -> str:
    code = match[1]
    if code[0] == "x" and len(code) == 3:
        return _byte(int(code[1:], 16))
    if code[0] in "01234567":
        return _byte(int(code, 8) & 0xFF)
    return _LETTERS.get(code, code)


def _byte(value: int) -> str:
    return bytes([value]).decode("utf-8", "surrogateescape")

"""One line of a backtrace, in every architecture's form.

| kernel, architecture                     | form                                            |
|------------------------------------------|-------------------------------------------------|
| x86 since 4.10, arm64 since 4.19         | ` f+0x1/0x2 [mod]`, ` ? f+0x1/0x2`              |
| arm64 since 6.13                         | ` f+0x1/0x2 (PC)`                               |
| x86 to 4.9, MIPS, RISC-V, s390, /proc    | `[<addr>] f+0x1/0x2`, `([<addr>] f+0x1/0x2)`    |
| powerpc                                  | `[sp] [ip] f+0x1/0x2 (unreliable)`              |
| arm to 3.10                              | `[<addr>] (f+0x1/0x2) from [<addr>] (g+0x1/0x2)`|
| arm 3.11 to 6.0                          | `[<addr>] (f [mod]) from [<addr>] (g+0x1/0x2 [mod])` |
| arm since 6.1                            | ` f from g+0x1/0x2`                             |
| decoded (scripts/decode_stacktrace.sh)   | ` f (fs/a.c:12 fs/b.c:3)`, ` f+0x1/0x2 fs/a.c:1`|
| crash(8) bt, drgn                        | ` #1 [sp] f at addr`, `#1  f+0x1/0x2 (a.c:1:2)` |
| shortened by hand in a mail              | ` f`, ` f()`                                    |
"""

from __future__ import annotations

import re

from unkillable.evidence.types import Frame

# Suffixes that compilers add to a function's name; the source knows only the bare one.
_SUFFIX = re.compile(
    r"(?:\.(?:constprop|isra|part|cold|lto_priv|llvm|clone|localalias|__uniq)(?:\.\d+)*)+$|\.\d+$"
)

_SYMBOL = r"(?P<symbol>[A-Za-z_$.][\w$.]*)"
_FRAME = re.compile(
    r"^\s*(?:<[A-Z#]{2,8}>\s*)?(?:#\d+\s+)?\(?(?:\[<?(?:0x)?[0-9a-f]+>?\]\s*){0,2}(?P<guess>\?\s*)?\(?"
    + _SYMBOL
    + r"\+0x(?P<offset>[0-9a-f]{1,8})(?:/0x(?P<size>[0-9a-f]{1,8}))?\)?(?P<rest>.*)$"
)
_FROM = re.compile(
    r"^\s*(?:\[<[0-9a-f]+>\]\s*)?\(?(?P<callee>[A-Za-z_$.][\w$.]*)(?:\+0x(?P<at>[0-9a-f]+)(?:/0x[0-9a-f]+)?)?"
    r"(?:\s+\[(?P<callee_module>\w+)\])?\)?\s*from\s*(?:\[<[0-9a-f]+>\]\s*)?\(?"
    + _SYMBOL
    + r"\+0x(?P<offset>[0-9a-f]{1,8})(?:/0x(?P<size>[0-9a-f]{1,8}))?\)?(?P<rest>.*)$"
)
_DECODED = re.compile(
    r"^\s*(?:#\d+\s+)?(?P<guess>\?\s+)?"
    + _SYMBOL
    + r"(?:\s+\(|\s+)(?P<source>[\w./+-]+\.[chS]:\d+)(?P<rest>.*)$"
)
_CRASH = re.compile(r"^\s*#\d+ \[[0-9a-f]+\] " + _SYMBOL + r" at [0-9a-f]+(?: \[(?P<module>\w+)\])?")
_MODULE = re.compile(r"^\s*\[(?P<module>[A-Za-z]\w*)[ \]]")
_SOURCE = re.compile(r"(?P<source>[\w./+-]+\.[chS]:\d+)")
_ANY = re.compile(r"([A-Za-z_$][\w$.]*)\+0x")

# Lines that name a place in code but are registers, not calls.
REGISTER = re.compile(
    r"^\s*(?:RIP|EIP|IP|NIP|LR|CTR|PC|pc|lr|epc|ra|Krnl PSW|PSW|sp|GPR|EPC|RA|Code|LR is at|PC is at|"
    r"psw|era|ERA|Unwound|RSP|ESP)\s*[:=\[]|^\s*(?:PC|LR) is at |^\s*(?:NIP|LR) \["
)


def strip_suffix(symbol: str) -> str:
    """The source's name of a function: `foo.constprop.0.cold` is `foo`."""
    # 64-bit powerpc (ELF ABI v1) prints a function's entry point with a leading dot.
    return _SUFFIX.sub("", symbol.lstrip(".")) if "." in symbol else symbol


def _number(text: str | None) -> int | None:
    return int(text, 16) if text else None


def _frame(match: re.Match[str], reliable: bool = True) -> Frame:
    rest = match["rest"]
    module = source = None
    if rest:
        found = _MODULE.match(rest)
        module = found["module"] if found else None
        if module == "inline":
            module = None
        located = _SOURCE.search(rest)
        source = located["source"] if located else None
        if "(unreliable)" in rest:
            reliable = False
    symbol = match["symbol"]
    return Frame(
        symbol,
        strip_suffix(symbol),
        _number(match["offset"]),
        _number(match["size"]),
        module,
        reliable,
        source,
    )


def _parse(text: str) -> tuple[Frame, ...]:
    if " from" in text or "]from" in text or ")from" in text:
        match = _FROM.match(text)
        if match:
            callee = match["callee"]
            inner = Frame(callee, strip_suffix(callee), _number(match["at"]), None, match["callee_module"])
            return (inner, _frame(match))
    match = _FRAME.match(text)
    if match:
        return (_frame(match, reliable=match["guess"] is None),)
    return ()


def parse_frames(text: str) -> tuple[Frame, ...]:
    """The frames of one line that contains `+0x`: none, one, or two for ARM's `callee from caller`."""
    return () if REGISTER.match(text) else _parse(text)


def parse_decoded(text: str) -> tuple[Frame, ...]:
    """The frame of a line without an offset: decoded source positions, crash(8)'s bt; else none."""
    match = _CRASH.match(text)
    if match:
        return (Frame(match["symbol"], strip_suffix(match["symbol"]), module=match["module"]),)
    match = _DECODED.match(text)
    if match:
        symbol = match["symbol"]
        return (Frame(symbol, strip_suffix(symbol), reliable=match["guess"] is None, source=match["source"]),)
    return ()


_BARE = re.compile(
    r"^\s+(?P<guess>\? )?(?:->\s*|<-\s*|\|\s*)?" + _SYMBOL + r"(?:\(\))?(?:\s+\[(?P<module>[a-z]\w*)\])?\s*$"
)


def parse_bare(text: str) -> tuple[Frame, ...]:
    """An indented line that is a function's name and nothing else, as people shorten traces in mails."""
    match = _BARE.match(text)
    if match is None:
        return ()
    symbol = match["symbol"]
    return (Frame(symbol, strip_suffix(symbol), module=match["module"], reliable=match["guess"] is None),)


def salvage(text: str) -> tuple[Frame, ...]:
    """The first function name of a line whose rest was lost or merged (`f+0xit_g+0x70/0x70`)."""
    if REGISTER.match(text):
        return ()
    match = _ANY.search(text)
    if match is None:
        return ()
    reliable = "? " not in text[: match.start()]
    return (Frame(match[1], strip_suffix(match[1]), reliable=reliable),)

"""Names of functions that all kernels and compilers agree on (names.toml), and the file system that a stack is of."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache, lru_cache
from importlib.resources import files

import msgspec

from unkillable.waits.catalogue import Cite

_KNOWN = 50_000
"""Names remembered; a fleet's logs have few different ones, hostile ones any number."""
_LONGEST = 80
"""Characters of a name; no function of Linux 7.3 comes near."""
_WRAPPER = re.compile(
    r"(?:(?:x64|ia32|arm64|aarch32|riscv|s390x?|powerpc|se|do|x32|mips)_)?(?:compat_)?(?:sys|ksys|SyS|SYSC)_+(\w+)"
)
"""What an architecture and a release make of `sys_write`: `__x64_sys_write`, `__se_sys_write`, `ksys_write`, `SyS_write`."""


class _Cited(Cite, frozen=True):
    function: str = ""


class _Function(msgspec.Struct, frozen=True):
    name: str
    also: tuple[str, ...]
    cite: tuple[_Cited, ...]
    note: str = ""


class _Helper(msgspec.Struct, frozen=True):
    names: tuple[str, ...]


class _Family(msgspec.Struct, frozen=True):
    name: str
    prefixes: tuple[str, ...]


class _Tables(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    function: tuple[_Function, ...]
    helper: tuple[_Helper, ...]
    family: tuple[_Family, ...]


@cache
def tables() -> _Tables:
    return msgspec.toml.decode(files("unkillable.fleet").joinpath("names.toml").read_bytes(), type=_Tables)


@cache
def _renamed() -> dict[str, str]:
    return {other: row.name for row in tables().function for other in row.also}


@cache
def _helpers() -> frozenset[str]:
    return frozenset(name for row in tables().helper for name in row.names)


@cache
def _prefixes() -> tuple[tuple[str, str], ...]:
    return tuple((prefix, row.name) for row in tables().family for prefix in row.prefixes)


@lru_cache(maxsize=_KNOWN)
def canonical(function: str) -> str:
    """The name that every kernel's spelling of a function leads to."""
    name = function.partition(".")[0].strip("_").removesuffix("_noprof")[:_LONGEST]
    wrapper = _WRAPPER.fullmatch(name)
    if wrapper is not None:
        return f"sys_{wrapper[1]}"
    return _renamed().get(name, name)


def site(stack: Iterable[str]) -> str | None:
    """Where a stack (innermost first) waits: its first function that does not merely wait for its caller; None if that is not there."""
    return next((name for function in stack if (name := canonical(function)) not in _helpers()), None)


@lru_cache(maxsize=_KNOWN)
def family_of(function: str) -> str | None:
    """The file system that a function belongs to, by its name."""
    name = function.partition(".")[0].lstrip("_")
    return next((family for prefix, family in _prefixes() if name.startswith(prefix)), None)


def family(stack: Iterable[str]) -> str | None:
    """The file system on whose behalf a stack waits: the innermost one, which is that of the disk."""
    return next((name for function in stack if (name := family_of(function)) is not None), None)


def part_of(function: str | None) -> str | None:
    """What a function is a part of, as far as its name says: `lab` of `lab_do`."""
    return canonical(function).partition("_")[0] if function else None

"""Fields of a Setup by their dotted names, as plans and command lines spell them, and which values they take."""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping
from functools import cache
from typing import Any

import msgspec

from unkillable.errors import UserError
from unkillable.lab.arch import ARCHES
from unkillable.lab.setup import COMPRESSORS, FILE_SYSTEMS, Setup

_LISTS: dict[str, tuple[str, ...]] = {
    "arch": tuple(row.name for row in ARCHES),
    "root.fs": FILE_SYSTEMS,
    "root.compressor": COMPRESSORS,
    "root.block_kib": tuple(str(1 << n) for n in range(2, 11)),
    "module.file": ("direct", "cache"),
    "module.decompressors": ("single", "multi", "percpu"),
    "workload.kind": ("churn", "hog", "mix", "threads", "command"),
    "emulator.accelerator": ("auto", "kvm", "tcg"),
}
"""Fields with a closed list of values."""

_RANGES: dict[str, tuple[float, float]] = {
    "workload.programs": (1, 256),
    "workload.text_kib": (64, 65536),
    "workload.calls_per_page": (1, 1_000_000),
    "workload.threads": (1, 256),
    "workload.restart_s": (0, 3600),
    "emulator.cpus": (1, 64),
    "emulator.memory_mib": (32, 65536),
    "emulator.disk_mib_s": (0, 100_000),
    "emulator.disk_iops": (0, 10_000_000),
    "emulator.icount_shift": (0, 10),
    "room_mib": (0, 65536),
    "zram_mib": (0, 65536),
    "cgroup_mib": (0, 65536),
    "oom_score_adj": (-1000, 1000),
    "seconds": (1, 86400),
}
"""Smallest and largest value of the other numbers."""

_SYSCTLS = ("vm", "kernel", "fs", "net", "dev")
"""First words of /proc/sys: `vm.panic_on_oom` is short for /proc/sys/vm/panic_on_oom."""
_LIST_SEPARATOR = ";"
"""Between the words of a list on a command line, where the comma separates fields."""


@cache
def _fields(kind: type[msgspec.Struct] = Setup, prefix: str = "") -> Mapping[str, Any]:
    """Dotted name to type."""
    found: dict[str, Any] = {}
    for field in msgspec.structs.fields(kind):
        inner = _struct(field.type)
        if inner is None:
            found[prefix + field.encode_name] = field.type
        else:
            found.update(_fields(inner, f"{prefix}{field.encode_name}."))
            if inner is not field.type:
                found[prefix + field.encode_name] = field.type  # optional: `none` takes it away
    return found


def _struct(kind: Any) -> type[msgspec.Struct] | None:
    options = typing.get_args(kind) if isinstance(kind, types.UnionType) else (kind,)
    for one in options:
        if isinstance(one, type) and issubclass(one, msgspec.Struct):
            return one
    return None


def change(setup: Setup, changes: Mapping[str, object], where: str) -> Setup:
    """The setup with these fields changed; `where` names the changes in an error."""
    values: dict[str, Any] = msgspec.to_builtins(setup)
    settings = dict(values["settings"])
    for name, value in _flat(changes).items():
        path = _setting(name)
        if path is not None:
            settings[path] = _word(value)
        elif name == "settings":
            settings = _settings(value, where)
        else:
            _put(values, name, value, where)
    values["settings"] = list(settings.items())
    try:
        changed = msgspec.convert(values, Setup, strict=False)
    except msgspec.ValidationError as error:
        raise UserError(f"{where}: {_complaint(str(error))}") from error
    _check(changed, where)
    return changed


def _flat(changes: Mapping[str, object], prefix: str = "") -> dict[str, object]:
    """Nested tables of TOML as dotted names."""
    found: dict[str, object] = {}
    for key, value in changes.items():
        if isinstance(value, Mapping):
            found.update(_flat(value, f"{prefix}{key}."))
        else:
            found[prefix + key] = value
    return found


def _setting(name: str) -> str | None:
    """The file that a name means, if it is one below /proc/sys or /sys."""
    if name.startswith(("/proc/sys/", "/sys/")):
        return name
    if name.partition(".")[0] in _SYSCTLS and "." in name:
        return "/proc/sys/" + name.replace(".", "/")
    return None


def _settings(value: object, where: str) -> dict[str, str]:
    if isinstance(value, (list, tuple)) and all(
        isinstance(pair, (list, tuple)) and len(pair) == 2 and isinstance(pair[0], str) for pair in value
    ):
        return {path: _word(word) for path, word in value}
    raise UserError(f'{where}: settings must be a list of ["/proc/sys/...", "value"]')


def _word(value: object) -> str:
    return str(int(value)) if isinstance(value, bool) else str(value)


def _put(values: dict[str, Any], name: str, value: object, where: str) -> None:
    if name not in _fields():
        head = name.partition(".")[0] + "."
        near = [one for one in _fields() if one.startswith(head)] or sorted(
            {one.partition(".")[0] + (".*" if "." in one else "") for one in _fields()}
        )
        raise UserError(
            f"{where}: no field {name}; there are {', '.join(near)}, and files: vm.*, /proc/sys/*, /sys/*"
        )
    head, _, last = name.rpartition(".")
    if head:
        if values[head] is None:
            values[head] = {}
        values = values[head]
    if isinstance(value, str):
        if typing.get_origin(_fields()[name]) is tuple:
            value = [word.strip() for word in value.split(_LIST_SEPARATOR) if word.strip()]
        elif value == "none" and type(None) in typing.get_args(_fields()[name]):
            value = None
    values[last] = value


def _complaint(text: str) -> str:
    """msgspec's complaint about a value, with the field first."""
    what, _, place = text.partition(" - at `$.")
    return f"{place.rstrip('`')}: {what[0].lower()}{what[1:]}" if place else text


def _check(setup: Setup, where: str) -> None:
    """Values that have the right type and still mean nothing."""
    values = msgspec.to_builtins(setup)
    for name in (*_LISTS, *_RANGES):
        head, _, last = name.rpartition(".")
        group = values[head] if head else values
        value = None if group is None else group[last]
        if value is None:
            continue
        if name in _LISTS and str(value) not in _LISTS[name]:
            raise UserError(f"{where}: {name} = {value}: must be one of {', '.join(_LISTS[name])}")
        if name in _RANGES and not _RANGES[name][0] <= value <= _RANGES[name][1]:
            low, high = _RANGES[name]
            raise UserError(f"{where}: {name} = {value}: must be {low:g} to {high:g}")
    for path, _ in setup.settings:
        if not path.startswith(("/proc/sys/", "/sys/")) or ".." in path.split("/"):
            raise UserError(f"{where}: {path}: settings are files below /proc/sys or /sys")

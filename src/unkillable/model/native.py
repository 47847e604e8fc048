"""The rules and the search as machine code: written as C (`ctext`), compiled by the machine's compiler, kept in the cache."""

from __future__ import annotations

import ctypes
import hashlib
import shutil
import tempfile
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from unkillable import cachedir, commands
from unkillable.errors import UserError
from unkillable.model.ctext import text
from unkillable.model.rows import Layout

_COMPILERS = ("cc", "gcc", "clang")
_SECONDS = 120.0


class RuleRow(ctypes.Structure):
    _fields_ = [(name, ctypes.c_int) for name in ("rule", "choices", "may_sleep", "process")]


def compiler() -> str | None:
    """The compiler's path, if this machine has one."""
    return next((path for name in _COMPILERS if (path := shutil.which(name))), None)


def place(layout: Layout) -> Path:
    """Where the compiled search for a layout is kept."""
    return cachedir.root() / "model" / f"{_name(_source(layout))}.so"


@cache
def library(layout: Layout) -> Any:
    """The functions of engine.c for a layout."""
    path = place(layout)
    if not path.exists():
        _compile(_source(layout), path)
    made = ctypes.CDLL(str(path))
    pointer, number = ctypes.c_void_p, ctypes.c_int64
    for name, result, arguments in (
        (
            "new",
            pointer,
            [
                ctypes.c_char_p,
                number,
                pointer,
                ctypes.c_int,
                ctypes.c_int,
                pointer,
                pointer,
                pointer,
                ctypes.c_int,
            ],
        ),
        ("free", None, [pointer]),
        ("expand", ctypes.c_int, [pointer, number]),
        ("count", number, [pointer]),
        ("done", number, [pointer]),
        ("edges", number, [pointer]),
        ("depth", number, [pointer]),
        ("first", number, [pointer, ctypes.c_int]),
        ("parent", number, [pointer, number]),
        ("row", pointer, [pointer, number]),
        ("number", number, [pointer, ctypes.c_char_p]),
        ("connect", ctypes.c_int, [pointer]),
        ("lasting", number, [pointer, ctypes.c_int, ctypes.c_int, ctypes.c_int]),
    ):
        function = getattr(made, f"space_{name}")
        function.restype, function.argtypes = result, arguments
    return made


@cache
def _source(layout: Layout) -> str:
    return text(layout) + (files("unkillable.model") / "engine.c").read_text(encoding="utf-8")


def _name(source: str) -> str:
    return f"search-{hashlib.sha256(source.encode()).hexdigest()[:20]}"


def _compile(source: str, path: Path) -> None:
    found = compiler()
    if found is None:
        raise UserError("no C compiler: apt-get install gcc")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent) as folder:
            written = Path(folder) / "search.c"
            written.write_text(source, encoding="utf-8")
            made = written.with_suffix(".so")
            commands.run([found, "-O2", "-shared", "-fPIC", "-o", made, written], "gcc", seconds=_SECONDS)
            made.replace(path)
    except OSError as error:
        raise UserError(f"{path.parent}: {error.strerror}; the compiled search is kept there") from None

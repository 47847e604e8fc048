"""Catalogues of kernels' sleeps, made from their source: what is in one, how one is packed, and how it is read again.

A packed catalogue holds one kernel or several.  What their functions have in common is stored once, with the lines apart.  Functions
lie in blocks in the order of their names, and names of one driver begin alike: who asks for a few functions unpacks a few blocks.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import msgspec
import zstandard

from unkillable.errors import UserError

SCHEMA = "unkillable.catalogue/2"
SUFFIX = ".catalogue"
SCHEDULE = "schedule"
"""What Inner names as the primitive of the scheduler's own functions."""
_LARGEST = 16 << 20
"""Bytes of a packed catalogue; the one that comes with the package, of five kernels, has 2 MiB."""
_BLOCK = 512
"""Functions of a block."""
_LARGEST_BLOCK = 4 << 20
"""Bytes of an unpacked block; the largest of the package has 0.1 MiB."""


class Sleep(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A sleep of a function."""

    line: int
    primitive: str
    """"" where the loop around schedule() is written out."""
    state: str | None
    """TASK_...; None where it is not known, or the caller's."""
    resource: str | None
    """structure.member, or the name of a variable; ?.member where the structure has a name of its own (journal_t)."""


class Definition(msgspec.Struct, frozen=True):
    """A function in one file."""

    file: str
    sleeps: tuple[Sleep, ...] = ()
    inlined: tuple[str, ...] = ()
    """Functions with sleeps that a compiler may have put into this one: of the same file, or of a header."""


class Inner(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A function on the way from a primitive to the scheduler, or a primitive that is a function."""

    primitive: str
    """The primitive that it belongs to, of several the plainest; `schedule` where it sleeps in the state that is set."""
    state: str | None
    """TASK_..., `caller`, or None where it is not known."""


class Function(NamedTuple):
    definitions: tuple[Definition, ...] = ()
    inner: Inner | None = None
    """Set where it is a primitive's part, and so nobody's own wait."""


class Primitive(msgspec.Struct, frozen=True, array_like=True):
    kind: str
    """lock, queue, completion, page, io, time or other."""
    way: tuple[str, ...]
    """Names between it and schedule(), from the outside."""


class Kernel(msgspec.Struct, frozen=True, eq=False):
    """What was read in one tree."""

    version: str
    """x.y.z."""
    generator: str
    """Version of the program that read it."""
    functions: dict[str, Function]
    primitives: dict[str, Primitive]


class _Row(msgspec.Struct, frozen=True, array_like=True):
    """What a function is in one file of some of the kernels."""

    kernels: int
    """A bit for each."""
    file: str
    sleeps: tuple[tuple[str, str | None, str | None], ...]
    """Primitive, state, resource."""
    lines: tuple[int | tuple[int, ...], ...]
    """Of each of these kernels the lines of the sleeps; a number: all so many lines further down than in the one before."""
    inlined: tuple[str, ...]
    inner: Inner | None


class Summary(msgspec.Struct, frozen=True, array_like=True):
    """A kernel of a catalogue."""

    version: str
    """x.y.z."""
    functions: int
    """That sleep by themselves."""
    sleeps: int


class _File(msgspec.Struct, frozen=True):
    schema: str
    generator: str
    kernels: tuple[Summary, ...]
    primitives: bytes
    first: tuple[str, ...]
    """Of each block the first name."""
    blocks: tuple[bytes, ...]


_Block = dict[str, msgspec.Raw]
_Primitives = dict[str, Primitive]
_rows = msgspec.msgpack.Decoder(tuple[_Row, ...])
T = TypeVar("T")


def pack(kernels: Sequence[Kernel]) -> bytes:
    """A catalogue of these kernels, the oldest first; the same ones give the same bytes."""
    names = sorted({name for one in kernels for name in one.functions})
    blocks = [
        {name: tuple(_rows_of(name, kernels)) for name in names[at : at + _BLOCK]}
        for at in range(0, len(names), _BLOCK)
    ]
    primitives = {name: one for kernel in kernels for name, one in kernel.primitives.items()}
    for kernel in kernels:
        for name, one in kernel.primitives.items():
            way = dict.fromkeys((*primitives[name].way, *one.way))
            primitives[name] = Primitive(one.kind, tuple(way))
    return msgspec.msgpack.encode(
        _File(
            schema=SCHEMA,
            generator=kernels[-1].generator,
            kernels=tuple(summary(one) for one in kernels),
            primitives=_packed(dict(sorted(primitives.items()))),
            first=tuple(names[::_BLOCK]),
            blocks=tuple(_packed(block) for block in blocks),
        )
    )


def summary(kernel: Kernel) -> Summary:
    counts = [sum(len(one.sleeps) for one in each.definitions) for each in kernel.functions.values()]
    return Summary(kernel.version, sum(map(bool, counts)), sum(counts))


def _rows_of(name: str, kernels: Sequence[Kernel]) -> Iterator[_Row]:
    found: dict[tuple[Any, ...], list[tuple[int, tuple[int, ...]]]] = {}
    for number, kernel in enumerate(kernels):
        function = kernel.functions.get(name, Function())
        for one in function.definitions or (Definition("") for _ in range(function.inner is not None)):
            sleeps = tuple((each.primitive, each.state, each.resource) for each in one.sleeps)
            lines = tuple(each.line for each in one.sleeps)
            found.setdefault((one.file, sleeps, one.inlined, function.inner), []).append((number, lines))
    for (file, sleeps, inlined, inner), places in found.items():
        shifts: list[int | tuple[int, ...]] = []
        before: tuple[int, ...] = ()
        for _, now in places:
            moved = {after - one for one, after in zip(before, now, strict=True)} if before else set()
            shifts.append(moved.pop() if len(moved) == 1 else now)
            before = now
        yield _Row(sum(1 << number for number, _ in places), file, sleeps, tuple(shifts), inlined, inner)


def _packed(content: object) -> bytes:
    return zstandard.ZstdCompressor(level=19).compress(msgspec.msgpack.encode(content))


def read(path: Path) -> Generated:
    """A catalogue's file.  Raises UserError if it is none, or of another program's time."""
    try:
        with path.open("rb") as file:
            packed = file.read(_LARGEST + 1)
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}") from error
    return Generated(packed, str(path))


class Generated:
    """A packed catalogue, of which only what is asked for is unpacked."""

    def __init__(self, packed: bytes, name: str) -> None:
        """Raises UserError if it is none, or of another program's time; `name` is for this message."""
        self.name = name
        if len(packed) > _LARGEST:
            raise UserError(f"{name}: has more than {_LARGEST >> 20} MiB, which no catalogue does")
        try:
            schema = msgspec.msgpack.decode(packed, type=_Schema).schema
            if schema != SCHEMA:
                raise UserError(f"{name}: is {schema[:60]}, and this program reads {SCHEMA}; build it anew")
            self._file = msgspec.msgpack.decode(packed, type=_File)
        except msgspec.MsgspecError as error:
            raise self._none() from error
        if not self._file.kernels or len(self._file.first) != len(self._file.blocks):
            raise self._none()
        self._block = lru_cache(maxsize=256)(self._unpacked_block)

    @property
    def summaries(self) -> tuple[Summary, ...]:
        """Its kernels, the oldest first."""
        return self._file.kernels

    @cached_property
    def kernels(self) -> tuple[str, ...]:
        """x.y.z of each, the oldest first."""
        return tuple(one.version for one in self._file.kernels)

    @property
    def generator(self) -> str:
        """Version of the program that made it."""
        return self._file.generator

    @cached_property
    def primitives(self) -> dict[str, Primitive]:
        """Of all its kernels."""
        return self._unpacked(self._file.primitives, _Primitives)

    def function(self, name: str, kernel: int = 0) -> Function | None:
        """What a function is in the kernel of this number; None if it neither sleeps nor is part of a way to sleep."""
        place = bisect_right(self._file.first, name) - 1
        row = self._block(place).get(name) if place >= 0 else None
        return self._function(row, kernel) if row is not None else None

    def functions(self, kernel: int = 0) -> Iterator[tuple[str, Function]]:
        """All of a kernel."""
        for place in range(len(self._file.blocks)):
            for name, row in self._block(place).items():
                function = self._function(row, kernel)
                if function is not None:
                    yield name, function

    def _function(self, packed: msgspec.Raw, kernel: int) -> Function | None:
        try:
            rows = [one for one in _rows.decode(packed) if one.kernels >> kernel & 1]
        except msgspec.MsgspecError as error:
            raise self._none() from error
        definitions = tuple(
            Definition(one.file, _sleeps(one, kernel), one.inlined) for one in rows if one.file
        )
        return Function(definitions, rows[0].inner) if rows else None

    def _unpacked_block(self, place: int) -> _Block:
        return self._unpacked(self._file.blocks[place], _Block)

    def _unpacked(self, packed: bytes, kind: type[T]) -> T:
        try:
            with zstandard.ZstdDecompressor().stream_reader(packed) as reader:
                data = reader.read(_LARGEST_BLOCK + 1)
            if len(data) > _LARGEST_BLOCK:
                raise UserError(
                    f"{self.name}: a part unpacks to more than {_LARGEST_BLOCK >> 20} MiB, which none does"
                )
            return msgspec.msgpack.decode(data, type=kind)
        except (zstandard.ZstdError, msgspec.MsgspecError) as error:
            raise self._none() from error

    def _none(self) -> UserError:
        return UserError(f"{self.name}: no catalogue; make one with `unkillable catalogue build TREE`")


class _Schema(msgspec.Struct, frozen=True):
    schema: str


def _sleeps(row: _Row, kernel: int) -> tuple[Sleep, ...]:
    """A row's sleeps with the lines that they have in one of its kernels."""
    numbers = (one for one in range(row.kernels.bit_length()) if row.kernels >> one & 1)
    lines: tuple[int, ...] = ()
    for number, now in zip(numbers, row.lines, strict=False):
        lines = tuple(one + now for one in lines) if isinstance(now, int) else now
        if number == kernel:
            break
    return tuple(Sleep(line, *one) for line, one in zip(lines, row.sleeps, strict=False))

"""The public surface as text: what tests/library/surface.txt holds.  `python -m tests.library.surface` prints it."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

import msgspec

import unkillable


def fields(struct: type) -> dict[str, str]:
    """The fields of a structure, those of its bases first."""
    found: dict[str, str] = {}
    for base in reversed(struct.__mro__):
        found |= inspect.get_annotations(base)
    return found


def lines() -> Iterator[str]:
    for name in sorted(unkillable.__all__):
        found = getattr(unkillable, name)
        if inspect.isclass(found) and issubclass(found, msgspec.Struct):
            yield f"type {name}"
            for field, kind in fields(found).items():
                yield f"    {field}: {kind}"
        elif inspect.isclass(found):
            yield f"class {name}({', '.join(base.__name__ for base in found.__bases__)})"
        elif inspect.isfunction(found):
            yield f"def {name}{inspect.signature(found)}"
        elif name == "KINDS":
            yield f"KINDS = {' '.join(found)}"
        elif name != "__version__":
            yield f"{name} = {found}"


def text() -> str:
    return "".join(f"{line}\n" for line in lines())


if __name__ == "__main__":
    print(text(), end="")

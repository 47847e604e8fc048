"""The ways to sleep of a tree as text: the first line is the answer, then a table for each header."""

from __future__ import annotations

from collections.abc import Sequence

from unkillable.ksource.waits_types import Wait, Waits
from unkillable.report import waits_words as words
from unkillable.report.plain import clean, cut, width, wrap
from unkillable.report.text import Style, plain_style

__all__ = ["render"]

_NAME = 60
"""Characters of a name in a table."""
_SMALL = 3
"""Headers that offer fewer are put into one table without `full`."""
_SKIPPED = 5
_LONGEST = 400
"""Characters of anything else that is somebody else's."""
_HEAD = ("NAME", "STATE", "SIGKILL", "TRAITS", "DEFINED")


def render(
    found: Waits,
    paint: Style = plain_style,
    families: tuple[str, ...] = (),
    full: bool = False,
    columns: int | None = None,
) -> str:
    """The whole list; `full` has what others are made of, too, and says what the traits mean."""
    wide = columns or width(160)
    parts = [
        [paint("headline-good", _cut(words.headline(found, families)))],
        *_changes(found, paint, wide),
        *_families(found, paint, families, full),
        _legend(paint, wide) if full else [],
        _skipped(found, paint, wide),
    ]
    return "\n\n".join("\n".join(part) for part in parts if part) + "\n"


def _changes(found: Waits, paint: Style, wide: int) -> list[list[str]]:
    if found.against is None:
        return []
    lines = [
        line
        for one in found.changes
        for line in wrap(
            _cut(f"{one.kind:<8}  {one.wait.name} ({words.place(one.wait)}): {words.change(one)}"),
            "    ",
            wide,
            "  ",
        )
    ]
    return [[paint("head", _cut(words.against(found))), *lines]]


def _families(found: Waits, paint: Style, chosen: tuple[str, ...], full: bool) -> list[list[str]]:
    rows = words.families(found, chosen, full)
    small = {} if full or chosen else {name: ones for name, ones in rows.items() if len(ones) < _SMALL}
    parts = [_table(f"{name}.h", ones, paint) for name, ones in rows.items() if name not in small]
    if small:
        parts.append(_table("other headers", [one for ones in small.values() for one in ones], paint))
    return parts


def _table(title: str, ones: Sequence[Wait], paint: Style) -> list[str]:
    rows = [_HEAD, *(_row(one) for one in ones)]
    sizes = [max(len(row[column]) for row in rows) for column in range(len(_HEAD) - 1)]
    lines = [
        "  " + "  ".join([*(cell.ljust(size) for cell, size in zip(row, sizes, strict=False)), row[-1]])
        for row in rows
    ]
    return [
        paint("head", _cut(title)),
        paint("dim", lines[0].rstrip()),
        *(line.rstrip() for line in lines[1:]),
    ]


def _row(one: Wait) -> tuple[str, ...]:
    return (
        clean(cut(one.name, _NAME)),
        clean(cut(words.state(one), _NAME)),
        words.sigkill(one),
        " ".join(words.traits(one.traits)) or "-",
        clean(cut(words.place(one), 80)),
    )


def _cut(text: str) -> str:
    return cut(clean(text[: _LONGEST + 1]), _LONGEST)


def _legend(paint: Style, wide: int) -> list[str]:
    lines = [paint("head", "Traits")]
    for name, text in words.TRAITS.items():
        lines += wrap(text, " " * 17, wide, f"  {name:<15}")
    return lines


def _skipped(found: Waits, paint: Style, wide: int) -> list[str]:
    if not found.skipped:
        return []
    lines = [paint("head", f"Not read: {len(found.skipped)} files")]
    for one in found.skipped[:_SKIPPED]:
        lines += wrap(clean(cut(one, 200)), "    ", wide, "  ")
    return lines

"""The recipes of the series: what changes, how the defect looks, how it looks where it is mended; see recipes.toml."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files

import msgspec

VARIANTS = ("series", "article")
"""The patches, and what they are compared with."""


class Insert(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Text for a header."""

    file: str
    anchor: str
    """A regular expression; the text goes behind what it matches first."""
    text: str
    before: bool = False
    """Before what it matches instead."""


class Recipe(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One patch of a series."""

    key: str
    subject: str
    files: tuple[str, ...]
    needs: tuple[str, ...] = ()
    only: str = ""
    insert: tuple[Insert, ...] = ()
    variant: str = VARIANTS[0]
    """One of VARIANTS: of which series it is a part."""

    def part(self, kind: str) -> str | None:
        """The text of one of its files: `cocci`, `txt`, `defect.cocci`, `cure.cocci`, `only.cocci`, `after.cocci`."""
        place = files("unkillable.remedies") / "recipes" / f"{self.key}.{kind}"
        return place.read_text(encoding="utf-8") if place.is_file() else None


@cache
def load(variant: str) -> tuple[Recipe, ...]:
    """The recipes of a series, in its order."""
    text = (files("unkillable.remedies") / "recipes.toml").read_text(encoding="utf-8")
    rows = msgspec.convert(tomllib.loads(text)["recipe"], tuple[Recipe, ...])
    return tuple(row for row in rows if row.variant == variant)

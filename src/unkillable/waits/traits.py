"""What the traits of a wait primitive mean, in words for people."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files

import msgspec


class Trait(msgspec.Struct, frozen=True):
    """A property of a way to sleep, beside its task state."""

    name: str
    meaning: str
    """One sentence."""
    mind: str
    """What is easily got wrong about it."""


class _File(msgspec.Struct, frozen=True):
    trait: tuple[Trait, ...]


@cache
def explained() -> tuple[Trait, ...]:
    """All traits, in the order in which they are told."""
    text = (files("unkillable.waits") / "data" / "traits.toml").read_text(encoding="utf-8")
    return msgspec.convert(tomllib.loads(text), _File).trait


TRAITS = {one.name: f"{one.meaning}  {one.mind}" for one in explained()}
"""Name of each trait to what it means."""

"""The words for traits cover all traits, and no more."""

from __future__ import annotations

from pathlib import Path

from unkillable.ksource.waits_types import Traits
from unkillable.waits.traits import TRAITS, explained


def test_every_trait_is_explained() -> None:
    assert tuple(TRAITS) == Traits.__struct_fields__
    for one in explained():
        assert one.meaning.endswith(".")
        assert one.mind.endswith(".")


def test_the_page_of_the_command_explains_them_with_the_same_words() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs/waits.md").read_text(encoding="utf-8")
    for one in explained():
        assert f"| `{one.name}` | {one.meaning} | {one.mind} |\n" in page

"""What `fix` found in a tree and made of it."""

from __future__ import annotations

import msgspec

STATUSES = ("patched", "fixed", "unaffected", "left-alone", "misfit")
"""patched: the defect was there and the patch removes it.  fixed: somebody has mended it already.  unaffected: this version
has no such code.  left-alone: the defect is there, and a patch would do harm.  misfit: the defect is there, in a shape that
the recipe does not know; nothing of it was changed."""


class Place(msgspec.Struct, frozen=True, order=True):
    """A line of a tree."""

    file: str
    """Relative to the tree."""
    line: int
    """1-based."""
    text: str
    """Without indentation."""


class Author(msgspec.Struct, frozen=True):
    """Who signs the patches."""

    name: str
    email: str


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One recipe's result."""

    key: str
    subject: str
    status: str
    """One of STATUSES."""
    reason: str = ""
    """Why it was left alone, or did not fit."""
    places: tuple[Place, ...] = ()
    """Of the tree as it was: the defect, or where it is mended already."""
    remaining: tuple[Place, ...] = ()
    """misfit: what the recipe did not know what to do with."""
    name: str | None = None
    """Of the patch's file."""
    patch: str | None = None
    """A mail for `git am`; also `patch -p1` takes it."""


class Series(msgspec.Struct, frozen=True, kw_only=True):
    """The patches for one tree."""

    tree: str
    version: str
    """x.y.z, or "" where the Makefile does not say."""
    variant: str
    steps: tuple[Step, ...]

    @property
    def patches(self) -> tuple[Step, ...]:
        """The steps that made one."""
        return tuple(step for step in self.steps if step.patch is not None)

    @property
    def whole(self) -> bool:
        """Whether no defect was met in a shape that no recipe knows."""
        return all(step.status != "misfit" for step in self.steps)

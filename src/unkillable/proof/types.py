"""What `unkillable fix` prints."""

from __future__ import annotations

import msgspec

from unkillable.lab.scenarios.types import Result
from unkillable.lab.squashfsbuild import Compiled
from unkillable.lab.table_types import Comparison
from unkillable.remedies.types import Series


class Style(msgspec.Struct, frozen=True):
    """What the tree's own scripts/checkpatch.pl says of a patch."""

    patch: str
    """Name of its file."""
    complaints: tuple[str, ...]


class SleepChange(msgspec.Struct, frozen=True):
    """A sleep that the series changes, as `audit` sees it."""

    file: str
    function: str
    line: int
    """In the patched tree; of a sleep that is gone, in the tree before."""
    before: str
    """Primitive and task state; "" where there was no such sleep."""
    after: str


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """What could be found out without running anything, of patches that apply with `patch -p1`, without fuzz, and with `git am`."""

    style: tuple[Style, ...] | None = None
    """None: the tree has no scripts/checkpatch.pl, or there is no perl."""
    compiled: tuple[Compiled, ...] = ()
    """Every patch in every configuration of fs/squashfs, with W=1; empty where nothing could be compiled, `notes` say why."""
    changes: tuple[SleepChange, ...] = ()
    """Every sleep of fs/squashfs that is another one, or another's, after the series."""
    notes: tuple[str, ...] = ()

    @property
    def complaints(self) -> int:
        """How many of the compiler and of checkpatch.pl."""
        style = sum(len(one.complaints) for one in self.style or ())
        return style + sum(len(one.warnings) + bool(one.error) for one in self.compiled)

    @property
    def killable(self) -> int:
        """How many sleeps are killable that were not, or were not there."""
        return sum("TASK_KILLABLE" in one.after and "TASK_KILLABLE" not in one.before for one in self.changes)


class Verification(msgspec.Struct, frozen=True):
    """What was seen in virtual machines, with the kernel as it is (stock), the article's approach and the series."""

    scenarios: tuple[Result, ...]
    """Small experiments, one for each defect."""
    storms: Comparison
    """Memory used up, several runs of each, interleaved."""


class Fix(msgspec.Struct, frozen=True, kw_only=True):
    """What `unkillable fix --format json` prints."""

    schema: str = "unkillable.fix/1"
    tool: str = ""
    series: Series
    written: str | None = None
    """Directory that the patches were written to."""
    applied: bool = False
    """They were committed to the tree."""
    check: Check | None = None
    verification: Verification | None = None

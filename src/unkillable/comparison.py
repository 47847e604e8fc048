"""From a plan to a table: every cell prepared once, its runs made in an interleaved order, what is finished kept."""

from __future__ import annotations

import asyncio
import re
import tempfile
from collections.abc import Callable
from pathlib import Path

import msgspec

from unkillable import __version__
from unkillable.lab import accel, cache
from unkillable.lab.grid import Grid, Progress, cells, stored_identities
from unkillable.lab.prepare import identity, prepare
from unkillable.lab.progress import Progress as Preparing
from unkillable.lab.progress import silent
from unkillable.lab.run import Mode
from unkillable.lab.setup import Prepared, Setup
from unkillable.lab.table import tabulate
from unkillable.lab.table_types import Comparison
from unkillable.lab.types import Run
from unkillable.lab.variations import Plan
from unkillable.reproduction import BUSY, measure


class Comparing:
    """A table in the making, in a results directory."""

    def __init__(
        self,
        plan: Plan,
        folder: Path,
        *,
        only_show: bool = False,
        same_host: bool = False,
        preparing: Preparing = silent,
    ) -> None:
        """`only_show`: nothing is fetched or built, and nothing can be run.  `same_host`: as Grid has it.

        `preparing` is told how far the files of a cell are, for which a kernel may have to be built."""
        self._preparing = preparing
        self._prepared: dict[Setup, Prepared] = {}
        self.folder = folder
        self.grid = Grid(
            cells(plan, stored_identities(folder) if only_show else self._identity),
            plan.runs,
            plan.seed,
            folder,
            same_host,
        )

    def run(self, progress: Callable[[Progress], None]) -> None:
        """Does the runs that are missing."""
        self.grid.run(self._execute, progress)

    def table(self) -> Comparison:
        """The table of what there is."""
        return tabulate(self.grid, f"unkillable {__version__}")

    def _prepare(self, setup: Setup) -> Prepared:
        if setup not in self._prepared:
            self._prepared[setup] = prepare(setup, progress=self._preparing)
        return self._prepared[setup]

    def _identity(self, setup: Setup) -> str:
        return identity(self._prepare(setup))

    def _execute(self, setup: Setup) -> Run:
        prepared = self._prepare(setup)
        logs = self.folder / "logs" / "latest"
        return asyncio.run(_one(prepared, logs))


async def _one(prepared: Prepared, logs: Path) -> Run:
    accelerator, _ = await accel.choose(prepared)
    run = await measure(prepared, accelerator, logs, Mode(records=False))
    if run.starved > BUSY and run.outcome != "harness-failed":
        run = msgspec.structs.replace(
            run,
            outcome="harness-failed",
            why=f"the host was busy with something else for {100 * run.starved:.0f} % of the time that QEMU wanted to run",
        )
    # A table has hundreds of runs: their beats, kills and samples are kept, their logs are not.
    return msgspec.structs.replace(run, console=None, watch=None, command_line=_anywhere(run.command_line))


def _anywhere(words: tuple[str, ...]) -> tuple[str, ...]:
    """A command line without the paths of this machine: tables are passed on."""
    own = re.compile(rf"{re.escape(tempfile.gettempdir())}/unkillable-\w+/")
    return tuple(own.sub("", word.replace(str(cache.root()), "CACHE")) for word in words)

"""A table's runs: which are missing, in which order, and where the finished ones are kept.

Round 1 of all cells comes before round 2 of any, and the order within a round is drawn anew, so that an hour in which the host is
busy hits all cells alike.  A finished run is one file; what was interrupted goes on from there.
"""

from __future__ import annotations

import fcntl
import hashlib
import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import count, islice
from pathlib import Path
from statistics import mean

import msgspec

from unkillable.errors import UserError
from unkillable.files import replacing
from unkillable.lab import hosts
from unkillable.lab.setup import Setup
from unkillable.lab.types import Run
from unkillable.lab.variations import Kernel, Plan, Variation, setup, why_not

ATTEMPTS = 3
"""How often a run is tried that says nothing about the guest."""
_AGAIN = ("harness-failed", "boot-failed")
"""Outcomes of such: of a guest whose boot fails once in a hundred times, as an emulator's may, the next one is asked."""
_LARGEST = 256 << 20
"""Bytes of a stored run."""
_LATER = ("read_back",)
"""Fields that a Setup was given after runs had been named: where they have their default, a name is what it was before."""
_PLAIN = Setup()


class Cell(msgspec.Struct, frozen=True):
    """One kernel with one variation, before it is run."""

    kernel: Kernel
    variation: Variation
    setup: Setup | None
    """None: the variation does not apply."""
    reason: str | None = None
    identity: str = ""
    """What the Setup's words stood for when this was planned."""
    key: str = ""
    """Names its runs' files; another one for any other Setup."""


class Stored(msgspec.Struct, frozen=True):
    """What is in the file of a finished run."""

    setup: Setup
    identity: str
    number: int
    run: Run
    schema: str = "unkillable.run/1"


class Progress(msgspec.Struct, frozen=True):
    """Where a table stands."""

    done: int
    total: int
    cell: Cell
    """What is run now."""
    number: int
    """Which run of that cell, from 1."""
    attempt: int
    """From 1; more where the harness failed."""
    left_s: float | None
    """Estimated seconds until all is done; None while no run has finished."""
    host: float | None = None
    """How fast this host is, divided by that of the runs that were there before, where it is another one by that."""


def _silent(_: Progress) -> None:
    """Says nothing."""


Execute = Callable[[Setup], Run]
Identity = Callable[[Setup], str]
"""What a Setup's words stand for today, such as the kernel package's version and the digest of an image: runs of a table
belong together only if this is the same."""


def cells(plan: Plan, identity: Identity | None = None) -> tuple[Cell, ...]:
    """All cells of a plan, kernel by kernel.  A cell whose identity cannot be told has the complaint as its reason."""
    found = []
    for kernel in plan.kernels:
        for variation in plan.variations:
            reason = why_not(kernel, variation)
            if reason is not None:
                found.append(Cell(kernel, variation, None, reason))
                continue
            own = setup(plan, kernel, variation)
            try:
                known = identity(own) if identity else ""
            except UserError as error:
                found.append(Cell(kernel, variation, own, str(error)))
            else:
                found.append(Cell(kernel, variation, own, identity=known, key=digest(own, known)))
    return tuple(found)


def stored_identities(folder: Path) -> Identity:
    """The identities of the runs in a results directory: the most frequent of each Setup.  For showing what there is, with
    nothing fetched or built."""
    found: dict[Setup, Counter[str]] = {}
    for path in folder.glob("*.json"):
        try:
            stored = msgspec.json.decode(path.read_bytes()[:_LARGEST], type=Stored)
        except (OSError, msgspec.DecodeError):
            continue
        found.setdefault(stored.setup, Counter())[stored.identity] += 1
    return lambda own: found[own].most_common(1)[0][0] if own in found else ""


def digest(own: Setup, identity: str = "") -> str:
    """Name of a Setup: equal for equal ones only."""
    values = msgspec.to_builtins(own)
    for name in _LATER:
        if values[name] == getattr(_PLAIN, name):
            del values[name]
    return hashlib.sha256(msgspec.json.encode((values, identity))).hexdigest()[:20]


class Grid:
    """The runs of some cells in a results directory."""

    def __init__(
        self, wanted: Sequence[Cell], runs: int, seed: int, folder: Path, same_host: bool = False
    ) -> None:
        """`same_host`: only runs of this host count for `runs`; there may be others, and they stay."""
        self.cells = tuple(wanted)
        self.runs = runs
        self._host = hosts.name() if same_host else None
        self.seed = seed
        self.folder = folder
        self.problems: dict[str, str] = {}
        """Key of a cell that could not be run, and why."""
        self.damaged: list[str] = []
        """Files of the directory that are no runs."""
        self._found: dict[tuple[str, int], Run] = {}
        self._load()
        self._before = dict(self._found)
        """What was there."""

    def _load(self) -> None:
        cells = {cell.key: cell for cell in self.cells if cell.key}
        for path in sorted(self.folder.glob("*-*.json")):
            key, _, number = path.stem.rpartition("-")
            if key in cells and number.isdecimal() and path.name == self._path(cells[key], int(number)).name:
                run = self._read(cells[key], int(number))
                if run is not None:
                    self._found[key, int(number)] = run

    def _path(self, cell: Cell, number: int) -> Path:
        return self.folder / f"{cell.key}-{number:03d}.json"

    def _read(self, cell: Cell, number: int) -> Run | None:
        path = self._path(cell, number)
        try:
            with path.open("rb") as stream:
                stored = msgspec.json.decode(stream.read(_LARGEST), type=Stored)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise UserError(f"{path}: cannot read it: {error.strerror}") from error
        except msgspec.DecodeError:
            self.damaged.append(path.name)
            return None
        return stored.run if stored.setup == cell.setup else None

    def finished(self, cell: Cell) -> tuple[Run, ...]:
        """The runs of a cell that there are, in the order of their numbers."""
        return tuple(self._found[cell.key, number] for number in self._numbers(cell))

    def _numbers(self, cell: Cell) -> list[int]:
        return sorted(number for key, number in self._found if key == cell.key)

    def missing(self) -> tuple[tuple[Cell, int], ...]:
        """(cell, number) of the runs still to do, in their order.  One that failed in the harness is to do again."""
        found = []
        # Cells with the same Setup share their runs.
        wanted = [
            (cell, self._counting(cell))
            for cell in {cell.key: cell for cell in self.cells if cell.key}.values()
        ]
        for turn in range(self.runs):
            row = list(wanted)
            random.Random(f"{self.seed}:{turn + 1}").shuffle(row)  # noqa: S311  an order, no secret
            found += [(cell, numbers[turn]) for cell, numbers in row if self._lacks(cell, numbers[turn])]
        return tuple(found)

    def _counting(self, cell: Cell) -> list[int]:
        """The numbers of the runs that are wanted: the first ones, or those that are not of another host."""
        numbers = count(1) if self._host is None else (n for n in count(1) if not self._elsewhere(cell, n))
        return list(islice(numbers, self.runs))

    def _elsewhere(self, cell: Cell, number: int) -> bool:
        run = self._found.get((cell.key, number))
        return run is not None and run.host != self._host and run.outcome != "harness-failed"

    def _lacks(self, cell: Cell, number: int) -> bool:
        run = self._found.get((cell.key, number))
        return cell.key not in self.problems and (run is None or run.outcome == "harness-failed")

    def run(self, execute: Execute, progress: Callable[[Progress], None] = _silent) -> None:
        """Does what is missing.  An interruption (Ctrl-C) loses the run that it hits and no other."""
        with _alone(self.folder):
            todo = self.missing()
            host: float | None = None
            for done, (cell, number) in enumerate(todo):
                if cell.setup is None or not self._lacks(cell, number):
                    continue
                left = self._left(todo[done:])
                try:
                    for attempt in range(1, ATTEMPTS + 1):
                        progress(Progress(done, len(todo), cell, number, attempt, left, host))
                        run = execute(cell.setup)
                        if run.outcome not in _AGAIN:
                            break
                except UserError as error:  # such as a kernel that cannot be had; other cells still can
                    self.problems[cell.key] = str(error)
                else:
                    self._keep(cell, cell.setup, number, run)
                    host = host or hosts.between([run], self._peers(cell))

    def _peers(self, cell: Cell) -> list[Run]:
        """The runs that were there of the same kernel on the same emulator."""
        alike = {
            one.key
            for one in self.cells
            if one.kernel == cell.kernel
            and one.setup
            and cell.setup
            and hosts.alike(one.setup.emulator, cell.setup.emulator)
        }
        return [run for (key, _), run in self._before.items() if key in alike]

    def _left(self, todo: Sequence[tuple[Cell, int]]) -> float | None:
        """Seconds for these runs: as long as the others of their cells took, or all others."""
        took: dict[str, list[float]] = {}
        for (key, _), run in self._found.items():
            took.setdefault(key, []).append(run.wall_s)
        if not took:
            return None
        usual = mean(wall for walls in took.values() for wall in walls)
        return sum(mean(took.get(cell.key, [usual])) for cell, _ in todo)

    def _keep(self, cell: Cell, own: Setup, number: int, run: Run) -> None:
        data = msgspec.json.encode(Stored(own, cell.identity, number, run))
        path = self._path(cell, number)
        try:
            with replacing(path) as aside:
                aside.write_bytes(data)
        except OSError as error:
            raise UserError(f"{path}: cannot write: {error.strerror}") from error
        self._found[cell.key, number] = run


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Holds the results directory, which is made if need be: two tables at once would disturb each other's times."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / ".lock").open("w")
    except OSError as error:
        raise UserError(f"{folder}: cannot keep results there: {error.strerror}") from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise UserError(
                f"{folder}: another comparison runs there; wait, or choose another directory"
            ) from error
        yield
